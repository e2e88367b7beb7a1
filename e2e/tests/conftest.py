"""One API server and one cluster for all tests of a run; each test has its own namespace.

E2E_CLUSTER=up     use the cluster started by `./dev e2e up`, and keep it running
E2E_KUBECONFIG=F   use another cluster, given by its kubeconfig, to which the images E2E_EXECUTOR and E2E_OPERATOR must be available
"""

import fcntl
import itertools
import os
import pathlib
import shutil

import pytest
from lab import ApiServer, Cluster, Kubectl
from lab.__main__ import archives
from operator_release import Operator

_number = itertools.count(1)


class Other:
    """A cluster not started by the lab."""

    def __init__(self, kubeconfig):
        program = os.environ.get("E2E_KUBECTL") or shutil.which("kubectl")
        assert program, "there is no kubectl on the PATH; E2E_KUBECTL can name one"
        self.kubeconfig, self.kubectl = pathlib.Path(kubeconfig), Kubectl(program, kubeconfig)


@pytest.fixture(scope="session")
def api():
    """An API server with its controllers."""
    with ApiServer.running() as server:
        yield server


@pytest.fixture(scope="session")
def cluster():
    """A cluster with two nodes that have our images."""
    if kubeconfig := os.environ.get("E2E_KUBECONFIG"):
        yield Other(kubeconfig)
    elif os.environ.get("E2E_CLUSTER") == "up":
        yield Cluster.found()
    else:
        with Cluster.running(archives()) as made:
            yield made


@pytest.fixture(scope="session")
def operator(cluster, tmp_path_factory):
    """The operator for all namespaces, installed by the chart."""
    release = Operator(cluster, "firesteel-system")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        release.install()
        return release
    # One of the processes of a run installs it, for all.
    with open(tmp_path_factory.getbasetemp().parent / "operator", "a+") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        mark.seek(0)
        if not mark.read():
            release.install()
            mark.write("installed")
    return release


@pytest.fixture
def kubectl(cluster):
    """kubectl in a new namespace of the cluster, which admits only restricted pods and is deleted after the test."""
    name = f"test-{os.getpid()}-{next(_number)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    kubectl = cluster.kubectl.within(name)
    kubectl.eventually("serviceaccount", "default", bool)
    yield kubectl
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def pytest_collection_modifyitems(items):
    """Marks the tests that need a cluster, and runs the others first, so that they fail early."""
    for item in items:
        if "cluster" in item.fixturenames:
            item.add_marker("cluster")
    items.sort(key=lambda item: "cluster" in item.fixturenames)


@pytest.fixture(autouse=True)
def _only_on_this_machine(request):
    if request.node.get_closest_marker("machine") and os.environ.get("E2E_KUBECONFIG"):
        pytest.skip("needs a cluster that this machine runs itself")
