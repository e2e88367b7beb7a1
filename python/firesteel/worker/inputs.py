"""The input of a task: batches, groups and pairs of groups, read as the function asks for them."""

from __future__ import annotations

import struct
from collections import deque
from typing import Iterator, List, NamedTuple, Optional

import pyarrow as pa

from pyspark.sql.types import StructType

from firesteel.worker import frames
from firesteel.worker.arrow_types import arrow_schema
from firesteel.worker.frames import Channel
from firesteel.worker.output import batch_of


class Batch(NamedTuple):
    """A batch, and the rows at which new groups begin in it."""

    data: pa.RecordBatch
    starts: tuple


class Inputs:
    """All inputs of a task, which share one stream of frames. With `types`, each is cast to its struct of Arrow types."""

    def __init__(self, channel: Channel, count: int, types: Optional[List[pa.StructType]] = None) -> None:
        self._channel = channel
        self._count = count
        self._types = types
        self._schemas: dict = {}
        self._starts: dict = {}
        self._queues = [deque() for _ in range(count)]
        self._ended: set = set()

    def batches(self, which: int = 0) -> Iterator[pa.RecordBatch]:
        """The batches of an input."""
        for batch in self.marked(which):
            yield batch.data

    def marked(self, which: int = 0) -> Iterator[Batch]:
        """The batches of an input with the beginnings of groups."""
        queue = self._queues[which]
        while True:
            if queue:
                yield queue.popleft()
            elif which in self._ended:
                return
            else:
                received = self._next()
                if received is not None:
                    self._queues[received[0]].append(received[1])

    def pairs(self) -> Iterator[tuple]:
        """The batches of each pair of groups: a list per input."""
        pair: tuple = ([], [])
        while len(self._ended) < self._count:
            received = self._next(pairs=True)
            if received is None:
                continue
            if received is _PAIR:
                yield pair
                pair = ([], [])
            else:
                pair[received[0]].append(received[1].data)
        if pair[0] or pair[1]:
            yield pair

    def skip(self) -> None:
        """Reads to the end of all inputs, for a task that did not need them."""
        while len(self._ended) < self._count:
            frame = self._receive()
            if frame.kind == frames.END:
                self._ended.add(frame.input)

    def empty(self, kind: StructType, which: int = 0) -> pa.RecordBatch:
        """A batch without rows, for an input of this type."""
        schema = self._schemas.get(which) or pa.schema(arrow_schema(kind))
        batch = batch_of([pa.nulls(0, field.type) for field in schema], schema, 0)
        return batch if self._types is None else _cast(batch, self._types[which])

    def _receive(self) -> frames.Frame:
        frame = self._channel.receive()
        if frame is None:
            raise ConnectionResetError("the executor has closed the connection within a task")
        return frame

    def _next(self, pairs: bool = False) -> Optional[tuple]:
        """Reads a frame: an input and its batch, or the mark between pairs, or none if it was about something else."""
        frame = self._receive()
        which = frame.input
        if frame.kind == frames.BATCH:
            batch = pa.ipc.read_record_batch(frame.payload, self._schemas[which])
            if self._types is not None:
                batch = _cast(batch, self._types[which])
            return which, Batch(batch, self._starts.pop(which, ()))
        if frame.kind == frames.GROUPS:
            self._starts[which] = struct.unpack(f"<{frame.payload.size // 4}I", frame.payload)
        elif frame.kind == frames.SCHEMA:
            self._schemas[which] = pa.ipc.read_schema(frame.payload)
        elif frame.kind == frames.END:
            self._ended.add(which)
        elif frame.kind == frames.NEXT_PAIR and pairs:
            return _PAIR
        else:
            raise RuntimeError(f"unexpected frame of kind {chr(frame.kind)!r}")
        return None


def _cast(batch: pa.RecordBatch, target: pa.StructType) -> pa.RecordBatch:
    fields = [field.with_type(wanted.type) for field, wanted in zip(batch.schema, target)]
    columns = [column.cast(field.type) for column, field in zip(batch.columns, fields)]
    return batch_of(columns, pa.schema(fields), batch.num_rows)


_PAIR = (-1, None)
