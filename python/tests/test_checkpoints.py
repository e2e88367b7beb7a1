"""Checkpoints of frames: rows that are held in the place of what they were computed from."""

import contextlib
import gc
import io
import os

import pytest
from conftest import eventually, program_on, serving, session
from pyspark import StorageLevel
from pyspark.errors import AnalysisException
from pyspark.errors.exceptions.connect import InvalidPlanInput, SparkException
from pyspark.sql import functions as F
from pyspark.sql.connect.proto import Command
from test_caches import stored
from test_faults import replace_executors, status, tasks


def explained(frame):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        frame.explain("extended")
    return out.getvalue()


def parts(directory):
    """The files that hold rows below a directory."""
    return sorted(path for path in directory.glob("**/part-*") if not path.name.endswith(".crc"))


def partitions(frame):
    return frame.select(F.spark_partition_id().alias("p")).distinct().count()


@pytest.mark.parametrize("eager", [True, False])
def test_a_local_checkpoint_is_held_by_executors(eager):
    with serving("local[2]") as (server, url), session(url) as spark:
        frame = spark.range(0, 100, 1, 4).withColumn("x", F.rand())
        made = frame.localCheckpoint(eager=eager)
        assert (stored(server) != []) == eager
        rows = made.collect()
        assert [row.id for row in rows] == list(range(100)) and made.collect() == rows
        assert made.schema == frame.schema and partitions(made) == 4
        assert not made.is_cached and made.storageLevel == StorageLevel.NONE
        assert "Range" not in explained(made)
        assert made.join(made.withColumnRenamed("x", "y"), "id").where("x = y").count() == 100
        assert made.select(made.x).where("id < 5").collect() == [(row.x,) for row in rows[:5]]
        with pytest.raises(AnalysisException, match="CANNOT_RESOLVE_DATAFRAME_COLUMN"):
            made.select(frame.x).collect()
        before = tasks(status(url), "finished")
        assert made.where("id < 3").collect() == rows[:3]
        assert tasks(status(url), "finished") == before + 4
        again = made.withColumn("z", F.col("x") * 2).localCheckpoint()
        kept = stored(server)
        del made
        gc.collect()
        eventually(lambda: len(stored(server)) < len(kept))
        assert [(row.id, row.x) for row in again.collect()] == [(row.id, row.x) for row in rows]


def test_lineage_does_not_grow(spark):
    frame = spark.range(0, 20, 1, 2).withColumn("n", F.lit(1))
    for _ in range(12):
        joined = frame.join(frame.select("id", F.col("n").alias("m")), "id")
        frame = joined.select("id", (F.col("n") + F.col("m")).alias("n")).localCheckpoint()
    assert {row.n for row in frame.collect()} == {2**12}
    assert len(explained(frame).splitlines()) < 20


def test_a_checkpoint_stays_when_its_input_changes(spark, tmp_path):
    path = str(tmp_path / "rows")
    spark.range(3).write.parquet(path)
    made = spark.read.parquet(path).localCheckpoint()
    spark.range(9).write.mode("overwrite").parquet(path)
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    assert sorted(made.collect()) == [(0,), (1,), (2,)]
    spark.conf.unset("spark.sql.shuffle.partitions")


def test_a_dropped_checkpoint_is_not_found(spark):
    made = spark.range(3).localCheckpoint()
    message = Command()
    message.remove_cached_remote_relation_command.relation.relation_id = made._plan._relation_id
    spark.client.execute_command(message)
    with pytest.raises(InvalidPlanInput, match="No DataFrame with id") as raised:
        made.collect()
    assert raised.value.getCondition() == "CONNECT_INVALID_PLAN.DATAFRAME_NOT_FOUND"


def test_a_reliable_checkpoint_needs_a_directory(spark):
    for eager in (True, False):
        with pytest.raises(SparkException, match="Checkpoint directory has not been set in the SparkContext"):
            spark.range(3).checkpoint(eager=eager)


