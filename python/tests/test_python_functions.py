"""Python functions in expressions and over rows, on a real driver and executors."""

import datetime
import decimal
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql import Row, Window
from pyspark.sql import functions as F
from pyspark.sql.functions import PandasUDFType, col, lit, pandas_udf, udf


def test_functions_within_functions_and_expressions(spark):
    plus = udf(lambda x: x + 1, "long")
    rows = spark.range(4).repartition(3)
    found = rows.select(plus(plus("id")).alias("a"), (plus("id") * 2 + col("id")).alias("b"), "id").orderBy("id").collect()
    assert [tuple(row) for row in found] == [(n + 2, (n + 1) * 2 + n, n) for n in range(4)]
    both = rows.select(plus(plus("id") * 10).alias("a")).orderBy("a").collect()
    assert [row.a for row in both] == [11, 21, 31, 41]


def test_functions_in_every_clause(spark):
    odd = udf(lambda x: x % 2 == 1, "boolean")
    name = udf(lambda x: f"n{x % 3}", "string")
    rows = spark.range(10).repartition(2)
    assert rows.filter(odd("id")).count() == 5
    assert [tuple(row) for row in rows.groupBy(name("id").alias("n")).count().orderBy("n").collect()] == [("n0", 4), ("n1", 3), ("n2", 3)]
    assert [row.id for row in rows.orderBy(name("id"), "id").collect()] == [0, 3, 6, 9, 1, 4, 7, 2, 5, 8]
    assert rows.agg(F.sum(udf(lambda x: x * x, "long")("id"))).first()[0] == sum(n * n for n in range(10))
    other = spark.range(5).withColumnRenamed("id", "other")
    joined = rows.join(other, name("id") == name("other"))
    assert joined.count() == 4 * 2 + 3 * 2 + 3 * 1
    both = udf(lambda a, b: a == 2 * b, "boolean")
    assert rows.join(other, both("id", "other")).count() == 5
    with pytest.raises(AnalysisException, match="Python UDF in the ON clause"):
        rows.join(other, both("id", "other"), "left").count()
    assert rows.limit(3).filter(odd("id")).count() <= 2


def test_values_of_all_types_both_ways(spark):
    row = Row(
        flag=True, small=1, whole=2**40, real=0.5, text="é", data=b"\x00\xff", day=datetime.date(2024, 2, 29),
        moment=datetime.datetime(2024, 1, 2, 3, 4, 5, 678), number=decimal.Decimal("12.340"), items=[1, None, 3],
        pairs={"a": 1.5}, inner=Row(x=1, y="z"), nothing=None,
    )
    schema = (
        "flag boolean, small int, whole long, real double, text string, data binary, day date, moment timestamp,"
        "number decimal(10,3), items array<int>, pairs map<string,double>, inner struct<x:int,y:string>, nothing string"
    )
    frame = spark.createDataFrame([row], schema)
    for name in frame.columns:
        same = udf(lambda value: value, frame.schema[name].dataType)
        assert frame.select(same(name).alias(name)).first()[0] == row[name], name
    kinds = frame.select(*[udf(lambda value: type(value).__name__, "string")(name) for name in frame.columns]).first()
    assert list(kinds) == [
        "bool", "int", "int", "float", "str", "bytes", "date", "datetime", "Decimal", "list", "dict", "Row", "NoneType",
    ]  # fmt: skip


def test_wrong_types_are_null_as_in_spark(spark):
    cases = [(lambda _: 1, "double"), (lambda _: 1.5, "int"), (lambda _: "a", "int"), (lambda _: True, "int")]
    for function, result in cases:
        assert spark.range(1).select(udf(function, result)("id")).first()[0] is None, result
    assert spark.range(1).select(udf(lambda _: 12, "string")("id")).first()[0] == "12"


