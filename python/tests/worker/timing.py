"""Rows per second of each kind of function, in one worker: `python python/tests/worker/timing.py [kind …]`. Not a test."""

import sys
import time

import numpy
import pyarrow as pa
from harness import Executor, command, function, header
from pyspark.serializers import AutoBatchedSerializer, CPickleSerializer
from pyspark.shuffle import ExternalMerger

from firesteel.rdd import calls, execution
from firesteel.rdd.actions import Actions
from firesteel.rdd.narrow import Narrow
from firesteel.rdd.partitioners import portable_hash

ROWS = 10_000
SCHEMA = "k long, v double"


def batches(count, rows=ROWS, group=None):
    """Batches of two columns; with groups of some rows."""
    found = []
    for number in range(count):
        keys = numpy.arange(rows) // (group or 1) + number * rows
        one = pa.RecordBatch.from_arrays([pa.array(keys), pa.array(numpy.random.rand(rows))], names=["k", "v"])
        found.append((tuple(range(0, rows, group)), one) if group else one)
    return found


def evaluation(kind, call, columns=(0,), result="long"):
    return header("eval", [function(kind, result, columns)], [SCHEMA], outputs=[0]), command(call, result)


def map_of(kind, call):
    return header("map", [function(kind, SCHEMA, ())], [SCHEMA], SCHEMA, arguments=[[0, 1]]), command(call, SCHEMA)


def group_of(kind, call):
    head = header("group", [function(kind, SCHEMA, ())], [SCHEMA], SCHEMA, keys=[[0]], arguments=[[0, 1]])
    return head, command(call, SCHEMA)


def centred(frame):
    return frame.assign(v=frame.v - frame.v.mean())


def same(frames):
    yield from frames


def aggregate_of(kind, call):
    head = header("aggregate", [function(kind, "double", (1,))], [SCHEMA], keys=[[0]], arguments=[[1]])
    return head, command(call, "double")


class Numbers(Narrow, Actions):
    """An RDD of numbers, for what its methods do within a task."""

    last = None

    def __init__(self, function):
        self.function = function
        Numbers.last = self

    def mapPartitionsWithIndex(self, function, preservesPartitioning=False):
        return Numbers(execution.Piped(self.function, function))

    def sum(self):
        return self.mapPartitions(lambda elements: [sum(elements)])

    def collect(self):
        return []

    def combined(self):
        """What `reduceByKey` does before its shuffle."""
        aggregator = calls.combining(lambda x: x, lambda x, y: x + y, lambda x, y: x + y)

        def combine(pairs):
            merger = ExternalMerger(aggregator, 460, AutoBatchedSerializer(CPickleSerializer()))
            merger.mergeValues(pairs)
            return merger.items()

        return self.mapPartitions(combine)

    def bucketed(self):
        """What `partitionBy` does before its shuffle."""
        buckets = execution.Buckets(portable_hash, 4, CPickleSerializer(), 256)
        return self.mapPartitionsWithIndex(buckets).mapPartitions(lambda parts: [sum(len(part) for _, part in parts)])


def rdd_of(run, rows):
    """The task of an RDD: the last one that `run` has made."""
    elements = execution.Elements(AutoBatchedSerializer(CPickleSerializer()))
    run(Numbers(execution.Ranges(range(rows), 1)))
    transform = execution.Transform(Numbers.last.function, elements, elements, 1, None)
    head = header("map", [function(207, "batch binary", ())], ["batch binary"], "batch binary", arguments=[[0]])
    return head, command(transform, "batch binary")


def rdd(run, count=200):
    """A case of an RDD, which gets no batches."""
    return rdd_of(run, count * ROWS), count, None


CASES = {
    "100 x + 1": (evaluation(100, lambda x: x + 1), 200, None),
    "100 x + y": (evaluation(100, lambda x, y: x + y, (0, 1), "double"), 200, None),
    "100 str": (evaluation(100, lambda x: "abc", result="string"), 200, None),
    "101 x + 1": (evaluation(101, lambda x: x + 1), 200, None),
    "101 str": (evaluation(101, lambda x: "abc", result="string"), 200, None),
    "200": (evaluation(200, lambda s: s + 1), 1000, None),
    "250": (evaluation(250, lambda a: pa.compute.add(a, 1)), 1000, None),
    "204": (evaluation(204, lambda it: (s + 1 for s in it)), 1000, None),
    "207": (map_of(207, same), 2000, None),
    "205": (map_of(205, same), 1000, None),
    "201 same": (group_of(201, lambda frame: frame), 100, 100),
    "201 centred": (group_of(201, centred), 50, 100),
    "209": (group_of(209, lambda table: table), 100, 100),
    "202": (aggregate_of(202, lambda v: v.sum()), 50, 100),
    "252": (aggregate_of(252, lambda v: pa.compute.sum(v)), 50, 100),
    "rdd map": rdd(lambda rdd: rdd.map(lambda x: x + 1).sum()),
    "rdd filter": rdd(lambda rdd: rdd.filter(lambda x: x % 2).sum()),
    "rdd flatMap": rdd(lambda rdd: rdd.flatMap(lambda x: (x, x)).sum()),
    "rdd foreach": rdd(lambda rdd: rdd.foreach(lambda x: None)),
    "rdd fold": rdd(lambda rdd: rdd.fold(0, lambda x, y: x + y)),
    "rdd by key": rdd(lambda rdd: rdd.map(lambda x: (x % 1000, x)).combined().map(len).sum()),
    "rdd buckets": rdd(lambda rdd: rdd.map(lambda x: (x % 1000, x)).bucketed()),
    "rdd same": rdd(lambda rdd: rdd.map(lambda x: x)),
}


def main():
    executor = Executor({"PYTHONHASHSEED": "0"})
    worker = executor.fork()
    for name, ((head, blob), count, group) in CASES.items():
        if len(sys.argv) > 1 and not any(name.startswith(kind) for kind in sys.argv[1:]):
            continue
        data = [] if name.startswith("rdd") else batches(count, group=group)
        worker.run(head, [data[:3]], [blob])
        start = time.perf_counter()
        worker.run(head, [data], [blob])
        seconds = time.perf_counter() - start
        print(f"{name:12} {count * ROWS / seconds / 1e6:8.2f} M rows/s")
    executor.close()


if __name__ == "__main__":
    main()
