"""Results in which other engines differ from Spark: floating-point keys, strings combined with other types, daylight saving time, regular
expressions, timestamps from other writers, user-defined types, printed output."""

import datetime
import math

import pyarrow
import pyarrow.parquet
import pytest
from pyspark import StorageLevel
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DoubleType, LongType, StructField, StructType, UserDefinedType

NAN = float("nan")


def rows(frame):
    return [tuple(row) for row in frame.collect()]


def same(found, expected):
    """Equality in which NaN equals NaN, and 0.0 differs from -0.0."""
    if isinstance(found, float) and isinstance(expected, float):
        return math.isnan(found) and math.isnan(expected) or (found == expected and math.copysign(1, found) == math.copysign(1, expected))
    if isinstance(found, (list, tuple)) and isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


@pytest.fixture
def floats(spark):
    spark.sql(
        "create or replace temp view f as select * from values (double('NaN'), 1), (-double('NaN'), 2), (0.0D, 3), (-0.0D, 4), (1.0D, 5) as f(d, i)"
    )
    return spark


@pytest.mark.parametrize(
    "query, expected",
    [
        ("select d, count(*) from f group by d order by d", [(0.0, 2), (1.0, 1), (NAN, 2)]),
        ("select count(*) from (select array(d) from f group by array(d))", [(3,)]),
        ("select count(*) from (select struct(d) from f group by struct(d))", [(3,)]),
        ("select d, i, count(*) c from f where i in (3, 4) group by rollup(d, i) order by d nulls last, i nulls last", [(0.0, 3, 1), (0.0, 4, 1), (0.0, None, 2), (None, None, 2)]),
        ("select distinct d from f order by d", [(0.0,), (1.0,), (NAN,)]),
        ("select count(distinct d), count(distinct d, i), approx_count_distinct(d), size(collect_set(d)), max(d) from f", [(3, 5, 3, 3, NAN)]),
        ("select count(*) from f x join f y on x.d = y.d", [(9,)]),
        ("select count(*) from f x join f y using (d)", [(9,)]),
        ("select count(*) from f x join f y on struct(x.d) = struct(y.d)", [(9,)]),
        ("select i from f where d in (select -0.0D) order by i", [(3,), (4,)]),
        ("select i from f where exists (select 1 from f y where y.d = f.d and y.i = 4) order by i", [(3,), (4,)]),
        ("select i, (select max(y.i) from f y where y.d = x.d) from f x order by i", [(1, 2), (2, 2), (3, 4), (4, 4), (5, 5)]),
        ("select i from f x where not exists (select 1 from f y where y.d = x.d and y.i <> x.i)", [(5,)]),
        ("select i from f where d in (double('NaN'), 1.0D) order by i", [(1,), (2,), (5,)]),
        ("select i from f where d > 1 order by i", [(1,), (2,)]),
        ("select d from f intersect select -0.0D", [(0.0,)]),
        ("select d from f except select 0.0D order by d", [(1.0,), (NAN,)]),
        ("select d from f where i < 3 union select d from f where i < 3", [(NAN,)]),
        ("select i, count(*) over (partition by d) from f order by i", [(1, 2), (2, 2), (3, 2), (4, 2), (5, 1)]),
        ("select i, rank() over (order by d) from f order by i", [(1, 4), (2, 4), (3, 1), (4, 1), (5, 3)]),
        ("select i from f order by d desc, i", [(1,), (2,), (5,), (3,), (4,)]),
        ("select d from f where i = 4", [(-0.0,)]),
        ("select element_at(map(-0.0D, 'a'), 0.0D), map_keys(map(-0.0D, 1))[0]", [("a", 0.0)]),
    ],
)
def test_floating_numbers_are_keys_by_value(floats, query, expected):
    found = rows(floats.sql(query))
    assert same(found, expected), found


def test_maps_are_grouped_whatever_the_order_of_their_entries(spark):
    frame = spark.sql("select m, count(*) from values (map('a', 1, 'b', 2)), (map('b', 2, 'a', 1)) as t(m) group by m")
    assert rows(frame) == [({"a": 1, "b": 2}, 2)]
    floats = spark.sql("select count(*) from (select m from values (map('a', 0.0D)), (map('a', -0.0D)) as t(m) group by m)")
    assert rows(floats) == [(1,)]


