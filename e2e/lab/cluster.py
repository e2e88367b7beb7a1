"""A cluster on this machine with two nodes that run containers. Needs root.

```
this machine ── firesteel-e2eN ──┐            its own network, mounts and processes:
                                 ├─ bridge ── node1: containerd, kubelet, kube-proxy, pods
   etcd, API server, controllers ┘        └── node2: the same
```

Everything but the link to this machine is in namespaces: the machine's firewall rules, kernel settings and any other Kubernetes,
containerd or Docker are not changed, and the cluster has no network access beyond this machine.
"""

import contextlib
import ipaddress
import os
from concurrent.futures import ThreadPoolExecutor

from lab import images, machine
from lab.control_plane import Addresses, ControlPlane
from lab.errors import LabError
from lab.namespace import Namespace
from lab.node import Node
from lab.processes import command
from lab.record import Record

NODES = 2
VOLUMES_PER_NODE = 4


class Site:
    """Names and addresses of cluster `number`; several clusters can run at once."""

    BRIDGE = "nodes"

    def __init__(self, number=None):
        given = os.environ.get("FIRESTEEL_E2E_NUMBER", "0") if number is None else str(number)
        if len(given) != 1 or not given.isdigit():
            raise LabError(f"FIRESTEEL_E2E_NUMBER is {given!r}; a cluster's number is one digit")
        number = int(given)
        self.number = number
        first = os.environ.get("FIRESTEEL_E2E_NETWORK", f"10.{231 + number}")
        self.name = f"cluster{number}"
        self.link = self.cgroup = f"firesteel-e2e{number}"
        try:
            self.network = ipaddress.ip_network(f"{first}.0.0/16")
        except ValueError:
            raise LabError(f"FIRESTEEL_E2E_NETWORK is {first!r}; it must be the first two numbers of an address, such as 10.99") from None
        self.gateway = f"{first}.0.1"
        self.nodes = f"{first}.0.0/17"
        self.inner_end, self.outer_end = f"{first}.127.1", f"{first}.127.2"
        self.services, self.first_service = f"{first}.128.0/17", f"{first}.128.1"
        self._first = first

    def node_address(self, number):
        return f"{self._first}.0.{10 + number}"

    def pods_of(self, number):
        return f"{self._first}.{number}.0/24"


class Cluster:
    """A running cluster: `kubectl` acts as administrator, `account(namespace, name)` returns a kubectl for a service account."""

    def __init__(self, record, site, outer, control):
        self.record, self.site, self.outer, self.control = record, site, outer, control
        self.kubeconfig, self.kubectl, self.account = control.kubeconfig, control.kubectl, control.account
        self.nodes = []

    @staticmethod
    @contextlib.contextmanager
    def running(archives=(), number=None):
        """Runs a cluster with these images for the duration of the block."""
        made = Cluster.up(archives, number)
        try:
            yield made
        finally:
            made.down()

    @staticmethod
    def up(archives=(), number=None, kept=False):
        """Starts a cluster. With `kept` it outlives this process."""
        machine.require_cluster()
        binaries = machine.built("kubernetes")
        site = Site(number)
        archives = [images.pause(), *archives]
        machine.load_modules()
        record = Record.begin(site.name, kept)
        try:
            machine.require_free_network(site.network)
            cluster = Cluster._switched_on(record, site, binaries)
            cluster._populate(archives)
            if kept:
                record.keep()
            return cluster
        except BaseException:
            record.undo()
            raise

    @staticmethod
    def _switched_on(record, site, binaries):
        """Creates the outer namespaces, the link and the control plane (not started)."""
        outer = Namespace.make(record, "outer", detached=record.detached)
        outer.run("ip", "link", "add", Site.BRIDGE, "type", "bridge")
        outer.run("ip", "address", "add", f"{site.gateway}/24", "dev", Site.BRIDGE)
        outer.run("ip", "link", "set", Site.BRIDGE, "up")
        outer.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        record.add_link(site.link)
        command("ip", "link", "add", site.link, "type", "veth", "peer", "name", "machine", "netns", str(outer.holder.pid))
        outer.run("ip", "address", "add", f"{site.inner_end}/30", "dev", "machine")
        outer.run("ip", "link", "set", "machine", "up")
        command("ip", "address", "add", f"{site.outer_end}/30", "dev", site.link)
        command("ip", "link", "set", site.link, "up")
        command("ip", "route", "add", site.nodes, "via", site.inner_end)
        return Cluster(record, site, outer, _control(record, site, binaries, outer))

    def _populate(self, archives):
        """Starts control plane and nodes concurrently, because preparing the nodes' disks takes long."""
        self.record.add_cgroup(self.site.cgroup)
        self.nodes = [Node(self.record, self.site, self.outer, self.control, number) for number in range(1, NODES + 1)]
        for node in self.nodes:
            machine.make_cgroup(f"{self.site.cgroup}/{node.name}")
            node.plug()
        with ThreadPoolExecutor(NODES) as pool:
            filled = [pool.submit(node.fill, archives) for node in self.nodes]
            self.control.up()
            for done in filled:
                done.result()
        for node in self.nodes:
            node.start_containerd()
            node.start_kubelet()
            node.start_proxy()
        self._provide_volumes()
        for node in self.nodes:
            node.wait_ready()

    def load(self, archive):
        """Loads an image into every node of a running cluster; only missing layers are unpacked."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda node: node.import_image(archive), self.nodes))

    def start_node(self, node):
        """Starts a node again after `unplug`."""
        node.plug()
        node.start_containerd()
        node.start_kubelet()
        node.start_proxy()
        node.wait_ready()

    def down(self):
        self.record.undo()

    @staticmethod
    def found(number=None):
        """The cluster started by `up`."""
        site = Site(number)
        try:
            record = Record.read(machine.runs() / site.name)
        except OSError:
            raise LabError("no cluster is running; start one with `./dev e2e up`") from None
        if not record.lives():
            raise LabError("the cluster has ended; start one with `./dev e2e up`")
        outer = Namespace(record.processes["outer"])
        cluster = Cluster(record, site, outer, _control(record, site, machine.built("kubernetes"), outer))
        cluster.nodes = [Node.found(record, site, outer, cluster.control, number) for number in range(1, NODES + 1)]
        return cluster

    def _provide_volumes(self):
        """Creates volumes on the nodes' disks for claims of storage class `local`; they honour `fsGroup`, as real ones do."""
        storage_class = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "local"},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
        self.kubectl.create(storage_class, *(self._volume(node, each) for node in self.nodes for each in range(VOLUMES_PER_NODE)))

    def _volume(self, node, number):
        path = node.directory / "volumes" / str(number)
        path.mkdir(parents=True)
        place = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{node.name}-{number}"},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "local",
                "local": {"path": str(path)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}},
            },
        }


def _control(record, site, binaries, outer):
    addresses = Addresses(site.gateway, 6443, 2379, 2380, site.services, site.first_service, site.nodes)

    def start(name, argv):
        process = outer.start(argv, record.directory / f"{name}.log")
        record.add_process(name, process)
        return process

    return ControlPlane(record.directory, binaries, addresses, start)

