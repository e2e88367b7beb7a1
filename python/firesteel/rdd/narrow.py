"""Transformations that need no shuffle."""

import random
import shlex
import warnings
from itertools import chain
from subprocess import PIPE, Popen
from threading import Thread

from pyspark.errors import PySparkRuntimeError
from pyspark.rddsampler import RDDRangeSampler, RDDSampler

from firesteel.errors import error
from firesteel.rdd import calls, execution
from firesteel.rdd.plan import Selected, United, Zipped


class Narrow:
    """The part of `RDD` whose results depend on one partition each."""

    def map(self, f, preservesPartitioning=False):
        """Applies a function to each element."""

        def func(_, iterator):
            return map(calls.of_element(f), iterator)

        return self.mapPartitionsWithIndex(func, preservesPartitioning)

    def flatMap(self, f, preservesPartitioning=False):
        """Applies a function to each element and puts its results one after the other."""

        def func(_, iterator):
            return chain.from_iterable(map(calls.of_element(f), iterator))

        return self.mapPartitionsWithIndex(func, preservesPartitioning)

    def mapPartitions(self, f, preservesPartitioning=False):
        """Applies a function to the iterator of each partition."""

        def func(_, iterator):
            return f(iterator)

        return self.mapPartitionsWithIndex(func, preservesPartitioning)

    def mapPartitionsWithSplit(self, f, preservesPartitioning=False):
        """The old name of `mapPartitionsWithIndex`."""
        warnings.warn(
            "mapPartitionsWithSplit is deprecated; use mapPartitionsWithIndex instead", FutureWarning, stacklevel=2
        )
        return self.mapPartitionsWithIndex(f, preservesPartitioning)

    def filter(self, f):
        """Keeps the elements for which a function is true."""

        def func(iterator):
            return filter(calls.of_element(f), iterator)

        return self.mapPartitions(func, True)

    def glom(self):
        """Makes a list of each partition."""

        def func(iterator):
            yield list(iterator)

        return self.mapPartitions(func)

    def keyBy(self, f):
        """Pairs each element with a key."""
        return self.map(lambda x: (f(x), x))

    def keys(self):
        """The keys of pairs."""
        return self.map(lambda x: x[0])

    def values(self):
        """The values of pairs."""
        return self.map(lambda x: x[1])

    def mapValues(self, f):
        """Applies a function to each value of pairs."""

        def map_values(pair):
            return pair[0], f(pair[1])

        return self.map(map_values, preservesPartitioning=True)

    def flatMapValues(self, f):
        """Applies a function to each value, and pairs the key with each of its results."""

        def flat_map(pair):
            return ((pair[0], x) for x in f(pair[1]))

        return self.flatMap(flat_map, preservesPartitioning=True)

    def sample(self, withReplacement, fraction, seed=None):
        """A random part of the elements."""
        if not fraction >= 0:
            raise ValueError("Fraction must be nonnegative.")
        return self.mapPartitionsWithIndex(RDDSampler(withReplacement, fraction, seed).func, True)

    def randomSplit(self, weights, seed=None):
        """Divides the elements at random, in proportion to weights."""
        if not all(w >= 0 for w in weights):
            raise ValueError("Weights must be nonnegative")
        total = float(sum(weights))
        if not total > 0:
            raise ValueError("Sum of weights must be positive")
        bounds = [0.0]
        for weight in weights:
            bounds.append(bounds[-1] + weight / total)
        if seed is None:
            seed = random.randint(0, 2**32 - 1)
        return [
            self.mapPartitionsWithIndex(RDDRangeSampler(lower, upper, seed).func, True)
            for lower, upper in zip(bounds, bounds[1:])
        ]

    def pipe(self, command, env=None, checkCode=False):
        """The lines that a command prints when each partition's elements are its input."""
        env = {} if env is None else env

        def func(iterator):
            process = Popen(shlex.split(command), env=env, stdin=PIPE, stdout=PIPE)

            def feed(out):
                for element in iterator:
                    out.write((str(element).rstrip("\n") + "\n").encode("utf-8"))
                out.close()

            Thread(target=feed, args=[process.stdin]).start()
            for line in iter(process.stdout.readline, b""):
                yield line.rstrip(b"\n").decode("utf-8")
            process.wait()
            if checkCode and process.returncode:
                raise error(
                    PySparkRuntimeError,
                    "PIPE_FUNCTION_EXITED",
                    {"func_name": command, "error_code": str(process.returncode)},
                )

        return self.mapPartitions(func)

    def union(self, other):
        """The elements of both RDDs."""
        if self._jrdd_deserializer != other._jrdd_deserializer:
            return self._reserialize()._union(other._reserialize())
        return self._union(other)

    def _union(self, other):
        partitioner = self.partitioner if self.partitioner == other.partitioner else None
        united = self.ctx._united([self, other], partitioner)
        if partitioner is not None and self.getNumPartitions() == united.getNumPartitions():
            united.partitioner = partitioner
        return united

    def __add__(self, other):
        from firesteel.rdd.rdd import RDD

        if not isinstance(other, RDD):
            raise TypeError
        return self.union(other)

    def cartesian(self, other):
        """All pairs of an element of this RDD and one of the other."""
        self._refuse_barrier()
        lefts, rights = self.getNumPartitions(), other.getNumPartitions()
        left = Selected(self._node, [[i] for i in range(lefts) for _ in range(rights)])
        right = Selected(other._node, [[i] for _ in range(lefts) for i in range(rights)])
        return self._zipped(left, right, other, execution.crossed, "CartesianRDD", "cartesian")

    def zip(self, other):
        """Pairs of the elements in the same place of two RDDs."""
        if self.getNumPartitions() != other.getNumPartitions():
            raise ValueError("Can only zip with RDD which has the same number of partitions")
        return self._zipped(self._node, other._node, other, execution.zipped, "ZippedPartitionsRDD2", "zip")

    def _zipped(self, left, right, other, function, kind, method):
        sources = [execution.Elements(rdd._jrdd_deserializer) for rdd in (self, other)]
        target = execution.Elements(self.ctx.serializer)
        number = self.ctx._new_rdd_id()
        transform = execution.ZipTransform(function, sources, target, number)
        node = Zipped([left, right], self.ctx._function(method, transform, number))
        node.lineage_children = (self._node, other._node)
        self.ctx._name(node, [(kind, method)], numbers=[number])
        return self._of(node, self.ctx.serializer)

    def zipWithIndex(self):
        """Pairs of each element and its place in the RDD. Runs a job if there are several partitions."""
        starts = [0]
        if self.getNumPartitions() > 1:
            sizes = self.mapPartitions(lambda it: [sum(1 for _ in it)]).collect()
            for size in sizes[:-1]:
                starts.append(starts[-1] + size)

        def func(split, iterator):
            return ((v, i) for i, v in enumerate(iterator, starts[split]))

        return self.mapPartitionsWithIndex(func)

    def zipWithUniqueId(self):
        """Pairs of each element and a number of its own. Runs no job."""
        n = self.getNumPartitions()

        def func(split, iterator):
            return ((v, i * n + split) for i, v in enumerate(iterator))

        return self.mapPartitionsWithIndex(func)

    def coalesce(self, numPartitions, shuffle=False):
        """Fewer partitions; any number of them with a shuffle."""
        if not numPartitions > 0:
            raise ValueError("Number of partitions must be positive.")
        if shuffle:
            return self._repartitioned(numPartitions)
        self._refuse_barrier()
        count = self.getNumPartitions()
        wanted = min(numPartitions, count)
        groups = [range(i * count // wanted, (i + 1) * count // wanted) for i in range(wanted)]
        node = Selected(self._node, groups)
        self.ctx._name(node, [("CoalescedRDD", "coalesce")])
        return self._of(node, self._jrdd_deserializer)

    def repartition(self, numPartitions):
        """Another number of partitions of about equal size."""
        return self.coalesce(numPartitions, shuffle=True)

    def _refuse_barrier(self):
        """Spark's rule: what changes the number of partitions cannot be part of a barrier stage."""
        if self._is_barrier():
            raise PySparkRuntimeError(
                "[SPARK-24820][SPARK-24821]: Barrier execution mode does not allow the following pattern of RDD chain "
                "within a barrier stage:\n1. Ancestor RDDs that have different number of partitions from the resulting "
                "RDD (e.g. union()/coalesce()/first()/take()/PartitionPruningRDD). A workaround for first()/take() can "
                "be barrierRdd.collect().head (scala) or barrierRdd.collect()[0] (python).\n2. An RDD that depends on "
                "multiple barrier RDDs (e.g. barrierRdd1.zip(barrierRdd2))."
            )


def united(nodes, partitioned):
    """The union of nodes; of equally partitioned ones, partition by partition."""
    # A union of unions is one union: as a chain it would be nested too deep.
    flat = list(
        chain.from_iterable(node.children if type(node) is United and node.storage is None else (node,) for node in nodes)
    )
    node = United(flat)
    node.lineage_children = tuple(nodes)
    if partitioned is None:
        return node
    selected = Selected(node, [range(i, partitioned * len(nodes), partitioned) for i in range(partitioned)])
    selected.lineage_children = tuple(nodes)
    return selected


