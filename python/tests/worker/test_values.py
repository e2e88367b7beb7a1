"""Values both ways, compared with Spark's answers in `spark_values.json`."""

import array  # noqa: F401
import collections  # noqa: F401
import datetime
import decimal
import json
import os
import pathlib
import sys
import zoneinfo

import numpy as np  # noqa: F401
import pyarrow as pa
import pytest
from pyspark.sql import Row
from pyspark.sql.types import StructField, StructType
from worker.harness import PYTHON, Executor, Failed, batch, cloudpickle, ddl, evaluate, function, header

cloudpickle.register_pickle_by_value(sys.modules[__name__])
D = decimal.Decimal
SPARK = json.loads((pathlib.Path(__file__).parent / "spark_values.json").read_text())
CASES = [(int(kind), name) for kind in ("100", "101") for name in SPARK[kind]]
# What the recorded expressions evaluate to `Decimal` and so on with.
NAMES = "import array, collections, datetime, decimal\nimport numpy as np\nfrom pyspark.sql import Row\nD = decimal.Decimal"


@pytest.mark.parametrize("kind, name", CASES)
def test_results(worker, kind, name):
    recorded = SPARK[str(kind)][name]
    expected = {**recorded["values"], **dict.fromkeys(recorded["nulls"], "None")}
    expressions = list(expected)

    def f(expression):
        scope = {}
        exec(NAMES, scope)
        return eval(expression, scope)

    # Each in a batch of its own: then it takes the fast way if there is one for it.
    batches = [batch("a string", a=[one]) for one in expressions]
    found = evaluate(worker, kind, f, ddl(name), batches, "a string")
    shown = [show(one.column(0), name) for one in found.batches]
    assert dict(zip(expressions, shown)) == expected


@pytest.mark.parametrize("name", SPARK["100"])
def test_results_in_one_batch(worker, name):
    recorded = SPARK["100"][name]
    expected = {**recorded["values"], **dict.fromkeys(recorded["nulls"], "None")}

    def f(expression):
        scope = {}
        exec(NAMES, scope)
        return eval(expression, scope)

    found = evaluate(worker, 100, f, ddl(name), [batch("a string", a=list(expected))], "a string")
    column = found.batches[0].column(0)
    assert [show(column.slice(at, 1), name) for at in range(len(column))] == list(expected.values())


@pytest.mark.parametrize("kind, name", CASES)
def test_results_that_are_errors(kind, name):
    from firesteel.worker import arrow_rows, pickled
    from firesteel.worker.settings import Settings

    for expression in SPARK[str(kind)][name]["errors"]:
        value = eval(expression)
        with pytest.raises(Exception):  # noqa: B017
            if kind == 100:
                pickled.column([value], ddl(name))
            else:
                arrow_rows.Converter(ddl(name), Settings({})).column([value])


def show(column, name):
    """A value as the recording shows it."""
    from firesteel.worker import rows

    (value,) = column.to_pylist()
    if value is None:
        return "None"
    if name == "timestamp":
        return repr(str(value.astimezone(zoneinfo.ZoneInfo("America/Los_Angeles")).replace(tzinfo=None)))
    if name in ("date", "timestamp_ntz"):
        return repr(str(value))
    if name == "interval":
        return repr(f"INTERVAL '{interval(value)}' DAY TO SECOND")
    return repr(rows.values(column, ddl(name))[0])


def interval(value):
    sign, value = ("-", -value) if value < datetime.timedelta(0) else ("", value)
    seconds = f"{value.seconds % 60:02}.{value.microseconds:06}".rstrip("0").rstrip(".")
    return f"{sign}{value.days} {value.seconds // 3600:02}:{value.seconds // 60 % 60:02}:{seconds}"


UTC = datetime.timezone.utc
INSTANT = datetime.datetime(2020, 1, 2, 11, 4, 5, 678901, UTC)
ARGUMENTS = [
    # SQL literal of the recording, type, value in Arrow
    ("cast(1 as byte)", "byte", 1),
    ("cast(-1 as short)", "short", -1),
    ("1", "int", 1),
    ("2L", "long", 2),
    ("cast(1.1 as float)", "float", 1.1),
    ("1.1D", "double", 1.1),
    ("1.10BD", "decimal(3,2)", D("1.10")),
    ("cast(null as int)", "int", None),
    ("'é'", "string", "é"),
    ("X'00ff'", "binary", b"\x00\xff"),
    ("true", "boolean", True),
    ("date'2020-01-02'", "date", datetime.date(2020, 1, 2)),
    ("date'0001-01-01'", "date", datetime.date(1, 1, 1)),
    ("timestamp'2020-01-02 03:04:05.678901'", "timestamp", INSTANT),
    ("timestamp_ntz'2020-01-02 03:04:05.678901'", "timestamp_ntz", datetime.datetime(2020, 1, 2, 3, 4, 5, 678901)),
    ("interval '1 02:03:04.5' day to second", "interval", datetime.timedelta(1, 7384, 500000)),
    ("array(1,null)", "array<int>", [1, None]),
    ("array(array(date'2020-01-02'))", "array<array<date>>", [[datetime.date(2020, 1, 2)]]),
    ("map('a',1,'b',null)", "map<string,int>", [("a", 1), ("b", None)]),
    ("array(named_struct('x',1.5BD))", "array<struct<x:decimal(2,1)>>", [{"x": D("1.5")}]),
    ("map(1,array(X'01'))", "map<int,array<binary>>", [(1, [b"\x01"])]),
    ("null", "null", None),
    ("cast('NaN' as double)", "double", float("nan")),
    ("cast(1 as decimal(38,18))", "decimal(38,18)", D(1)),
    (
        "named_struct('a',1,'b',named_struct('c',timestamp'2020-01-02 03:04:05'))",
        "struct<a:int,b:struct<c:timestamp>>",
        {"a": 1, "b": {"c": datetime.datetime(2020, 1, 2, 11, 4, 5, tzinfo=UTC)}},
    ),
]


