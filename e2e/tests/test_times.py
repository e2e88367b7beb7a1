"""Durations of the phases of a small application, printed by `./dev e2e -s tests/test_times.py`; only their order is asserted."""

import time

import pytest
from applications import application, completed, pods, programs
from lab import eventually

pytestmark = pytest.mark.usefixtures("operator")

PROGRAM = """
    import time
    began = time.time()
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    spark.range(1).collect()
    first = time.time()
    spark.stop()
    print("times", began, first, time.time(), flush=True)
"""


def moments(kubectl, name):
    """Runs an application; returns the time in seconds from its submission to each phase."""
    submitted = time.time()
    kubectl.create(application(name, "times.py", executors=2))
    _, printed = completed(kubectl, name)
    eventually(lambda: not pods(kubectl, name, "executor"), 60, "the end of the executors")
    gone = time.time()
    began, first, ended = map(float, next(line for line in printed.splitlines() if line.startswith("times")).split()[1:])
    return {
        "the program begins": began - submitted,
        "its first task has ended": first - submitted,
        "it ends": ended - submitted,
        "its executors are gone": gone - submitted,
    }


def test_an_application_s_life_in_seconds(kubectl):
    kubectl.create(programs(times_py=PROGRAM))
    for number in range(3):
        found = moments(kubectl, f"times-{number}")
        print(" ".join(f"{what}: {seconds:.2f} s;" for what, seconds in found.items()))
        assert list(found.values()) == sorted(found.values()), found
