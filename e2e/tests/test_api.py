"""The API server alone: behaviour on which the operator tests rely."""

import os

import pytest
from lab import LabError
from lab.record import Record


def config_map(name, owner=None):
    metadata = {"name": name}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
        ]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_it_reports_the_version_that_it_was_built_from(api):
    assert api.kubectl("version").splitlines()[-1].startswith("Server Version: v1.34.")


def test_an_object_is_deleted_with_its_owner_and_others_stay(api):
    kubectl = api.kubectl.within("default")
    kubectl.create(config_map("owner"), config_map("other"))
    kubectl.create(config_map("owned", kubectl.get("configmap", "owner")), config_map("owned-by-other", kubectl.get("configmap", "other")))
    kubectl.delete("configmap", "owner")
    kubectl.gone("configmap", "owned")
    assert kubectl.get("configmap", "owned-by-other")


def test_a_deleted_namespace_is_removed_with_its_contents(api):
    api.kubectl("create", "namespace", "short-lived")
    api.kubectl.within("short-lived").create(config_map("a"))
    api.kubectl("delete", "namespace", "short-lived", "--timeout=60s", seconds=90)
    assert api.kubectl.get("namespace", "short-lived") is None


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(api):
    kubectl = api.kubectl.within("default")
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "reads-maps", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader-reads-maps", "--role=reads-maps", "--serviceaccount=default:reader")
    reader = api.account("default", "reader").within("default")
    assert "reader" in reader("auth", "whoami")
    assert reader.get("configmaps")["kind"] == "List"
    with pytest.raises(LabError, match="Forbidden"):
        reader.get("secrets")
    with pytest.raises(LabError, match="Forbidden"):
        reader.create(config_map("mine"))


def test_a_pod_that_is_not_restricted_is_refused_where_pods_must_be(api):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.kubectl.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": labels}})
    strict = api.kubectl.within("strict")
    strict.eventually("serviceaccount", "default", bool)
    with pytest.raises(LabError, match="violates PodSecurity"):
        strict("run", "loose", "--image=localhost/any:1")


def test_it_is_recorded_while_it_runs(api):
    record = Record.read(api.kubeconfig.parent.parent)
    assert record.owner.pid == os.getpid()
    assert {"etcd", "kube-apiserver", "kube-controller-manager"} == set(record.processes)
    assert all(process.alive() for process in record.processes.values())
