"""Python data sources (`spark.dataSource`) on a real driver and executors; the answers are those of Spark 4.2 unless a comment says otherwise."""

import datetime
import decimal
import itertools
import os
import sys

import pyarrow as pa
import pytest
from pyspark import cloudpickle
from pyspark.errors import (
    AnalysisException,
    ParseException,
    PySparkException,
    PythonException,
    UnsupportedOperationException,
)
from pyspark.sql import Row
from pyspark.sql.datasource import (
    DataSource,
    DataSourceReader,
    EqualTo,
    InputPartition,
)
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

# Workers do not have this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_numbers = itertools.count()


def raising(*_):
    raise ValueError("no luck")


class Reader(DataSourceReader):
    def __init__(self, rows, partitions=None):
        self.rows = rows
        if partitions is not None:
            self.partitions = partitions

    def read(self, partition):
        return self.rows(partition)


@pytest.fixture
def register(spark):
    """Registers a source of these parts; returns its name."""

    def register(schema="a int, b string", rows=None, partitions=None, name=None, **methods):
        named = name or f"Source{next(_numbers)}"
        parts = {"name": classmethod(lambda cls: named)}
        if schema is not None:
            parts["schema"] = lambda self: schema(self) if callable(schema) else schema
        if rows is not None:
            parts["reader"] = lambda self, schema: Reader(rows, partitions)
        parts.update(methods)
        spark.dataSource.register(type("Source", (DataSource,), parts))
        return named

    return register


def load(spark, name, *paths, schema=None, **options):
    reader = spark.read.format(name).options(**options)
    return (reader.schema(schema) if schema is not None else reader).load(*paths)


def test_partitions(spark, register):
    found = register("p int, n int", lambda p: iter((p.value, n) for n in range(p.value)), lambda: [InputPartition(n) for n in range(4)])
    frame = load(spark, found.upper())
    assert frame.columns == ["p", "n"]
    assert sorted(map(tuple, frame.collect())) == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
    assert frame.rdd.getNumPartitions() == 4 if hasattr(frame, "rdd") else True
    assert frame.groupBy("p").count().orderBy("p").collect() == [Row(p=n, count=n) for n in (1, 2, 3)]
    assert frame.where("n = 1").select("p").orderBy("p").collect() == [Row(p=2), Row(p=3)]
    assert frame.join(frame.withColumnRenamed("n", "m"), "p").count() == 14


def test_a_source_without_partitions_reads_once(spark, register):
    rows = lambda p: iter([(repr(p),)])  # noqa: E731
    for partitions in (None, list, lambda: raising_not_implemented()):
        assert load(spark, register("p string", rows, partitions)).collect() == [Row(p="InputPartition(value=None)")]
    assert load(spark, register("p string", lambda p: iter(()))).collect() == []


def raising_not_implemented():
    raise NotImplementedError


def test_a_source_is_read_again_by_each_action(spark, register, tmp_path):
    log = tmp_path / "log"

    def rows(partition):
        with open(log, "a") as file:
            file.write("x")
        yield (len(open(log).read()), "b")

    counts = load(spark, register(rows=rows)).groupBy("a").count()
    assert counts.collect() == [Row(a=1, count=1)]
    assert counts.collect() == [Row(a=2, count=1)]


def test_schemas(spark, register):
    struct = StructType([StructField("a", IntegerType(), False), StructField("b", StringType())])
    rows = lambda p: iter([(1, "x")])  # noqa: E731
    assert load(spark, register(struct, rows)).schema == struct
    assert load(spark, register(struct, rows)).collect() == [Row(a=1, b="x")]
    assert load(spark, register(rows=rows), schema="x long, y string").collect() == [Row(x=1, y="x")]
    assert load(spark, register(None, rows), schema=struct).schema == struct
    with pytest.raises(ParseException) as caught:
        load(spark, register("a int,", rows)).schema
    assert caught.value.getCondition() == "PARSE_SYNTAX_ERROR"
    for schema, shown in (("int", "int"), (lambda _: IntegerType(), '"integer"')):
        with pytest.raises(AnalysisException) as caught:
            load(spark, register(schema, rows)).schema
        assert caught.value.getCondition() == "INVALID_SCHEMA.NON_STRUCT_TYPE"
        assert caught.value.getMessageParameters() == {"inputSchema": shown, "dataType": '"INT"'}


