"""Shuffles, and what needs them."""

import bisect
import copy

from pyspark.join import (
    python_cogroup,
    python_full_outer_join,
    python_join,
    python_left_outer_join,
    python_right_outer_join,
)
from pyspark.rddsampler import RDDStratifiedSampler
from pyspark.resultiterable import ResultIterable
from pyspark.serializers import BatchedSerializer, CPickleSerializer
from pyspark.shuffle import ExternalGroupBy, ExternalMerger, ExternalSorter
from pyspark.util import _parse_memory

from firesteel.rdd import calls, execution
from firesteel.rdd.callsite import Site
from firesteel.rdd.partitioners import Partitioner, portable_hash
from firesteel.rdd.plan import Shuffled


class Pairs:
    """The part of `RDD` that brings elements together by key."""

    def partitionBy(self, numPartitions, partitionFunc=portable_hash):
        """Moves pairs to the partition of their key."""
        if numPartitions is None:
            numPartitions = self._defaultReducePartitions()
        partitioner = Partitioner(numPartitions, partitionFunc)
        if self.partitioner == partitioner:
            return self
        serializer = self.ctx._unbatched_serializer
        buckets = execution.Buckets(partitionFunc, numPartitions, serializer, self._memory_limit() / 2)
        with Site():
            keyed = self._keyed(buckets, [("PairwiseRDD", None)])
        node = Shuffled(keyed, numPartitions)
        self.ctx._name(node, [("ShuffledRDD", "partitionBy"), ("MapPartitionsRDD", "mapPartitions at PythonRDD.scala:197")])
        shuffled = self._of(node, BatchedSerializer(serializer))
        shuffled.partitioner = partitioner
        return shuffled

    def _repartitioned(self, numPartitions):
        """Deals batches of ten elements out to the partitions, as Spark does."""
        size = min(10, self.ctx._batchSize or 1024)
        serializer = BatchedSerializer(CPickleSerializer(), size)
        keyed = self._keyed(execution.Dealt(numPartitions, serializer), [("MapPartitionsRDD", "coalesce")])
        node = Shuffled(keyed, numPartitions)
        names = ["ShuffledRDD", "CoalescedRDD", "MapPartitionsRDD"]
        self.ctx._name(node, [(name, "coalesce") for name in names])
        return self._of(node, serializer)

    def combineByKey(
        self, createCombiner, mergeValue, mergeCombiners, numPartitions=None, partitionFunc=portable_hash
    ):
        """Combines the values of each key, first within each partition, then across them."""
        if numPartitions is None:
            numPartitions = self._defaultReducePartitions()
        serializer = self.ctx.serializer
        memory = self._memory_limit()
        aggregator = calls.combining(createCombiner, mergeValue, mergeCombiners)

        def combine(iterator):
            merger = ExternalMerger(aggregator, memory * 0.9, serializer)
            merger.mergeValues(iterator)
            return merger.items()

        def merge(iterator):
            merger = ExternalMerger(aggregator, memory, serializer)
            merger.mergeCombiners(iterator)
            return merger.items()

        combined = self.mapPartitions(combine, preservesPartitioning=True)
        return combined.partitionBy(numPartitions, partitionFunc).mapPartitions(merge, preservesPartitioning=True)

    def reduceByKey(self, func, numPartitions=None, partitionFunc=portable_hash):
        """Combines the values of each key with a commutative, associative function."""
        return self.combineByKey(lambda x: x, func, func, numPartitions, partitionFunc)

    def aggregateByKey(self, zeroValue, seqFunc, combFunc, numPartitions=None, partitionFunc=portable_hash):
        """Combines the values of each key to a value of another type."""

        def create(value):
            return seqFunc(copy.deepcopy(zeroValue), value)

        return self.combineByKey(create, seqFunc, combFunc, numPartitions, partitionFunc)

    def foldByKey(self, zeroValue, func, numPartitions=None, partitionFunc=portable_hash):
        """Combines the values of each key, starting from a neutral value."""

        def create(value):
            return func(copy.deepcopy(zeroValue), value)

        return self.combineByKey(create, func, func, numPartitions, partitionFunc)

    def groupByKey(self, numPartitions=None, partitionFunc=portable_hash):
        """All values of each key; a key's values may be larger than memory."""

        def append(values, value):
            values.append(value)
            return values

        def extend(left, right):
            left.extend(right)
            return left

        memory = self._memory_limit()
        serializer = self._jrdd_deserializer
        aggregator = calls.combining(lambda value: [value], append, extend)

        def combine(iterator):
            merger = ExternalMerger(aggregator, memory * 0.9, serializer)
            merger.mergeValues(iterator)
            return merger.items()

        def group(iterator):
            merger = ExternalGroupBy(aggregator, memory, serializer)
            merger.mergeCombiners(iterator)
            return merger.items()

        combined = self.mapPartitions(combine, preservesPartitioning=True)
        return combined.partitionBy(numPartitions, partitionFunc).mapPartitions(group, True).mapValues(ResultIterable)

    def groupBy(self, f, numPartitions=None, partitionFunc=portable_hash):
        """All elements for each result of a function."""
        return self.map(lambda x: (f(x), x)).groupByKey(numPartitions, partitionFunc)

    def distinct(self, numPartitions=None):
        """The different elements."""
        return self.map(lambda x: (x, None)).reduceByKey(lambda x, _: x, numPartitions).map(lambda x: x[0])

    def intersection(self, other):
        """The different elements that both RDDs have."""
        pairs = self.map(lambda v: (v, None)).cogroup(other.map(lambda v: (v, None)))
        return pairs.filter(lambda pair: all(pair[1])).keys()

    def subtractByKey(self, other, numPartitions=None):
        """The pairs whose key the other RDD does not have."""

        def only_here(pair):
            _, (mine, theirs) = pair
            return mine and not theirs

        return self.cogroup(other, numPartitions).filter(only_here).flatMapValues(lambda x: x[0])

    def subtract(self, other, numPartitions=None):
        """The elements that the other RDD does not have."""
        theirs = other.map(lambda x: (x, True))
        return self.map(lambda x: (x, True)).subtractByKey(theirs, numPartitions).keys()

    def join(self, other, numPartitions=None):
        """Pairs of values for each key that both RDDs have."""
        return python_join(self, other, numPartitions)

    def leftOuterJoin(self, other, numPartitions=None):
        """Pairs of values for each key of this RDD."""
        return python_left_outer_join(self, other, numPartitions)

    def rightOuterJoin(self, other, numPartitions=None):
        """Pairs of values for each key of the other RDD."""
        return python_right_outer_join(self, other, numPartitions)

    def fullOuterJoin(self, other, numPartitions=None):
        """Pairs of values for each key of either RDD."""
        return python_full_outer_join(self, other, numPartitions)

    def cogroup(self, other, numPartitions=None):
        """For each key the values of both RDDs."""
        return python_cogroup((self, other), numPartitions)

    def groupWith(self, other, *others):
        """For each key the values of several RDDs."""
        return python_cogroup((self, other, *others), numPartitions=None)

    def sampleByKey(self, withReplacement, fractions, seed=None):
        """A random part of the pairs, with a fraction for each key."""
        for fraction in fractions.values():
            assert fraction >= 0.0, "Negative fraction value: %s" % fraction
        sampler = RDDStratifiedSampler(withReplacement, fractions, seed)
        return self.mapPartitionsWithIndex(sampler.func, True)

    def repartitionAndSortWithinPartitions(
        self, numPartitions=None, partitionFunc=portable_hash, ascending=True, keyfunc=lambda x: x
    ):
        """Moves pairs to the partition of their key, and sorts each partition."""
        if numPartitions is None:
            numPartitions = self._defaultReducePartitions()
        return self.partitionBy(numPartitions, partitionFunc).mapPartitions(self._sorter(ascending, keyfunc), True)

    def _sorter(self, ascending, keyfunc):
        memory = self._memory_limit()
        serializer = self._jrdd_deserializer

        def sort(iterator):
            sorter = ExternalSorter(memory * 0.9, serializer)
            return iter(sorter.sorted(iterator, key=lambda kv: keyfunc(kv[0]), reverse=not ascending))

        return sort

    def sortByKey(self, ascending=True, numPartitions=None, keyfunc=lambda x: x):
        """Sorts pairs by key. Several partitions take a job that counts and one that samples."""
        if numPartitions is None:
            numPartitions = self._defaultReducePartitions()
        sort = self._sorter(ascending, keyfunc)
        if numPartitions == 1:
            one = self.coalesce(1) if self.getNumPartitions() > 1 else self
            return one.mapPartitions(sort, True)
        size = self.count()
        if not size:
            return self
        # About twenty for each partition.
        fraction = min(numPartitions * 20.0 / max(size, 1), 1.0)
        samples = self.sample(False, fraction, 1).map(lambda kv: kv[0]).collect()
        samples = sorted(samples, key=keyfunc)
        bounds = [samples[int(len(samples) * (i + 1) / numPartitions)] for i in range(numPartitions - 1)]

        def range_partitioner(key):
            place = bisect.bisect_left(bounds, keyfunc(key))
            return place if ascending else numPartitions - 1 - place

        return self.partitionBy(numPartitions, range_partitioner).mapPartitions(sort, True)

    def sortBy(self, keyfunc, ascending=True, numPartitions=None):
        """Sorts the elements by a function of them."""
        return self.keyBy(keyfunc).sortByKey(ascending, numPartitions).values()

    def _memory_limit(self):
        return _parse_memory(self.ctx._conf.get("spark.python.worker.memory", "512m"))

    def _defaultReducePartitions(self):
        """As many partitions as the default parallelism if it was set, or as this RDD has."""
        if self.ctx._conf.contains("spark.default.parallelism"):
            return self.ctx.defaultParallelism
        return self.getNumPartitions()
