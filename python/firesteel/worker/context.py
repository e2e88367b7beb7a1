"""What a task finds around it: its context, files, paths of modules, and the limit of its memory."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import sys
from typing import Optional

import pyarrow as pa
from pyspark.taskcontext import BarrierTaskContext, BarrierTaskInfo, TaskContext

from firesteel.worker import blobs

#: The directory of the files that were added to the session (`SparkFiles.getRootDirectory()`).
root = ""

#: Which partition of its RDD the function computes: below a union or a selection, another one than the task's.
split = 0

_original_path = list(sys.path)
_environment: Optional[tuple] = None


class _Barrier(BarrierTaskContext):
    """A barrier context that waits through the request socket."""

    _hosts: list = []

    def barrier(self) -> None:
        blobs.request({"barrier": None})

    def allGather(self, message: str = "") -> list:
        if not isinstance(message, str):
            raise TypeError("Argument `message` must be of type `str`")
        return blobs.request({"gather": message})["texts"]

    def getTaskInfos(self) -> list:
        return [BarrierTaskInfo(host) for host in self._hosts]


def set_context(content: Optional[dict]) -> None:
    """Makes `TaskContext.get()` answer for this task; for none without content."""
    context = None
    if content is not None:
        barrier = content.get("barrier")
        context = object.__new__(_Barrier if barrier else TaskContext)
        context._stageId = content["stage"]
        context._attemptNumber = content["attempt"]
        context._partitionId = content["partition"]
        context._taskAttemptId = content["task"]
        context._cpus = content.get("cpus", 1)
        context._localProperties = dict(content.get("properties") or {})
        context._resources = _resources(content.get("resources") or {})
        if barrier:
            context._hosts = barrier["hosts"]
        # Arrow would use all processors for each task.
        pa.set_cpu_count(max(1, int(context._cpus)))
    # Both classes have an attribute of their own as soon as one was set.
    TaskContext._setTaskContext(context)
    BarrierTaskContext._setTaskContext(context)


def _resources(content: dict) -> dict:
    if not content:
        return {}
    from pyspark.resource import ResourceInformation

    return {name: ResourceInformation(name, addresses) for name, addresses in content.items()}


def set_files(content: Optional[dict]) -> None:
    """Sets the root of files and the paths of modules; what an earlier environment has loaded is forgotten."""
    global root, _environment
    content = content or {}
    environment = (content.get("root") or "", tuple(content.get("path") or ()))
    if environment == _environment:
        return
    if _environment is not None:
        _forget(_environment)
    _environment = environment
    root = environment[0]
    _set_spark_files(root)
    # As in Spark: after the first entry, before the installed packages, the last that was added first.
    added: list = []
    for entry in filter(None, (root, *environment[1])):
        if entry not in added:
            added.insert(0, entry)
    sys.path[:] = _original_path[:1] + added + [entry for entry in _original_path[1:] if entry not in added]
    importlib.invalidate_caches()


def _set_spark_files(directory: str) -> None:
    for name in ("pyspark.core.files", "pyspark.files"):
        # The client alone has no such class.
        with contextlib.suppress(ImportError):
            files = importlib.import_module(name).SparkFiles
            files._root_directory = directory
            files._is_running_on_worker = True
            return


def _forget(environment: tuple) -> None:
    """Unloads the modules that came from the paths of an environment."""
    prefixes = tuple(entry.rstrip(os.sep) + os.sep for entry in (environment[0], *environment[1]) if entry)
    if not prefixes:
        return
    for name, module in list(sys.modules.items()):
        places = [getattr(module, "__file__", None) or ""]
        with contextlib.suppress(Exception):
            places.extend(getattr(module, "__path__", ()))
        if any(isinstance(place, str) and (place + os.sep).startswith(prefixes) for place in places):
            del sys.modules[name]
    for entry in list(sys.path_importer_cache):
        if (entry + os.sep).startswith(prefixes):
            del sys.path_importer_cache[entry]


def limit_memory(limit: int) -> None:
    """Limits the address space to a number of bytes, if it is positive. For good: the limit is that of the application."""
    if limit > 0:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
