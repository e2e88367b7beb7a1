"""Functions from an iterator to an iterator of columns in `eval`: any batches come out, of as many rows in all.

Each of them is a stage of its own in a stream of batches. It reads ahead as far as the function wants, and a batch goes on
as soon as its rows have come out; so functions of any kind may stand before and after it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Iterator, List

import pyarrow as pa

from firesteel.worker import checks
from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import runtime_error
from firesteel.worker.task import Function, Task

PANDAS, ARROW = 204, 251
KINDS = (PANDAS, ARROW)


def stages(task: Task, stream: Iterator[Any]) -> Iterator[Any]:
    """The stream of evaluations (of `scalar`) in which the columns of iterator functions are known."""
    done: set = set()
    for index in task.header["outputs"]:
        stream = _after(task, index, stream, done)
    return stream


def _after(task: Task, index: int, stream: Iterator[Any], done: set) -> Iterator[Any]:
    """The stream with the stages that a function's column needs, the innermost first."""
    if index in done:
        return stream
    done.add(index)
    function = task.functions[index]
    is_iterator = function.eval_type in KINDS
    chain = _chain(task, index) if is_iterator else [index]
    for argument in task.functions[chain[0]].arguments:
        if "function" in argument:
            stream = _after(task, argument["function"], stream, done)
    return _stage(task, chain, stream) if is_iterator else stream


def _chain(task: Task, index: int) -> List[int]:
    """The iterator functions that end in this one. Spark chains them: each gets the iterator of the one before it."""
    chain = [index]
    while True:
        function = task.functions[chain[0]]
        inner = function.arguments[0].get("function") if len(function.arguments) == 1 else None
        if inner is None or task.functions[inner].eval_type != function.eval_type:
            return chain
        chain.insert(0, inner)


def _stage(task: Task, chain: List[int], stream: Iterator[Any]) -> Iterator[Any]:
    """Calls a chain of functions with an iterator over its arguments, and yields the evaluations with its columns."""
    last = task.functions[chain[-1]]
    arguments = _Arguments(chain[0], stream)
    found: Any = arguments
    for index in chain:
        found = task.functions[index].call(found)
    target = arrow_type(last.result, task.settings.large_types)
    convert = _pandas(task, last) if last.eval_type == PANDAS else _arrow(target)
    ready = _Ready(arguments.waiting, chain[-1], target)
    for column in convert(found):
        ready.add(column)
        # The function has seen only so many rows: it is not worth waiting for the end.
        if ready.produced > arguments.rows:
            raise runtime_error("OUTPUT_EXCEEDS_INPUT_ROWS")
        yield from ready.evaluations()
    if next(arguments, None) is not None:
        raise runtime_error("INPUT_NOT_FULLY_CONSUMED")
    if ready.produced != arguments.rows:
        raise runtime_error(
            "RESULT_ROWS_MISMATCH", output_length=str(ready.produced), input_length=str(arguments.rows)
        )
    yield from ready.evaluations()


class _Arguments:
    """The iterator that the function gets: a column per batch, or a tuple of columns."""

    def __init__(self, index: int, stream: Iterator[Any]) -> None:
        self.rows = 0
        self.waiting: deque = deque()
        self._index = index
        self._stream = stream

    def __iter__(self) -> "_Arguments":
        return self

    def __next__(self) -> Any:
        evaluation = next(self._stream)
        found = evaluation.arguments(self._index)
        self.rows += evaluation.rows
        self.waiting.append(evaluation)
        return found[0] if len(found) == 1 else tuple(found)


class _Ready:
    """Columns that the function has yielded, cut to the lengths of the batches that wait for them."""

    def __init__(self, waiting: deque, index: int, target: pa.DataType) -> None:
        self.produced = 0
        self._waiting = waiting
        self._index = index
        self._columns: List[pa.Array] = [pa.nulls(0, target)]
        self._rows = 0

    def add(self, column: pa.Array) -> None:
        """Takes a column."""
        self._columns.append(column)
        self._rows += len(column)
        self.produced += len(column)

    def evaluations(self) -> Iterator[Any]:
        """The batches whose columns are complete."""
        while self._waiting and self._rows >= self._waiting[0].rows:
            evaluation = self._waiting.popleft()
            joined = pa.concat_arrays(self._columns)
            evaluation.add(self._index, joined.slice(0, evaluation.rows))
            self._columns = [joined.slice(evaluation.rows)]
            self._rows -= evaluation.rows
            yield evaluation


def _pandas(task: Task, function: Function) -> Callable:
    import pandas as pd
    from pyspark.sql.types import StructType

    from firesteel.worker.series import FromPandas

    struct = isinstance(function.result, StructType)
    label = "pandas.DataFrame" if struct else "pandas.Series"
    build = FromPandas(function.result, "_0", task.settings)

    def convert(found: Any) -> Iterator[pa.Array]:
        for one in checks.each(found, pd.DataFrame if struct else pd.Series, label):
            yield build.column(checks.pandas_result(one, function.result, by_name=True, truncate=True))

    return convert


def _arrow(target: pa.DataType) -> Callable:
    def convert(found: Any) -> Iterator[pa.Array]:
        for one in checks.each(found, pa.Array, "pyarrow.Array"):
            yield checks.enforced(one, target, "_0")

    return convert
