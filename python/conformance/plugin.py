"""Pytest plugin inside the process that runs a module of PySpark's tests.

It writes every result down at once, so that a process that dies or hangs loses none. It also replaces two names through which many tests
touch the JVM without looking into it: `QuietTest` sets log levels there, and `Py4JJavaError` is what classic PySpark raises for an error
in a task. Here that is a `PySparkException`.
"""

import json
import os
import re

import pytest


def pytest_configure(config) -> None:
    config.pluginmanager.register(Record(os.environ["CONFORMANCE_RECORD"]))
    import py4j.protocol
    import pyspark.testing.utils
    from pyspark.errors import PySparkException

    py4j.protocol.Py4JJavaError = PySparkException
    pyspark.testing.utils.QuietTest = Quiet


class Quiet:
    """A `QuietTest` that leaves logs alone."""

    def __init__(self, context) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error) -> None:
        pass


class Record:
    """A file of JSON lines: the tests that were found, and each one's start and results."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "a", buffering=1)

    def write(self, **line) -> None:
        self.file.write(json.dumps(line) + "\n")

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.write(broken=summary(report))

    def pytest_collection_modifyitems(self, config, items) -> None:
        """Leaves out what earlier processes have run, and classes that a module only imports from another one."""
        with open(os.environ["CONFORMANCE_DONE"]) as file:
            done = set(json.load(file))
        items[:] = [item for item in items if item.nodeid not in done and item.cls.__module__ == item.module.__name__]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item):
        yield
        stop_left_over(item.cls)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session) -> None:
        self.write(collected=[item.nodeid for item in session.items])

    def pytest_runtest_logstart(self, nodeid) -> None:
        self.write(started=nodeid)

    def pytest_runtest_logreport(self, report) -> None:
        # Setting up and tearing down are told only if they decide the result.
        if report.when == "call" or not report.passed:
            self.write(test=report.nodeid, outcome=report.outcome, message=summary(report))

    def pytest_runtest_logfinish(self, nodeid) -> None:
        self.write(finished=nodeid)


def stop_left_over(cls) -> None:
    """Stops the context of a test that has failed before it did so itself; it is not that of the class."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is not None and context is not getattr(cls, "sc", None) and context._session is not getattr(cls, "spark", None):
        context.stop()


def summary(report) -> str:
    """The error, or the reason why a test was skipped, without its traceback."""
    error = report.longrepr
    if isinstance(error, tuple):
        return str(error[2])
    crash = getattr(error, "reprcrash", None)
    text = crash.message if crash else str(error or "")
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return re.sub(r"^(?:pyspark|py4j)[\w.]*\.(\w+:)", r"\1", line)
