"""How elements find their partition."""

import os
import sys

from pyspark.errors import PySparkRuntimeError

from firesteel.errors import error


def portable_hash(x):
    """Hashes a key alike in all processes; `None` and tuples too, which Python does not promise."""
    if "PYTHONHASHSEED" not in os.environ:
        raise error(PySparkRuntimeError, "PYTHON_HASH_SEED_NOT_SET")
    if x is None:
        return 0
    if isinstance(x, tuple):
        hashed = 3430008
        for item in x:
            hashed = ((hashed ^ portable_hash(item)) * 1000003) & sys.maxsize
        hashed ^= len(x)
        return -2 if hashed == -1 else int(hashed)
    return hash(x)


class Partitioner:
    """A number of partitions and a function of keys; equal ones need no shuffle between them."""

    def __init__(self, numPartitions, partitionFunc):
        self.numPartitions = numPartitions
        self.partitionFunc = partitionFunc

    def __eq__(self, other):
        return (
            isinstance(other, Partitioner)
            and self.numPartitions == other.numPartitions
            and self.partitionFunc == other.partitionFunc
        )

    def __hash__(self):
        return hash((self.numPartitions, self.partitionFunc))

    def __call__(self, k):
        return self.partitionFunc(k) % self.numPartitions


def _java_int(value):
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def first_position(index, bound):
    """Where partition `index` starts to deal its batches out when an RDD is repartitioned: Spark's `new Random(byteswap32(index))`."""
    swapped = _java_int(index * 0x9E3775CD) & 0xFFFFFFFF
    swapped = int.from_bytes(swapped.to_bytes(4, "little"), "big")
    state = (_java_int(swapped * 0x9E3775CD) ^ 0x5DEECE66D) & ((1 << 48) - 1)

    def next31():
        nonlocal state
        state = (state * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        return state >> 17

    if bound & (bound - 1) == 0:
        return (bound * next31()) >> 31
    while True:
        bits = next31()
        value = bits % bound
        if bits - value + bound - 1 < (1 << 31):
            return value
