"""Grouping and aggregate functions: column names, types, nullability, nulls in keys and values."""

import decimal

import pytest
from checks import check, fails, numbers, plain, schema_of
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

D = decimal.Decimal


@pytest.fixture(autouse=True)
def few_partitions(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")


GROUPED = [
    ("count", lambda f: f.groupBy("k").count(), "k: string; count: bigint!", [("a", 3), ("b", 2), (None, 1)]),
    ("sum", lambda f: f.groupBy("k").sum("n"), "k: string; sum(n): bigint", [("a", 5), ("b", 3), (None, 5)]),
    ("sum of all numbers", lambda f: f.groupBy("k").sum(), "k: string; sum(n): bigint; sum(x): double", [("a", 5, 4.5), ("b", 3, 6.5), (None, 5, 0.5)]),
    ("avg", lambda f: f.groupBy("k").avg("n"), "k: string; avg(n): double", [("a", 5 / 3), ("b", 3.0), (None, 5.0)]),
    ("mean is avg", lambda f: f.groupBy("k").mean("n"), "k: string; avg(n): double", [("a", 5 / 3), ("b", 3.0), (None, 5.0)]),
    ("min, max", lambda f: f.groupBy("k").agg(F.min("n"), F.max("x")), "k: string; min(n): int; max(x): double", [("a", 1, 3.0), ("b", 3, 4.0), (None, 5, 0.5)]),
    ("by dict", lambda f: f.groupBy("k").agg({"n": "max", "*": "count"}), "k: string; max(n): int; count(1): bigint!", [("a", 2, 3), ("b", 3, 2), (None, 5, 1)]),
    ("by expression", lambda f: f.groupBy(F.length("k").alias("len")).count(), "len: int; count: bigint!", [(1, 5), (None, 1)]),
    ("by an unnamed expression", lambda f: f.groupBy(F.col("n") > 2).count(), "(n > 2): boolean; count: bigint!", [(False, 3), (True, 2), (None, 1)]),
    ("by position", lambda f: f.groupBy(1).count(), "k: string; count: bigint!", [("a", 3), ("b", 2), (None, 1)]),
    ("by case-insensitive name", lambda f: f.groupBy("K").agg(F.count("N")), "K: string; count(N): bigint!", [("a", 3), ("b", 1), (None, 1)]),
    ("nothing grouped", lambda f: f.agg(F.count("*"), F.sum("n")), "count(1): bigint!; sum(n): bigint", [(6, 13)]),
    ("no rows, no group", lambda f: f.limit(0).agg(F.count("n"), F.sum("n")), "count(n): bigint!; sum(n): bigint", [(0, None)]),
    ("no rows, groups", lambda f: f.limit(0).groupBy("k").count(), "k: string; count: bigint!", []),
    ("groupBy without columns", lambda f: f.groupBy().max("n"), "max(n): int", [(5,)]),
    ("an expression of aggregates", lambda f: f.select((F.sum("n") / F.count("n")).alias("m")), "m: double", [(2.6,)]),
    (
        "rollup",
        lambda f: f.where("k is not null").rollup("k").agg(F.sum("n"), F.grouping("k").alias("g")),
        "k: string; sum(n): bigint; g: tinyint!",
        [("a", 5, 0), ("b", 3, 0), (None, 8, 1)],
    ),
    (
        "cube",
        lambda f: f.where("k = 'a' and n = 2").cube("k", "n").agg(F.count("*").alias("c"), F.grouping_id().alias("g")),
        "k: string; n: int; c: bigint!; g: bigint!",
        [("a", 2, 2, 0), ("a", None, 2, 1), (None, 2, 2, 2), (None, None, 2, 3)],
    ),
    (
        "grouping sets",
        lambda f: f.groupingSets([["k"], []], "k").agg(F.count("*").alias("c")),
        "k: string; c: bigint!",
        [("a", 3), ("b", 2), (None, 1), (None, 6)],
    ),
    ("pivot with values", lambda f: f.groupBy("n").pivot("k", ["a", "b"]).sum("x"), "n: int; a: double; b: double", [(1, 1.5, None), (2, 3.0, None), (3, None, 2.5), (None, None, 4.0), (5, None, None)]),
    ("pivot finds values", lambda f: f.where("k is not null").groupBy().pivot("k").count(), "a: bigint; b: bigint", [(3, 2)]),
    (
        "pivot of two aggregates",
        lambda f: f.where("k is not null").groupBy().pivot("k", ["a"]).agg(F.sum("n").alias("s"), F.max("n")),
        "a_s: bigint; a_max(n): int",
        [(5, 2)],
    ),
]


@pytest.mark.parametrize(("make", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in GROUPED])
def test_grouped_rows(spark, make, schema, rows):
    check(make(numbers(spark)), schema, rows)


# Aggregate over all of `numbers`, column name and type, value.
FUNCTIONS = [
    (F.count("n"), "count(n): bigint!", 5),
    (F.count_distinct("n"), "count(DISTINCT n): bigint!", 4),
    (F.count_distinct("k", "n"), "count(DISTINCT k, n): bigint!", 3),
    (F.sum_distinct("n"), "sum(DISTINCT n): bigint", 11),
    (F.count_if(F.col("n") > 1), "count_if((n > 1)): bigint!", 4),
    (F.avg("n"), "avg(n): double", 2.6),
    (F.sum(F.col("n").cast("decimal(10,2)")), "sum(CAST(n AS DECIMAL(10,2))): decimal(20,2)", D("13.00")),
    (F.avg(F.col("n").cast("decimal(10,2)")), "avg(CAST(n AS DECIMAL(10,2))): decimal(14,6)", D("2.600000")),
    (F.stddev("n"), "stddev(n): double", 1.5165750888103102),
    (F.stddev_pop("n"), "stddev_pop(n): double", 1.3564659966250536),
    (F.variance("n"), "variance(n): double", 2.3),
    (F.var_pop("n"), "var_pop(n): double", 1.84),
    (F.skewness("n"), "skewness(n): double", 0.7500308204401288),
    (F.kurtosis("n"), "kurtosis(n): double", -0.6361058601134211),
    (F.corr("n", "x"), "corr(n, x): double", -0.5501485601695769),
    (F.covar_samp("n", "x"), "covar_samp(n, x): double", -1.0416666666666665),
    (F.min("k"), "min(k): string", "a"),
    (F.max_by("k", "x"), "max_by(k, x): string", "b"),
    (F.min_by("n", "x"), "min_by(n, x): int", 5),
    (F.first("n", True), "first(n): int", 1),
    (F.any_value("n", True), "any_value(n): int", 1),
    (F.sort_array(F.collect_list("n")), "sort_array(collect_list(n), true): array<int>!", [1, 2, 2, 3, 5]),
    (F.sort_array(F.collect_set("n")), "sort_array(collect_set(n), true): array<int>!", [1, 2, 3, 5]),
    (F.approx_count_distinct("n"), "approx_count_distinct(n): bigint!", 4),
    (F.percentile("n", 0.5), "percentile(n, 0.5, 1): double", 2.0),
    (F.percentile_approx("n", 0.5), "percentile_approx(n, 0.5, 10000): int", 2),
    (F.median("n"), "median(n): double", 2.0),
    (F.mode("n"), "mode(n): int", 2),
    (F.bool_and(F.col("n") > 0), "bool_and((n > 0)): boolean", True),
    (F.bool_or(F.col("n") > 4), "bool_or((n > 4)): boolean", True),
    (F.bit_or("n"), "bit_or(n): int", 7),
    (F.expr("sum(n) filter (where k = 'a')"), "sum(n) FILTER (WHERE (k = a)): bigint", 5),
]


@pytest.mark.parametrize(("column", "name", "value"), [pytest.param(*case, id=str(case[0])[8:-2]) for case in FUNCTIONS])
def test_an_aggregate_function(spark, column, name, value):
    frame = numbers(spark).agg(column)
    assert schema_of(frame) == [name]
    found = plain(frame.first()[0])
    assert (found == pytest.approx(value)) if isinstance(value, float) else (found == value)


NO_ROWS = [("sum(n)", None), ("count(n)", 0), ("avg(n)", None), ("collect_list(n)", []), ("max(k)", None), ("stddev(n)", None), ("bool_or(n > 1)", None)]


@pytest.mark.parametrize(("text", "value"), NO_ROWS)
def test_an_aggregate_function_of_no_rows(spark, text, value):
    assert numbers(spark).limit(0).selectExpr(text).first()[0] == value


def test_many_groups_from_many_partitions(spark):
    frame = spark.range(0, 50000, 1, 5).groupBy((F.col("id") % 997).alias("k")).agg(F.count("*").alias("c"), F.sum("id").alias("s"), F.count_distinct("id").alias("d"))
    rows = frame.collect()
    assert len(rows) == 997
    assert sum(row.c for row in rows) == sum(row.d for row in rows) == 50000
    assert sum(row.s for row in rows) == sum(range(50000))


def test_text_groups_as_frames_do(spark):
    numbers(spark).createOrReplaceTempView("t")
    check(spark.sql("select k, sum(n) from t group by k having sum(n) > 4"), "k: string; sum(n): bigint", [("a", 5), (None, 5)])
    check(spark.sql("select upper(k) as u, count(*) from t group by u"), "u: string; count(1): bigint!", [("A", 3), ("B", 2), (None, 1)])
    check(spark.sql("select k, n, count(*) c from t where n = 2 group by all"), "k: string; n: int; c: bigint!", [("a", 2, 2)])
    check(spark.sql("select k, count(*) c from t group by k with rollup having k is null"), "k: string; c: bigint!", [(None, 1), (None, 6)])
    check(spark.sql("select distinct k from t order by k desc nulls first"), "k: string", [(None,), ("b",), ("a",)], ordered=True)
    check(spark.sql("select * from (select k, n from t) pivot (max(n) for k in ('a' as A, 'b'))"), "A: int; b: int", [(2, 3)])


def test_columns_outside_the_group_are_refused(spark):
    frame = numbers(spark)
    fails(lambda: frame.groupBy("k").agg(F.col("n") + F.sum("n")).collect(), AnalysisException, "MISSING_AGGREGATION", "42803")
    frame.createOrReplaceTempView("t")
    fails(lambda: spark.sql("select k, sum(n) from t").collect(), AnalysisException, "MISSING_GROUP_BY", "42803")
    fails(lambda: spark.sql("select k from t where sum(n) > 1").collect(), AnalysisException, "INVALID_WHERE_CONDITION", "42903")
    fails(lambda: spark.sql("select k from t group by 3").collect(), AnalysisException, "GROUP_BY_POS_OUT_OF_RANGE", index="3", size="1")
    fails(lambda: spark.sql("select sum(count(n)) from t").collect(), AnalysisException, "NESTED_AGGREGATE_FUNCTION")


@pytest.mark.parametrize(
    "call, values",
    [
        ("percentile_cont(0.25) within group (order by n)", [1.5, 3.0, 5.0]),
        ("percentile_disc(0.5) within group (order by n desc)", [2.0, 3.0, 5.0]),
        ("mode() within group (order by n)", [2, 3, 5]),
        ("listagg(n, '-') within group (order by n desc)", ["2-2-1", "3", "5"]),
        ("string_agg(distinct n) within group (order by n)", ["12", "3", "5"]),
    ],
)
def test_an_aggregate_takes_its_rows_in_an_order(spark, call, values):
    numbers(spark).createOrReplaceTempView("ordered")
    frame = spark.sql(f"select {call} from ordered group by k order by k nulls last")
    assert [row[0] for row in frame.collect()] == values


@pytest.mark.parametrize("kind", ["double", "float"])
def test_nan_is_the_largest_number_in_groups_too(spark, kind):
    """Whatever the order of rows."""
    rows = "(1, 'NaN'), (1, '2'), (1, '1'), (2, '5'), (2, 'NaN'), (3, 'NaN'), (4, '-Infinity'), (4, 'NaN'), (5, NULL), (5, 'NaN'), (6, NULL), (7, '-1'), (7, '-2')"
    frame = spark.sql(f"SELECT k, CAST(v AS {kind}) AS v FROM VALUES {rows} AS t(k, v)")
    wanted = "[(1, 1.0, nan), (2, 5.0, nan), (3, nan, nan), (4, -inf, nan), (5, nan, nan), (6, None, None), (7, -2.0, -1.0)]"
    for each in (frame, frame.repartition(3), frame.coalesce(1).orderBy(F.desc("v"))):
        found = each.groupBy("k").agg(F.min("v"), F.max("v")).collect()
        assert str(sorted(map(tuple, found))) == wanted
    distinct = frame.groupBy("k").agg(F.max("v"), F.countDistinct("v")).orderBy("k").collect()
    assert str([row[1] for row in distinct]) == "[nan, nan, nan, nan, nan, None, -1.0]"
