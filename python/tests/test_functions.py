"""Functions called through the stock client: higher-order, JSON, windows, aggregates, nested values, intervals."""

import decimal

import pyarrow.parquet
import pytest
from pyspark.errors import AnalysisException, UnsupportedOperationException
from pyspark.errors.exceptions.connect import SparkException
from pyspark.sql import Row
from pyspark.sql import functions as F


def one(spark, expression):
    """The value of an expression over a one-row table, whose columns cannot be constant-folded."""
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
    # A nested lambda can use the parameters of both lambdas, and columns.
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
    with pytest.raises(UnsupportedOperationException, match="option `locale`"):
        frame.select(F.from_json("v", "a int", {"locale": "de"})).collect()


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


SCALARS = [
    ("array_insert(xs, 2, 9)", [3, 9, 1, 2]),
    ("array_insert(xs, -6, 9)", [9, None, None, 3, 1, 2]),
    ("to_number('12,454.8-', '99G999D9S') * n", decimal.Decimal("-124548.0")),
    ("to_char(n, '$099')", "$010"),
    ("to_csv(named_struct('a', n, 'b', 'x,y'))", '10,"x,y"'),
    ("from_csv(concat(n, ',x'), 'a int, b string').b", "x"),
    ("schema_of_json('{\"a\": [1, 2.5]}')", "STRUCT<a: ARRAY<DOUBLE>>"),
    ("schema_of_csv('1|a', map('sep', '|'))", "STRUCT<_c0: INT, _c1: STRING>"),
    ("to_binary(cast(n as string), 'utf-8')", bytearray(b"10")),
    ("sort_array(shuffle(xs))", [1, 2, 3]),
    ("length(randstr(5))", 5),
    ("uniform(n, n + 1) between 10 and 11", True),
    ("cast(cast(interval '-1-11' year to month as interval year) as string)", "INTERVAL '-1' YEAR"),
    ("cast(cast(date'2024-03-01' - date'2024-02-01' as interval hour to minute) as string)", "INTERVAL '696:00' HOUR TO MINUTE"),
]


@pytest.mark.parametrize(("expression", "expected"), SCALARS, ids=[text for text, _ in SCALARS])
def test_text_arrays_and_intervals_are_made(spark, expression, expected):
    assert one(spark, expression) == expected


def test_fields_of_json_are_columns(spark):
    frame = spark.createDataFrame([(1, '{"f1": "v", "f2": {"x": [1]}}'), (2, "{")], ["id", "j"])
    found = frame.select("id", F.json_tuple("j", "f1", "f2", "no"))
    assert found.columns == ["id", "c0", "c1", "c2"]
    assert found.collect() == [(1, "v", '{"x":[1]}', None), (2, None, None, None)]
    viewed = "select id, a from t lateral view json_tuple(j, 'f1') x as a order by id"
    assert spark.sql(viewed.replace("t lateral", "{t} lateral"), t=frame).collect() == [(1, "v"), (2, None)]


def test_times_are_grouped_by_windows(spark):
    times = ["2016-03-11 09:00:07", "2016-03-11 09:00:09", "2016-03-11 09:00:12", None]
    frame = spark.createDataFrame([(time, 1) for time in times], "t string, v int")
    frame = frame.select(F.col("t").cast("timestamp").alias("t"), "v")
    grouped = frame.groupBy(F.window("t", "5 seconds")).agg(F.sum("v").alias("v"))
    assert grouped.schema["window"].nullable is False
    found = grouped.orderBy("window").select("window.start", F.window_time("window"), "v").collect()
    assert [(str(start), str(last), v) for start, last, v in found] == [
        ("2016-03-11 09:00:05", "2016-03-11 09:00:09.999999", 2),
        ("2016-03-11 09:00:10", "2016-03-11 09:00:14.999999", 1),
    ]
    assert frame.select(F.window("t", "5 seconds").start).count() == 3
    with pytest.raises(UnsupportedOperationException, match="slide"):
        frame.groupBy(F.window("t", "10 seconds", "5 seconds")).count().collect()


def test_aggregates_of_several_kinds(spark):
    frame = spark.createDataFrame([(1, "a"), (2, "b"), (3, "c"), (3, "c")], ["n", "s"])
    row = frame.select(
        F.product("n"),
        F.max_by("s", "n", 2),
        F.min_by("s", "n", 2),
        F.count(F.expr("*")),
        F.count(frame["*"]),
        F.listagg_distinct("s", F.lit("-")),
        F.bitmap_count(F.bitmap_construct_agg(F.bitmap_bit_position("n"))),
    ).collect()[0]
    assert row == (18.0, ["c", "c"], ["a", "b"], 4, 4, "a-b-c", 3)
    assert frame.select(F.listagg_distinct("s")).columns == ["listagg(DISTINCT s, NULL)"]
    histogram = spark.range(100, numPartitions=1).select(F.histogram_numeric("id", F.lit(5)))
    expected = [(11, 25.0), (36, 24.0), (59, 23.0), (84, 25.0), (98, 3.0)]
    assert histogram.collect()[0][0] == [Row(x=x, y=y) for x, y in expected]