def test_values_of_all_types(spark, register):
    schema = (
        "a tinyint, b smallint, c int, d bigint, e float, f double, g decimal(5,2), h string, i binary, j boolean, "
        "k date, l timestamp, m timestamp_ntz, n interval day to second, o array<int>, p map<string,int>, "
        "q struct<x:int,y:string>"
    )
    row = (
        1, 2, 3, 4, 0.5, 0.25, decimal.Decimal("1.50"), "s", b"b", True, datetime.date(2024, 1, 2),
        datetime.datetime(2024, 1, 2, 3, 4, 5), datetime.datetime(2024, 1, 2, 3, 4, 5), datetime.timedelta(hours=1),
        [1, None], {"k": 1}, Row(x=1, y="y"),
    )  # fmt: skip
    found = load(spark, register(schema, lambda p: iter([row, (None,) * len(row)]))).collect()
    assert [tuple(one) for one in found] == [row, (None,) * len(row)]


def test_forms_of_rows(spark, register):
    rows = [(1, "t"), [2, "l"], Row(3, "r"), Row(b="n", a=4), (5, 6)]
    found = load(spark, register(rows=lambda p: iter(rows)))
    assert found.collect() == [Row(a=1, b="t"), Row(a=2, b="l"), Row(a=3, b="r"), Row(a=4, b="n"), Row(a=5, b="6")]


def test_columns_without_nulls(spark, register):
    schema = StructType([StructField("a", IntegerType(), False)])
    assert load(spark, register(schema, lambda p: iter([(1,)]))).collect() == [Row(a=1)]
    with pytest.raises(PythonException, match="must not be None"):
        load(spark, register(schema, lambda p: iter([(None,)]))).collect()


@pytest.mark.parametrize("offered", ["false", "true"])
def test_sources_in_queries(spark, register, offered):
    spark.conf.set("spark.sql.python.filterPushdown.enabled", offered)
    name = register(rows=lambda p: iter([(1, "x"), (2, "y")]))
    spark.sql(f"CREATE OR REPLACE TEMP VIEW v USING {name}")
    found = spark.sql("SELECT (SELECT max(a) FROM v) m, v.b FROM v WHERE a IN (SELECT a - 1 FROM v) UNION ALL SELECT * FROM v")
    assert sorted(map(tuple, found.collect())) == [(1, "x"), (2, "x"), (2, "y")]
    frame = load(spark, name)
    both = frame.union(frame).where("a > 1").groupBy("b").count()
    assert both.collect() == [Row(b="y", count=2)]
    left = frame.join(frame.selectExpr("a + 1 a", "b c"), "a", "left").where("c IS NULL OR c = 'x'")
    assert sorted(map(tuple, left.collect())) == [(1, "x", None), (2, "y", "x")]
    assert frame.limit(1).collect() == frame.take(1) == [Row(a=1, b="x")]
    assert frame.sameSemantics(frame) and not frame.sameSemantics(load(spark, name, x="y"))
    assert frame.cache().storageLevel.useMemory


def test_many_rows(spark, register):
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "7")
    found = load(spark, register(rows=lambda p: ((n, str(n)) for n in range(100))))
    assert found.selectExpr("sum(a)", "count(b)").collect()[0][:] == (4950, 100)


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def test_batches(spark, register):
    one = batch(a=pa.array([1, 2], pa.int32()), b=["u", None])
    found = load(spark, register(rows=lambda p: iter([one, one])))
    assert found.collect() == [Row(a=1, b="u"), Row(a=2, b=None)] * 2


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (lambda p: None, "Unsupported return type ('NoneType') from Python data source"),
        (lambda p: [(1, "a")], "Expected types: iterator."),
        (lambda p: iter([1]), "Unsupported return type ('int') from Python data source"),
        (lambda p: iter([{"a": 1, "b": "x"}]), "Unsupported return type ('dict') from Python data source"),
        (lambda p: iter([(1,)]), "Expected: 2 columns, Found: 1 columns."),
        (lambda p: iter([Row(b="z", c=3)]), "Expected: ['a', 'b'] columns, Found: ['b', 'c'] columns."),
        (lambda p: iter([("z", 3)]), "Could not convert 'z' with type str: tried to convert to int32"),
        (lambda p: iter([batch(a=[1])]), "Expected: 2 columns, Found: 1 columns."),
        (lambda p: iter([batch(b=["x"], c=["y"])]), "Expected: ['a', 'b'] columns, Found: ['b', 'c'] columns."),
        (lambda p: iter([batch(a=[1], b=["x"])]), "a: int64"),
        (raising, "ValueError: no luck"),
    ],
)
def test_failures_of_tasks(spark, register, found, part):
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    with pytest.raises(PythonException) as caught:
        load(spark, register(rows=found)).collect()
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "doing", "part"),
    [
        ({"schema": None}, ("create", "instance"), "[NOT_IMPLEMENTED] schema is not implemented."),
        ({"schema": raising}, ("create", "instance"), "ValueError: no luck"),
        ({"schema": lambda _: 5}, ("create", "instance"), "but got 'int'"),
        ({"__init__": raising}, ("create", "instance"), ""),
        ({}, ("initialize", "reader"), "[NOT_IMPLEMENTED] reader is not implemented."),
        ({"reader": raising}, ("initialize", "reader"), ""),
        ({"reader": lambda self, schema: 5}, ("initialize", "reader"), "Expected an instance of DataSourceReader, but got 'int'."),
        ({"rows": iter, "partitions": raising}, ("generate", "read partitions"), "ValueError: no luck"),
        ({"rows": iter, "partitions": lambda: (1,)}, ("generate", "read partitions"), "Expected 'partitions' to return a list, but got 'tuple'."),
        (
            {"rows": iter, "partitions": lambda: [1, InputPartition(2)]},
            ("generate", "read partitions"),
            "Expected elements in 'partitions' to be of type 'InputPartition', but got 'int', 'InputPartition'.",
        ),
    ],
)  # fmt: skip
def test_failures_of_plans(spark, register, parts, doing, part):
    frame = load(spark, register(**parts))
    if doing[0] != "create":
        assert frame.columns == ["a", "b"]  # readers are made when they are needed
    with pytest.raises(AnalysisException) as caught:
        frame.collect()
    assert caught.value.getCondition() == "PYTHON_DATA_SOURCE_ERROR"
    found = caught.value.getMessageParameters()
    assert (found["action"], found["type"]) == doing
    assert part in found["msg"]


