"""Table functions: `table` and `analyze`."""

import base64
import json
import sys

import pyarrow as pa
import pytest
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType
from worker.harness import Failed, batch, cloudpickle, command, ddl, function, header

from firesteel.worker.partitions import SkipRestOfInputTableException

try:
    from pyspark.sql.udtf import AnalyzeResult, OrderingColumn, PartitioningColumn
except ImportError:  # PySpark 3.5
    AnalyzeResult = None

cloudpickle.register_pickle_by_value(sys.modules[__name__])
A = "a long"
OUT = "x long, y string"


def table(worker, kind, handler, result=OUT, schema=A, batches=None, arguments=(0,), blobs=(), more=None, **settings):
    result = ddl(result) if isinstance(result, str) else result
    one = function(kind, None, arguments, **(more or {}))
    lateral = settings.pop("lateral", False)
    head = header("table", [one], [schema], result, settings=settings, lateral=lateral)
    batches = [batch(A, a=[1, 2])] if batches is None else batches
    return worker.run(head, [batches], [cloudpickle.dumps(handler), *blobs])


class Twice:
    def __init__(self):
        self.sum = 0

    def eval(self, a):
        self.sum += a
        yield a, f"a{a}"
        yield a, None

    def terminate(self):
        yield self.sum, "sum"

    def cleanup(self):
        print("cleaned")


ROWS = [(1, "a1"), (1, None), (2, "a2"), (2, None), (3, "sum")]


@pytest.mark.parametrize("kind", [300, 301])
def test_a_handler_of_rows(worker, kind):
    assert table(worker, kind, Twice).rows == ROWS
    assert worker.said("cleaned")


@pytest.mark.parametrize("kind", [300, 301])
def test_rows_of_the_input_are_numbered(worker, kind):
    found = table(worker, kind, Twice, lateral=True, batches=[batch(A, a=[1]), batch(A, a=[2])])
    assert found.rows == [(row, *rest) for row, rest in zip([0, 0, 1, 1, 1], ROWS)]


def test_a_handler_through_pandas(worker):
    settings = {"spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled": "true"}
    assert table(worker, 301, Twice, **settings).rows == ROWS


def test_a_handler_without_results(worker):
    class Nothing:
        def eval(self, a):
            pass

    assert table(worker, 300, Nothing).batches == []


class Skips:
    def __init__(self):
        self.rows = 0

    def eval(self, table):
        self.rows += 1
        yield self.rows, str(table)
        if self.rows == 2:
            raise SkipRestOfInputTableException()

    def terminate(self):
        yield self.rows, "end"


@pytest.mark.parametrize("kind", [300, 301])
def test_partitions_have_handlers_of_their_own(worker, kind):
    schema = "t struct<a:long,p:long>"
    rows = [{"a": a, "p": p} for a, p in ((1, 1), (2, 1), (3, 1), (4, 2))]
    batches = [batch(schema, t=rows[:2]), batch(schema, t=rows[2:])]
    found = table(worker, kind, Skips, schema=schema, batches=batches, more={"partitionColumns": [1]})
    assert found.rows == [(1, "Row(a=1)"), (2, "Row(a=2)"), (2, "end"), (1, "Row(a=4)"), (1, "end")]


def test_the_rest_of_the_input_is_skipped(worker):
    assert table(worker, 300, Skips, batches=[batch(A, a=[1, 2, 3])]).rows == [(1, "1"), (2, "2"), (2, "end")]


def test_a_handler_of_batches(worker):
    class Arrow:
        def eval(self, t):
            yield pa.table({"x": pa.compute.add(t.column("a"), 1), "y": pa.array(["s"] * t.num_rows)})

        def terminate(self):
            yield pa.RecordBatch.from_arrays([pa.array([0], pa.int32()), pa.array(["end"])], names=["x", "y"])

    schema = "t struct<a:long,p:long>"
    rows = [{"a": a, "p": p} for a, p in ((1, 1), (2, 1), (3, 2))]
    arguments = [{"column": 0, "table": True}]
    found = table(worker, 302, Arrow, schema=schema, batches=[batch(schema, t=rows)], arguments=arguments)
    assert found.rows == [(2, "s"), (3, "s"), (4, "s"), (0, "end")]
    more = {"partitionColumns": [1]}
    found = table(worker, 302, Arrow, schema=schema, batches=[batch(schema, t=rows)], arguments=arguments, more=more)
    assert found.rows == [(2, "s"), (3, "s"), (0, "end"), (4, "s"), (0, "end")]


def of(method):
    return type("H", (), {"eval": method})


