"""Functions with lambdas, JSON, addresses, intervals: what a program with the stock client sees of them."""

import pytest
from pyspark.errors import AnalysisException, UnsupportedOperationException
from pyspark.errors.exceptions.connect import SparkException
from pyspark.sql import Row
from pyspark.sql import functions as F


def one(spark, expression):
    """The value of an expression in a table of one row whose columns are no constants."""
    frame = spark.sql(
        "select * from values (array(3, 1, 2), map('a', 1, 'b', 2), 10, '{\"a\": 1, \"b\": [1, 2], \"c\": \"x\"}') as t(xs, m, n, j)"
    )
    return frame.selectExpr(expression).collect()[0][0]


LAMBDAS = [
    ("transform(xs, x -> x + n)", [13, 11, 12]),
    ("transform(xs, (x, i) -> x * i)", [0, 1, 4]),
    ("filter(xs, (x, i) -> i > 0 and x < n)", [1, 2]),
    ("exists(xs, x -> x > 2)", True),
    ("forall(xs, x -> x > 2)", False),
    ("aggregate(xs, 0, (acc, x) -> acc + x)", 6),
    ("aggregate(xs, n, (acc, x) -> acc + x, acc -> acc * 10)", 160),
    ("reduce(array(), n, (acc, x) -> acc)", 10),
    ("zip_with(xs, array(1, 2), (x, y) -> coalesce(x, 0) - coalesce(y, 0))", [2, -1, 2]),
    ("array_sort(xs, (a, b) -> b - a)", [3, 2, 1]),
    ("array_sort(xs)", [1, 2, 3]),
    ("map_filter(m, (k, v) -> v > 1)", {"b": 2}),
    ("transform_keys(m, (k, v) -> concat(k, v))", {"a1": 1, "b2": 2}),
    ("transform_values(m, (k, v) -> v + n)", {"a": 11, "b": 12}),
    ("map_zip_with(m, map('b', 5), (k, v, w) -> concat(k, v, '-', coalesce(w, 0)))", {"a": "a1-0", "b": "b2-5"}),
    # A lambda in a lambda sees the parameters of both, and columns.
    ("transform(xs, x -> aggregate(xs, 0, (acc, y) -> acc + x * y + n))", [48, 36, 42]),
]


@pytest.mark.parametrize(("expression", "expected"), LAMBDAS, ids=[text for text, _ in LAMBDAS])
def test_functions_take_functions(spark, expression, expected):
    assert one(spark, expression) == expected


def test_lambdas_of_python_are_functions_of_columns(spark):
    frame = spark.createDataFrame([(1, [3, 1, 2])], ["n", "xs"])
    found = frame.select(
        F.transform("xs", lambda x, i: x * 10 + i),
        F.aggregate("xs", F.lit(0).cast("bigint"), lambda acc, x: acc + x, lambda acc: acc / 2),
        F.array_sort("xs", lambda left, right: right - left),
    )
    assert found.collect() == [Row([30, 11, 22], 3.0, [3, 2, 1])]


def test_a_lambda_must_fit_its_function(spark):
    with pytest.raises(AnalysisException, match="UNEXPECTED_INPUT_TYPE"):
        one(spark, "aggregate(xs, 0, (acc, x) -> acc + 0.5D)")
    with pytest.raises(AnalysisException, match="NUM_ARGS_MISMATCH"):
        one(spark, "exists(xs, (x, y) -> true)")
    with pytest.raises(SparkException, match="COMPARATOR_RETURNS_NULL"):
        one(spark, "array_sort(xs, (a, b) -> cast(null as int))")


def test_json_is_read_by_a_schema(spark):
    assert one(spark, "from_json(j, 'a int, b array<bigint>, d date')") == Row(a=1, b=[1, 2], d=None)
    assert one(spark, "from_json('{\"t\": \"26/08/2015\"}', 't date', map('dateFormat', 'dd/MM/yyyy')).t").isoformat() == "2015-08-26"
    frame = spark.createDataFrame([('{"a":{"b":1.5}}',), ("oops",)], ["v"])
    schema = frame.select(F.from_json("v", "a struct<b:double>").alias("v")).schema
    assert schema.simpleString() == "struct<v:struct<a:struct<b:double>>>"
    again = frame.select(F.from_json("v", schema["v"].dataType).alias("v")).select("v.a.b")
    assert [row.b for row in again.collect()] == [1.5, None]
    with pytest.raises(SparkException, match="MALFORMED_RECORD_IN_PARSING"):
        frame.select(F.from_json("v", "a int", {"mode": "FAILFAST"})).collect()
    with pytest.raises(UnsupportedOperationException, match="option allowcomments"):
        frame.select(F.from_json("v", "a int", {"allowComments": "true"})).collect()


def test_repeated_keys_follow_the_policy(spark):
    with pytest.raises(Exception, match="DUPLICATED_MAP_KEY"):
        one(spark, "map_concat(m, map('b', 3))")
    spark.conf.set("spark.sql.mapKeyDedupPolicy", "LAST_WIN")
    try:
        assert one(spark, "map_concat(m, map('b', 3))") == {"a": 1, "b": 3}
        assert one(spark, "transform_keys(m, (k, v) -> 'k')") == {"k": 2}
    finally:
        spark.conf.unset("spark.sql.mapKeyDedupPolicy")


def test_time_zones_have_java_s_short_names_too(spark):
    shift = "from_utc_timestamp(timestamp'2024-07-01 12:00:00', '{}') - timestamp'2024-07-01 12:00:00'"
    for zone, hours in [("PST", -7), ("JST", 9), ("GMT+8", 8), ("UTC+01:00", 1)]:
        assert one(spark, shift.format(zone)).total_seconds() == hours * 3600, zone


def test_a_decimal_sum_that_does_not_fit_is_an_error(spark):
    frame = spark.sql("select cast(repeat('9', 38) as decimal(38,0)) as d from range(3)")
    with pytest.raises(Exception, match="ARITHMETIC_OVERFLOW"):
        frame.groupBy().sum("d").collect()
    assert frame.select(F.try_sum("d")).collect()[0][0] is None
