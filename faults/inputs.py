"""Row 43: bad input. Each case has the rows that Spark gives, or the name of Spark's error."""

import datetime
import decimal
import math
import time

import pyarrow as pa
import pyarrow.parquet as pq
from world import FOUR, Asked, server

CASES = {}


def case(give):
    CASES[give.__name__] = give
    return give


def refused(action, *conditions):
    asked = Asked(action)
    error = asked.refusal(60)
    assert any(condition in str(error) for condition in conditions), f"{type(error).__name__}: {str(error)[:300]}"


def rows(frame):
    return sorted(map(tuple, Asked(frame.collect).answer(60)), key=repr)


@case
def no_rows(spark, _):
    empty = spark.range(0).selectExpr("id", "id % 3 as k")
    assert rows(empty.groupBy("k").sum("id")) == []
    assert rows(empty.selectExpr("count(*)", "sum(id)", "max(id)")) == [(0, None, None)]
    assert rows(empty.join(spark.range(3), "id", "right").select("id")) == [(0,), (1,), (2,)]


@case
def one_row(spark, _):
    one = spark.range(1).repartition(50)
    assert rows(one.groupBy("id").count()) == [(0, 1)]
    assert rows(one.orderBy("id")) == [(0,)]


@case
def only_nulls(spark, _):
    nulls = spark.range(0, 1000, 1, 4).selectExpr("cast(null as int) as k", "cast(null as double) as v")
    assert rows(nulls.groupBy("k").agg({"v": "avg"})) == [(None, None)]
    assert rows(nulls.join(nulls, "k").selectExpr("count(*)")) == [(0,)]
    assert rows(nulls.selectExpr("count(k)", "count(*)")) == [(0, 1000)]


@case
def one_giant_key(spark, _):
    skewed = spark.range(0, 1000001, 1, 4).selectExpr("if(id = 0, 1, 0) as k", "id")
    assert rows(skewed.groupBy("k").count()) == [(0, 1000000), (1, 1)]
    few = spark.createDataFrame([(0, "a"), (1, "b")], "k int, t string")
    assert rows(skewed.join(few, "k").groupBy("t").count()) == [("a", 1000000), ("b", 1)]


@case
def many_partitions(spark, _):
    assert rows(spark.range(0, 3000, 1, 3000).repartition(1000, "id").selectExpr("count(*)", "sum(id)")) == [(3000, 4498500)]


@case
def a_wide_row(spark, _):
    wide = spark.range(2).selectExpr("id", "repeat('x', 20000000) as t")
    assert rows(wide.repartition(3, "id").selectExpr("id", "length(t)")) == [(0, 20000000), (1, 20000000)]


@case
def a_truncated_file(spark, directory):
    path = directory / "torn"
    path.mkdir()
    pq.write_table(pa.table({"n": list(range(100000))}), path / "whole.parquet")
    text = (path / "whole.parquet").read_bytes()
    # Files without a byte are none, as in Spark.
    (path / "torn.parquet").touch()
    assert rows(spark.read.parquet(str(path)).selectExpr("count(*)")) == [(100000,)]
    for size in (3, 8, len(text) // 2, len(text) - 1):
        (path / "torn.parquet").write_bytes(text[:size])
        refused(lambda: spark.read.parquet(str(path)).selectExpr("sum(n)").collect(), "torn.parquet")


@case
def files_of_other_schemas(spark, directory):
    path = directory / "mixed"
    path.mkdir()
    pq.write_table(pa.table({"n": pa.array([1, 2], pa.int32())}), path / "a.parquet")
    pq.write_table(pa.table({"n": pa.array(["x", "y"])}), path / "b.parquet")
    refused(lambda: spark.read.schema("n int").parquet(str(path)).collect(), "FAILED_READ_FILE", "PARQUET_COLUMN_DATA_TYPE_MISMATCH", "CAST")


@case
def text_that_is_not_utf_8(spark, directory):
    path = directory / "latin.csv"
    path.write_bytes(b"a,b\n\xff\xfe,1\nok,2\n")
    found = rows(spark.read.option("header", True).csv(str(path)).selectExpr("b", "a = 'ok'"))
    assert found == [("1", False), ("2", True)], found


@case
def floating_keys(spark, _):
    values = spark.sql("select * from values (double('NaN')), (double('NaN')), (-0.0D), (0.0D) as t(v)")
    found = rows(values.groupBy("v").count())
    assert len(found) == 2 and all(count == 2 for _, count in found), found
    assert any(math.isnan(v) for v, _ in found)
    assert rows(values.alias("a").join(values.alias("b"), "v").selectExpr("count(*)")) == [(8,)]


@case
def times_at_the_edge(spark, _):
    refused(lambda: spark.sql("select cast('2016-12-31 23:59:60' as timestamp)").collect(), "CAST_INVALID_INPUT")
    assert rows(spark.sql("select date '9999-12-31', date '0001-01-01'")) == [(datetime.date(9999, 12, 31), datetime.date(1, 1, 1))]
    refused(lambda: spark.sql("select date '2023-02-29'").collect(), "INVALID_TYPED_LITERAL")


@case
def a_string_of_four_terabytes(spark, _):
    for times in ("2000000", "cast(id + 2000000 as int)"):
        frame = spark.range(1).selectExpr(f"length(repeat(repeat('x', 2000000), {times}))")
        refused(lambda: frame.collect(), "integer overflow")


@case
def views_in_a_cycle(spark, _):
    spark.sql("create or replace temporary view a as select 1 as n")
    spark.sql("create or replace temporary view b as select * from a")
    refused(lambda: spark.sql("create or replace temporary view a as select * from b").collect(), "RECURSIVE_VIEW")


@case
def numbers_too_large(spark, _):
    refused(lambda: spark.sql("select sum(v) from values (9223372036854775807L), (1L) as t(v)").collect(), "ARITHMETIC_OVERFLOW")
    assert rows(spark.sql("select cast('99999999999999999999999999999999999999' as decimal(38,0))")) == [(decimal.Decimal("9" * 38),)]


@case
def deep_expressions(spark, _):
    asked = Asked(lambda: spark.sql("select " + "(" * 2000 + "1" + " + 1)" * 2000).collect())
    try:
        assert asked.answer(60)[0][0] == 2001
    except AssertionError:
        raise
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001
        assert "[" in str(error), error


def bad_input(run):
    slowest, wrong = 0, []
    with server("local-cluster[2,1,512]", **FOUR) as it:
        executors = it.executors()
        for name, give in CASES.items():
            began = run.hit()
            try:
                give(it.spark, run.dir)
            except TimeoutError:
                raise
            except Exception as error:  # noqa: BLE001
                wrong.append(f"{name}: {str(error)[:300]}")
            slowest = max(slowest, time.monotonic() - began)
            if it.executors() != executors:
                wrong.append(f"{name}: an executor died")
                executors = it.executors()
    assert not wrong, "; ".join(wrong)
    run.recovery, run.again = slowest, 0
