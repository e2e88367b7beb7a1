"""Loss of pods, nodes or the operator while applications run."""

import re

import pytest
from applications import (
    TWICE,
    TWICE_ANSWER,
    WAITS,
    application,
    completed,
    error,
    go,
    once,
    pods,
    programs,
    running_executors,
    state,
    twice,
    until,
    waits,
)
from lab import eventually
from lab.node import is_ready

pytestmark = pytest.mark.usefixtures("operator")

ROWS = 4_000_000
# Runs long enough for a failure in the middle, and has a known result.
LONG = f"""
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    rows = spark.range(0, {ROWS}, 1, 24).selectExpr("id", "length(sha2(cast(id as string), 512)) as size")
    groups = rows.groupBy((rows.id % 100).alias("key")).sum("id", "size").collect()
    print("answer", len(groups), sum(row[1] for row in groups), sum(row[2] for row in groups))
"""
LONG_ANSWER = f"answer 100 {ROWS * (ROWS - 1) // 2} {ROWS * 128}"


def tasks_done(found):
    return found.get("status", {}).get("progress", {}).get("tasks", {}).get("done", 0)


def test_an_executor_deleted_during_a_query_costs_only_its_own_work(kubectl):
    kubectl.create(programs(long_py=LONG), application("loses", "long.py", executors=2))
    kubectl.eventually("sparkapp", "loses", lambda found: tasks_done(found) >= 4, 120)
    before = running_executors(kubectl, "loses", 2)
    victim = min(before)
    kubectl("delete", "pod", victim, "--grace-period=1", "--wait=false")
    after = running_executors(kubectl, "loses", 2)
    assert set(after) & set(before) == set(before) - {victim}, "one was replaced, by one with another name"
    found, printed = completed(kubectl, "loses", 180)
    assert LONG_ANSWER in printed
    assert found["status"]["executionAttempts"] == 1
    assert [each["name"] for each in found["status"]["failures"]] == [victim]


def test_an_executor_that_is_asked_to_end_reports_it_and_finishes_its_tasks(kubectl):
    kubectl.create(programs(long_py=LONG), application("leaves", "long.py", executors=2))
    kubectl.eventually("sparkapp", "leaves", lambda found: tasks_done(found) >= 2, 120)
    victim = min(running_executors(kubectl, "leaves", 2))
    kubectl("delete", "pod", victim, "--wait=false")
    found, _ = completed(kubectl, "leaves", 180)
    log = kubectl("logs", "leaves-driver")
    assert LONG_ANSWER in log
    number = victim.rpartition("-")[2]
    assert re.search(rf"executor-{number} gets no new tasks, it will leave: ", log), log
    assert found["status"]["progress"]["tasks"]["failed"] == 0


def outputs(kubectl, executors):
    """Number of map outputs on the executors' volumes."""
    found = [kubectl("exec", name, "--", "sh", "-c", "find / -path '*shuffle*' -name '*.out' 2>/dev/null; true") for name in executors]
    return [len(each.split()) for each in found]


def test_only_a_lost_executors_outputs_are_rewritten_and_the_rest_is_reused(kubectl):
    kubectl.create(programs(twice_py=TWICE), application("loses", "twice.py", executors=2))
    before = once(kubectl, "loses", 2)
    written = outputs(kubectl, before)
    assert sum(written) == 12 and min(written) > 0
    kubectl("delete", "pod", min(before), "--grace-period=1", "--wait=true", "--timeout=60s")
    after = running_executors(kubectl, "loses", 2)
    go(kubectl, "loses", 2)
    waits(kubectl, "loses", 3)
    assert TWICE_ANSWER in kubectl("logs", "loses-driver")
    # If all twelve had been rewritten, there would be more than twelve files now.
    assert sum(outputs(kubectl, after)) == 12
    go(kubectl, "loses", 3)
    completed(kubectl, "loses")


def test_a_deleted_driver_runs_again_if_the_policy_allows_it(kubectl):
    retries = {"type": "OnFailure", "onFailureRetries": 1, "onFailureRetryInterval": 1}
    kubectl.create(programs(waits_py=WAITS), application("again", "waits.py", restartPolicy=retries))
    waits(kubectl, "again")
    old = running_executors(kubectl, "again", 1)
    first = kubectl.get("pod", "again-driver")["metadata"]["uid"]
    kubectl("delete", "pod", "again-driver", "--grace-period=1", "--wait=false")
    eventually(lambda: (kubectl.get("pod", "again-driver") or {"metadata": {"uid": first}})["metadata"]["uid"] != first, 90, "another driver")
    waits(kubectl, "again")
    assert not set(running_executors(kubectl, "again", 1)) & set(old), "executors of the first run are gone"
    go(kubectl, "again")
    found, _ = completed(kubectl, "again")
    assert found["status"]["executionAttempts"] == 2
    assert [(each["name"], each["attempt"]) for each in found["status"]["failures"]] == [("again-driver", 1)]