@pytest.mark.parametrize("kind", [100, 101])
@pytest.mark.parametrize("literal, name, value", ARGUMENTS)
def test_arguments(worker, kind, literal, name, value):
    schema = StructType([StructField("a", ddl(name))])
    # In slices of a larger column, and beside nulls, as well.
    whole = batch(schema, a=[None, value, value, None])
    batches = [batch(schema, a=[value]), whole, whole.slice(1, 2)]
    found = evaluate(worker, kind, lambda x: type(x).__name__ + " " + repr(x), "string", batches, schema)
    expected = SPARK["arguments"][literal]
    assert found.column() == [expected, "NoneType None", expected, expected, "NoneType None", expected, expected]


def test_times_beyond_the_calendar(worker):
    far = pa.RecordBatch.from_arrays([pa.array([10**18], pa.int64()).view(pa.timestamp("us"))], names=["a"])
    with pytest.raises(Exception, match="year is out of range"):
        evaluate(worker, 100, lambda x: 1, "int", [far], "a timestamp_ntz")


def test_binaries_as_byte_arrays(worker):
    settings = {"spark.sql.execution.pyspark.binaryAsBytes": "false"}
    one = batch("a binary", a=[b"x"])
    assert evaluate(worker, 100, lambda x: repr(x), "string", [one], "a binary", **settings).column() == ["bytearray(b'x')"]


def test_nested_results(worker):
    name = "array<struct<k:map<string,array<int>>,d:date>>"

    def f(x):
        return [Row(k={"a": [1, None]}, d=datetime.date(2020, 1, 2)), None, ({}, None)] if x else None

    expected = [{"k": [("a", [1, None])], "d": datetime.date(2020, 1, 2)}, None, {"k": [], "d": None}]
    for kind in (100, 101):
        found = evaluate(worker, kind, f, name, [batch("a long", a=[1, None, 0, 2])], "a long")
        assert found.column() == [expected, None, None, expected]


MODULES = pathlib.Path(__file__).parent / "modules"


@pytest.mark.parametrize("kind", [100, 101, 200])
def test_user_defined_types(worker, monkeypatch, kind):
    monkeypatch.syspath_prepend(str(MODULES))
    from points import PointType

    def swapped(point):
        return None if point is None else type(point)(point.y, point.x)

    call = (lambda points: points.map(swapped)) if kind == 200 else swapped
    schema = StructType([StructField("a", PointType())])
    head = header("eval", [function(kind, PointType())], [schema], outputs=[0])
    head["files"] = {"root": str(MODULES), "path": []}
    found = worker.run(head, [[batch(schema, a=[[1, 2], None])]], [cloudpickle.dumps((call, PointType()))])
    assert found.column() == [[2, 1], None]


def test_dates_beyond_the_calendar(worker):
    far = pa.RecordBatch.from_arrays([pa.array([10**7, None], pa.int32()).view(pa.date32())], names=["a"])
    with pytest.raises(Exception, match="year is out of range"):
        evaluate(worker, 101, lambda x: 1, "int", [far], "a date")


@pytest.mark.parametrize("kind", [100, 101])
def test_times_are_those_of_the_zone_of_the_process(kind):
    # As in Spark, and not those of the session.
    executor = Executor({"TZ": "America/New_York"})
    one = batch("a timestamp", a=[INSTANT, None])
    found = evaluate(executor.fork(), kind, lambda x: x and str(x), "string", [one], "a timestamp")
    assert found.column() == ["2020-01-02 06:04:05.678901", None]
    assert evaluate(executor.fork(), kind, lambda x: x, "timestamp", [one], "a timestamp").column() == [INSTANT, None]
    executor.close()


@pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 18, reason="pyarrow itself needs NumPy")
def test_without_numpy_and_pandas(tmp_path):
    for name in ("numpy", "pandas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not installed')\n")
    executor = Executor({"PYTHONPATH": os.pathsep.join([str(tmp_path), str(PYTHON), os.environ.get("PYTHONPATH", "")])})
    schema = "a long, s string, t timestamp, n array<int>"
    one = batch(schema, a=[1, None], s=["x", None], t=[INSTANT, None], n=[[1, None], None])
    for kind in (100, 101):
        found = evaluate(executor.fork(), kind, lambda *row: str(row), "string", [one], schema, (0, 1, 3))
        assert found.column() == ["(1, 'x', [1, None])", "(None, None, None)"]
    with pytest.raises(Failed) as error:
        evaluate(executor.fork(), 200, lambda s: s, "long", [one], schema)
    assert error.value.type == "ImportError"
    executor.close()