@pytest.mark.parametrize("kind", [300, 301])
@pytest.mark.parametrize(
    "handler, condition, parameters",
    [
        (of(lambda self, a: 1), "UDTF_RETURN_NOT_ITERABLE", {"type": "int", "func": "eval"}),
        (of(lambda self, a: [(1, "a", 2)]), "UDTF_RETURN_SCHEMA_MISMATCH", {"expected": "2", "actual": "3", "func": "eval"}),
        (
            of(lambda self: []),
            "UDTF_EVAL_METHOD_ARGUMENTS_DO_NOT_MATCH_SIGNATURE",
            {"name": "f", "reason": "too many positional arguments"},
        ),
        (
            of(lambda self, a: [(1 // 0, "")]),
            "UDTF_EXEC_ERROR",
            {"method_name": "eval", "error": "integer division or modulo by zero"},
        ),
    ],
)
def test_errors_of_handlers(worker, kind, handler, condition, parameters):
    with pytest.raises(Failed) as error:
        table(worker, kind, handler)
    assert (error.value.condition, error.value.parameters) == (condition, parameters)


def test_errors_of_constructors(executor):
    def broken(self):
        raise ValueError("no")

    with pytest.raises(Failed) as error:
        table(executor.fork(), 300, type("H", (), {"__init__": broken, "eval": lambda self, a: []}))
    assert error.value.parameters == {"method_name": "__init__", "error": "no"}
    with pytest.raises(Failed) as error:
        table(executor.fork(), 300, type("H", (), {"__init__": lambda self, x: None, "eval": lambda self, a: []}))
    assert error.value.condition == "UDTF_CONSTRUCTOR_INVALID_NO_ANALYZE_METHOD"


def test_rows_of_a_wrong_shape(executor):
    with pytest.raises(Failed) as error:
        table(executor.fork(), 300, of(lambda self, a: [1]))
    assert error.value.condition == "UDTF_INVALID_OUTPUT_ROW_TYPE"
    with pytest.raises(Failed) as error:
        table(executor.fork(), 301, of(lambda self, a: [("x", "y")]))
    assert error.value.condition == "UDTF_ARROW_DATA_CONVERSION_ERROR"


def test_nulls_where_there_must_be_none(worker):
    result = StructType([StructField("x", LongType(), False), StructField("y", StringType())])
    with pytest.raises(Failed) as error:
        table(worker, 300, of(lambda self, a: [(None, "y")]), result)
    assert error.value.message.startswith(
        "[UDTF_EXEC_ERROR] User defined table function encountered an error in the 'eval' or 'terminate' method: "
        "Column 0 within a returned row had a value of None"
    )


class Analysed:
    def __init__(self, result):
        self.result = result

    @staticmethod
    def analyze(count, table, name):
        assert count.value == 3 and count.isConstantExpression and table.isTable and name.value is None
        schema = StructType([StructField("x", IntegerType())])
        ordered = [OrderingColumn("b", ascending=False)]
        return AnalyzeResult(schema, partitionBy=[PartitioningColumn("a")], orderBy=ordered)

    def eval(self, a):
        yield (len(self.result.schema.fields) + a,)


@pytest.mark.skipif(AnalyzeResult is None, reason="since PySpark 4.0")
def test_analysis(worker):
    schema = "n int, t struct<a:long>, s string"
    arguments = [{"column": 0, "constant": True}, {"column": 1, "table": True}, {"column": 2}]
    one = function(300, None, arguments, names=[None, None, "name"])
    head = header("analyze", [one], [schema])
    found = worker.run(head, [[batch(schema, n=[3], t=[None], s=[None])]], [cloudpickle.dumps(Analysed)])
    analysis = json.loads(found.rows[0][0])
    pickled = base64.b64decode(analysis.pop("pickled"))
    assert analysis == {
        "schema": {"type": "struct", "fields": [{"name": "x", "type": "integer", "nullable": True, "metadata": {}}]},
        "withSinglePartition": False,
        "partitionBy": ["a"],
        "orderBy": [{"name": "b", "ascending": False, "nullsFirst": None}],
        "select": [],
    }
    assert table(worker, 300, Analysed, "x int", blobs=[pickled], more={"analyzed": 1}).rows == [(2,), (3,)]


@pytest.mark.skipif(AnalyzeResult is None, reason="since PySpark 4.0")
def test_an_analysis_of_other_arguments(worker):
    one = function(300, None, [{"column": 0, "constant": True}])
    found = worker.run(header("analyze", [one], ["n int"]), [[batch("n int", n=[3])]], [cloudpickle.dumps(Analysed)])
    assert "did not match the expected signature of the static 'analyze' method" in json.loads(found.rows[0][0])["error"]
