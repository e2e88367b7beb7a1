"""The output of a task: batches as messages, small ones gathered."""

from __future__ import annotations

from collections import deque
from typing import Optional

import pyarrow as pa

from firesteel.worker import frames
from firesteel.worker.frames import Channel

class Output:
    """Writes batches of one schema to the data socket."""

    def __init__(self, channel: Channel, rows: int, size: int) -> None:
        self._channel = channel
        self._size = size if size > 0 else 1 << 62
        self._rows = rows if rows > 0 else 1 << 62
        self._schema: Optional[pa.Schema] = None
        self._waiting: list = []
        self._waiting_rows = 0
        self._waiting_bytes = 0

    def send(self, batch: pa.RecordBatch) -> None:
        """Writes a batch now."""
        batch = _without_dictionaries(batch)
        if self._schema is None:
            self._schema = batch.schema
            self._channel.send(frames.SCHEMA, parts=(self._schema.serialize(),))
        elif not batch.schema.equals(self._schema):
            raise pa.ArrowInvalid(
                f"Tried to write record batch with different schema: {batch.schema} after {self._schema}"
            )
        self._channel.send(frames.BATCH, parts=(batch.serialize(),))

    def gather(self, batch: pa.RecordBatch) -> None:
        """Writes a batch together with others, up to the session's number of rows."""
        if batch.num_rows == 0:
            return
        if not self._waiting and batch.num_rows >= self._rows:
            return self.send(batch)
        if self._waiting and not self._waiting[-1].schema.equals(batch.schema):
            self.flush()
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= self._rows or self._waiting_bytes >= self._size:
            self.flush()

    def flush(self) -> None:
        """Writes what `gather` has kept back."""
        if self._waiting:
            waiting, self._waiting, self._waiting_rows, self._waiting_bytes = self._waiting, [], 0, 0
            self.send(concatenated(waiting))


class Aligned:
    """Cuts rows that come in any batches to the lengths of the input's batches."""

    def __init__(self, output: Output, lengths: deque) -> None:
        self._output = output
        self._lengths = lengths
        self._waiting: list = []
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows, and writes the batches that are now complete."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._lengths and 0 < self._rows >= self._lengths[0]:
            self._write()

    def finish(self) -> None:
        """Writes the empty batches at the end."""
        while self._lengths and self._waiting:
            self._write()

    def _write(self) -> None:
        length = self._lengths.popleft()
        joined = concatenated(self._waiting)
        self._output.send(joined.slice(0, length))
        self._waiting = [joined.slice(length)]
        self._rows -= length


def concatenated(batches: list) -> pa.RecordBatch:
    """One batch of several, at least one, of the same schema."""
    if len(batches) == 1:
        return batches[0]
    schema = batches[0].schema
    columns = [pa.concat_arrays([batch.column(i) for batch in batches]) for i in range(len(schema))]
    return batch_of(columns, schema, sum(batch.num_rows for batch in batches))


def batch_of(columns: list, schema: pa.Schema, rows: int) -> pa.RecordBatch:
    """A batch, with the right number of rows even without columns."""
    if columns:
        return pa.RecordBatch.from_arrays(columns, schema=schema)
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    if not any(pa.types.is_dictionary(field.type) for field in batch.schema):
        return batch
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
