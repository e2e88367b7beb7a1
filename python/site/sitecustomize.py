"""Loaded by Python before a program started by Firesteel, or wherever Firesteel is installed: patches PySpark if the program imports it.

In a wheel this file is `firesteel/import_hook.py`, and `firesteel.pth` loads it.
"""

import importlib.abc
import importlib.util
import sys


class _Patch(importlib.abc.MetaPathFinder):
    """Import hook that patches `pyspark.sql.session` after it is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != "pyspark.sql.session":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                from firesteel import session

                session.patch(module)

            spec.loader.exec_module = exec_module
        return spec


def _next_sitecustomize() -> None:
    """Runs the `sitecustomize` that this one shadows, if there is one."""
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    rest = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if not any(type(finder).__name__ == _Patch.__name__ for finder in sys.meta_path):
    sys.meta_path.insert(0, _Patch())
if __name__ == "sitecustomize":
    _next_sitecustomize()
