"""Data sources: `source`, and the functions that it makes."""

import json
import sys

import pyarrow as pa
import pytest
from worker.harness import Failed, batch, cloudpickle, ddl, function, header

try:
    from pyspark.sql import datasource
except ImportError:  # PySpark 3.5
    pytest.skip("PySpark has no data sources", allow_module_level=True)

cloudpickle.register_pickle_by_value(sys.modules[__name__])
ARROW = 207


class Message(datasource.WriterCommitMessage):
    def __init__(self, rows):
        self.rows = rows


class Reader(datasource.DataSourceReader):
    def partitions(self):
        return [datasource.InputPartition(number) for number in (1, 2)]

    def read(self, partition):
        yield partition.value, "x"


class Filtering(Reader):
    def pushFilters(self, filters):
        print(filters)
        return [one for one in filters if not isinstance(one, datasource.EqualTo)]


class Writer(datasource.DataSourceWriter):
    def __init__(self, overwrite):
        self.overwrite = overwrite

    def write(self, rows):
        return Message([tuple(row) for row in rows])

    def commit(self, messages):
        print("commit", self.overwrite, [one.rows for one in messages])

    def abort(self, messages):
        print("abort", [one and one.rows for one in messages])


class Source(datasource.DataSource):
    def schema(self):
        return "a int, " + self.options["B"]

    def reader(self, schema):
        return Filtering() if "filtering" in self.options else Reader()

    def writer(self, schema, overwrite):
        return Writer(overwrite)


def asked(worker, request, *objects, source=Source, **settings):
    """The answer to a request, and its objects."""
    head = header("source", [function(0, None, ())], ["batch binary"], ddl("answer binary"), settings=settings)
    rows = batch("batch binary", batch=[json.dumps(request).encode(), *objects])
    command = source if isinstance(source, bytes) else cloudpickle.dumps(source)
    answer, *found = worker.run(head, [[rows]], [command]).column()
    return json.loads(answer), found


def create(options, schema=None, provider="source"):
    return {"operation": "create", "provider": provider, "schema": schema, "options": options}


def mapped(worker, command, schema, output, *batches):
    head = header("map", [function(ARROW, None, ())], [schema], ddl(output))
    return worker.run(head, [list(batches)], [command])


SCHEMA = ddl("a int, b string").json()


def planned(worker, filters=None, **options):
    _, (source,) = asked(worker, create({"b": "b string", **options}))
    return asked(worker, {"operation": "plan", "schema": SCHEMA, "filters": filters}, source)


def test_a_schema(worker):
    content, (source,) = asked(worker, create({"b": "c int"}))
    assert content == {"text": "a int, c int"}
    content, _ = asked(worker, create({}, SCHEMA, "SOURCE"))
    assert json.loads(content["schema"]) == json.loads(SCHEMA)


def test_a_read(worker):
    content, (read, *partitions) = planned(worker)
    assert content == {"pushed": []}
    rows = [mapped(worker, read, "p binary", "a int, b string", batch("p binary", p=[one])).rows for one in partitions]
    assert rows == [[(1, "x")], [(2, "x")]]


def test_filters(worker):
    filters = [
        {"name": "EqualTo", "column": ["a"], "value": {"decimal": "1.50"}, "negated": False},
        {"name": "In", "column": ["a", "b"], "value": [1, {"date": 1}], "negated": True},
        {"name": "IsNull", "column": ["a"], "negated": False},
    ]
    content, _ = planned(worker, filters, filtering="")
    assert content == {"pushed": [0]}
    assert worker.said("EqualTo(attribute=('a',), value=Decimal('1.50'))")
    assert worker.said("Not(child=In(attribute=('a', 'b'), value=[1, datetime.date(1970, 1, 2)]))")
    assert planned(worker, [], filtering="")[0] == {"pushed": []}


def test_a_write(worker):
    request = {"operation": "write", "provider": "source", "schema": SCHEMA, "options": {}, "overwrite": True}
    content, (write, writer) = asked(worker, request)
    assert content == {}
    rows = batch("a int, b string", a=[1, 2], b=["x", None])
    messages = mapped(worker, write, "a int, b string", "message binary", rows).column()
    assert asked(worker, {"operation": "commit"}, writer, *messages) == ({}, [])
    assert asked(worker, {"operation": "abort"}, writer, b"", *messages) == ({}, [])
    assert worker.said("commit True [[(1, 'x'), (2, None)]]")
    assert worker.said("abort [None, [(1, 'x'), (2, None)]]")


@pytest.mark.parametrize(
    ("source", "request_", "part"),
    [
        (Source, create({}), "KeyError"),
        (Source, create({}, None, "other"), "[DATA_SOURCE_TYPE_MISMATCH] Expected provider with name Source, but got 'other'."),
        (int, create({}), "[DATA_SOURCE_TYPE_MISMATCH] Expected a subclass of DataSource, but got 'type'."),
        (b"no pickle", create({}), "UnpicklingError"),
    ],
)
def test_errors_are_answers(worker, source, request_, part):
    content, found = asked(worker, request_, source=source)
    assert (content["action"], content["type"], found) == ("create", "instance", [])
    assert part in content["error"]


def test_a_reader_that_filters_needs_the_setting(worker):
    content, found = planned(worker, filtering="")
    assert (content["action"], content["type"], found) == ("initialize", "reader", [])
    assert "[DATA_SOURCE_PUSHDOWN_DISABLED] Filtering implements pushFilters()" in content["error"]


class Wrong(Source):
    def reader(self, schema):
        found = pa.RecordBatch.from_pydict({"a": [1]})
        made = Reader()
        made.partitions = lambda: []
        made.read = lambda partition: iter([found])
        return made


def test_batches_have_the_columns_of_the_schema(worker):
    _, (source,) = asked(worker, create({"b": "b string"}, provider="wrong"), source=Wrong)
    plan = {"operation": "plan", "schema": SCHEMA, "filters": None}
    _, (read, partition) = asked(worker, plan, source, source=Wrong)
    with pytest.raises(Failed) as caught:
        mapped(worker, read, "p binary", "a int, b string", batch("p binary", p=[partition]))
    assert caught.value.condition == "DATA_SOURCE_RETURN_SCHEMA_MISMATCH"
    assert caught.value.parameters == {"expected": "2", "actual": "1"}
