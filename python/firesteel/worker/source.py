"""`source`: calls the methods of a Python data source that run before and after the tasks of a read or a write.

Input and output are rows of bytes. The first row of the input is a request as JSON, the others are the pickled objects
that belong to it; the first row of the output is the answer as JSON, followed by pickled objects. An error is an answer,
too: the program is wrong, not the task.
"""

from __future__ import annotations

import inspect
import json
from typing import Any, List

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.errors import PySparkAssertionError, PySparkException, PySparkRuntimeError, PySparkTypeError
from pyspark.sql.types import DataType

from firesteel.worker import errors
from firesteel.worker.inputs import Inputs
from firesteel.worker.source_filters import push
from firesteel.worker.source_rows import Read, Write
from firesteel.worker.task import Task, read_type

PUSHDOWN = "spark.sql.python.filterPushdown.enabled"
# What a write task yields: its pickled message.
MESSAGE = read_type({
    "type": "struct",
    "fields": [{"name": "message", "type": "binary", "nullable": True, "metadata": {}}],
})


def run(task: Task, inputs: Inputs) -> None:
    """Does what the request says and yields the answer."""
    content, *objects = [row for batch in inputs.batches() for row in batch.column(0).to_pylist()]
    request = json.loads(content)
    call, what, profile = _OPERATIONS[request["operation"]]
    try:
        answer, *found = task.profiles.of_source(profile, call)(task, request, objects)
    except BaseException as error:  # `sys.exit` is an error of the source, too
        action, kind = getattr(error, "_of_source", what)
        answer, found = {"error": errors.traceback_of(error, task.settings), "action": action, "type": kind}, []
    rows = pa.array([json.dumps(answer).encode(), *found], pa.binary())
    task.output.send(pa.RecordBatch.from_arrays([rows], names=["answer"]))


def _create(task: Task, request: dict, _objects: List[bytes]) -> list:
    """The source's schema, and the source."""
    made = _source(task, request)
    schema = read_type(request["schema"]) if request["schema"] is not None else made.schema()
    if isinstance(schema, str):
        content = {"text": schema}
    elif isinstance(schema, DataType):
        content = {"schema": schema.json()}
    else:
        raise _mismatch("'schema()' to return a StructType or a string", type(schema).__name__)
    return [content, cloudpickle.dumps(made)]


def _plan(task: Task, request: dict, objects: List[bytes]) -> list:
    """What reads a partition, the partitions, and which of the filters the source applies."""
    from pyspark.sql.datasource import DataSourceReader

    source = cloudpickle.loads(objects[0])
    schema = read_type(request["schema"])
    reader = source.reader(schema=schema)
    if not isinstance(reader, DataSourceReader):
        raise _mismatch("an instance of DataSourceReader", type(reader).__name__)
    pushed = push(reader, request["filters"]) if request["filters"] is not None else []
    own = getattr(DataSourceReader, "pushFilters", None)
    if request["filters"] is None and getattr(getattr(reader, "pushFilters", None), "__func__", own) is not own:
        parameters = {"type": type(reader).__name__, "conf": PUSHDOWN}
        raise errors.with_condition(PySparkAssertionError, "DATA_SOURCE_PUSHDOWN_DISABLED", parameters)
    try:
        partitions = _partitions(reader)
    except Exception as error:
        error._of_source = ("generate", "read partitions")
        raise
    read = Read(source.name(), reader, schema, task.settings)
    pickled = [cloudpickle.dumps(one) for one in partitions]
    return [{"pushed": pushed}, cloudpickle.dumps((read, schema)), *pickled]


def _partitions(reader: Any) -> list:
    from pyspark.sql.datasource import InputPartition

    try:
        partitions = reader.partitions()
    except NotImplementedError:  # the default of old versions
        partitions = []
    if not isinstance(partitions, list):
        raise _mismatch("'partitions' to return a list", type(partitions).__name__, PySparkRuntimeError)
    if not all(isinstance(one, InputPartition) for one in partitions):
        kinds = ", ".join(f"'{type(one).__name__}'" for one in partitions)
        expected = "elements in 'partitions' to be of type 'InputPartition'"
        raise errors.runtime_error("DATA_SOURCE_TYPE_MISMATCH", expected=expected, actual=kinds)
    return partitions or [InputPartition(None)]


def _write(task: Task, request: dict, _objects: List[bytes]) -> list:
    """What writes a partition, and the writer."""
    from pyspark.sql.datasource import DataSourceWriter

    schema = read_type(request["schema"])
    writer = _source(task, request).writer(schema, request["overwrite"])
    if not isinstance(writer, DataSourceWriter):
        raise _mismatch("an instance of DataSourceWriter", type(writer).__name__)
    return [{}, cloudpickle.dumps((Write(writer, schema, task.settings), MESSAGE)), cloudpickle.dumps(writer)]


def _commit(_task: Task, _request: dict, objects: List[bytes]) -> list:
    writer, messages = _written(objects)
    writer.commit(messages)
    return [{}]


def _abort(_task: Task, _request: dict, objects: List[bytes]) -> list:
    writer, messages = _written(objects)
    writer.abort(messages)
    return [{}]


def _written(objects: List[bytes]) -> tuple:
    """The writer and the messages of its tasks; none from a task that has failed."""
    writer, *messages = objects
    return cloudpickle.loads(writer), [cloudpickle.loads(one) if one else None for one in messages]


def _source(task: Task, request: dict) -> Any:
    """An instance of the source."""
    from pyspark.sql.datasource import CaseInsensitiveDict, DataSource

    (called,) = task.header["functions"]
    kind = task.command(called)
    if not (isinstance(kind, type) and issubclass(kind, DataSource)):
        raise _mismatch("a subclass of DataSource", type(kind).__name__)
    if not inspect.ismethod(kind.name):
        raise _mismatch("'name()' method to be a classmethod", type(kind.name).__name__, PySparkTypeError)
    name = kind.name()
    if request["provider"].lower() != name.lower():
        raise _mismatch(f"provider with name {name}", request["provider"])
    options = CaseInsensitiveDict()
    options.update(request["options"])
    return kind(options=options)


def _mismatch(expected: str, actual: str, kind: type = PySparkAssertionError) -> PySparkException:
    parameters = {"expected": expected, "actual": f"'{actual}'"}
    return errors.with_condition(kind, "DATA_SOURCE_TYPE_MISMATCH", parameters)


# What each request does, the words for it in the message of an error, and the name of its profile.
_OPERATIONS = {
    "create": (_create, ("create", "instance"), "create_data_source"),
    "plan": (_plan, ("initialize", "reader"), "plan_data_source_read"),
    "write": (_write, ("initialize", "writer"), "write_into_data_source"),
    "commit": (_commit, ("commit or abort", "write"), "commit_data_source_write"),
    "abort": (_abort, ("commit or abort", "write"), "commit_data_source_write"),
}
