"""Broadcast values: pickled once, named by their hash, and mapped by each worker that uses them."""

import mmap
import os
import pickle
import sys
import threading
import traceback
from functools import lru_cache

from pyspark.errors import PySparkRuntimeError

from firesteel.errors import error


class Broadcast:
    """A value that each worker reads at most once."""

    def __init__(self, sc=None, value=None, pickle_registry=None, path=None, hash=None):
        self._sc = sc
        self._pickle_registry = pickle_registry
        self._destroyed = False
        self._hash = hash
        if path is not None:
            self._load = lambda: _read(path)
        if sc is not None:
            self._value = value
            self._hash = sc._upload([_pickled(value)])[0]

    def __class_getitem__(cls, _):
        return cls

    @property
    def value(self):
        """The value."""
        if self._sc is None:
            return self._load()
        self._check()
        return self._value

    def _load(self):
        return _loaded(self._hash)

    @property
    def _path(self):
        """A file with the pickled value, for who wants one in the program."""
        path = os.path.join(self._sc._temp_dir, f"broadcast-{self._hash}")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(_pickled(self.value))
        return path

    def unpersist(self, blocking=False):
        """Lets executors drop the value; the next use fetches it again."""
        self._require_driver("unpersisted")
        self._check()

    def destroy(self, blocking=False):
        """Drops the value everywhere; using it afterwards is an error."""
        self._require_driver("destroyed")
        self._check()
        self._destroyed = True
        self._value = None

    def __reduce__(self):
        self._require_driver("serialized")
        self._check()
        if self._pickle_registry is not None:
            self._pickle_registry.add(self)
        return _from_id, (self._hash,)

    def _require_driver(self, operation):
        if self._sc is None:
            raise error(PySparkRuntimeError, "INVALID_BROADCAST_OPERATION", {"operation": operation})

    def _check(self):
        if self._destroyed:
            raise PySparkRuntimeError(f"Attempted to use Broadcast({self._hash[:8]}) after it was destroyed")


class BroadcastPickleRegistry(threading.local):
    """The broadcast values that were pickled in this thread since the last function was."""

    def __init__(self):
        self.__dict__.setdefault("_registry", set())

    def __iter__(self):
        return iter(self._registry)

    def add(self, bcast):
        """Notes a value."""
        self._registry.add(bcast)

    def clear(self):
        """Forgets all values."""
        self._registry.clear()


def _pickled(value):
    try:
        return pickle.dumps(value, 5)
    except pickle.PickleError:
        raise
    except Exception as failure:
        traceback.print_exc(file=sys.stderr)
        raise pickle.PicklingError(
            f"Could not serialize broadcast: {type(failure).__name__}: {failure}"
        ) from failure


def _from_id(hash):
    return Broadcast(hash=hash)


@lru_cache(maxsize=None)
def _loaded(hash):
    """The value of a blob; once for each process."""
    from firesteel.worker import blobs

    return _read(blobs.path(hash))


def _read(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return pickle.loads(content)
