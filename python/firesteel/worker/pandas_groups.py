"""Functions of the groups as data frames: `applyInPandas`, with and without iterators, and its pairs.

Small groups are the usual case, so both directions work on many at once: a batch becomes one data frame of which groups
are slices, and results of the same columns and types are gathered into one data frame before they become Arrow.
"""

from __future__ import annotations

import itertools
from typing import Any, Iterator, List, Optional, Tuple

import numpy
import pandas as pd
import pyarrow as pa

from firesteel.worker import checks
from firesteel.worker.arrow_types import arrow_schema
from firesteel.worker.errors import return_type_error
from firesteel.worker.grouped import Columns, takes_key, with_key
from firesteel.worker.groups import groups
from firesteel.worker.inputs import Inputs
from firesteel.worker.output import batch_of
from firesteel.worker.series import FromPandas, data_frame, series
from firesteel.worker.task import Function, Task

# With nulls, these become another type in pandas: then in the groups that have nulls, and only there.
_DEPEND_ON_NULLS = ("BooleanType", "ByteType", "ShortType", "IntegerType", "LongType", "NullType")
# A group of more rows than this is worth a conversion of its own.
_LARGE = 10_000


def run_groups(task: Task, function: Function, inputs: Inputs) -> None:
    """A data frame in, a data frame out."""
    columns = Columns(task, 0)
    call = with_key(function, 1)
    keyed = takes_key(function, 1)
    results = _Results(task, function)
    for frame, keys in _frames(task, columns, inputs, keyed):
        results.add(call(keys, frame))
    results.flush()


def run_iterators(task: Task, function: Function, inputs: Inputs) -> None:
    """An iterator of data frames in, an iterator of data frames out."""
    columns = Columns(task, 0)
    call = with_key(function, 1)
    results = _Results(task, function)

    def convert(batch: pa.RecordBatch) -> pd.DataFrame:
        return _whole(task, columns, [batch])

    for group in groups(inputs):
        first = next(group)
        for found in call(_key(task, columns, first), map(convert, itertools.chain((first,), group))):
            results.add(found)
    results.flush()


def run_pairs(task: Task, function: Function, inputs: Inputs) -> None:
    """Two data frames in, a data frame out."""
    sides = [Columns(task, 0), Columns(task, 1)]
    call = with_key(function, 2)
    keyed = takes_key(function, 2)
    results = _Results(task, function)
    for pair in inputs.pairs():
        frames = [_side(task, inputs, which, side, pair[which]) for which, side in enumerate(sides)]
        results.add(call(_pair_key(task, sides, pair) if keyed else (), *frames))
    results.flush()


def _side(task: Task, inputs: Inputs, which: int, side: Columns, batches: list) -> pd.DataFrame:
    return _whole(task, side, batches or [inputs.empty(task.input_types[which], which)])


def _pair_key(task: Task, sides: List[Columns], pair: tuple) -> tuple:
    for side, batches in zip(sides, pair):
        for batch in batches:
            if batch.num_rows:
                return _key(task, side, batch)
    return ()


def _key(task: Task, columns: Columns, batch: pa.RecordBatch) -> tuple:
    """The key of a group as pandas has it, from its first row."""
    first = batch.slice(0, 1)
    return tuple(
        series(first.column(place), field.dataType, task.settings).iloc[0]
        for place, field in zip(columns.keys, columns.key_fields)
    )


def _whole(task: Task, columns: Columns, batches: List[pa.RecordBatch]) -> pd.DataFrame:
    """A group from its slices."""
    chosen = [_chunked(batches, place) for place in columns.values]
    return data_frame(chosen, columns.value_fields, sum(batch.num_rows for batch in batches), task.settings)


def _chunked(batches: List[pa.RecordBatch], place: int) -> pa.Array:
    if len(batches) == 1:
        return batches[0].column(place)
    return pa.concat_arrays([batch.column(place) for batch in batches])


def _frames(task: Task, columns: Columns, inputs: Inputs, keyed: bool) -> Iterator[Tuple[pd.DataFrame, tuple]]:
    """The groups as data frames with their keys."""
    open_group: List[pa.RecordBatch] = []

    def finished() -> Tuple[pd.DataFrame, tuple]:
        return _whole(task, columns, open_group), (_key(task, columns, open_group[0]) if keyed else ())

    for batch, starts in inputs.marked():
        bounds = [start for start in starts if start < batch.num_rows]
        head = bounds[0] if bounds else batch.num_rows
        if head:
            open_group.append(batch.slice(0, head))
        if not bounds:
            continue
        if open_group:
            yield finished()
        inner = _Inner(task, columns, batch, bounds, keyed)
        for index in range(len(bounds) - 1):
            yield inner.group(index)
        # It may go on in the next batch.
        open_group = [batch.slice(bounds[-1])]
    if open_group:
        yield finished()


