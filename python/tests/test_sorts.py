"""Global sorts whose rows stay distributed: many files, each sorted, in order by name, and partitions that Python sees in order."""

import pathlib

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

ROWS = 40_000


def mixed(spark):
    """About 20 MB in an order of its own, with some nulls and equal keys."""
    key = F.when(F.col("id") % 100 == 7, None).otherwise((F.col("id") * 7919) % 20_011)
    return spark.range(0, ROWS, 1, 4).select(key.alias("k"), "id", F.repeat(F.lit("x"), 500).alias("pad"))


def files(path):
    return sorted(pathlib.Path(path).glob("part-*.parquet"))


@pytest.mark.parametrize(
    "order, nulls_first, descending",
    [(F.col("k"), True, False), (F.col("k").desc(), False, True), (F.col("k").desc_nulls_first(), True, True)],
)
def test_written_files_are_sorted_and_in_order_by_name(spark, tmp_path, order, nulls_first, descending):
    path = str(tmp_path / "sorted")
    mixed(spark).orderBy(order, "id").write.parquet(path)
    parts = [pq.read_table(file).select(["k", "id"]).to_pylist() for file in files(path)]
    assert len(parts) >= 3, "one task wrote everything"
    assert all(len(part) > ROWS / 50 for part in parts), [len(part) for part in parts]
    found = [(row["k"], row["id"]) for part in parts for row in part]
    assert len(found) == len(set(found)) == ROWS

    def place(row):
        k, id = row
        return ((k is not None) == nulls_first, 0 if k is None else -k if descending else k, id)

    assert found == sorted(found, key=place)


def test_bounds_are_only_hints_for_rows_that_are_drawn_again(spark, tmp_path):
    drawn = spark.sql(f"select uuid() u, repeat('x', 500) pad from range(0, {ROWS}, 1, 4) order by u")
    drawn.write.parquet(str(tmp_path / "drawn"))
    parts = [pq.read_table(file)["u"].to_pylist() for file in files(tmp_path / "drawn")]
    found = [u for part in parts for u in part]
    assert len(parts) >= 3 and len(found) == ROWS
    assert found == sorted(found)


def test_small_rows_are_one_file_and_limits_stay_in_one_task(spark, tmp_path):
    spark.range(0, 100, 1, 4).orderBy(F.desc("id")).write.parquet(str(tmp_path / "small"))
    (file,) = files(tmp_path / "small")
    assert pq.read_table(file)["id"].to_pylist() == list(range(100))[::-1]
    mixed(spark).orderBy("id").limit(5).write.parquet(str(tmp_path / "limited"))
    (file,) = files(tmp_path / "limited")
    assert pq.read_table(file)["id"].to_pylist() == list(range(5))
    mixed(spark).orderBy("id").coalesce(1).write.parquet(str(tmp_path / "one"))
    (file,) = files(tmp_path / "one")
    assert pq.read_table(file)["id"].to_pylist() == list(range(ROWS))
    spark.range(0).orderBy("id").write.parquet(str(tmp_path / "empty"))
    assert spark.read.schema("id long").parquet(str(tmp_path / "empty")).count() == 0


def test_python_sees_the_partitions_in_order(spark):
    def bounds(batches):
        ids = [id for batch in batches for id in batch["id"]]
        assert ids == sorted(ids)
        yield pandas_frame([[min(ids), max(ids), len(ids)]])

    def pandas_frame(rows):
        import pandas

        return pandas.DataFrame(rows, columns=["low", "high", "n"])

    found = mixed(spark).orderBy("id").mapInPandas(bounds, "low long, high long, n long").collect()
    assert len(found) >= 3
    assert sum(row.n for row in found) == ROWS
    assert all(one.high < other.low for one, other in zip(found, found[1:]))


def test_a_sorted_cache_stays_in_several_partitions_and_in_order(spark):
    expected = [row.id for row in mixed(spark).select("k", "id").orderBy("k", "id").collect()]
    stored = mixed(spark).orderBy("k", "id").cache()
    again = spark.sql(f"select uuid() u, repeat('x', 500) pad from range(0, {ROWS}, 1, 4) order by u").cache()
    nested = spark.range(0, 9, 1, 3).select(F.struct("id").alias("s")).orderBy(F.desc("s")).cache()
    try:
        assert [row.id for row in stored.select("id").toLocalIterator()] == expected
        assert stored.select(F.spark_partition_id()).distinct().count() > 2
        assert [row.id for row in stored.select("id").collect()] == expected
        assert [row.id for row in stored.limit(7).collect()] == expected[:7]
        assert [row.id for row in stored.where("id % 2 = 0").take(5)] == [id for id in expected if id % 2 == 0][:5]
        drawn = [row.u for row in again.select("u").collect()]
        assert drawn == sorted(drawn) and drawn == [row.u for row in again.toLocalIterator()]
        assert [row.s.id for row in nested.collect()] == list(range(9))[::-1]
    finally:
        for frame in (stored, again, nested):
            frame.unpersist()
