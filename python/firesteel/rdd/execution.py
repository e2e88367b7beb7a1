"""What runs in workers: functions over Arrow batches that read elements, call the program's function and write elements.

Their classes are pickled by reference, so a closure holds only the program's own code. `read` makes an iterator of elements from batches,
`write` makes batches from elements.
"""

import io
import struct
import sys
from itertools import islice

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.serializers import AutoBatchedSerializer, BatchedSerializer, FramedSerializer
from pyspark.shuffle import get_used_memory

from firesteel.rdd.partitioners import first_position

#: Size at which pieces of the stream are put into a batch.
PIECE = 1 << 20
_LENGTH = struct.Struct("!i")
_ELEMENTS = pa.schema([pa.field("batch", pa.binary(), nullable=False)])
_KEYED = pa.schema([pa.field("partition", pa.int32(), nullable=False), pa.field("batch", pa.binary(), nullable=False)])


class Stream:
    """A file to read from, over an iterator of pieces."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._at = 0

    def read(self, size):
        end = self._at + size
        if end <= len(self._piece):
            found = bytes(self._piece[self._at : end])
            self._at = end
            return found
        parts = []
        while size > 0:
            available = len(self._piece) - self._at
            if available == 0:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._piece, self._at = memoryview(piece), 0
                continue
            taken = min(size, available)
            parts.append(self._piece[self._at : self._at + taken])
            self._at += taken
            size -= taken
        return b"".join(parts)


def pieces(batches):
    """The stream of a column `batch`: its values lie one after the other in the batch's memory."""
    for batch in batches:
        column = batch.column(batch.schema.get_field_index("batch"))
        if len(column) == 0:
            continue
        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            yield from column.to_pylist()
            continue
        width = 4 if pa.types.is_binary(column.type) else 8
        _, offsets, data = column.buffers()
        first, last = (
            int.from_bytes(memoryview(offsets)[width * i : width * (i + 1)], "little")
            for i in (column.offset, column.offset + len(column))
        )
        if data is not None:
            yield memoryview(data)[first:last]


def frames(serializer, elements):
    """The elements as frames of the serializer's stream."""
    if isinstance(serializer, AutoBatchedSerializer):
        for data in _growing(serializer, iter(elements)):
            yield _LENGTH.pack(len(data)) + data
    elif isinstance(serializer, BatchedSerializer) and isinstance(serializer.serializer, FramedSerializer):
        yield from frames(serializer.serializer, serializer._batched(elements))
    elif isinstance(serializer, FramedSerializer):
        for element in elements:
            data = serializer.dumps(element)
            if len(data) >= 1 << 31:
                raise ValueError("can not serialize object larger than 2G")
            yield _LENGTH.pack(len(data)) + data
    else:
        stream = io.BytesIO()
        serializer.dump_stream(iter(elements), stream)
        yield stream.getvalue()


def _growing(serializer, elements):
    """Batches whose number of elements follows their size."""
    count, best = 1, serializer.bestSize
    while batch := list(islice(elements, count)):
        data = serializer.serializer.dumps(batch)
        yield data
        if len(data) < best:
            count *= 2
        elif len(data) > best * 10 and count > 1:
            count //= 2


def joined(parts):
    """Parts put together to pieces of a reasonable size."""
    waiting, size = [], 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def batches_of(parts):
    """A batch for each piece."""
    for part in parts:
        yield pa.record_batch([pa.array([part], pa.binary())], schema=_ELEMENTS)


class Elements:
    """Reads and writes the elements of an RDD."""

    def __init__(self, serializer):
        self.serializer = serializer

    def read(self, batches):
        return self.serializer.load_stream(Stream(pieces(batches)))

    def read_batches(self, batches):
        """The elements by the batches in which they were pickled."""
        return self.serializer._load_stream_without_unbatching(Stream(pieces(batches)))

    def write(self, elements):
        return batches_of(joined(frames(self.serializer, elements)))


class Keyed:
    """Writes pairs of a partition and a piece of its stream, for a shuffle."""

    def write(self, pairs):
        partitions, parts, size = [], [], 0
        for partition, part in pairs:
            partitions.append(partition)
            parts.append(part)
            size += len(part)
            if size >= PIECE:
                yield self._batch(partitions, parts)
                partitions, parts, size = [], [], 0
        if parts:
            yield self._batch(partitions, parts)

    @staticmethod
    def _batch(partitions, parts):
        return pa.record_batch([pa.array(partitions, pa.int32()), pa.array(parts, pa.binary())], schema=_KEYED)


