"""Contexts for the tests of RDDs: on the evaluator, or on the server whose address is in FIRESTEEL_REMOTE."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
PYTHON = HERE.parents[1]
for directory in (PYTHON, PYTHON / "site"):
    sys.path.insert(0, str(directory))
import sitecustomize  # noqa: E402

# PySpark may be loaded by now, without our additions.
if "firesteel.modules" not in sys.modules:
    for name, patch in sitecustomize._PATCHES.items():
        if name in sys.modules:
            sitecustomize._apply(patch, sys.modules[name])
if not any(type(finder).__name__ == "_Patch" for finder in sys.meta_path):
    sys.meta_path.insert(0, sitecustomize._Patch())


@pytest.fixture(scope="session")
def server():
    given = os.environ.get("FIRESTEEL_REMOTE")
    if given:
        yield given
        return
    path = [str(PYTHON), str(PYTHON / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "evaluator.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    port = process.stdout.readline().strip()
    assert port, "the evaluator did not start"
    yield f"sc://127.0.0.1:{port}"
    process.stdin.close()
    process.wait(30)


@pytest.fixture(scope="module")
def remote(server):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_REMOTE", server)
        # For hashes of numbers: this process may have been started without it.
        patch.setenv("PYTHONHASHSEED", os.environ.get("PYTHONHASHSEED", "0"))
        yield server


@pytest.fixture(scope="module")
def sc(remote):
    from pyspark import SparkContext

    with SparkContext(appName="rdd") as context:
        yield context


@pytest.fixture
def spark(sc):
    return sc._session
