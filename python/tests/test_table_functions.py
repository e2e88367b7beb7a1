"""Python table functions (`udtf`) on a real driver and executors; the answers are those of Spark 4.2."""

import sys

import pyarrow as pa
import pytest
from pyspark import cloudpickle
from pyspark.errors import AnalysisException, ParseException, PythonException
from pyspark.sql import Row
from pyspark.sql.functions import arrow_udtf, col, lit, udtf
from pyspark.sql.types import IntegerType, StringType, StructType
from pyspark.sql.udtf import AnalyzeArgument, AnalyzeResult, OrderingColumn, PartitioningColumn, SelectedColumn

# Workers do not have this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def active(spark):
    """Calls without a session use the active one."""
    spark._active_session.session = spark


class Count:
    def __init__(self):
        self.n, self.seen = 0, []

    def eval(self, row):
        self.n += 1
        self.seen.append(str(row))
        yield self.n, "e"

    def terminate(self):
        yield self.n, "t" + ",".join(self.seen)


@pytest.fixture
def sql(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    spark.udtf.register("count_", udtf(Count, returnType="n: int, s: string"))
    spark.range(3).coalesce(1).createOrReplaceTempView("v")

    def rows(text):
        return [tuple(row) for row in spark.sql(text).collect()]

    return rows


@pytest.mark.parametrize("use_arrow", [False, True])
def test_calls_with_values(spark, use_arrow):
    function = udtf(Count, returnType="n: int, s: string", useArrow=use_arrow)
    assert function(lit("x")).collect() == [Row(n=1, s="e"), Row(n=1, s="tx")]
    assert function(row=lit("x")).schema.simpleString() == "struct<n:int,s:string>"
    spark.udtf.register("f", function)
    assert spark.sql("SELECT * FROM f(row => 1)").collect() == [Row(n=1, s="e"), Row(n=1, s="t1")]
    assert spark.sql("SELECT x.b FROM f(1) x(a, b)").collect() == [Row(b="e"), Row(b="t1")]


def test_tables_by_partition(sql):
    found = sql("SELECT * FROM count_(TABLE(SELECT id, id % 2 m FROM range(0, 5)) PARTITION BY m ORDER BY id DESC)")
    assert sorted(found) == sorted([
        (1, "e"), (2, "e"), (3, "e"), (3, "tRow(id=4, m=0),Row(id=2, m=0),Row(id=0, m=0)"),
        (1, "e"), (2, "e"), (2, "tRow(id=3, m=1),Row(id=1, m=1)"),
    ])  # fmt: skip
    found = sql("SELECT * FROM count_(TABLE(SELECT id, id % 2 m FROM range(0, 5)) PARTITION BY (m + 1, m) ORDER BY (id))")
    assert sorted(n for n, s in found if s.startswith("t")) == [2, 3]
    assert "tRow(id=1, m=1),Row(id=3, m=1)" in [s for _, s in found]


def test_tables_in_one_partition_and_in_those_they_have(sql):
    whole = sql("SELECT * FROM count_(TABLE(SELECT id, id % 2 m FROM range(0, 5)) WITH SINGLE PARTITION ORDER BY (m, id DESC))")
    rows = ",".join(f"Row(id={n}, m={n % 2})" for n in (4, 2, 0, 3, 1))
    assert whole == [(1, "e"), (2, "e"), (3, "e"), (4, "e"), (5, "e"), (5, "t" + rows)]
    assert sql("SELECT * FROM count_(TABLE(v))")[-1] == (3, "tRow(id=0),Row(id=1),Row(id=2)")
    assert sql("SELECT * FROM count_(row => TABLE(v) WITH SINGLE PARTITION)")[-1][0] == 3
    # No rows, no call.
    assert sql("SELECT * FROM count_(TABLE(SELECT id FROM range(0)))") == []
    assert sorted(n for n, s in sql("SELECT * FROM count_(TABLE(SELECT id FROM range(0, 10, 1, 4) WHERE id > 7))") if s[0] == "t") == [2]


def test_tables_of_frames(spark):
    frame = spark.range(6).withColumn("m", col("id") % 3)
    function = udtf(Count, returnType="n: int, s: string")
    found = function(frame.asTable().partitionBy("m").orderBy(col("id").desc())).collect()
    assert sorted(row.s for row in found if row.s != "e") == [f"tRow(id={m + 3}, m={m}),Row(id={m}, m={m})" for m in range(3)]
    assert function(frame.asTable().withSinglePartition().orderBy("id")).collect()[-1].n == 6


def test_rows_of_laterals_stay_beside_theirs(sql):
    rows = "(SELECT * FROM (VALUES (1), (1), (2)) t(a) ORDER BY a LIMIT 3)"
    found = sql(f"SELECT * FROM {rows} t(a), LATERAL count_(a)")
    assert found == [(1, 1, "e"), (1, 2, "e"), (2, 3, "e"), (2, 3, "t1,1,2")]
    found = sql(f"SELECT a, n FROM {rows} t(a), LATERAL count_(a + 1) f(n, s) WHERE s = 'e' AND a = 2")
    assert found == [(2, 3)]
    # A function with no row for some, and more than a batch of others.
    sql_rows = sql("SELECT count(*), sum(a), sum(n) FROM range(0, 30000, 1, 1) t(a), LATERAL count_(a) WHERE s = 'e' AND a + 1 = n")
    assert sql_rows == [(30000, sum(range(30000)), sum(range(1, 30001)))]


def test_laterals_of_nothing_and_of_many(spark):
    @udtf(returnType="x: long")
    class Times:
        def eval(self, n):
            for _ in range(n):
                yield n * 10,

    spark.udtf.register("times", Times)
    found = spark.sql("SELECT a, x FROM range(0, 4, 1, 2) t(a), LATERAL times(a)").collect()
    assert sorted(map(tuple, found)) == [(1, 10), (2, 20), (2, 20), (3, 30), (3, 30), (3, 30)]
    found = spark.sql("SELECT a, x FROM range(0, 3, 1, 1) t(a) LEFT JOIN LATERAL times(a)").collect()
    assert sorted(map(tuple, found), key=str) == [(0, None), (1, 10), (2, 20), (2, 20)]
    twice = spark.sql("SELECT a, f.x, g.x FROM range(1, 3) t(a), LATERAL times(a) f, LATERAL times(f.x DIV 10) g").collect()
    assert sorted(map(tuple, twice)) == [(1, 10, 10)] + [(2, 20, 20)] * 4


def test_arrow_functions(spark):
    @arrow_udtf(returnType="total: long, rows: int")
    class Total:
        def eval(self, table):
            values = table.column("id").to_pylist()
            yield pa.table({"total": pa.array([sum(values)], pa.int64()), "rows": pa.array([len(values)], pa.int32())})

    frame = spark.range(10).withColumn("m", col("id") % 2)
    found = Total(frame.asTable().partitionBy("m")).collect()
    assert sorted(map(tuple, found)) == [(20, 5), (25, 5)]


def test_several_tables(spark, sql):
    @udtf(returnType="a: long, b: long")
    class Pairs:
        def eval(self, left, right):
            yield left.id, right.id

    spark.udtf.register("pairs", Pairs)
    with pytest.raises(AnalysisException, match="allowMultipleTableArguments"):
        sql("SELECT * FROM pairs(TABLE(v), TABLE(v))")
    spark.conf.set("spark.sql.tvf.allowMultipleTableArguments.enabled", "true")
    assert sorted(sql("SELECT * FROM pairs(TABLE(v), right => TABLE(v))")) == [(a, b) for a in range(3) for b in range(3)]


class Analyzed:
    def __init__(self, result):
        self.names, self.n = result.schema.names, 0

    @staticmethod
    def analyze(*args, **named):
        shown = [*args, *named.values()]
        assert all(isinstance(one, AnalyzeArgument) for one in shown)
        text = ";".join(f"{one.dataType.simpleString()}={one.value}/{one.isTable}/{one.isConstantExpression}" for one in shown)
        return AnalyzeResult(StructType().add("n", IntegerType()).add(text, StringType()))

    def eval(self, *args, **named):
        self.n += 1
        yield self.n, f"{self.names[1]}: {args} {named}"


def test_analyze_learns_of_arguments_and_determines_the_columns(spark, sql):
    spark.udtf.register("an", udtf(Analyzed))
    frame = spark.sql("SELECT * FROM an(1, 'a', id => 1 + 1, t => TABLE(v) WITH SINGLE PARTITION)")
    text = "int=1/False/True;string=a/False/True;int=2/False/True;struct<id:bigint>=None/True/False"
    assert frame.columns == ["n", text]
    assert [tuple(row) for row in frame.collect()] == [
        (n + 1, f"{text}: (1, 'a') {{'id': 2, 't': Row(id={n})}}") for n in range(3)
    ]
    found = sql("SELECT id, n FROM v, LATERAL an(id, 3)")
    assert found == [(0, 1), (1, 2), (2, 3)]


def analyzing(name, **result):
    class Handler(Count):
        def __init__(self, result):
            super().__init__()

        @staticmethod
        def analyze(t):
            return AnalyzeResult(StructType().add("n", IntegerType()).add("s", StringType()), **result)

    Handler.__name__ = name
    return udtf(Handler)


def test_analyze_partitions_orders_and_selects(spark, sql):
    selected = [SelectedColumn("id"), SelectedColumn("id + 1", alias="z")]
    order = [OrderingColumn("id", ascending=False)]
    keys = [PartitioningColumn("id % 2")]
    spark.udtf.register("chosen", analyzing("chosen", partitionBy=keys, orderBy=order, select=selected))
    found = sql("SELECT * FROM chosen(TABLE(v))")
    assert sorted(s for _, s in found if s != "e") == ["tRow(id=1, z=2)", "tRow(id=2, z=3),Row(id=0, z=1)"]
    spark.udtf.register("single", analyzing("single", withSinglePartition=True, orderBy=order))
    assert sql("SELECT * FROM single(TABLE(v))")[-1] == (3, "tRow(id=2),Row(id=1),Row(id=0)")
    for text in ("chosen(TABLE(v) PARTITION BY id)", "single(TABLE(v) WITH SINGLE PARTITION)"):
        with pytest.raises(AnalysisException, match="specified its own required partitioning") as raised:
            sql(f"SELECT * FROM {text}")
        assert raised.value.getCondition() == "TABLE_VALUED_FUNCTION_REQUIRED_METADATA_INCOMPATIBLE_WITH_CALL"
    with pytest.raises(AnalysisException, match="did not provide any table argument"):
        sql("SELECT * FROM chosen(1)")
    spark.udtf.register("unordered", analyzing("unordered", orderBy=order))
    with pytest.raises(AnalysisException, match="the 'order_by' field cannot be non-empty unless"):
        sql("SELECT * FROM unordered(TABLE(v))")
    spark.udtf.register("unnamed", analyzing("unnamed", select=[SelectedColumn("id + 1")]))
    with pytest.raises(AnalysisException, match=r"\(\(id \+ 1\)\) that does not include a corresponding alias"):
        sql("SELECT * FROM unnamed(TABLE(v))")
    spark.udtf.register("unknown", analyzing("unknown", withSinglePartition=True, orderBy=[OrderingColumn("nope")]))
    with pytest.raises(AnalysisException, match="`nope` cannot be resolved"):
        sql("SELECT * FROM unknown(TABLE(v))")


def test_errors(spark, sql):
    class Wrong:
        @staticmethod
        def analyze(t):
            raise ValueError("bad thing")

        def eval(self, t): ...

    spark.udtf.register("wrong", udtf(Wrong))
    with pytest.raises(AnalysisException, match="(?s)Failed to analyze .*Traceback.*ValueError: bad thing") as raised:
        sql("SELECT * FROM wrong(1)")
    assert raised.value.getCondition() == "TABLE_VALUED_FUNCTION_FAILED_TO_ANALYZE_IN_PYTHON"
    with pytest.raises(PythonException, match="UDTF_EVAL_METHOD_ARGUMENTS_DO_NOT_MATCH_SIGNATURE.*too many positional"):
        sql("SELECT * FROM count_(1, 2)")
    for text, condition in (
        ("SELECT * FROM count_(a => 1, 2)", "UNEXPECTED_POSITIONAL_ARGUMENT"),
        ("SELECT * FROM count_(a => 1, a => 2)", "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE"),
        ("SELECT * FROM count_(TABLE(v), TABLE(v))", "TABLE_VALUED_FUNCTION_TOO_MANY_TABLE_ARGUMENTS"),
        ("SELECT count_(1)", "NOT_A_SCALAR_FUNCTION"),
        ("SELECT * FROM count_(TABLE(SELECT 1) PARTITION BY nope)", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
    ):
        with pytest.raises(AnalysisException) as raised:
            sql(text)
        assert raised.value.getCondition() == condition, text
    for text in ("count_(TABLE v)", "count_(TABLE(v) ORDER BY id)", "count_(1) PARTITION BY 1"):
        with pytest.raises(ParseException):
            sql(f"SELECT * FROM {text}")