class Transform:
    """The function of a `MapPartitions`: the program's function between reading and writing.

    `rdd` makes the functions of two RDDs different even if their code is equal: each runs once, as in Spark. A worker has the
    profiler run the task, if there is one.
    """

    def __init__(self, function, source, target, rdd, profiler=None):
        self.function = function
        self.source = source
        self.target = target
        self.rdd = rdd
        self.profiler = profiler

    def __call__(self, batches):
        # Only there in a worker.
        from firesteel.worker import context

        yield from self.target.write(self.function(context.split, self.source.read(batches)))


class ZipTransform:
    """The function of a `ZipPartitions`: it gets the readers of all inputs."""

    def __init__(self, function, sources, target, rdd):
        self.function = function
        self.sources = sources
        self.target = target
        self.rdd = rdd

    def __call__(self, *inputs):
        yield from self.target.write(self.function(*map(Input, self.sources, inputs)))


class Input:
    """One input of a `ZipTransform`."""

    def __init__(self, source, batches):
        self.source = source
        self.batches = batches

    def elements(self):
        return self.source.read(self.batches)

    def by_batch(self):
        return self.source.read_batches(self.batches)


class Large:
    """A function that is too large for a plan, and lies in a blob."""

    def __init__(self, blob, rdd, profiler):
        self.blob = blob
        self.rdd = rdd
        self.profiler = profiler

    def __call__(self, *inputs):
        from firesteel.worker import blobs

        with blobs.opened(self.blob) as file:
            function = cloudpickle.load(file)
        return function(*inputs)


class Pieces:
    """Elements that were too large for a plan: a blob for each partition."""

    def __init__(self, blobs, serializer):
        self.blobs = blobs
        self.serializer = serializer

    def __call__(self, split, _):
        from firesteel.worker import blobs

        with blobs.opened(self.blobs[split], PIECE) as file:
            yield from self.serializer.load_stream(file)


def zipped(left, right):
    """Pairs of elements in the same place."""
    missing = object()
    others = iter(right.elements())
    for element in left.elements():
        other = next(others, missing)
        if other is missing:
            raise ValueError("Can only zip RDDs with same number of elements in each partition")
        yield element, other
    if next(others, missing) is not missing:
        raise ValueError("Can only zip RDDs with same number of elements in each partition")


def crossed(left, right):
    """All pairs of two partitions, in the order of Spark: by pairs of batches."""
    kept = list(map(list, right.by_batch()))
    for batch in left.by_batch():
        batch = list(batch)
        for other in kept:
            for element in batch:
                for second in other:
                    yield element, second


class Piped:
    """Two functions of a partition, one after the other."""

    def __init__(self, first, second):
        self.first = first
        self.second = second

    def __call__(self, split, iterator):
        return self.second(split, self.first(split, iterator))


class Buckets:
    """Pairs by the partition of their key, pickled together; memory bounds how many wait for each other."""

    def __init__(self, partition, partitions, serializer, limit):
        self.partition = partition
        self.partitions = partitions
        self.serializer = serializer
        self.limit = limit

    def __call__(self, split, pairs):
        partition, count = self.partition, self.partitions
        buckets = {}
        waiting, most = 0, min(10 * count, 1000)
        for pair in pairs:
            key, value = pair
            where = partition(key) % count
            bucket = buckets.get(where)
            if bucket is None:
                bucket = buckets[where] = []
            bucket.append((key, value))
            waiting += 1
            if waiting > most or (waiting % 1000 == 0 and get_used_memory() > self.limit):
                size = 0
                for where, part in self._frames(buckets):
                    size += len(part)
                    yield where, part
                average = size // len(buckets) >> 20
                if average < 1:
                    most = min(sys.maxsize, int(most * 1.5))
                elif average > 10:
                    most = max(int(most / 1.5), 1)
                buckets, waiting = {}, 0
        yield from self._frames(buckets)

    def _frames(self, buckets):
        for where, bucket in buckets.items():
            data = self.serializer.dumps(bucket)
            yield where, _LENGTH.pack(len(data)) + data


class Dealt:
    """Batches of elements dealt out to partitions in turn."""

    def __init__(self, partitions, serializer):
        self.partitions = partitions
        self.serializer = serializer

    def __call__(self, split, elements):
        position = first_position(split, self.partitions)
        for frame in frames(self.serializer, elements):
            position = (position + 1) % self.partitions
            yield position, frame


def unchanged(_, elements):
    return elements


class Ranges:
    """A range of numbers, cut into partitions."""

    def __init__(self, numbers, slices):
        self.numbers = numbers
        self.slices = slices

    def __call__(self, split, _):
        return self.numbers[self._start(split) : self._start(split + 1)]

    def _start(self, split):
        # Spark's rounding, which differs from that of whole numbers if they are large.
        return int(split * len(self.numbers) / self.slices)
