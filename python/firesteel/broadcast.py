"""Broadcast values: pickled once, named by their hash, and mapped by each worker that uses them."""

import mmap
import os
import pickle
import sys
import threading
import traceback
from collections import Counter

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
            self._load = lambda: _read_path(path)
        if sc is not None:
            self._value = value
            self._hash = sc._broadcasts.add(_pickled(value))

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
        from firesteel.worker import blobs

        return blobs.value(self._hash, _read)

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
        self._sc._broadcasts.drop_copies(self._hash)

    def destroy(self, blocking=False):
        """Drops the value everywhere; using it afterwards is an error."""
        self._require_driver("destroyed")
        self._check()
        self._destroyed = True
        self._value = None
        self._sc._broadcasts.remove(self._hash)

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


class Blobs:
    """The blobs of a context's broadcast values. Equal values are one blob, which goes with the last of them."""

    def __init__(self, upload, drop):
        self._upload = upload
        self._drop = drop
        self._uses = Counter()
        # A value must not come while an equal one goes.
        self._lock = threading.Lock()

    def add(self, pickled):
        """Sends a value to the driver, and returns its hash."""
        with self._lock:
            hash = self._upload([pickled])[0]
            self._uses[hash] += 1
            return hash

    def drop_copies(self, hash):
        """Lets executors drop a value."""
        self._drop(hash, forever=False)

    def remove(self, hash):
        """Ends one of the uses of a value."""
        with self._lock:
            self._uses[hash] -= 1
            if not self._uses[hash]:
                del self._uses[hash]
                self._drop(hash, forever=True)


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


def _read(file):
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return pickle.loads(content)


def _read_path(path):
    with open(path, "rb") as file:
        return _read(file)
