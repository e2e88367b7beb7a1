"""Fixtures: one fork server for all tests of the worker, and a fresh worker for each."""

import pytest

from worker.harness import Executor


@pytest.fixture(scope="session")
def executor():
    executor = Executor({"TZ": "UTC"})
    yield executor
    executor.close()


@pytest.fixture
def worker(executor):
    worker = executor.fork()
    yield worker
    worker.close()
