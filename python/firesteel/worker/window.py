"""`window`: functions of the rows of a partition, with a value for each row; batches as long as those of the input.

A function with a `frame` is called for each row with the rows of its frame: two columns hold the first row and the one
after the last, counted from the beginning of the partition. Without one it is called once per partition.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, Iterator, List

import pyarrow as pa

from firesteel.worker.aggregate import Values, columns_of, values_of
from firesteel.worker.groups import pieces
from firesteel.worker.inputs import Batch, Inputs
from firesteel.worker.output import Aligned
from firesteel.worker.task import Task


def run(task: Task, inputs: Inputs) -> None:
    """Calls the functions for each partition of the window."""
    values = [values_of(task, function) for function in task.functions]
    frames = [function.content.get("frame") for function in task.functions]
    names = [f"_{place}" for place in range(len(values))]
    lengths: deque = deque()
    output = Aligned(task.output, lengths)
    for _, group in itertools.groupby(pieces(_noted(inputs, lengths)), key=lambda piece: piece[0]):
        batches = [batch for _, batch in group]
        columns = [_column(one, frame, batches) for one, frame in zip(values, frames)]
        output.add(pa.RecordBatch.from_arrays(columns, names=names))
    output.finish()


def _noted(inputs: Inputs, lengths: deque) -> Iterator[Batch]:
    for batch in inputs.marked():
        lengths.append(batch.data.num_rows)
        yield batch


def _column(values: Values, frame: Any, batches: List[pa.RecordBatch]) -> pa.Array:
    arguments = [columns_of(batches, place) for place in values.columns]
    if frame is None:
        count = sum(batch.num_rows for batch in batches)
        value = values.build([values.call(arguments)])
        return value.take(pa.array([0] * count, pa.int64()))
    begins, ends = (columns_of(batches, place).to_pylist() for place in frame)
    whole = values.arguments(arguments)
    found = []
    for begin, end in zip(begins, ends):
        found.append(values.call_on([_rows(one, begin, end) for one in whole]))
    return values.build(found)


def _rows(column: Any, begin: int, end: int) -> Any:
    if isinstance(column, pa.Array):
        return column.slice(begin, end - begin)
    return column.iloc[begin:end]