class _Inner:
    """The groups that lie within one batch."""

    def __init__(self, task: Task, columns: Columns, batch: pa.RecordBatch, bounds: List[int], keyed: bool) -> None:
        self._task = task
        self._columns = columns
        self._batch = batch
        self._bounds = bounds
        self._keyed = keyed
        used = zip(columns.values + columns.keys, columns.value_fields + columns.key_fields)
        self._together = (
            len(bounds) > 2
            and bounds[-1] - bounds[0] < _LARGE * (len(bounds) - 1)
            and not any(
                batch.column(place).null_count and type(field.dataType).__name__ in _DEPEND_ON_NULLS
                for place, field in used
            )
        )
        if self._together:
            inner = batch.slice(0, bounds[-1])
            self._frame = data_frame(
                [inner.column(place) for place in columns.values], columns.value_fields, inner.num_rows, task.settings
            )
            self._keys: Optional[List[Any]] = self._key_rows(inner) if keyed else None

    def group(self, index: int) -> Tuple[pd.DataFrame, tuple]:
        """A group and its key."""
        start, end = self._bounds[index], self._bounds[index + 1]
        if not self._together:
            piece = self._batch.slice(start, end - start)
            key = _key(self._task, self._columns, piece) if self._keyed else ()
            return _whole(self._task, self._columns, [piece]), key
        frame = self._frame.iloc[start:end]
        frame.index = pd.RangeIndex(end - start)
        # The slice is the function's own: no warnings if it is changed.
        if hasattr(frame, "_is_copy"):
            frame._is_copy = None
        return frame, (self._keys[index] if self._keys is not None else ())

    def _key_rows(self, inner: pa.RecordBatch) -> List[tuple]:
        first = pa.array(self._bounds[:-1], pa.int64())
        found = [
            series(inner.column(place).take(first), field.dataType, self._task.settings)
            for place, field in zip(self._columns.keys, self._columns.key_fields)
        ]
        # Values as `iloc` gives them, for instance numpy's numbers.
        return [tuple(one.iloc[index] for one in found) for index in range(len(first))]


class _Results:
    """Data frames that the function returned, checked and written."""

    def __init__(self, task: Task, function: Function) -> None:
        self._task = task
        self._kind = function.result
        self._build = FromPandas(function.result, "_0", task.settings)
        self._schema = pa.schema(arrow_schema(function.result, task.settings.large_types))
        self._limit = task.settings.batch_rows if task.settings.batch_rows > 0 else _LARGE
        self._waiting: List[pd.DataFrame] = []
        self._waiting_rows = 0
        self._form: Optional[tuple] = None
        # The form of results that are only numbers, of the declared types.
        self._declared = (self._kind.names, self._build.plain_dtypes())

    def add(self, found: Any) -> None:
        """Takes what the function returned."""
        if not isinstance(found, pd.DataFrame):
            raise return_type_error("pandas.DataFrame", type(found).__name__)
        columns = found.columns.tolist()
        if columns != self._kind.names:
            checks.pandas_result(found, self._kind, self._task.settings.by_name)
        if len(found) == 0:
            return
        form = (columns, _dtypes(found))
        if self._waiting and form != self._form:
            self.flush()
        self._form = form
        self._waiting.append(found)
        self._waiting_rows += len(found)
        if self._waiting_rows >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Converts and writes what waits."""
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        joined = self._plain(waiting) or self._joined(waiting)
        if joined is not None:
            self._task.output.gather(joined)
            return
        for batch in [self._build.batch(frame, self._schema) for frame in waiting]:
            self._task.output.gather(batch)

    def _joined(self, waiting: List[pd.DataFrame]) -> Optional[pa.RecordBatch]:
        """Data frames as one batch, unless they have a type each, but none together."""
        if len(waiting) < 2 or not waiting[0].columns.is_unique:
            return None
        try:
            return self._build.batch(pd.concat(waiting, ignore_index=True), self._schema)
        except Exception:
            return None

    def _plain(self, waiting: List[pd.DataFrame]) -> Optional[pa.RecordBatch]:
        """Data frames of numbers, of exactly the declared names and types, as a batch. pandas would join them more slowly."""
        if len(waiting) < 2 or self._form != self._declared:
            return None
        try:
            values = [[frame._mgr.iget_values(place) for frame in waiting] for place in range(len(self._schema))]
        except AttributeError:
            return None
        columns = [
            pa.array(numpy.concatenate(column), field.type, from_pandas=True)
            for column, field in zip(values, self._schema)
        ]
        return batch_of(columns, self._schema, len(columns[0]))


def _dtypes(frame: pd.DataFrame) -> List[Any]:
    try:
        return list(frame._mgr.get_dtypes())
    except AttributeError:
        return list(frame.dtypes)
