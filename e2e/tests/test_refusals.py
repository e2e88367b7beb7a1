"""What the cluster refuses for a while is named in a condition, and the application goes on by itself once that is mended."""

import time

import pytest
from applications import WAITS, application, completed, condition, error, nothing_left, pods, programs, running_executors, state, until, waits
from lab import eventually
from test_losses import LONG, LONG_ANSWER, tasks_done

pytestmark = pytest.mark.usefixtures("operator")

COUNT = """
    from pyspark.sql import SparkSession
    print("rows", SparkSession.builder.getOrCreate().range(10).count(), flush=True)
"""


def quota(pods):
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": str(pods)}}}


def in_force(kubectl):
    """Waits until the quota counts: the first pods would be admitted before."""
    kubectl.eventually("resourcequota", "few", lambda found: "pods" in found.get("status", {}).get("used", {}))


def finishes(kubectl, name):
    found, printed = completed(kubectl, name)
    assert printed.strip().splitlines()[-1] == "rows 10"
    assert condition(found, "Succeeded")["status"] == "True"
    return found


def test_a_quota_that_is_too_small_for_executors(kubectl):
    kubectl.create(quota(1), programs(count_py=COUNT))
    in_force(kubectl)
    kubectl.create(application("small", "count.py"))
    found = kubectl.eventually("sparkapp", "small", lambda found: condition(found, "ExecutorsReady").get("reason") == "FailedCreate")
    assert "exceeded quota: few" in condition(found, "ExecutorsReady")["message"] and state(found) == "RUNNING"
    kubectl("patch", "resourcequota", "few", "--type=merge", '--patch={"spec": {"hard": {"pods": "4"}}}')
    assert finishes(kubectl, "small")["status"]["executionAttempts"] == 1


def test_a_quota_that_is_too_small_for_the_driver(kubectl):
    kubectl.create(quota(0), programs(count_py=COUNT))
    in_force(kubectl)
    retries = {"type": "OnFailure", "onSubmissionFailureRetries": 60, "onSubmissionFailureRetryInterval": 1}
    kubectl.create(application("small", "count.py", restartPolicy=retries))
    found = kubectl.eventually("sparkapp", "small", lambda found: state(found) == "SUBMISSION_FAILED")
    assert "exceeded quota: few" in error(found)
    kubectl("patch", "resourcequota", "few", "--type=merge", '--patch={"spec": {"hard": {"pods": "4"}}}')
    found = finishes(kubectl, "small")
    assert found["status"]["executionAttempts"] == 1 and found["status"]["submissionAttempts"] > 1


def test_a_webhook_that_does_not_answer(kubectl):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    hook = {
        "name": "down.firesteel.test",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": kubectl.namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 1,
    }
    name = f"down-{kubectl.namespace}"
    hooks = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name}, "webhooks": [hook]}
    kubectl.create(hooks, programs(count_py=COUNT))
    try:
        # It is in force a moment after it was created.
        eventually(lambda: not kubectl.says_yes("run", "tried", "--image=none", "--dry-run=server"), 30, "the webhook")
        kubectl.create(application("waits", "count.py"))
        found = kubectl.eventually("sparkapp", "waits", lambda found: condition(found, "Progressing").get("reason") == "Blocked")
        assert 'failed calling webhook "down.firesteel.test"' in condition(found, "Progressing")["message"]
    finally:
        kubectl("delete", "validatingwebhookconfiguration", name)
    found = finishes(kubectl, "waits")
    assert found["status"]["executionAttempts"] == 1


@pytest.mark.machine
def test_a_claim_that_is_not_bound(kubectl, cluster):
    claim = {"options.claimName": "OnDemand", "options.sizeLimit": "1Gi", "options.storageClass": kubectl.namespace, "mount.path": "/data"}
    key = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
    conf = {f"{key}.{option}": value for option, value in claim.items()}
    conf["spark.kubernetes.legacy.useReadWriteOnceAccessMode"] = "true"
    kubectl.create(programs(count_py=COUNT), application("claims", "count.py", sparkConf=conf))
    found = kubectl.eventually("sparkapp", "claims", lambda found: condition(found, "ExecutorsReady").get("reason") == "Unschedulable")
    assert "unbound" in condition(found, "ExecutorsReady")["message"] and state(found) == "RUNNING"
    volume = cluster._volume(cluster.nodes[0], kubectl.namespace)
    volume["spec"]["storageClassName"] = kubectl.namespace
    kubectl.create(volume)
    try:
        finishes(kubectl, "claims")
        kubectl("delete", "sparkapplication", "claims", "--wait=true", "--timeout=60s", seconds=90)
        nothing_left(kubectl)
    finally:
        kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")


def test_a_namespace_that_is_deleted_takes_a_running_application_along(kubectl):
    kubectl.create(programs(waits_py=WAITS), application("ends", "waits.py"))
    waits(kubectl, "ends")
    kubectl("delete", "namespace", kubectl.namespace, "--wait=true", "--timeout=90s", seconds=120)


@pytest.mark.alone
def test_rights_that_the_operator_has_not_for_a_while(kubectl, operator):
    kubectl.create(programs(count_py=COUNT))
    bindings = operator.kubectl.all("clusterrolebindings", "--selector=app.kubernetes.io/name=firesteel")
    assert bindings
    operator.kubectl("delete", "clusterrolebindings", *(each["metadata"]["name"] for each in bindings))
    try:
        kubectl.create(application("late", "count.py"))
        time.sleep(5)
        assert not pods(kubectl, "late")
    finally:
        operator.install()
    assert finishes(kubectl, "late")["status"]["executionAttempts"] == 1


@pytest.mark.alone
@pytest.mark.machine
def test_an_api_server_that_is_away_disturbs_no_running_query(kubectl, cluster):
    kubectl.create(programs(long_py=LONG), application("goes-on", "long.py", executors=2))
    before = running_executors(kubectl, "goes-on", 2)
    kubectl.eventually("sparkapp", "goes-on", lambda found: tasks_done(found) > 0)
    with cluster.record.processes["kube-apiserver"].paused():
        time.sleep(20)
    found = until(kubectl, "goes-on", "COMPLETED", 180)
    assert LONG_ANSWER in kubectl("logs", "goes-on-driver")
    assert found["status"]["executionAttempts"] == 1 and not found["status"].get("failures")
    assert {pod["metadata"]["uid"] for pod in pods(kubectl, "goes-on", "executor").values()} <= {pod["metadata"]["uid"] for pod in before.values()}