def test_arrow_and_pandas_functions(spark):
    rows = spark.range(100).repartition(4)

    @pandas_udf("double")
    def half(values: pd.Series) -> pd.Series:
        return values / 2

    @pandas_udf("long")
    def counted(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for batch in batches:
            yield batch + 1

    assert rows.select(F.sum(half("id"))).first()[0] == 99 * 100 / 4
    assert rows.select(F.sum(counted("id"))).first()[0] == 5050
    assert rows.select(F.sum(udf(lambda x: x + 1, "long", useArrow=True)("id"))).first()[0] == 5050
    with pytest.raises(PythonException, match="ZeroDivisionError"):
        rows.select(udf(lambda x: 1 // (x - 7), "long")("id")).collect()
    wrong = pandas_udf(lambda values: values[:1], "long")
    with pytest.raises(PythonException, match="[Ll]ength"):
        spark.range(5, numPartitions=1).select(wrong("id")).collect()


def test_functions_over_partitions_and_groups(spark):
    rows = spark.range(100).selectExpr("id % 7 as k", "id").repartition(3)

    def tenfold(frames):
        for frame in frames:
            frame["id"] *= 10
            yield frame[["id"]]

    def batches(found):
        for batch in found:
            yield pa.RecordBatch.from_arrays([batch.column("id")], ["id"])

    assert rows.mapInPandas(tenfold, "id long").agg(F.sum("id")).first()[0] == 49500
    assert rows.mapInArrow(batches, "id long").agg(F.sum("id")).first()[0] == 4950

    def center(frame):
        return frame.assign(id=frame.id - frame.id.min())

    found = rows.groupBy("k").applyInPandas(center, "k long, id long").groupBy("k").agg(F.max("id")).orderBy("k").collect()
    assert [tuple(row) for row in found] == [(k, 98) if k < 2 else (k, 91) for k in range(7)]

    def pair(left, right):
        return pd.DataFrame({"l": [len(left)], "r": [len(right)]})

    others = spark.range(3, 10).selectExpr("id as k")
    found = rows.groupBy("k").cogroup(others.groupBy("k")).applyInPandas(pair, "l long, r long").collect()
    assert sorted(tuple(row) for row in found) == [(0, 1)] * 3 + [(14, 0)] + [(14, 1)] * 4 + [(15, 0)] * 2

    @pandas_udf("double")
    def mean(values: pd.Series) -> float:
        return float(values.mean())

    assert [tuple(row) for row in rows.groupBy("k").agg(mean("id")).orderBy("k").limit(2).collect()] == [(0, 49.0), (1, 50.0)]
    assert rows.agg(mean("id")).first()[0] == 49.5
    with pytest.raises(AnalysisException, match="INVALID_PANDAS_UDF_PLACEMENT"):
        rows.groupBy("k").agg(mean("id"), F.sum("id")).collect()


def test_registered_functions_are_called_from_sql(spark):
    spark.udf.register("plus", lambda x: x + 1, "long")
    assert spark.sql("SELECT PLUS(plus(id)) AS n FROM range(3) WHERE plus(id) > 1 ORDER BY n").collect() == [Row(n=3), Row(n=4)]
    assert spark.sql("SELECT plus(41)").first()[0] == 42


def test_a_crash_ends_a_task_and_not_the_executor(spark):
    def crash(how):
        import ctypes
        import os

        return ctypes.string_at(0) if how == 0 else os._exit(3)

    for how, text in [(0, "SIGSEGV"), (1, "exit code 3")]:
        with pytest.raises(Exception, match=text):
            spark.range(how, how + 1, numPartitions=1).select(udf(crash, "string")("id")).collect()
    assert spark.range(3).select(udf(lambda x: x, "long")("id")).count() == 3


def test_equal_functions_share_their_shuffles_and_others_do_not(spark):
    def total(step):
        plus = udf(lambda x: x + step, "long")
        return spark.range(1000, numPartitions=2).select(plus("id").alias("n")).groupBy((col("n") % 3).alias("k")).count().agg(F.sum("k")).first()[0]

    assert total(1) == total(1) == total(2) == 3


def test_pairs_of_all_rows(spark):
    rows = spark.range(10).repartition(3)
    both = rows.groupBy().cogroup(rows.groupBy()).applyInPandas(lambda a, b: pd.DataFrame([(len(a), b.id.sum())]), "n long, s long")
    assert both.collect() == [Row(n=10, s=45)]


def test_aggregates_of_what_may_not_be_aggregated(spark):
    mean = group_function(lambda v: v.mean(), "double")
    rows = spark.range(4).withColumn("v", col("id") * 2.0)
    changing = udf(lambda x: x, "double").asNondeterministic()
    for aggregate, condition in (
        (mean(mean("v")), "NESTED_AGGREGATE_FUNCTION"),
        (F.sum(changing("v")), "AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION"),
        (mean(F.rand()), "AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION"),
        (F.expr("sum(v) FILTER (WHERE rand() > 0)"), "INVALID_AGGREGATE_FILTER.NON_DETERMINISTIC"),
    ):
        with pytest.raises(AnalysisException) as raised:
            rows.groupBy("id").agg(aggregate).collect()
        assert raised.value.getCondition() == condition
    with pytest.raises(AnalysisException, match="pandas UDF `<lambda>` cannot be invoked together"):
        rows.groupBy("id").agg(mean("v"), F.avg("v")).collect()


def test_functions_without_arguments(spark):
    assert spark.range(2).select(udf(lambda: 7, "long")().alias("n")).collect() == [Row(n=7), Row(n=7)]
    table = spark.createDataFrame([(1,)], "a int")
    joined = table.join(spark.createDataFrame([(1,)], "a int"), on="a", how="left_outer")
    assert joined.withColumn("b", udf(lambda _: "x")(joined.a)).filter("b = 'x'").collect() == [Row(a=1, b="x")]


def group_function(function, kind):
    return pandas_udf(function, kind, PandasUDFType.GROUPED_AGG)


def test_windows_have_the_values_of_their_frames(spark):
    rows = spark.createDataFrame([(i % 3, i, float(i * i % 7)) for i in range(20)], "k int, i int, v double").repartition(4)
    mean = group_function(lambda v: v.mean(), "double")
    spread = group_function(lambda v, w: float(v.max() - w.min()), "double")
    spark.udf.register("mean_", mean)
    frames = {
        "first": Window.orderBy("i").rowsBetween(-1, 1),
        "whole": Window.partitionBy("k"),
        "growing": Window.partitionBy("k").orderBy("v"),
        "rows": Window.partitionBy("k").orderBy("i").rowsBetween(-2, 1),
        "range": Window.partitionBy("k").orderBy(F.desc("v")).rangeBetween(-2, 1),
        "later": Window.partitionBy("k").orderBy("i").rowsBetween(1, 3),
        "ordered": Window.partitionBy("k").orderBy("v").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing),
        "ordered twice": Window.partitionBy("k").orderBy("v", "i").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing),
        "ordered again": Window.partitionBy("k").orderBy("i", "v").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing),
        "other": Window.partitionBy(col("i") % 4),
        "none": Window.partitionBy(),
        "all": Window.orderBy("i").rowsBetween(-3, Window.currentRow),
    }
    columns = [mean("v").over(frame).alias(name) for name, frame in frames.items()]
    expected = [F.avg("v").over(frame).alias(name) for name, frame in frames.items()]
    found = rows.select("i", *columns).orderBy("i").collect()
    assert [tuple(row) for row in found] == [
        pytest.approx(tuple(row), nan_ok=True) for row in rows.select("i", *expected).orderBy("i").collect()
    ]
    rows.createOrReplaceTempView("rows")
    text = "SELECT i, mean_(v) OVER (PARTITION BY k ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) m, sum(v) OVER (PARTITION BY k) s FROM rows"
    plain = text.replace("mean_", "avg")
    assert [tuple(row) for row in spark.sql(f"{text} ORDER BY i").collect()] == [tuple(row) for row in spark.sql(f"{plain} ORDER BY i").collect()]
    both = rows.select("i", (spread("v", "i").over(frames["rows"]) + mean("v").over(frames["rows"])).alias("x"))
    plain = rows.select("i", (F.max("v").over(frames["rows"]) - F.min("i").over(frames["rows"]) + F.avg("v").over(frames["rows"])).alias("x"))
    assert [row.x for row in both.orderBy("i").collect()] == pytest.approx([row.x for row in plain.orderBy("i").collect()])


