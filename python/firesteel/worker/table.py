"""`table`: a table function, a handler with `eval` for the input and `terminate` at its end.

The output has the function's columns; with `lateral` in the header there is a column before them, the number of the
input's row that a row belongs to, counted over the whole input.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any, Callable, Iterator, List, Optional, Tuple

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.errors import PySparkRuntimeError
from pyspark.sql.types import StructType

from firesteel.worker import rows
from firesteel.worker.arrow_types import arrow_schema
from firesteel.worker.errors import runtime_error
from firesteel.worker.inputs import Inputs
from firesteel.worker.mapped import select
from firesteel.worker.partitions import Partitioned, PartitionedArrow, SkipRestOfInputTableException
from firesteel.worker.task import Function, Task, with_names
from firesteel.worker.version import IS_3_5

PICKLED, ARROW_ROWS, ARROW = 300, 301, 302


def run(task: Task, inputs: Inputs) -> None:
    """Evaluates a table function."""
    (function,) = task.functions
    returned = task.output_type
    if not isinstance(returned, StructType):
        raise PySparkRuntimeError(f"The return type of a UDTF must be a struct type, but got {type(returned)}.")
    handler = _handler(task, function)
    results = _results(task, function, returned)
    row = -1
    try:
        try:
            for row, arguments in _arguments(task, function, inputs):
                results.add(row, handler.eval(*arguments), "eval")
        except SkipRestOfInputTableException:
            pass
        if handler.terminate is not None:
            results.add(row, handler.terminate(), "terminate")
    finally:
        if handler.cleanup is not None:
            handler.cleanup()
    results.flush()


class _Handler:
    """The methods of a handler; their exceptions become errors of the table function."""

    def __init__(self, handler: Any, names: list) -> None:
        self.eval = _guarded(with_names(handler.eval, names), "eval")
        self.terminate = _guarded(handler.terminate, "terminate") if hasattr(handler, "terminate") else None
        self.cleanup: Optional[Callable] = getattr(handler, "cleanup", None)


def _guarded(method: Callable, name: str) -> Callable:
    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except SkipRestOfInputTableException:
            raise
        except Exception as error:
            raise runtime_error("UDTF_EXEC_ERROR", method_name=name, error=str(error)) from error

    return call


def _handler(task: Task, function: Function) -> _Handler:
    """Creates the handler, after the checks that PySpark makes."""
    kind = function.original
    if not isinstance(kind, type):
        raise PySparkRuntimeError(
            "Invalid UDTF handler type. Expected a class (type 'type'), but "
            f"got an instance of {type(kind).__name__}."
        )
    # 3.5 knows no `analyze`, and Python itself finds arguments that do not match.
    create = kind if IS_3_5 else _constructor(task, function, kind)
    columns = function.content.get("partitionColumns") or []
    try:
        if columns:
            handler = (PartitionedArrow if function.eval_type == ARROW else Partitioned)(create, columns)
        else:
            handler = create()
    except Exception as error:
        raise runtime_error("UDTF_EXEC_ERROR", method_name="__init__", error=str(error)) from error
    if not hasattr(handler, "eval"):
        raise PySparkRuntimeError(
            "Failed to execute the user defined table function because it has not "
            "implemented the 'eval' method. Please add the 'eval' method and try "
            "the query again."
        )
    if not IS_3_5:
        _check_signature(function, handler)
    return _Handler(handler, function.names)


def _check_signature(function: Function, handler: Any) -> None:
    positional = [None for name in function.names if name is None]
    named = {name: None for name in function.names if name is not None}
    try:
        inspect.signature(handler.eval).bind(*positional, **named)
    except TypeError as error:
        raise runtime_error(
            "UDTF_EVAL_METHOD_ARGUMENTS_DO_NOT_MATCH_SIGNATURE", name=function.name, reason=str(error)
        ) from None


def _constructor(task: Task, function: Function, kind: type) -> Callable:
    """The handler's class, with the result of `analyze` as argument if it wants that."""
    wanted = len(inspect.getfullargspec(kind).args)
    analyzed = function.content.get("analyzed")
    if analyzed is None:
        if wanted > 1:
            raise runtime_error("UDTF_CONSTRUCTOR_INVALID_NO_ANALYZE_METHOD", name=function.name)
        return kind
    if wanted > 2:
        raise runtime_error("UDTF_CONSTRUCTOR_INVALID_IMPLEMENTS_ANALYZE_METHOD", name=function.name)
    if wanted < 2:
        return kind
    result = cloudpickle.loads(task.blob(analyzed))
    # Each instance gets a copy of its own.
    return lambda: kind(dataclasses.replace(result))


