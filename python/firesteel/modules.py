"""What `pyspark` has beyond the stock client: `SparkContext`, `RDD` and their like, loaded when a program first asks for them.

`pyspark.core` is left as it is: PySpark takes its absence as a sign that there is no JVM.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys

_CONTEXT = {"SparkContext": "firesteel.context"}
_RDD = {
    "RDD": "firesteel.rdd.rdd",
    "PipelinedRDD": "firesteel.rdd.rdd",
    "RDDBarrier": "firesteel.rdd.rdd",
    "Partitioner": "firesteel.rdd.partitioners",
    "portable_hash": "firesteel.rdd.partitioners",
    "BoundedFloat": "firesteel.rdd.numeric",
}
_BROADCAST = {
    "Broadcast": "firesteel.broadcast",
    "BroadcastPickleRegistry": "firesteel.broadcast",
    "_from_id": "firesteel.broadcast",
}
_FILES = {"SparkFiles": "firesteel.files"}
_STATUS = {
    name: "firesteel.status" for name in ("StatusTracker", "SparkJobInfo", "SparkStageInfo", "SparkExecutorInfo")
}
_MODULES = {"context": _CONTEXT, "rdd": _RDD, "broadcast": _BROADCAST, "files": _FILES, "status": _STATUS}
_INTERNAL = ("PipelinedRDD", "Partitioner", "portable_hash", "BoundedFloat", "BroadcastPickleRegistry", "_from_id")


def install(pyspark) -> None:
    """Adds the names to the imported module `pyspark`."""
    from firesteel import threads

    every = {name: of for names in _MODULES.values() for name, of in names.items() if name not in _INTERNAL}
    _offer(pyspark, every)
    for name in ("InheritableThread", "inheritable_thread_target"):
        for module in (pyspark, sys.modules["pyspark.util"]):
            setattr(module, name, getattr(threads, name))
    for package in ("pyspark", "pyspark.core"):
        for name, names in _MODULES.items():
            # Full PySpark has these modules, with classes that need a JVM.
            module = sys.modules.get(f"{package}.{name}")
            if module is not None:
                _offer(module, names)
    sys.meta_path.append(_Missing())


def _offer(module, names) -> None:
    """Lets a module load names from ours when they are asked for."""
    for name in names:
        module.__dict__.pop(name, None)

    def load(name):
        if name not in names:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(names[name]), name)
        setattr(module, name, found)
        return found

    module.__getattr__ = load


class _Missing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `pyspark.rdd` and its like where the client alone is installed."""

    def find_spec(self, name, path=None, target=None):
        package, _, last = name.rpartition(".")
        if package != "pyspark" or last not in _MODULES:
            return None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        names = _MODULES[module.__name__.rpartition(".")[2]]
        module.__all__ = [name for name in names if name not in _INTERNAL]
        _offer(module, names)


def is_on() -> bool:
    """Whether programs get our classes: not if they run on a JVM."""
    off = os.environ.get("FIRESTEEL_LAUNCH", "").lower() in ("0", "off", "false", "no")
    return not off or "SPARK_REMOTE" in os.environ
