"""`aggregate`: functions of the columns of a group, one row per group: its key, then the values of the functions."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterator, List

import pyarrow as pa
from pyspark.sql import types as spark

from firesteel.worker import checks
from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.errors import failing_on_stop_iteration
from firesteel.worker.groups import groups
from firesteel.worker.inputs import Inputs
from firesteel.worker.task import Function, Task

PANDAS, PANDAS_ITER, ARROW, ARROW_ITER = 202, 217, 252, 254
_FIRST_ROW = pa.array([0], pa.int64())


def run(task: Task, inputs: Inputs) -> None:
    """Calls the functions for each group."""
    keys: List[int] = task.header["keys"][0]
    iterating = any(function.eval_type in (PANDAS_ITER, ARROW_ITER) for function in task.functions)
    if iterating:
        assert len(task.functions) == 1, "One GROUPED_AGG_ITER UDF expected here."
    values = [values_of(task, function) for function in task.functions]
    rows = _Rows(task, keys, values)
    for group in groups(inputs):
        first = next(group)
        pieces = itertools.chain((first,), group)
        if iterating:
            found = [values[0].call_iterator(pieces)]
        else:
            whole = list(pieces)
            found = [one.call([columns_of(whole, place) for place in one.columns]) for one in values]
        rows.add(first, found)
    if not keys and not rows.any:
        # All rows are one group, even if there are none.
        empty = inputs.empty(task.input_types[0])
        one = values[0]
        rows.add(empty, [one.call_iterator(iter(()))] if iterating else [
            one.call([empty.column(place) for place in one.columns]) for one in values
        ])
    rows.flush()


def columns_of(batches: List[pa.RecordBatch], place: int) -> pa.Array:
    """A column of a group."""
    if len(batches) == 1:
        return batches[0].column(place)
    return pa.concat_arrays([batch.column(place) for batch in batches])


class _Rows:
    """Keys and values of groups, written many at a time."""

    def __init__(self, task: Task, keys: List[int], values: List["Values"]) -> None:
        self.any = False
        self._task = task
        self._keys = keys
        self._values = values
        self._limit = task.settings.batch_rows if task.settings.batch_rows > 0 else 10_000
        self._firsts: List[List[pa.Array]] = []
        self._found: List[List[Any]] = [[] for _ in values]

    def add(self, batch: pa.RecordBatch, found: List[Any]) -> None:
        """Takes the values of a group that begins with this batch."""
        self.any = True
        # Copies: a slice would keep its whole batch in memory.
        self._firsts.append([batch.column(place).take(_FIRST_ROW) for place in self._keys])
        for column, value in zip(self._found, found):
            column.append(value)
        if len(self._firsts) >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        if not self._firsts:
            return
        columns = [pa.concat_arrays(key) for key in zip(*self._firsts)]
        columns += [values.column(found) for values, found in zip(self._values, self._found)]
        self._task.output.send(pa.RecordBatch.from_arrays(columns, names=[f"_{i}" for i in range(len(columns))]))
        self._firsts = []
        self._found = [[] for _ in self._values]


class Values:
    """A function from columns to a single value, and a column of such values."""

    def __init__(self, task: Task, function: Function) -> None:
        self.columns = function.columns
        self._task = task
        self._call = failing_on_stop_iteration(function.call)
        self._kinds = [task.input_types[0].fields[place].dataType for place in self.columns]
        self._result = function.result

    def call(self, arguments: List[pa.Array]) -> Any:
        """The value of a group."""
        return self._call(*self.arguments(arguments))

    def call_on(self, arguments: List[Any]) -> Any:
        """The value of arguments in the form that `arguments` gives them."""
        return self._call(*arguments)

    def call_iterator(self, pieces: Iterator[pa.RecordBatch]) -> Any:
        """The value of a group that the function reads by batches."""

        def convert() -> Iterator[Any]:
            for piece in pieces:
                found = self.arguments([piece.column(place) for place in self.columns])
                yield found[0] if len(found) == 1 else tuple(found)

        return self._call(convert())

    def arguments(self, columns: List[pa.Array]) -> List[Any]:
        """Columns in the form that the function gets."""
        raise NotImplementedError

    def column(self, found: List[Any]) -> pa.Array:
        """A column of values, as if each had been converted by itself."""
        kinds = set(map(type, found))
        if len(kinds) == 1 and kinds <= self._alike():
            return self.build(found)
        return pa.concat_arrays([self.build([value]) for value in found])

    def build(self, found: List[Any]) -> pa.Array:
        """A column of values of one type."""
        raise NotImplementedError

    def _alike(self) -> set:
        return {int, float, str, bool}


class _PandasValues(Values):
    def __init__(self, task: Task, function: Function) -> None:
        from firesteel.worker.series import FromPandas

        super().__init__(task, function)
        self._from_pandas = FromPandas(function.result, "_0", task.settings)

    def arguments(self, columns: List[pa.Array]) -> List[Any]:
        from firesteel.worker.series import series

        settings = self._task.settings
        return [
            series(column, kind, settings, name=f"_{place}")
            for column, kind, place in zip(columns, self._kinds, self.columns)
        ]

    def build(self, found: List[Any]) -> pa.Array:
        import pandas as pd

        if isinstance(self._result, spark.StructType):
            from firesteel.worker.scalar import checked_struct

            checked_struct(pd.Series(found), self._result)
        return self._from_pandas.column(pd.Series(found))

    def _alike(self) -> set:
        import numpy

        return {int, float, str, bool, numpy.float64, numpy.float32, numpy.int64, numpy.int32, numpy.bool_}


class _ArrowValues(Values):
    def __init__(self, task: Task, function: Function) -> None:
        super().__init__(task, function)
        self._target = arrow_type(function.result, task.settings.large_types)

    def arguments(self, columns: List[pa.Array]) -> List[Any]:
        return columns

    def build(self, found: List[Any]) -> pa.Array:
        return checks.enforced(pa.array(found), self._target, "_0")


def values_of(task: Task, function: Function) -> Values:
    """The values of a function by its kind."""
    kinds: dict = {202: _PandasValues, 203: _PandasValues, 217: _PandasValues}
    kinds.update({252: _ArrowValues, 253: _ArrowValues, 254: _ArrowValues})
    kind: Callable = kinds.get(function.eval_type)
    if kind is None:
        raise ValueError(f"Unknown eval type: {function.eval_type}")
    return kind(task, function)