def test_a_deleted_driver_fails_the_application_if_the_policy_forbids_a_rerun(kubectl):
    kubectl.create(programs(waits_py=WAITS), application("once", "waits.py"))
    waits(kubectl, "once")
    kubectl("delete", "pod", "once-driver", "--grace-period=1", "--wait=false")
    found = until(kubectl, "once", "FAILED")
    assert "exit code 143" in error(found) and "told to end" in error(found)
    eventually(lambda: not pods(kubectl, "once"), 60, "the end of its pods")


def test_executors_killed_for_their_memory_are_reported_and_replaced_up_to_the_limit(kubectl):
    # A single value that exceeds the container's memory.
    text = """
        from pyspark.sql import SparkSession
        rows = SparkSession.builder.getOrCreate().range(1)
        print(rows.selectExpr("length(repeat('x', cast(id + 400000000 as int)))").collect())
    """
    small = {"memory": "128m", "memoryOverhead": "32m"}
    kubectl.create(programs(large_py=text), application("greedy", "large.py", executor=small))
    found = until(kubectl, "greedy", "FAILED", 180)
    executors = [each for each in found["status"]["failures"] if each["name"] != "greedy-driver"]
    assert len(executors) > 1 and len({each["name"] for each in executors}) == len(executors)
    assert {(each["reason"], each["exitCode"]) for each in executors} == {("OOMKilled", 137)}
    assert "executors failed on their own" in error(found) and "OOMKilled" in error(found)


@pytest.mark.machine
@pytest.mark.alone
def test_a_node_that_is_drained_gives_its_executors_to_the_other(kubectl, cluster):
    first, second = (node.name for node in cluster.nodes)
    stays = {"nodeSelector": {"kubernetes.io/hostname": first}}
    kubectl.create(programs(twice_py=TWICE), application("drained", "twice.py", executors=2, driver=stays))
    before = once(kubectl, "drained", 2)
    moved = {name for name, pod in before.items() if pod["spec"]["nodeName"] == second}
    drain = ["drain", second, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s", "--pod-selector=firesteel.dev/app-name"]
    try:
        cluster.kubectl(*drain, seconds=120)
        after = running_executors(kubectl, "drained", 2)
        assert {pod["spec"]["nodeName"] for pod in after.values()} == {first}
        assert not moved & set(after)
        twice(kubectl, "drained")
    finally:
        cluster.kubectl("uncordon", second)


@pytest.mark.machine
@pytest.mark.alone
def test_a_node_that_is_lost_takes_an_executor_with_it_and_the_query_is_answered(kubectl, cluster):
    stays, lost = cluster.nodes
    driver = {"nodeSelector": {"kubernetes.io/hostname": stays.name}}
    spread = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"spark-role": "executor"}}}
    apart = {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": spread}]}}}
    kubectl.create(programs(twice_py=TWICE), application("lost", "twice.py", executors=2, driver=driver, executor=apart))
    before = once(kubectl, "lost", 2)
    assert {pod["spec"]["nodeName"] for pod in before.values()} == {stays.name, lost.name}
    lost.unplug()
    try:
        cluster.kubectl.eventually("node", lost.name, lambda node: not is_ready(node))
        twice(kubectl, "lost", 180)
    finally:
        cluster.start_node(lost)


@pytest.mark.alone
def test_an_operator_that_is_killed_while_a_program_runs_resumes_it(kubectl, operator):
    kubectl.create(programs(twice_py=TWICE), application("goes-on", "twice.py", executors=2))
    before = once(kubectl, "goes-on", 2)
    operator.kill()
    # Without the operator, lost executors are not replaced; none is lost yet.
    assert state(kubectl.get("sparkapp", "goes-on")) == "RUNNING"
    operator.ready()
    victim = min(before)
    kubectl("delete", "pod", victim, "--grace-period=1", "--wait=true", "--timeout=60s")
    running_executors(kubectl, "goes-on", 2)
    assert twice(kubectl, "goes-on")["status"]["executionAttempts"] == 1


MOMENTS = {
    "before it is seen": lambda kubectl: None,
    "when it was submitted": lambda kubectl: kubectl.eventually("sparkapp", "killed", lambda found: state(found) != ""),
    "when the driver is there": lambda kubectl: eventually(lambda: kubectl.get("pod", "killed-driver"), 60, "the driver"),
    "when executors start": lambda kubectl: eventually(lambda: pods(kubectl, "killed", "executor"), 90, "an executor"),
    "when the driver has ended": lambda kubectl: kubectl.eventually(
        "pod", "killed-driver", lambda pod: pod["status"].get("phase") in {"Succeeded", "Failed"}, 120
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.alone
def test_an_operator_that_is_killed_at_any_moment_runs_a_program_once(kubectl, operator, moment):
    kubectl.create(programs(long_py=LONG.replace(str(ROWS), "100000")))
    if moment == "before it is seen":
        operator.kill()
    kubectl.create(application("killed", "long.py"))
    MOMENTS[moment](kubectl)
    if moment != "before it is seen":
        operator.kill()
    operator.ready()
    found, printed = completed(kubectl, "killed")
    assert printed.count("answer 100 4999950000") == 1
    assert found["status"]["executionAttempts"] == 1 and not found["status"].get("failures")
    eventually(lambda: set(pods(kubectl, "killed")) == {"killed-driver"}, 60, "the end of its executors")
