"""Contexts for the tests of RDDs: on the evaluator, or on the server whose address is in FIRESTEEL_REMOTE."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
PYTHON = HERE.parents[1]
os.environ.setdefault("PYTHONHASHSEED", "0")
for directory in (PYTHON, PYTHON / "site"):
    sys.path.insert(0, str(directory))
import sitecustomize  # noqa: E402

importlib_patch = [finder for finder in sys.meta_path if type(finder).__name__ == "_Patch"]
if not importlib_patch:
    sys.meta_path.insert(0, sitecustomize._Patch())


@pytest.fixture(scope="session")
def server():
    given = os.environ.get("FIRESTEEL_REMOTE")
    if given:
        yield given
        return
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PYTHON), str(PYTHON / "site")])}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "evaluator.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    yield f"sc://127.0.0.1:{process.stdout.readline().strip()}"
    process.stdin.close()
    process.wait(30)


@pytest.fixture(scope="session")
def remote(server):
    os.environ["SPARK_REMOTE"] = server
    return server


@pytest.fixture(scope="module")
def sc(remote):
    from pyspark import SparkContext

    with SparkContext(appName="rdd") as context:
        yield context


@pytest.fixture
def spark(sc):
    return sc._session
