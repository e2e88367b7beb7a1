"""The operator installed by the chart: permissions, pods, multiple replicas."""

import pytest
from applications import WAITS, application, completed, go, nothing_left, pods, programs, state, waits
from lab import LabError, eventually
from operator_release import Operator


@pytest.mark.alone
def test_it_is_ready_and_helm_agrees(operator):
    assert "Phase:          Succeeded" in operator.helm("test", operator.name, f"--namespace={operator.namespace}", "--timeout=2m")
    (pod,) = operator.pods()
    assert "firesteel" in operator.metrics(pod["metadata"]["name"])


def test_it_has_its_permissions_and_no_others(operator):
    account = f"--as=system:serviceaccount:{operator.namespace}:{operator.name}"

    def may(verb, what, *more):
        return operator.kubectl.try_("auth", "can-i", verb, what, account, *more).stdout.strip() == "yes"

    assert may("create", "pods", "--namespace=default") and may("get", "secrets", "--namespace=default")
    for verb, what in [("list", "secrets"), ("update", "pods"), ("get", "nodes"), ("create", "clusterroles")]:
        assert not may(verb, what, "--namespace=default"), (verb, what)
    assert not may("create", "pods", "--subresource=exec", "--namespace=default")
    assert may("update", f"leases/{operator.name}", f"--namespace={operator.namespace}")
    assert not may("update", f"leases/{operator.name}", "--namespace=default")
    assert not may("update", "leases/other", f"--namespace={operator.namespace}")


def test_pods_of_applications_are_restricted_and_have_no_credentials(operator, kubectl):
    kubectl.create(programs(waits_py=WAITS), application("bare", "waits.py"))
    waits(kubectl, "bare")
    eventually(lambda: len(pods(kubectl, "bare")) == 2, 60, "driver and executor")
    for name, pod in pods(kubectl, "bare").items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsUser"] == 185
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert not any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"])
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("SparkApplication", "bare", True)
        assert name.startswith("bare-")
    secret = kubectl.get("secret", "bare-token")
    assert secret["immutable"] is True and sorted(secret["data"]) == ["identity", "token"]
    go(kubectl, "bare")
    completed(kubectl, "bare")


def test_whoever_may_edit_a_namespace_may_run_applications_in_it(operator, kubectl):
    kubectl("create", "serviceaccount", "person")
    kubectl("create", "rolebinding", "person", "--clusterrole=edit", f"--serviceaccount={kubectl.namespace}:person")

    def may(verb, what, *more):
        account = f"--as=system:serviceaccount:{kubectl.namespace}:person"
        return kubectl.try_("auth", "can-i", verb, what, account, *more).stdout.strip() == "yes"

    eventually(lambda: may("create", "sparkapplications.firesteel.dev"), 30, "the right of an editor")
    assert may("delete", "scheduledsparkapplications.firesteel.dev")
    assert not may("patch", "sparkapplications.firesteel.dev", "--subresource=status")


@pytest.mark.alone
def test_of_three_operators_one_leads_and_another_follows_when_it_is_lost(operator, kubectl):
    kubectl.create(programs(waits_py=WAITS))
    operator.ready(replicas=3)
    try:
        names = {pod["metadata"]["name"] for pod in operator.pods()}
        assert len(names) == 3
        first = eventually(lambda: operator.leader() in names and operator.leader(), 60, "a leader")
        kubectl.create(application("led", "waits.py"))
        waits(kubectl, "led")
        operator.kubectl("delete", "pod", first, "--grace-period=0", "--force")
        second = eventually(lambda: operator.leader() not in {None, "", first} and operator.leader(), 60, "another leader")
        go(kubectl, "led")
        found, _ = completed(kubectl, "led")
        assert found["status"]["executionAttempts"] == 1
        assert operator.leader() == second
    finally:
        operator.ready(replicas=1)


@pytest.mark.alone
def test_two_operators_of_one_namespace_each_leave_the_other_alone(operator, cluster, kubectl):
    spaces = [f"{kubectl.namespace}-{name}" for name in "ab"]
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    for space in spaces:
        kubectl.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}})
    # The operator for all namespaces must not reconcile these namespaces as well.
    operator.kill()
    own = [Operator(cluster, f"{space}-system", namespaces=[space], crds={"install": False}) for space in spaces]
    try:
        for each in own:
            each.install()
        users = [cluster.kubectl.within(space) for space in spaces]
        for user in users:
            user.create(programs(one_py="print('one')\n"), application("one", "one.py"))
        for user in users:
            assert "one" in completed(user, "one")[1]
        with pytest.raises(LabError, match="orbidden"):
            account = f"--as=system:serviceaccount:{own[0].namespace}:{own[0].name}"
            users[1]("get", "pods", account)
        # While its namespace's operator is down, an application waits; no other operator handles it.
        own[0].kill()
        users[0].create(application("two", "one.py"))
        users[1].create(application("two", "one.py"))
        completed(users[1], "two")
        assert state(users[0].get("sparkapp", "two")) == ""
        own[0].ready()
        completed(users[0], "two")
    finally:
        for each in own:
            each.uninstall()
        operator.ready()
        for space in [*spaces, *(each.namespace for each in own)]:
            cluster.kubectl("delete", "namespace", space, "--wait=false")


@pytest.mark.alone
def test_definitions_outlive_the_release(operator, kubectl):
    kubectl.create(programs(one_py="print('one')\n"), application("stays", "one.py"))
    completed(kubectl, "stays")
    operator.uninstall()
    try:
        assert state(kubectl.get("sparkapp", "stays")) == "COMPLETED"
        assert operator.kubectl.all("deployments,serviceaccounts,roles,rolebindings", "--selector=app.kubernetes.io/name=firesteel") == []
    finally:
        operator.install()
    # It resumes with the existing objects and reruns none.
    kubectl.create(application("next", "one.py"))
    completed(kubectl, "next")
    assert kubectl.get("sparkapp", "stays")["status"]["executionAttempts"] == 1
    kubectl("delete", "sparkapplications", "--all", "--wait=true", "--timeout=60s", seconds=90)
    nothing_left(kubectl)
