"""Actions: what runs jobs and returns to the program."""

import heapq
import random
import sys
import warnings
from collections import defaultdict
from functools import reduce
from math import ceil, log, sqrt

from firesteel.rdd import calls
from firesteel.rdd.callsite import Site


class Actions:
    """The part of `RDD` that returns values."""

    def collect(self):
        """All elements, as a list."""
        with Site():
            return list(self.ctx._elements(self))

    def collectWithJobGroup(self, groupId, description, interruptOnCancel=False):
        """All elements, from a job in a group."""
        warnings.warn(
            "Deprecated in 3.1, Use pyspark.InheritableThread with the pinned thread mode enabled.", FutureWarning
        )
        with self.ctx._job_group(groupId, description, interruptOnCancel):
            return self.collect()

    def collectAsMap(self):
        """Pairs as a dictionary."""
        return dict(self.collect())

    def toLocalIterator(self, prefetchPartitions=False):
        """An iterator over the elements, with a job for each partition."""
        with Site():
            return self.ctx._iterator(self, prefetchPartitions)

    def foreach(self, f):
        """Calls a function for each element."""
        f = calls.of_element(f)

        def process(iterator):
            for x in iterator:
                f(x)
            return iter([])

        self.mapPartitions(process).count()

    def foreachPartition(self, f):
        """Calls a function for each partition."""

        def func(iterator):
            result = f(iterator)
            try:
                return iter(result if result is not None else [])
            except TypeError:
                return iter([])

        self.mapPartitions(func).count()

    def reduce(self, f):
        """Combines all elements with a commutative, associative function."""
        f = calls.of_two(f)

        def func(iterator):
            iterator = iter(iterator)
            try:
                initial = next(iterator)
            except StopIteration:
                return
            yield reduce(f, iterator, initial)

        values = self.mapPartitions(func).collect()
        if values:
            return reduce(f, values)
        raise ValueError("Can not reduce() empty RDD")

    def treeReduce(self, f, depth=2):
        """Like `reduce`, in several levels."""
        if depth < 1:
            raise ValueError("Depth cannot be smaller than 1 but got %d." % depth)

        def op(x, y):
            # The flag says that there is no value yet.
            if x[1]:
                return y
            return x if y[1] else (f(x[0], y[0]), False)

        reduced = self.map(lambda x: (x, False)).treeAggregate((None, True), op, op, depth)
        if reduced[1]:
            raise ValueError("Cannot reduce empty RDD.")
        return reduced[0]

    def fold(self, zeroValue, op):
        """Combines all elements, starting from a neutral value."""
        op = calls.of_two(op)

        def func(iterator):
            yield reduce(op, iterator, zeroValue)

        return reduce(op, self.mapPartitions(func).collect(), zeroValue)

    def aggregate(self, zeroValue, seqOp, combOp):
        """Combines all elements to a value of another type."""
        seqOp = calls.of_two(seqOp)
        combOp = calls.of_two(combOp)

        def func(iterator):
            yield reduce(seqOp, iterator, zeroValue)

        return reduce(combOp, self.mapPartitions(func).collect(), zeroValue)

    def treeAggregate(self, zeroValue, seqOp, combOp, depth=2):
        """Like `aggregate`, in several levels."""
        if depth < 1:
            raise ValueError("Depth cannot be smaller than 1 but got %d." % depth)
        if self.getNumPartitions() == 0:
            return zeroValue

        def aggregate(iterator):
            yield reduce(seqOp, iterator, zeroValue)

        partial = self.mapPartitions(aggregate)
        count = partial.getNumPartitions()
        scale = max(int(ceil(pow(count, 1.0 / depth))), 2)
        while count > scale + count / scale:
            count /= scale
            partial = _level(partial, int(count)).reduceByKey(combOp, int(count)).values()
        return partial.reduce(combOp)

    def max(self, key=None):
        """The largest element."""
        return self.reduce(max) if key is None else self.reduce(lambda a, b: max(a, b, key=key))

    def min(self, key=None):
        """The smallest element."""
        return self.reduce(min) if key is None else self.reduce(lambda a, b: min(a, b, key=key))

    def count(self):
        """The number of elements."""
        return self.mapPartitions(lambda i: [sum(1 for _ in i)]).sum()

    def countByValue(self):
        """How often each element occurs."""

        def count_partition(iterator):
            counts = defaultdict(int)
            for element in iterator:
                counts[element] += 1
            yield counts

        def merge(left, right):
            for element, count in right.items():
                left[element] += count
            return left

        return self.mapPartitions(count_partition).reduce(merge)

    def countByKey(self):
        """How many pairs there are of each key."""
        return self.map(lambda x: x[0]).countByValue()

    def reduceByKeyLocally(self, func):
        """Combines the values of each key, as a dictionary in the program."""
        func = calls.of_two(func)

        def reduce_partition(iterator):
            found = {}
            for key, value in iterator:
                found[key] = func(found[key], value) if key in found else value
            yield found

        def merge(left, right):
            for key, value in right.items():
                left[key] = func(left[key], value) if key in left else value
            return left

        return self.mapPartitions(reduce_partition).reduce(merge)

    def top(self, num, key=None):
        """The largest elements, in descending order."""

        def largest(iterator):
            yield heapq.nlargest(num, iterator, key=key)

        def merge(left, right):
            return heapq.nlargest(num, left + right, key=key)

        return self.mapPartitions(largest).reduce(merge)

    def takeOrdered(self, num, key=None):
        """The smallest elements, in ascending order."""
        if num < 0:
            raise ValueError("top N cannot be negative.")
        if num == 0 or self.getNumPartitions() == 0:
            return []

        def merge(left, right):
            return heapq.nsmallest(num, left + right, key)

        return self.mapPartitions(lambda it: [heapq.nsmallest(num, it, key)]).reduce(merge)

    def take(self, num):
        """The first elements, from as few partitions as it takes: one, then up to four times as many as before."""
        with Site():
            return self._take(num)

    def _take(self, num):
        items = []
        total = self.getNumPartitions()
        scanned = 0
        while len(items) < num and scanned < total:
            wanted = 1
            if scanned > 0 and not items:
                wanted = scanned * 4
            elif scanned > 0:
                wanted = min(max(int(1.5 * num * scanned / len(items)) - scanned, 1), scanned * 4)
            left = num - len(items)

            def first_left(iterator, left=left):
                iterator = iter(iterator)
                for _ in range(left):
                    try:
                        yield next(iterator)
                    except StopIteration:
                        return

            items += self.ctx.runJob(self, first_left, range(scanned, min(scanned + wanted, total)))
            scanned += wanted
        return items[:num]

    def first(self):
        """The first element."""
        found = self.take(1)
        if found:
            return found[0]
        raise ValueError("RDD is empty")

    def isEmpty(self):
        """Whether there are no elements."""
        return self.getNumPartitions() == 0 or len(self.take(1)) == 0

    def lookup(self, key):
        """The values of a key, from its partition only if the RDD is partitioned."""
        values = self.filter(lambda kv: kv[0] == key).values()
        if self.partitioner is not None:
            return self.ctx.runJob(values, lambda x: x, [self.partitioner(key)])
        return values.collect()

    def takeSample(self, withReplacement, num, seed=None):
        """A random sample of a fixed size."""
        deviations = 10.0
        largest = sys.maxsize - int(deviations * sqrt(sys.maxsize))
        if num < 0:
            raise ValueError("Sample size cannot be negative.")
        if num > largest:
            raise ValueError("Sample size cannot be greater than %d." % largest)
        if num == 0 or self.getNumPartitions() == 0:
            return []
        count = self.count()
        if count == 0:
            return []
        rand = random.Random(seed)
        if not withReplacement and num >= count:
            samples = self.collect()
            rand.shuffle(samples)
            return samples
        fraction = self._computeFractionForSampleSize(num, count, withReplacement)
        samples = self.sample(withReplacement, fraction, seed).collect()
        # Rarely too few; a fraction that guarantees enough does not exist.
        while len(samples) < num:
            samples = self.sample(withReplacement, fraction, rand.randint(0, sys.maxsize)).collect()
        rand.shuffle(samples)
        return samples[:num]

    @staticmethod
    def _computeFractionForSampleSize(sampleSizeLowerBound, total, withReplacement):
        """A fraction that gives enough elements in 99.99 % of all cases."""
        fraction = float(sampleSizeLowerBound) / total
        if withReplacement:
            deviations = 9 if sampleSizeLowerBound < 12 else 5
            return fraction + deviations * sqrt(fraction / total)
        gamma = -log(0.00005) / total
        return min(1, fraction + gamma + sqrt(gamma * gamma + 2 * gamma * fraction))


def _level(rdd, count):
    """One level of a tree: keys that bring partitions together."""

    def keyed(split, iterator):
        return ((split % count, element) for element in iterator)

    return rdd.mapPartitionsWithIndex(keyed)