def _arguments(task: Task, function: Function, inputs: Inputs) -> Iterator[Tuple[int, tuple]]:
    """The arguments of each call, with the number of the input's last row among them."""
    if function.eval_type == ARROW:
        return _arrow_arguments(task, function, inputs)
    return _row_arguments(task, function, inputs)


def _row_arguments(task: Task, function: Function, inputs: Inputs) -> Iterator[Tuple[int, tuple]]:
    row = -1
    fields = task.input_types[0].fields
    legacy = function.eval_type == ARROW_ROWS and task.settings.legacy_table
    for batch in inputs.batches():
        columns = [
            _column(task, batch.column(place), fields[place], legacy) for place in function.columns
        ]
        for arguments in zip(*columns) if columns else ((),) * batch.num_rows:
            row += 1
            yield row, arguments


def _column(task: Task, column: pa.Array, field: Any, legacy: bool) -> list:
    if legacy:
        from firesteel.worker.series import series

        return list(series(column, field.dataType, task.settings, name=field.name, rows=True))
    return rows.values(column, field.dataType, task.settings.binary_as_bytes)


def _arrow_arguments(task: Task, function: Function, inputs: Inputs) -> Iterator[Tuple[int, tuple]]:
    lateral = task.header.get("lateral")
    row = -1
    for batch in inputs.batches():
        # Only a call of its own tells which row its results belong to.
        pieces = [batch.slice(at, 1) for at in range(batch.num_rows)] if lateral else [batch]
        for piece in pieces:
            row += piece.num_rows
            yield row, tuple(
                _flattened(piece.column(argument["column"])) if argument.get("table") else piece.column(argument["column"])
                for argument in function.arguments
            )


def _flattened(column: pa.Array) -> pa.RecordBatch:
    """A TABLE argument as a batch."""
    batch = pa.RecordBatch.from_struct_array(column) if column.null_count == 0 else None
    if batch is not None and batch.num_columns == column.type.num_fields:
        return select(batch, list(range(batch.num_columns)))
    return pa.RecordBatch.from_arrays(column.flatten(), schema=pa.schema(list(column.type)))


def _results(task: Task, function: Function, returned: StructType) -> Any:
    from firesteel.worker import table_results as results

    if function.eval_type == PICKLED:
        return results.Pickled(task, returned)
    if function.eval_type == ARROW:
        return results.Arrow(task, returned)
    if function.eval_type == ARROW_ROWS:
        return (results.Legacy if task.settings.legacy_table else results.ArrowRows)(task, returned)
    raise ValueError(f"Unknown eval type: {function.eval_type}")


def checked_iterable(found: Any, method: str) -> Iterable:
    """What a method returned: nothing, or something to iterate over."""
    if found is None:
        return ()
    if not isinstance(found, Iterable):
        raise runtime_error("UDTF_RETURN_NOT_ITERABLE", type=type(found).__name__, func=method)
    return found


def output_schema(task: Task, returned: StructType) -> pa.Schema:
    """The schema of the function's columns."""
    return pa.schema(arrow_schema(returned, task.settings.large_types))


def with_rows(task: Task, columns: List[pa.Array], schema: pa.Schema, numbers: List[int]) -> pa.RecordBatch:
    """A batch of results, with the numbers of the input's rows if they are wanted."""
    from firesteel.worker.output import batch_of

    if task.header.get("lateral"):
        columns = [pa.array([None if number < 0 else number for number in numbers], pa.int64()), *columns]
        schema = pa.schema([pa.field("row", pa.int64()), *schema])
    return batch_of(columns, schema, len(numbers))