def test_windows_over_floating_keys_have_one_order(spark):
    """Zeros of both signs are one key, and rows keep the order that the bounds of their frames are of."""
    rows = [(0.0 if i % 2 else -0.0, i % 3 * 0.5, i) for i in range(30)]
    frame = spark.createDataFrame(rows, "d double, o double, i int").repartition(4)
    count = group_function(lambda v: len(v), "int")
    own = group_function(lambda v: v.iloc[-1], "int")
    window = Window.partitionBy("d").orderBy("o").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    counted = frame.select("i", count("i").over(Window.partitionBy("d")).alias("all"), count("i").over(window).alias("n"), own("i").over(window).alias("own"))
    found = counted.collect()
    assert {row["all"] for row in found} == {30} and sorted(row.n for row in found) == list(range(1, 31))
    assert all(row.own == row.i for row in found)
    again = frame.select("i", own("i").over(Window.partitionBy("d").orderBy(col("o") + 1, F.floor("o")).rowsBetween(-3, 0)).alias("own"))
    assert all(row.own == row.i for row in again.collect())


def test_windows_of_few_and_of_other_functions(spark):
    total = group_function(lambda v: int(v.sum()), "long")
    empty = spark.range(0).select(total("id").over(Window.partitionBy("id")))
    assert empty.collect() == []
    # More rows than a batch, and filters above that must not change the frames.
    many = spark.range(25000).select("id", total("id").over(Window.partitionBy(col("id") % 2)).alias("t"))
    assert many.where("id < 2").orderBy("id").collect() == [Row(id=0, t=sum(range(0, 25000, 2))), Row(id=1, t=sum(range(1, 25000, 2)))]
    name = many.select(total("id").over(Window.partitionBy("t").orderBy("id"))).columns[0]
    assert name == "<lambda>(id) OVER (PARTITION BY t ORDER BY id ASC NULLS FIRST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    with pytest.raises(AnalysisException, match="not supported within a window function"):
        many.select(udf(lambda x: x, "long")("id").over(Window.partitionBy("t"))).collect()
    by_name = group_function(lambda v, plus: int(v.sum() + plus.iloc[0]), "long")
    assert spark.range(2).select(by_name(plus=lit(1), v="id").over(Window.partitionBy())).collect()[0][0] == 2
