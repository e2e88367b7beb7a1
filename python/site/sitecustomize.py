"""Loaded by Python before a program started by Firesteel, or wherever Firesteel is installed: patches PySpark if the program imports it.

In a wheel this file is `firesteel/import_hook.py`, and `firesteel.pth` loads it.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys


# What is done with a module of PySpark after it is loaded: the module of ours and its function.
_PATCHES = {
    "pyspark": ("firesteel.modules", "install"),
    "pyspark.sql.session": ("firesteel.session", "patch"),
    "pyspark.sql.connect.session": ("firesteel.connect", "patch_session"),
    "pyspark.sql.connect.dataframe": ("firesteel.connect", "patch_frame"),
    "pyspark.sql.connect.client.core": ("firesteel.connect", "patch_client"),
    "pyspark.sql.connect.udf": ("firesteel.profiling", "patch"),
    "pyspark.sql.connect.readwriter": ("firesteel.rdd.reading", "patch"),
}


class _Patch(importlib.abc.MetaPathFinder):
    """Import hook that patches modules of PySpark after they are loaded."""

    def __init__(self):
        self._waiting = dict(_PATCHES)

    def find_spec(self, name, path=None, target=None):
        if name not in self._waiting:
            return None
        patch = self._waiting.pop(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                _apply(patch, module)

            spec.loader.exec_module = exec_module
        return spec


def _apply(patch, module) -> None:
    from firesteel import modules

    of, function = patch
    if of == "firesteel.session" or modules.is_on():
        getattr(importlib.import_module(of), function)(module)


def _next_sitecustomize() -> None:
    """Runs the `sitecustomize` that this one shadows, if there is one."""
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    paths = [os.path.abspath(entry or ".") for entry in sys.path]
    # Only what follows: it may be another copy of this file, which does the same.
    rest = sys.path[paths.index(here) + 1 :] if here in paths else []
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if not any(type(finder).__name__ == _Patch.__name__ for finder in sys.meta_path):
    sys.meta_path.insert(0, _Patch())
if __name__ == "sitecustomize":
    _next_sitecustomize()
