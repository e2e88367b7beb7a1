"""The operator, installed as a release of the chart."""

import json
import os

from lab import Helm, eventually
from lab.helm import CHART
from lab.images import EXECUTOR, OPERATOR


class Operator:
    """A release in its own namespace, which admits only restricted pods."""

    def __init__(self, cluster, namespace, **values):
        self.namespace, self.name = namespace, "firesteel"
        self.helm, self.kubectl = Helm(cluster.kubeconfig), cluster.kubectl.within(namespace)
        repository, tag = os.environ.get("E2E_OPERATOR", OPERATOR).rsplit(":", 1)
        self.values = {
            "image": {"repository": repository, "tag": tag},
            "application": {"image": os.environ.get("E2E_EXECUTOR", EXECUTOR)},
            "log": "info,kube_lease_manager=warn,kube_client=warn",
            **values,
        }

    def install(self):
        """Installs or upgrades it with these values, and returns once it is ready."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        is_there = self.kubectl.get("deployment", self.name)
        self.helm("upgrade", "--install", self.name, CHART, f"--namespace={self.namespace}", values=self.values)
        if is_there:
            # It may be running an earlier build with the same image name.
            self.kubectl("rollout", "restart", f"deployment/{self.name}")
        self.ready()

    def uninstall(self):
        self.helm("uninstall", self.name, f"--namespace={self.namespace}", "--wait")

    def scale(self, replicas):
        self.kubectl("scale", f"deployment/{self.name}", f"--replicas={replicas}")

    def ready(self, replicas=1):
        """Waits until this many replicas are ready, and no others are there; starts them if there are none."""
        self.scale(replicas)
        try:
            self.kubectl("rollout", "status", f"deployment/{self.name}", "--timeout=90s", seconds=100)
            # The service of one that ends may still lead to it.
            eventually(lambda: len(self.pods()) == replicas, 60, "the end of other replicas")
        except Exception as error:
            error.add_note(self.log())
            raise

    def kill(self):
        """Scales to zero and kills every replica."""
        self.scale(0)
        self.kubectl("delete", "pods", "--selector=app.kubernetes.io/component=operator", "--grace-period=0", "--force")
        # A pod object disappears before its process ends, and one more replacement may still be created.
        eventually(lambda: not self.replicas() and not self.pods() and not self.runs(), 60, "the end of the operator")

    def replicas(self):
        """Number of desired and existing pods of its ReplicaSets."""
        sets = self.kubectl.all("replicasets", "--selector=app.kubernetes.io/name=firesteel")
        return sum(each["spec"]["replicas"] + each["status"]["replicas"] for each in sets)

    def runs(self):
        """Whether a node still runs one of its pods."""
        nodes = [node["metadata"]["name"] for node in self.kubectl.all("nodes")]
        found = (json.loads(self.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/runningpods/")) for node in nodes)
        names = [pod["metadata"] for pods in found for pod in pods["items"] or []]
        return any(pod["namespace"] == self.namespace and pod["name"].startswith(self.name) for pod in names)

    def pods(self):
        return self.kubectl.all("pods", "--selector=app.kubernetes.io/component=operator")

    def log(self):
        return self.kubectl.try_("logs", "--selector=app.kubernetes.io/component=operator", "--tail=50", "--prefix").stdout

    def leader(self):
        """Name of the pod that is the leader."""
        lease = self.kubectl.get("lease", self.name)
        return lease and lease["spec"].get("holderIdentity")

    def metrics(self, pod):
        return self.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8080/proxy/metrics")


def says(log, **fields):
    """Entries of a JSON log that have these fields."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if fields.items() <= line.items()]
