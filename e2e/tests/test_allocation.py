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
# Two tasks on executors as the manifest has them, then two on others.
PROFILED = f"""{WAIT}
    from pyspark.resource import ExecutorResourceRequests, ResourceProfileBuilder

    large = ExecutorResourceRequests().memory("600m").memoryOverhead("200m")
    profile = ResourceProfileBuilder().require(large).build
    frame = spark.range(0, 2, 1, 2)
    usual = frame.mapInPandas(lambda batches: batches, "id long").count()
    others = frame.mapInPandas(lambda batches: batches, "id long", profile=profile).collect()
    print("answer", usual + sum(row.id for row in others), flush=True)
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


def test_a_resource_profile_has_pods_of_its_own(kubectl):
    bounds = {"enabled": True, "initialExecutors": 1, "minExecutors": 0, "maxExecutors": 1}
    slow_to_go = {**QUICK, "spark.dynamicAllocation.executorIdleTimeout": "60s"}
    kubectl.create(programs(profiled_py=PROFILED), application("profiled", "profiled.py", sparkConf=slow_to_go, dynamicAllocation=bounds))
    waits(kubectl, "profiled")
    found = pods(kubectl, "profiled", "executor").values()
    by_profile = {pod["metadata"]["labels"].get("firesteel.dev/resource-profile"): pod for pod in found}
    assert set(by_profile) == {None, "1"}
    requests = by_profile["1"]["spec"]["containers"][0]["resources"]["requests"]
    assert (requests["cpu"], requests["memory"]) == ("50m", "800Mi"), requests
    go(kubectl, "profiled")
    _, printed = completed(kubectl, "profiled")
    assert "answer 3" in printed
