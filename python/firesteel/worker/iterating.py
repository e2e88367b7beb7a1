"""`eval` of functions from an iterator to an iterator of columns: any batches come out, of as many rows in all."""

from __future__ import annotations

from collections import deque
from typing import Any, Iterator

import pyarrow as pa

from firesteel.worker import checks
from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import runtime_error
from firesteel.worker.inputs import Inputs
from firesteel.worker.output import Aligned
from firesteel.worker.task import Function, Task

PANDAS, ARROW = 204, 251


def run(task: Task, inputs: Inputs) -> None:
    """Calls the function with an iterator over its arguments; Spark never has two of them in one evaluation."""
    assert len(task.functions) == 1, "One SCALAR_ITER UDF expected here."
    function = task.functions[0]
    arguments = _Arguments(task, function, inputs)
    results = _pandas(task, function, arguments) if function.eval_type == PANDAS else _arrow(task, function, arguments)
    output = Aligned(task.output, arguments.lengths)
    produced = 0
    for column in results:
        produced += len(column)
        # The function has seen only so many rows: it is not worth waiting for the end.
        if produced > arguments.rows:
            raise runtime_error("OUTPUT_EXCEEDS_INPUT_ROWS")
        output.add(pa.RecordBatch.from_arrays([column], names=["_0"]))
    if next(arguments, None) is not None:
        raise runtime_error("INPUT_NOT_FULLY_CONSUMED")
    if produced != arguments.rows:
        raise runtime_error("RESULT_ROWS_MISMATCH", output_length=str(produced), input_length=str(arguments.rows))
    output.finish()


class _Arguments:
    """The iterator that the function gets: a column per batch, or a tuple of columns."""

    def __init__(self, task: Task, function: Function, inputs: Inputs) -> None:
        self.rows = 0
        self.lengths: deque = deque()
        self._task = task
        self._columns = function.columns
        self._pandas = function.eval_type == PANDAS
        self._batches = inputs.batches()

    def __iter__(self) -> "_Arguments":
        return self

    def __next__(self) -> Any:
        batch = next(self._batches)
        self.rows += batch.num_rows
        self.lengths.append(batch.num_rows)
        found = tuple(self._argument(batch, place) for place in self._columns)
        return found[0] if len(found) == 1 else found

    def _argument(self, batch: pa.RecordBatch, place: int) -> Any:
        column = batch.column(place)
        if not self._pandas:
            return column
        from firesteel.worker.series import series

        kind = self._task.input_types[0].fields[place].dataType
        return series(column, kind, self._task.settings, name=f"_{place}", frames=True)


def _pandas(task: Task, function: Function, arguments: _Arguments) -> Iterator[pa.Array]:
    import pandas as pd
    from pyspark.sql.types import StructType

    from firesteel.worker.series import FromPandas

    struct = isinstance(function.result, StructType)
    label = "pandas.DataFrame" if struct else "pandas.Series"
    build = FromPandas(function.result, "_0", task.settings)
    for found in checks.each(function.call(arguments), pd.DataFrame if struct else pd.Series, label):
        yield build.column(checks.pandas_result(found, function.result, by_name=True, truncate=True))


def _arrow(task: Task, function: Function, arguments: _Arguments) -> Iterator[pa.Array]:
    target = arrow_type(function.result, task.settings.large_types)
    for found in checks.each(function.call(arguments), pa.Array, "pyarrow.Array"):
        yield checks.enforced(found, target, "_0")
