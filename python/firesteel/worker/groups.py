"""Groups in the input: slices of batches, of which a long group has several."""

from __future__ import annotations

import itertools
from typing import Iterable, Iterator, List, Tuple

import pyarrow as pa

from firesteel.worker.inputs import Batch, Inputs


def pieces(batches: Iterable[Batch]) -> Iterator[Tuple[int, pa.RecordBatch]]:
    """The slices of the batches of an input, each with the number of its group."""
    number = 0
    for batch, starts in batches:
        position = 0
        for start in starts:
            if start > position:
                yield number, batch.slice(position, start - position)
            number += 1
            position = start
        if batch.num_rows > position:
            yield number, batch.slice(position) if position else batch


def groups(inputs: Inputs, which: int = 0) -> Iterator[Iterator[pa.RecordBatch]]:
    """The groups of an input, each as an iterator over its slices. What a function leaves unread is skipped."""
    for _, group in itertools.groupby(pieces(inputs.marked(which)), key=lambda piece: piece[0]):
        yield (piece for _, piece in group)


def whole_groups(inputs: Inputs, which: int = 0) -> Iterator[List[pa.RecordBatch]]:
    """The groups of an input, each as the list of its slices."""
    for group in groups(inputs, which):
        yield list(group)