def test_nulls_inside_are_declared_as_in_spark(spark):
    frame = spark.sql("select array(1, 2) a, map('k', 1) m, struct(1 as x, cast(null as int) as y) s, transform(array(1), x -> x) t")
    assert frame.schema.simpleString() == "struct<a:array<int>,m:map<string,int>,s:struct<x:int,y:int>,t:array<int>>"
    fields = frame.schema
    assert (fields["a"].dataType.containsNull, fields["m"].dataType.valueContainsNull) == (False, False)
    assert [field.nullable for field in fields["s"].dataType] == [False, True]
    assert fields["t"].dataType.containsNull is False
    assert frame.collect() == [Row(a=[1, 2], m={"k": 1}, s=Row(x=1, y=None), t=[1])]
    both = frame.select("a").union(spark.sql("select array(1, null)"))
    assert both.schema["a"].dataType.containsNull is True
    assert both.collect() == [Row([1, 2]), Row([1, None])]
    assert spark.sql("select coalesce(array(cast(null as int)), array(1)) c").collect() == [Row([None])]


def test_parts_of_values_have_one_name_wherever_they_come_from(spark, tmp_path):
    path = str(tmp_path / "nested")
    made = spark.sql("select array(1, 2) a, map('k', array(1)) m, struct(array(1) as x) s")
    made.write.parquet(path)
    read = spark.read.parquet(path)
    both = read.union(made).selectExpr("array_union(a, array(3)) a", "m", "s")
    assert both.collect() == [Row(a=[1, 2, 3], m={"k": [1]}, s=Row(x=[1]))] * 2
    file = next((tmp_path / "nested").glob("*.parquet"))
    schema = pyarrow.parquet.read_schema(file)
    assert schema.field("a").type.value_field.name == "element"
    assert schema.field("s").type.field("x").type.value_field.name == "element"
    turned = spark.sql("select 'r' as name, array(1) as p, array(cast(null as int)) as q").transpose()
    assert turned.collect() == [Row(key="p", r=[1]), Row(key="q", r=[None])]


def test_distinct_structs_keep_their_nulls(spark):
    rows = [(1, None), (None, 2), (1, 2), (None, None), (2, None), (1, None)]
    frame = spark.createDataFrame(rows * 20, "a int, b int").select(F.struct("a", "b").alias("s"))
    found = frame.select(F.sort_array(F.expr("collect_list(distinct s)"))).collect()[0][0]
    assert found == [Row(a=a, b=b) for a, b in [(None, None), (None, 2), (1, None), (1, 2), (2, None)]]
    order = "array(struct(1 as a, cast(null as int) as b), null, struct(1 as a, 2 as b))"
    asc = spark.sql(f"select array_sort({order}) o, sort_array({order}) f, sort_array({order}, false) d").collect()[0]
    one, two = Row(a=1, b=None), Row(a=1, b=2)
    assert asc == Row(o=[one, two, None], f=[None, one, two], d=[two, one, None])
    keys = frame.selectExpr("max_by(s.b, s) top", "min_by(s.a, s, 2) low", "max_by(s.a, s, 2) high")
    assert keys.collect() == [Row(top=None, low=[None, None], high=[2, 2])]


def test_an_aggregate_may_hold_a_struct(spark):
    frame = spark.createDataFrame([(1, [20.0, 4.0, 2.0, 6.0, 10.0])], ["id", "xs"])

    def merge(acc, x):
        return F.struct((acc.count + 1).alias("count"), (acc.sum + x).alias("sum"))

    start = F.struct(F.lit(0).alias("count"), F.lit(0.0).alias("sum"))
    mean = F.aggregate("xs", start, merge, lambda acc: acc.sum / acc.count)
    assert frame.select(mean).collect() == [Row(8.4)]
    entries = spark.sql("select array(struct(1, 'a'), struct(2, 'b')) as data")
    assert entries.select(F.map_from_entries("data")).collect() == [Row({1: "a", 2: "b"})]
    made = spark.createDataFrame([([(1, "a")],)], "data array<struct<k int not null, v string>>")
    assert made.select(F.map_from_entries("data")).collect() == [Row({1: "a"})]


def test_an_interval_keeps_its_fields(spark):
    frame = spark.sql("select date'2024-03-01' - date'2024-02-01' as d")
    assert frame.schema["d"].dataType.simpleString() == "interval day"
    assert "|INTERVAL '29' DAY|" in frame._show_string()
    assert frame.selectExpr("cast(d as string)").collect() == [Row("INTERVAL '29' DAY")]
    wider = frame.selectExpr("d + make_dt_interval(0, 1) as w")
    assert wider.schema["w"].dataType.simpleString() == "interval day to second"
