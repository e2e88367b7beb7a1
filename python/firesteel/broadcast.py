"""Broadcast values: pickled once, named by their hash, and mapped by each worker that uses them."""

import hashlib
import mmap
import pickle
import sys
import threading
import traceback
from functools import lru_cache

from pyspark.errors import PySparkRuntimeError

from firesteel.errors import error


class Broadcast:
    """A value that each worker reads at most once."""

    def __init__(self, sc=None, value=None, hash=None):
        self._sc = sc
        self._destroyed = False
        self._hash = hash
        if sc is not None:
            self._value = value
            self._pickled = _pickled(value)
            self._hash = hashlib.sha256(self._pickled).hexdigest()
            self._upload()

    def __class_getitem__(cls, _):
        return cls

    def _upload(self):
        self._sc._upload([self._pickled])

    @property
    def value(self):
        """The value."""
        if self._sc is None:
            return _loaded(self._hash)
        self._check()
        return self._value

    def unpersist(self, blocking=False):
        """Lets executors drop the value; the next use fetches it again."""
        self._require_driver("unpersisted")
        self._check()

    def destroy(self, blocking=False):
        """Drops the value everywhere; using it afterwards is an error."""
        self._require_driver("destroyed")
        self._check()
        self._destroyed = True
        self._value = self._pickled = None

    def __reduce__(self):
        self._require_driver("serialized")
        self._check()
        return _from_id, (self._hash,)

    def _require_driver(self, operation):
        if self._sc is None:
            raise error(PySparkRuntimeError, "INVALID_BROADCAST_OPERATION", {"operation": operation})

    def _check(self):
        if self._destroyed:
            raise PySparkRuntimeError(f"Attempted to use Broadcast({self._hash[:8]}) after it was destroyed")


class BroadcastPickleRegistry(threading.local):
    """What classic PySpark notes about broadcasts in a closure; ours need no notes, because a closure names them."""

    def __iter__(self):
        return iter(())

    def add(self, bcast):
        """Does nothing."""

    def clear(self):
        """Does nothing."""


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

    with open(blobs.path(hash), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return pickle.loads(content)
