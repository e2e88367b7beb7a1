"""Executors on which tasks fail get no more of them."""

import textwrap

from conftest import program_on

START = """
import os, pathlib
from pyspark import SparkContext

sc = SparkContext.getOrCreate()
bad = pathlib.Path({bad!r})


def work(row):
    # The executor that has the first attempt is the one on which all fail.
    here = str(os.getppid())
    if not bad.exists():
        bad.write_text(here)
    if bad.read_text() == here:
        raise ValueError("this executor does not work")
    return row


def failure(job):
    try:
        job()
    except Exception as raised:
        return str(raised)
    raise AssertionError("it must fail")


job = lambda: sc.parallelize([1], 1).map(work).collect()
"""


def check(tmp_path, text, *conf):
    flags = [flag for pair in conf for flag in ("--conf", pair)]
    text = START.format(bad=str(tmp_path / "bad")) + textwrap.dedent(text)
    program_on(tmp_path, text, "local-cluster[2,1,1024]", *flags)


def test_a_task_runs_elsewhere_than_where_it_failed(tmp_path):
    check(tmp_path, "assert job() == [1]", "spark.excludeOnFailure.enabled=true")


def test_without_exclusion_it_fails_where_it_failed(tmp_path):
    check(tmp_path, "assert 'does not work' in failure(job)")


def test_a_task_that_may_not_run_anywhere_fails_its_job_after_a_while(tmp_path):
    check(
        tmp_path,
        """
        def never(row):
            raise ValueError("nowhere")


        text = failure(lambda: sc.parallelize([1], 1).map(never).collect())
        assert "Aborting TaskSet 0.0 because task 0 (partition 0)\\ncannot run anywhere due to node and executor excludeOnFailure." in text, text
        assert "nowhere" in text, text
        """,
        "spark.excludeOnFailure.enabled=true",
        "spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout=3s",
    )
