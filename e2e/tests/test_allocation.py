"""Dynamic allocation on a cluster: pods come with the tasks and go when there are none."""

import pytest
from applications import WAIT, application, completed, go, pods, programs, running_executors, waits
from lab import eventually

pytestmark = pytest.mark.usefixtures("operator")

# Twelve tasks of a second each, between two waits.
SLOW = f"""{WAIT}
    def slowly(batches):
        for batch in batches:
            time.sleep(1)
            yield batch
    wait()
    rows = spark.range(0, 12, 1, 12).mapInPandas(slowly, "id long")
    print("answer", sum(row.id for row in rows.collect()), flush=True)
    wait()
"""
QUICK = {"spark.dynamicAllocation.schedulerBacklogTimeout": "500ms", "spark.dynamicAllocation.executorIdleTimeout": "5s"}


def test_executors_come_with_the_tasks_and_go_when_they_are_idle(kubectl):
    bounds = {"enabled": True, "initialExecutors": 1, "minExecutors": 1, "maxExecutors": 3}
    app = application("elastic", "slow.py", sparkConf=QUICK, dynamicAllocation=bounds)
    kubectl.create(programs(slow_py=SLOW), app)
    waits(kubectl, "elastic")
    running_executors(kubectl, "elastic", 1)
    go(kubectl, "elastic")
    eventually(lambda: len(pods(kubectl, "elastic", "executor")) == 3, 90, "three executors")
    waits(kubectl, "elastic", 2)
    running_executors(kubectl, "elastic", 1)
    counts = kubectl.get("sparkapp", "elastic")["status"]["executors"]
    assert (counts["desired"], counts["running"], counts["failed"]) == (1, 1, 0), counts
    # None that was released is replaced.
    made = counts["made"]
    go(kubectl, "elastic", 2)
    found, printed = completed(kubectl, "elastic")
    assert "answer 66" in printed
    assert found["status"]["executors"]["made"] == made
    assert found["status"].get("failures", []) == []