def test_a_source_may_crash(spark, register):
    frame = load(spark, register(schema=lambda self: os._exit(7)))
    with pytest.raises(PySparkException, match="7"):
        frame.schema
    assert load(spark, register(rows=lambda p: iter([(1, "x")]))).count() == 1


def test_a_class_that_is_no_source(spark, register):
    spark.dataSource.register(type("Other", (), {"name": classmethod(lambda cls: "other")}))
    with pytest.raises(AnalysisException, match="Expected a subclass of DataSource, but got 'type'."):
        load(spark, "other").schema


class WithOptions(DataSource):
    def schema(self):
        return "options string"

    def reader(self, schema):
        options = self.options
        return Reader(lambda p: iter([(str(sorted(options.items())),)])) if "FOO" in options else Reader(lambda p: iter([("",)]))


def test_options(spark):
    spark.dataSource.register(WithOptions)
    assert load(spark, "withoptions", "/p", Foo=1, BAR=True).collect()[0][0] == "[('bar', 'true'), ('foo', '1'), ('path', '/p')]"
    assert load(spark, "WithOptions", ["/p", "/q"], foo="x").collect()[0][0] == """[('foo', 'x'), ('paths', '["/p","/q"]')]"""
    assert load(spark, "WithOptions").collect()[0][0] == ""
    with pytest.raises(AnalysisException) as caught:
        load(spark, "WithOptions", "/p", path="/q").schema
    assert caught.value.getCondition() == "_LEGACY_ERROR_TEMP_1306"


def test_views_of_sources(spark):
    spark.dataSource.register(WithOptions)
    spark.sql("CREATE OR REPLACE TEMP VIEW v1 USING WithOptions OPTIONS (Foo '1', path '/q')")
    assert spark.sql("SELECT * FROM v1").collect()[0][0] == "[('foo', '1'), ('path', '/q')]"
    spark.sql("CREATE OR REPLACE TEMP VIEW v2 (z string) USING WithOptions OPTIONS (Foo '1')")
    assert spark.sql("SELECT * FROM v2").collect() == [Row(z="[('foo', '1')]")]


def test_names(spark, register):
    for name in ("csv", "PARQUET", "jdbc", "console"):
        with pytest.raises(AnalysisException) as caught:
            register(name=name)
        assert caught.value.getCondition() == "DATA_SOURCE_ALREADY_EXISTS"
    for value in (1, 2):
        register(rows=lambda p, value=value: iter([(value, "x")]), name="again")
        assert load(spark, "again").collect() == [Row(a=value, b="x")]
    with pytest.raises(UnsupportedOperationException):
        spark.readStream.format("again").load().schema


# Filters.


class Filtering(Reader):
    """Yields the filters that it was offered as its only row."""

    def __init__(self, keep=lambda filters: filters):
        self.keep, self.seen = keep, None

    def pushFilters(self, filters):
        self.seen = [repr(one).replace("attribute=", "").replace("value=", "") for one in filters]
        return self.keep(filters)

    def read(self, partition):
        yield 1, "x", 2.5, datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2), decimal.Decimal(1), Row(h=1), True, b"", str(self.seen)


COLUMNS = "a int, b string, c double, d date, t timestamp, e decimal(5,2), g struct<h:int>, l boolean, i binary, seen string"


@pytest.fixture
def offered(spark, register):
    """The filters that a source is offered for a condition that its row passes."""
    spark.conf.set("spark.sql.python.filterPushdown.enabled", "true")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    name = register(COLUMNS, reader=lambda self, schema: Filtering())
    return lambda condition: load(spark, name).where(condition).select("seen").collect()


