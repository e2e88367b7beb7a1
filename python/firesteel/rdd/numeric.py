"""Statistics of numbers."""

import bisect
import hashlib
from functools import reduce
from math import ceil, isinf, isnan, log, sqrt
from operator import add

from pyspark.statcounter import StatCounter

from firesteel.rdd.partitioners import portable_hash


class BoundedFloat(float):
    """An approximate value with its bounds."""

    def __new__(cls, mean, confidence, low, high):
        made = float.__new__(cls, mean)
        made.confidence = confidence
        made.low = low
        made.high = high
        return made


class Numeric:
    """The part of `RDD` for numbers."""

    def sum(self):
        """The sum of the elements."""
        return self.mapPartitions(lambda x: [sum(x)]).fold(0, add)

    def stats(self):
        """Number, mean, variance, maximum and minimum of the elements."""
        return self.mapPartitions(lambda i: [StatCounter(i)]).reduce(lambda left, right: left.mergeStats(right))

    def mean(self):
        """The mean of the elements."""
        return self.stats().mean()

    def variance(self):
        """The variance of the elements."""
        return self.stats().variance()

    def stdev(self):
        """The standard deviation of the elements."""
        return self.stats().stdev()

    def sampleStdev(self):
        """The sample's standard deviation, which divides by N - 1."""
        return self.stats().sampleStdev()

    def sampleVariance(self):
        """The sample's variance, which divides by N - 1."""
        return self.stats().sampleVariance()

    def histogram(self, buckets):
        """The number of elements in each bucket; the last one includes its upper bound."""
        if isinstance(buckets, int):
            buckets, counted = self._even_buckets(buckets)
            if counted is not None:
                return buckets, [counted]
            inc = (buckets[-1] - buckets[0]) / (len(buckets) - 1)
            even = True
        elif isinstance(buckets, (list, tuple)):
            _check_buckets(buckets)
            even, inc = _steps(buckets)
        else:
            raise TypeError("buckets should be a list or tuple or number(int or long)")
        low, high = buckets[0], buckets[-1]

        def histogram(iterator):
            counters = [0] * len(buckets)
            for x in iterator:
                if x is None or (isinstance(x, float) and isnan(x)) or x > high or x < low:
                    continue
                counters[int((x - low) / inc) if even else bisect.bisect_right(buckets, x) - 1] += 1
            last = counters.pop()
            counters[-1] += last
            return [counters]

        def merge(left, right):
            return [i + j for i, j in zip(left, right)]

        return buckets, self.mapPartitions(histogram).reduce(merge)

    def _even_buckets(self, count):
        """Bounds of equally wide buckets; with the number of elements if one bucket is enough."""
        if count < 1:
            raise ValueError("number of buckets must be >= 1")
        filtered = self.filter(lambda x: x is not None and not (type(x) is float and isnan(x)))

        def minmax(a, b):
            return min(a[0], b[0]), max(a[1], b[1])

        low, high = filtered.map(lambda x: (x, x)).reduce(minmax)
        if low == high or count == 1:
            return [low, high], filtered.count()
        try:
            inc = (high - low) / count
        except TypeError:
            raise TypeError("Can not generate buckets with non-number in RDD") from None
        if isinf(inc):
            raise ValueError("Can not generate buckets with infinite value")
        # Whole numbers if they divide the range evenly.
        inc = int(inc)
        if inc * count != high - low:
            inc = (high - low) * 1.0 / count
        return [i * inc + low for i in range(count)] + [high], None

    def countApprox(self, timeout, confidence=0.95):
        """The number of elements, exact: the job is waited for."""
        return int(self.mapPartitions(lambda it: [float(sum(1 for _ in it))]).sumApprox(timeout, confidence))

    def sumApprox(self, timeout, confidence=0.95):
        """The sum, exact: the job is waited for."""
        total = self.mapPartitions(lambda it: [float(sum(it))]).fold(0.0, add)
        return BoundedFloat(total, 1.0, total, total)

    def meanApprox(self, timeout, confidence=0.95):
        """The mean, exact: the job is waited for."""
        counters = self.map(float).mapPartitions(lambda i: [StatCounter(i)]).collect()
        mean = float(reduce(StatCounter.mergeStats, counters, StatCounter()).mean())
        return BoundedFloat(mean, 1.0, mean, mean)

    def countApproxDistinct(self, relativeSD=0.05):
        """About how many different elements there are (HyperLogLog)."""
        if relativeSD < 0.000017:
            raise ValueError("relativeSD should be greater than 0.000017")
        bits = max(4, ceil(2.0 * log(1.054 / relativeSD) / log(2)))

        def registers(iterator):
            return [Registers(bits).filled(portable_hash(x) & 0xFFFFFFFF for x in iterator)]

        return self.mapPartitions(registers).reduce(lambda left, right: left.merged(right)).estimate()


def _check_buckets(buckets):
    if len(buckets) < 2:
        raise ValueError("buckets should have more than one value")
    if any(i is None or (isinstance(i, float) and isnan(i)) for i in buckets):
        raise ValueError("can not have None or NaN in buckets")
    if sorted(buckets) != list(buckets):
        raise ValueError("buckets should be sorted")
    if len(set(buckets)) != len(buckets):
        raise ValueError("buckets should not contain duplicated values")


def _steps(buckets):
    """Whether buckets are equally wide, and how wide."""
    try:
        steps = [upper - lower for lower, upper in zip(buckets, buckets[1:])]
    except TypeError:
        # Strings have an order, but no distance.
        return False, None
    if max(steps) - min(steps) < 1e-10:
        return True, (buckets[-1] - buckets[0]) / (len(buckets) - 1)
    return False, None


class Registers:
    """A sketch of a set: how many leading zeros the hashes of its elements have, at most, in each of 2^bits groups."""

    def __init__(self, bits):
        self.bits = bits
        self.longest = bytearray(1 << bits)

    def filled(self, numbers):
        rest = 64 - self.bits
        for number in numbers:
            hashed = int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=8).digest(), "big")
            group = hashed >> rest
            length = rest - (hashed & ((1 << rest) - 1)).bit_length() + 1
            if length > self.longest[group]:
                self.longest[group] = length
        return self

    def merged(self, other):
        self.longest = bytearray(map(max, self.longest, other.longest))
        return self

    def estimate(self):
        """Ertl's estimator, which needs no table of corrections."""
        size, limit = len(self.longest), 64 - self.bits
        counts = [0] * (limit + 2)
        for length in self.longest:
            counts[length] += 1
        z = size * _tau(1.0 - counts[limit + 1] / size)
        for k in range(limit, 0, -1):
            z = 0.5 * (z + counts[k])
        z += size * _sigma(counts[0] / size)
        return round(size * size / (2 * log(2)) / z) if z != float("inf") else 0


def _sigma(x):
    if x == 1.0:
        return float("inf")
    y, z, previous = 1.0, x, None
    while z != previous:
        x *= x
        previous = z
        z += x * y
        y += y
    return z


def _tau(x):
    if x in (0.0, 1.0):
        return 0.0
    y, z, previous = 1.0, 1.0 - x, None
    while z != previous:
        x = sqrt(x)
        previous = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0
