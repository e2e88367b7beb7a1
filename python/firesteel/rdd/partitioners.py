"""How elements find their partition."""

import os
import sys

from pyspark.errors import PySparkRuntimeError

from firesteel.errors import error


def portable_hash(x):
    """Hashes a key alike in all processes; `None` and tuples too, which Python does not promise."""
    if not _has_seed:
        _check_seed()
    if x is None:
        return 0
    if isinstance(x, tuple):
        hashed = 3430008
        for item in x:
            hashed = ((hashed ^ portable_hash(item)) * 1000003) & sys.maxsize
        hashed ^= len(x)
        return -2 if hashed == -1 else int(hashed)
    return hash(x)


#: Whether this process has a fixed seed. Looked up once: the environment is slow, and changing it later changes no hash.
_has_seed = False


def _check_seed():
    global _has_seed
    if "PYTHONHASHSEED" not in os.environ:
        raise error(PySparkRuntimeError, "PYTHON_HASH_SEED_NOT_SET")
    _has_seed = True


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


_INT = (1 << 32) - 1
_LONG = (1 << 64) - 1


def first_position(index, bound):
    """Where partition `index` starts to deal its batches out when an RDD is repartitioned: Spark's `new XORShiftRandom(index).nextInt(bound)`."""
    data = index.to_bytes(8, "big")
    low = _murmur3(data, 0x3C074A61)
    state = (_murmur3(data, low) << 32) | low
    while True:
        state ^= (state << 21) & _LONG
        state ^= state >> 35
        state ^= (state << 4) & _LONG
        bits = state & ((1 << 31) - 1)
        if bound & (bound - 1) == 0:
            return (bound * bits) >> 31
        value = bits % bound
        # Otherwise small values would be more likely.
        if bits - value + bound - 1 < (1 << 31):
            return value


def _murmur3(data, seed):
    """MurmurHash3 (32 bits) of whole words."""
    hashed = seed
    for at in range(0, len(data), 4):
        word = int.from_bytes(data[at : at + 4], "little") * 0xCC9E2D51 & _INT
        hashed ^= _rotated(word, 15) * 0x1B873593 & _INT
        hashed = (_rotated(hashed, 13) * 5 + 0xE6546B64) & _INT
    hashed ^= len(data)
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & _INT
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & _INT
    return hashed ^ hashed >> 16


def _rotated(word, by):
    return (word << by | word >> (32 - by)) & _INT
