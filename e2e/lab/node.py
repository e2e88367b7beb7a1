"""A node: containerd, kubelet and kube-proxy in their own namespaces, connected to the other nodes by a veth pair.

It has its own /run, /var/lib and /var/log, so that the programs' built-in paths are separate from the machine's. When its holder is
killed, everything on it ends immediately, as in a power failure.
"""

import json
import resource
import sys

from lab import machine
from lab.disk import Disk
from lab.errors import LabError
from lab.namespace import Namespace
from lab.processes import last_lines
from lab.waiting import eventually

PATIENCE = 60
SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/firesteel/pause:1"


class Node:
    """Node `number` (from 1) of a site, nested in the namespaces `outer` and managed by the control plane `control`."""

    def __init__(self, record, site, outer, control, number):
        self.record, self.site, self.outer, self.control, self.number = record, site, outer, control, number
        self.name = f"node{number}"
        self.address = site.node_address(number)
        self.directory = record.directory / self.name
        self.disk = Disk(site.name, self.name)
        self.namespace = None

    @staticmethod
    def found(record, site, outer, control, number):
        """A node started by another process."""
        node = Node(record, site, outer, control, number)
        node.namespace = Namespace(record.processes[node.name])
        return node

    def plug(self):
        """Creates the node's namespaces, with a link to the bridge and routes to the other networks."""
        outer = self.outer
        self.directory.mkdir(exist_ok=True)
        self.record.processes.pop(self.name, None)
        self.namespace = inner = Namespace.make(self.record, self.name, outer, self.record.detached)
        cable = ["ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", str(inner.holder.pid)]
        outer.in_network(*cable)
        outer.in_network("ip", "link", "set", self.name, "master", self.site.BRIDGE, "up")
        inner.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        inner.run("ip", "link", "set", "eth0", "up")
        inner.run("ip", "route", "add", "default", "via", self.site.gateway)
        outer.in_network("ip", "route", "replace", self.site.pods_of(self.number), "via", self.address)
        inner.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        inner.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        inner.own("/var/lib", "/run/var-lib")
        inner.own("/var/log", "/run/var-log")

    def unplug(self):
        """Kills everything on the node at once; its disk is kept."""
        self.namespace.end()
        # The kernel removes the link a little later.
        eventually(lambda: self.name not in self.outer.in_network("ip", "-brief", "link"), 20, f"the removal of the link of {self.name}")

    def fill(self, archives):
        """Resets the disk of an earlier run to that of a new node with these images."""
        try:
            self._fill(archives)
        except LabError as error:
            print(f"== {self.name} gets a new disk: {error}", file=sys.stderr, flush=True)
            if self.runs("containerd"):
                self.stop("containerd")
            self.disk.wipe()
            self._fill(archives)

    def _fill(self, archives):
        # Without the CRI plugin, which would load the existing containers at startup.
        self._start_containerd(pods="")
        containers = self._ctr("containers", "list", "--quiet").split()
        if containers:
            self._ctr("containers", "delete", *containers)
        for lease in self._ctr("leases", "list", "--quiet").split():
            self._ctr("leases", "delete", lease)
        for archive in archives:
            if not self.disk.has(archive):
                self.import_image(archive)
        self.stop("containerd")

    def start_containerd(self):
        """Starts containerd and waits until it responds."""
        cni = self.directory / "cni"
        cni.mkdir(exist_ok=True)
        (cni / "10-e2e.conflist").write_text(json.dumps(self._network(), indent=1))
        self._start_containerd(PODS.format(pause=PAUSE_IMAGE, plugins=machine.plugins(), cni=cni))

    def _start_containerd(self, pods):
        config = self.directory / "containerd.toml"
        config.write_text(STORE.format(root=self.disk.root, disabled=json.dumps(UNUSED if pods else [*UNUSED, PODS_PLUGIN])) + pods)
        self._start("containerd", ["containerd", "--config", config])
        self._wait("containerd", lambda: self._answers("version"))

    def start_kubelet(self):
        """Starts the kubelet; the node becomes ready a few seconds later."""
        certificates = self.control.certificates
        user = f"system:node:{self.name}"
        kubeconfig = certificates.kubeconfig(self.control.url, user, "system:nodes")
        certificate, key = certificates.client(f"{user}:server", "system:nodes", hosts=[self.address, self.name])
        config = self.directory / "kubelet.json"
        config.write_text(json.dumps(self._kubelet(certificate, key), indent=1))
        self._start(
            "kubelet",
            [
                self.control.binaries / "kubelet",
                f"--config={config}",
                f"--kubeconfig={kubeconfig}",
                f"--hostname-override={self.name}",
                f"--node-ip={self.address}",
                f"--root-dir={self.directory / 'kubelet'}",
            ],
        )

    def start_proxy(self):
        """Starts kube-proxy, which implements service addresses."""
        config = self.directory / "proxy.json"
        config.write_text(json.dumps(self._proxy(), indent=1))
        self._start("kube-proxy", [self.control.binaries / "kube-proxy", f"--config={config}"])

    def stop(self, program):
        """Stops one of the node's programs; the containers keep running."""
        self.record.end_process(f"{self.name}/{program}")

    def runs(self, program):
        process = self.record.processes.get(f"{self.name}/{program}")
        return process is not None and process.alive()

    def import_image(self, archive):
        """Imports an image archive into containerd under its names, and unpacks missing layers."""
        self._ctr("images", "import", archive, seconds=300)
        self.disk.note(archive)

    def wait_ready(self):
        """Waits until Kubernetes can schedule pods on the node."""
        kubectl, log = self.control.kubectl, self.directory / "kubelet.log"

        def ready():
            if not self.runs("kubelet"):
                raise LabError(f"the kubelet of {self.name} has ended; its log ends with{last_lines(log)}")
            node = kubectl.get("node", self.name)
            return node is not None and is_ready(node) and not node["spec"].get("taints")

        eventually(ready, PATIENCE, lambda: f"{self.name} ready; the kubelet's log ends with{last_lines(log)}\n ")

    def _start(self, program, argv):
        process = self.namespace.start(argv, self.directory / f"{program}.log")
        self.record.add_process(f"{self.name}/{program}", process)

    def _ctr(self, *words, seconds=60):
        return self.namespace.run("ctr", "--address", SOCKET, "--namespace=k8s.io", *words, seconds=seconds)

    def _answers(self, *words):
        try:
            self._ctr(*words, seconds=10)
        except LabError:
            return False
        return True

    def _wait(self, program, ready):
        log = self.directory / f"{program}.log"

        def done():
            if not self.runs(program):
                raise LabError(f"{program} of {self.name} has ended; its log ends with{last_lines(log)}")
            return ready()

        eventually(done, PATIENCE, lambda: f"{program} of {self.name}; its log ends with{last_lines(log)}\n ")

    def _network(self):
        ranges = [[{"subnet": self.site.pods_of(self.number)}]]
        addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}
        return {
            "cniVersion": "0.4.0",
            "name": "e2e",
            "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}, {"type": "portmap", "capabilities": {"portMappings": True}}],
        }

    def _kubelet(self, certificate, key):
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.control.certificates.authority)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.site.cgroup}/{self.name}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": ["pods"],
            "failSwapOn": False,
            "resolvConf": "",
            "podLogsDir": str(self.directory / "pods"),
            # There is no registry: a garbage-collected image could not be pulled again.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
                "memory.available": "100Mi",
            },
            "maxOpenFiles": min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_000_000),
            "oomScoreAdj": 0,
            "maxPods": 200,
            # The control plane declares a node lost after 12 seconds without a report.
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 8,
        }

    def _proxy(self):
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.control.certificates.kubeconfig(self.control.url, "system:kube-proxy"))},
            "mode": "iptables",
            "clusterCIDR": self.site.nodes,
            "hostnameOverride": self.name,
            "oomScoreAdj": 0,
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }


def is_ready(node):
    """Whether the node is ready, according to its status, which the control plane changes if the node is lost."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


PODS_PLUGIN = "io.containerd.grpc.v1.cri"
UNUSED = [f"io.containerd.snapshotter.v1.{name}" for name in ("btrfs", "devmapper", "zfs")]

STORE = """\
version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = {disabled}

[grpc]
  address = "/run/containerd/containerd.sock"
"""

# Without `restrict_oom_score_adj` no container starts on a machine without CAP_SYS_RESOURCE.
PODS = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""