def test_a_reliable_checkpoint_is_written_to_files(tmp_path):
    directory = tmp_path / "checkpoints"
    with serving("local[2]", **{"spark.checkpoint.dir": directory}) as (server, url), session(url) as spark:
        assert spark.conf.get("spark.checkpoint.dir") == str(directory)
        frame = spark.range(0, 90, 1, 3).select("id", F.rand().alias("x"), F.lit("é").alias("x"))
        made = frame.checkpoint()
        assert len(parts(directory)) == 3
        rows = made.collect()
        assert [row.id for row in rows] == list(range(90)) and made.collect() == rows
        assert made.columns == ["id", "x", "x"] and made.schema == frame.schema and partitions(made) == 3
        assert made.inputFiles() == [] and "Range" not in explained(made)
        ordered = spark.range(0, 90, 1, 3).orderBy(F.desc("id")).checkpoint()
        assert [row.id for row in ordered.collect()] == list(range(90))[::-1]
        before = len(parts(directory))
        lazy = frame.checkpoint(eager=False)
        assert lazy.schema == frame.schema and "Range" not in explained(lazy)
        assert len(parts(directory)) == before
        first = lazy.where("id < 50").collect()
        assert len(parts(directory)) == before + 3 and len(first) == 50
        assert lazy.where("id < 50").collect() == first
        values = spark.sql(
            "select array(1, null) a, map('k', named_struct('f', date'2020-01-01')) m, 1.50 d, "
            "timestamp'2020-01-01 00:00:00' t, cast(null as string) n, true b, X'01' y"
        )
        assert values.checkpoint().collect() == values.collect()
        nothing = spark.range(3).select().checkpoint()
        assert (nothing.columns, nothing.count()) == ([], 3)
        assert spark.range(3).where("id < 0").checkpoint().collect() == []
        del made, lazy, ordered
        gc.collect()
    assert len(parts(directory)) >= before + 3


def test_a_program_sets_the_directory(tmp_path):
    (tmp_path / "set").mkdir()
    program_on(
        tmp_path,
        f"""
from pyspark import SparkContext
from pyspark.errors.exceptions.connect import SparkException
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
try:
    spark.range(3).checkpoint()
except SparkException as error:
    assert "Checkpoint directory has not been set" in str(error)
else:
    raise AssertionError("it has no directory")
sc.setCheckpointDir({str(tmp_path / "set")!r})
made = spark.range(0, 10, 1, 2).checkpoint()
assert [row.id for row in made.collect()] == list(range(10))
rdd = made.rdd.map(lambda row: row.id)
rdd.checkpoint()
assert rdd.sum() == 45 and rdd.isCheckpointed()
assert rdd.getCheckpointFile().startswith(sc.getCheckpointDir())
""",
        "local[2]",
    )
    files = parts(tmp_path / "set")
    assert len({os.path.dirname(file) for file in files}) == 2


def test_settings_give_the_directory_of_rdds(tmp_path):
    program_on(
        tmp_path,
        """
from pyspark import SparkContext

sc = SparkContext()
rdd = sc.parallelize(range(4), 2)
rdd.checkpoint()
assert rdd.count() == 4 and rdd.isCheckpointed()
""",
        "local[2]",
        "--conf",
        f"spark.checkpoint.dir={tmp_path / 'given'}",
    )
    assert len(parts(tmp_path / "given")) == 2


def test_lost_rows_of_a_local_checkpoint_are_computed_again():
    with serving("local-cluster[2,1,512]") as (server, url), session(url) as spark:
        below = spark.range(0, 40, 1, 4).repartition(3, "id").localCheckpoint()
        made = below.select((F.col("id") * 2).alias("x")).localCheckpoint()
        rows = sorted(made.collect())
        for file in stored(server):
            file.unlink()
        # The old ones still have the files open.
        replace_executors(server, url)
        assert sorted(made.collect()) == rows and sorted(below.collect()) == [(n,) for n in range(40)]
        assert stored(server) != []


def test_a_reliable_checkpoint_survives_the_executors(tmp_path):
    conf = {"spark.checkpoint.dir": tmp_path / "checkpoints", "firesteel.shuffle.volume": "own"}
    with serving("local-cluster[2,1,512]", **conf) as (server, url), session(url) as spark:
        made = spark.range(0, 90, 1, 3).repartition(2).select("id", F.rand().alias("x")).checkpoint()
        rows = made.collect()
        replace_executors(server, url)
        before = len(status(url)["jobs"])
        assert made.collect() == rows
        assert [len(job["stages"]) for job in status(url)["jobs"][before:]] == [1]