@pytest.mark.parametrize(
    "query, condition",
    [
        ("select distinct m from t", "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE"),
        ("select m from t intersect select m from t", "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE"),
        ("select m = m from t", "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        ("select m in (m) from t", "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        ("select max(m) from t", "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        ("select * from t order by m", "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        ("select array_distinct(array(m)) from t", "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE"),
        ("select hash(m) from t", "DATATYPE_MISMATCH.HASH_MAP_TYPE"),
    ],
)
def test_maps_are_compared_by_nothing_else(spark, query, condition):
    spark.sql("select map('a', 1) as m").createOrReplaceTempView("t")
    with pytest.raises(AnalysisException, match=condition):
        spark.sql(query)


def test_a_frame_without_duplicates_has_one_zero(floats):
    frame = floats.table("f").dropDuplicates(["d"])
    assert same(sorted(row.d for row in frame.select("d").collect() if row.d == row.d), [0.0, 1.0])
    assert frame.count() == 3
    assert floats.table("f").select("d").distinct().count() == 3


@pytest.fixture
def legacy(spark):
    spark.conf.set("spark.sql.ansi.enabled", "false")
    return spark


@pytest.mark.parametrize(
    "query, expected",
    [
        ("select '1.5' = 1, '1.5' > 1, 'one' = 1, cast('1.9' as int)", (True, False, None, 1)),
        ("select s > 1, s > 1L from values ('3000000000') as t(s)", (None, True)),
        ("select 1 in ('1', '2'), '1.0' in (1, 2), 1 between '0' and '2'", (True, False, True)),
        ("select date'2024-01-01' = '2024-1-1', timestamp'2024-01-01 00:00:00' = '2024-01-01'", (True, True)),
        ("select 1 = true, 2 = true, true <=> 1.0, 'a' = true", (True, False, True, None)),
        ("select 2147483647 + 1, 9223372036854775807L + 1L, abs(-2147483648), 1 / 0, 1 % 0", (-2147483648, -9223372036854775808, -2147483648, None, None)),
        ("select '1' + 1, 'x' + 1, -'x', '1' / 0", (2.0, None, None, None)),
        ("select array(1)[5], element_at(map(1, 2), 3), elt(5, 'a'), size(null), to_date('abc'), make_date(2024, 13, 1)", (None, None, None, -1, None, None)),
        ("select sum(x), avg(x) from values ('1'), ('2'), ('x') t(x)", (3.0, 1.5)),
        ("select typeof(coalesce(1, '2')), typeof(array(1, '2')), typeof('1' + 1L), typeof(coalesce(1L, 1.5f))", ("string", "array<string>", "double", "float")),
        ("select x from (select 1 as x union all select 'b') order by x desc limit 1", ("b",)),
        ("select '2024-01-01' + interval '1' day, 'abc' + interval '1' hour", ("2024-01-02 00:00:00", None)),
    ],
)
def test_without_ansi_mode_values_wrap_or_are_null(legacy, query, expected):
    assert rows(legacy.sql(query)) == [expected]


@pytest.mark.parametrize(
    "query, condition",
    [
        ("select true and 'false'", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"),
        ("select greatest(1, '2')", "DATATYPE_MISMATCH.DATA_DIFF_TYPES"),
        ("select '7' div 2", "DATATYPE_MISMATCH"),
        ("select array_contains(array(1), '1')", "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES"),
        ("select true as x union all select 'a'", "INCOMPATIBLE_COLUMN_TYPE"),
    ],
)
def test_without_ansi_mode_some_types_do_not_meet(legacy, query, condition):
    with pytest.raises(AnalysisException, match=condition):
        legacy.sql(query)


def test_the_clock_is_moved_and_its_changes_count(spark):
    spark.conf.set("spark.sql.session.timeZone", "America/Los_Angeles")

    def text(expression):
        return rows(spark.sql(f"select cast({expression} as string)"))[0][0]

    assert text("timestamp'2024-03-09 12:00:00' + interval '1' day") == "2024-03-10 12:00:00"
    assert text("timestamp'2024-03-09 12:00:00' + make_interval(0, 0, 0, 0, 24)") == "2024-03-10 13:00:00"
    assert text("timestamp'2024-03-09 02:30:00' + interval '1' day") == "2024-03-10 03:30:00"
    assert text("timestamp'2024-11-04 00:00:00' - timestamp'2024-11-03 00:00:00'") == "INTERVAL '1 00:00:00' DAY TO SECOND"
    second = "(timestamp'2024-11-03 00:30:00' + interval '2' hour)"
    for expression in [
        second,
        f"{second} + make_interval(0, 1) - make_interval(0, 1)",
        f"timestampadd(day, 0, {second})",
        f"date_trunc('minute', {second})",
    ]:
        assert rows(spark.sql(f"select unix_timestamp({expression})")) == [(1730626200,)], expression
    assert rows(spark.sql("select unix_timestamp(timestamp'2100-07-01 12:00:00')")) == [(4118151600,)]


def test_intervals_are_summed_and_averaged(spark):
    frame = spark.sql(
        "select k, sum(i) s, avg(i) a from values (interval '36' hour, 1), (interval '1' hour, 1), (null, 1), (interval '5' hour, 2) as t(i, k) group by k order by k"
    )
    hour = datetime.timedelta(hours=1)
    assert rows(frame) == [(1, 37 * hour, 18.5 * hour), (2, 5 * hour, 5 * hour)]
    months = "values (interval '1' month), (interval '2' month) as t(i)"
    assert rows(spark.sql(f"select cast(sum(i) as string), cast(avg(i) as string) from {months}")) == [
        ("INTERVAL '0-3' YEAR TO MONTH", "INTERVAL '0-2' YEAR TO MONTH")
    ]
    running = spark.sql("select sum(i) over (order by k) from values (interval '1' day, 1), (interval '2' day, 2) as t(i, k)")
    assert rows(running) == [(24 * hour,), (72 * hour,)]
    assert rows(spark.sql("select cast(5 as interval hour), cast(cast(3 as interval month) as string)")) == [
        (5 * hour, "INTERVAL '3' MONTH")
    ]


@pytest.mark.parametrize(
    "expression, expected",
    [
        (F.col("s").rlike("^a++a$"), False),
        (F.regexp_extract("s", r"(?<=a)(a+)", 1), "aa"),
        (F.regexp_replace("s", r"(?<first>a)(?<rest>a*)", "${rest}-${first}"), "aa-a"),
        (F.regexp_extract_all("s", F.lit(r"(a)|(b)"), F.lit(2)), ["", "", ""]),
        (F.split("s", "(?=a)"), ["a", "a", "a"]),
        (F.regexp_instr("s", F.lit(r"(a)\1$")), 2),
        (F.regexp_count("s", F.lit("a*")), 2),
    ],
)
def test_patterns_are_java_s(spark, expression, expected):
    frame = spark.createDataFrame([("aaa",)], "s string")
    assert rows(frame.select(expression)) == [(expected,)]


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)


class PointUDT(UserDefinedType):
    @classmethod
    def sqlType(cls):
        return ArrayType(DoubleType(), False)

    @classmethod
    def module(cls):
        return __name__

    def serialize(self, value):
        return [value.x, value.y]

    def deserialize(self, datum):
        return Point(*datum)


Point.__UDT__ = PointUDT()


def test_a_type_of_the_program_comes_back(spark, tmp_path):
    schema = StructType([StructField("id", LongType()), StructField("p", PointUDT()), StructField("ps", ArrayType(PointUDT()))])
    data = [(1, Point(1.0, 2.0), [Point(3.0, 4.0)]), (2, None, None)]
    frame = spark.createDataFrame(data, schema)
    assert frame.schema == schema
    assert [tuple(row) for row in frame.orderBy("id").collect()] == data
    assert [tuple(row) for row in frame.filter("id = 1").select("p", F.col("ps")[0]).collect()] == [(Point(1.0, 2.0), Point(3.0, 4.0))]
    assert frame.groupBy("p").count().filter("p is not null").collect()[0].p == Point(1.0, 2.0)
    assert frame.select("p").union(frame.select("p")).schema["p"].dataType == PointUDT()
    assert frame.selectExpr("max(p) m").schema["m"].dataType == PointUDT()
    frame.write.parquet(str(tmp_path / "points"))
    again = spark.read.parquet(str(tmp_path / "points"))
    assert again.schema == schema
    assert [tuple(row) for row in again.orderBy("id").collect()] == data
    frame.write.saveAsTable("points_of_a_program")
    assert spark.table("points_of_a_program").schema["p"].dataType == PointUDT()
    described = spark.sql("describe points_of_a_program").collect()
    assert [row.data_type for row in described] == ["bigint", "pythonuserdefined", "array<pythonuserdefined>"]
    spark.sql("drop table points_of_a_program")


def test_timestamps_of_other_writers_are_instants_or_not(spark, tmp_path):
    def written(name, values, data_type, **options):
        path = str(tmp_path / f"{name}.parquet")
        pyarrow.parquet.write_table(pyarrow.table({"t": pyarrow.array(values, data_type)}), path, **options)
        return path

    moment = datetime.datetime(2013, 7, 14, 20)
    old = written("int96", [moment, None], pyarrow.timestamp("ns"), use_deprecated_int96_timestamps=True)
    nested = written("nested", [[moment]], pyarrow.list_(pyarrow.timestamp("ns")), use_deprecated_int96_timestamps=True)
    local = written("local", [moment], pyarrow.timestamp("us"))
    coarse = written("coarse", [moment], pyarrow.timestamp("ms", "America/New_York"))
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    for path, kind, text in [
        (old, "timestamp", "2013-07-14 22:00:00"),
        (local, "timestamp_ntz", "2013-07-14 20:00:00"),
        (coarse, "timestamp", "2013-07-14 22:00:00"),
    ]:
        frame = spark.read.parquet(path)
        assert frame.schema["t"].dataType.simpleString() == kind
        assert frame.filter("t is not null").selectExpr("cast(t as string)").collect()[0][0] == text
    assert spark.read.parquet(nested).selectExpr("cast(t[0] as string)").collect()[0][0] == "2013-07-14 22:00:00"
    assert spark.read.parquet(old).filter("t > timestamp'2013-07-14 21:00:00'").count() == 1
    with pytest.raises(AnalysisException, match=r"PARQUET_TYPE_ILLEGAL.*TIMESTAMP\(NANOS,true\)"):
        spark.read.parquet(written("fine", [moment], pyarrow.timestamp("ns", "UTC"))).schema


def test_what_writers_keep_for_themselves_does_not_count(spark, tmp_path):
    path = str(tmp_path / "spans.parquet")
    table = pyarrow.table({"d": pyarrow.array([datetime.timedelta(days=1)], pyarrow.duration("us")), "u": pyarrow.array([7], pyarrow.uint32())})
    pyarrow.parquet.write_table(table, path)
    assert spark.read.parquet(path).dtypes == [("d", "bigint"), ("u", "bigint")]
    assert rows(spark.read.parquet(path)) == [(86_400_000_000, 7)]
    spark.sql("select cast(1 as interval day) as i, cast('a' as char(3)) as s").write.parquet(str(tmp_path / "own"))
    assert spark.read.parquet(str(tmp_path / "own")).dtypes == [("i", "interval day"), ("s", "string")]


def test_show_counts_wide_characters_twice(spark, capsys):
    spark.createDataFrame([("中文", "😀x"), ("a", "e\u0301")], ["a", "名"]).show()
    assert capsys.readouterr().out.splitlines() == [
        "+----+---+",
        "|   a| 名|",
        "+----+---+",
        "|中文|😀x|",
        "|   a| e\u0301|",
        "+----+---+",
        "",
    ]


def test_hints_are_seen_in_plans(spark, capsys):
    left, right = spark.range(3), spark.range(4)
    left.join(right.hint("broadcast"), "id").explain(True)
    assert "ResolvedHint (strategy=broadcast)" in capsys.readouterr().out
    spark.sql("select /*+ merge(r) */ * from range(3) l join range(3) r on l.id = r.id").explain(True)
    assert "ResolvedHint (strategy=merge)" in capsys.readouterr().out
    assert left.join(right.hint("broadcast"), "id").count() == 3


def test_a_storage_level_is_the_one_that_was_asked_for(spark):
    frame = spark.range(7)
    assert frame.storageLevel == StorageLevel.NONE
    frame.persist(StorageLevel.MEMORY_ONLY)
    assert frame.storageLevel == StorageLevel.MEMORY_ONLY
    frame.unpersist()
    assert frame.cache().storageLevel == StorageLevel.MEMORY_AND_DISK_DESER
    frame.unpersist()
    assert frame.storageLevel == StorageLevel.NONE


def test_tables_are_shown_with_all_that_is_known(spark):
    spark.sql("create database if not exists shop")
    spark.sql("create table shop.orders (id int, day string) using parquet partitioned by (day)")
    spark.sql("create or replace temp view open_orders as select 1 as a")
    try:
        found = {row.tableName: row for row in spark.sql("show table extended in shop like '*orders'").collect()}
        assert set(found) == {"orders", "open_orders"}
        orders = found["orders"]
        assert (orders.namespace, orders.isTemporary) == ("shop", False)
        for line in ["Database: shop", "Table: orders", "Type: MANAGED", "Provider: parquet", "Partition Columns: [`day`]", " |-- id: integer (nullable = true)"]:
            assert line in orders.information.splitlines(), orders.information
        assert found["open_orders"].isTemporary
        assert "Type: VIEW" in found["open_orders"].information
        with pytest.raises(AnalysisException, match="SCHEMA_NOT_FOUND"):
            spark.sql("show table extended in nowhere like '*'")
    finally:
        spark.sql("drop database shop cascade")