def not_null(*columns):
    return [f"IsNotNull({path!r})" for path in columns]


A, B = ("a",), ("b",)


@pytest.mark.parametrize(
    ("condition", "filters"),
    [
        ("a = 1", [*not_null(A), "EqualTo(('a',), 1)"]),
        ("1 < a + 1 AND 0 < a", [*not_null(A), "GreaterThan(('a',), 0)"]),
        ("a > 0 AND b LIKE 'x%'", [*not_null(A, B), "GreaterThan(('a',), 0)", "StringStartsWith(('b',), 'x')"]),
        ("a BETWEEN 1 AND 3", [*not_null(A), "GreaterThanOrEqual(('a',), 1)", "LessThanOrEqual(('a',), 3)"]),
        ("a IN (1, 2)", ["In(('a',), [1, 2])"]),
        ("a IN (1, 2, 3, 4, 5)", ["In(('a',), [1, 2, 3, 4, 5])"]),
        ("a NOT IN (2, 3, 4, 5)", ["Not(child=In(('a',), [2, 3, 4, 5]))"]),
        ("a <> 2", [*not_null(A), "Not(child=EqualTo(('a',), 2))"]),
        ("a <=> 1", ["EqualNullSafe(('a',), 1)"]),
        ("a = 1.0", [*not_null(A), "EqualTo(('a',), 1)"]),
        ("b IS NOT NULL", not_null(B)),
        ("b LIKE '%x'", [*not_null(B), "StringEndsWith(('b',), 'x')"]),
        ("b LIKE '%x%'", [*not_null(B), "StringContains(('b',), 'x')"]),
        ("contains(b, 'x')", [*not_null(B), "StringContains(('b',), 'x')"]),
        ("b NOT LIKE 'y%'", [*not_null(B), "Not(child=StringStartsWith(('b',), 'y'))"]),
        ("c < 2.6", [*not_null(("c",)), "LessThan(('c',), 2.6)"]),
        ("d > '2024-01-01'", [*not_null(("d",)), "GreaterThan(('d',), datetime.date(2024, 1, 1))"]),
        ("e < 1.5", [*not_null(("e",)), "LessThan(('e',), Decimal('1.50'))"]),
        ("g.h = 1", [*not_null(("g", "h")), "EqualTo(('g', 'h'), 1)"]),
        ("l", [*not_null(("l",)), "EqualTo(('l',), True)"]),
        ("NOT (l AND a = 2)", None),
        ("i = X''", [*not_null(("i",)), "EqualTo(('i',), b'')"]),
        ("a = 1 OR b = 'y'", None),
        ("upper(b) = 'X'", None),  # to Spark, that no null passes is a filter of its own
        ("true", None),
    ],
)
def test_offered_filters(offered, condition, filters):
    assert offered(condition) == [Row(seen=str(filters))]


def test_filters_of_times(offered):
    (row,) = offered("t > timestamp'2024-01-01 03:04:05'")
    assert "GreaterThan(('t',), datetime.datetime(2024, 1, 1, 3, 4, 5, tzinfo=" in row.seen


def test_filters_are_offered_below_joins(spark, register):
    spark.conf.set("spark.sql.python.filterPushdown.enabled", "true")
    name = register(COLUMNS, reader=lambda self, schema: Filtering(lambda filters: []))
    joined = load(spark, name).join(spark.range(3).withColumnRenamed("id", "a"), "a").where("b = 'x'")
    (row,) = joined.select("seen").collect()
    assert "EqualTo(('b',), 'x')" in row.seen
    # Spark believes the source that it has filtered.
    assert load(spark, name).where("b IS NULL").collect() == []
    assert load(spark, name).where("a = null").collect() == []


@pytest.mark.parametrize(
    ("keep", "part"),
    [
        (lambda filters: [EqualTo(("a",), 5)], "[DATA_SOURCE_EXTRANEOUS_FILTERS] Filtering.pushFilters() returned filters"),
        (raising, "ValueError: no luck"),
        (lambda filters: None, "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_failures_of_filters(spark, register, keep, part):
    name = register(COLUMNS, reader=lambda self, schema: Filtering(keep))
    for enabled, shown in (("true", part), ("false", "[DATA_SOURCE_PUSHDOWN_DISABLED] Filtering implements pushFilters()")):
        spark.conf.set("spark.sql.python.filterPushdown.enabled", enabled)
        with pytest.raises(AnalysisException) as caught:
            load(spark, name).where("a = 1").collect()
        found = caught.value.getMessageParameters()
        assert (found["action"], found["type"]) == ("initialize", "reader")
        assert shown in found["msg"]
