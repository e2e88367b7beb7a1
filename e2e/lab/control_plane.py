"""The Kubernetes control plane: etcd, API server, controller manager and scheduler. It runs no containers.

It starts programs through a function passed to it, so that it can run on the machine's loopback interface or in its own namespaces.
"""

from dataclasses import dataclass

from lab.certificates import Certificates, write_kubeconfig
from lab.errors import LabError
from lab.kubectl import Kubectl
from lab.processes import last_lines
from lab.waiting import eventually

# Timeout of a step, sufficient for a busy machine.
PATIENCE = 90


@dataclass(frozen=True)
class Addresses:
    """Addresses of the control plane, and the CIDR range of services. `nodes` is the range of nodes and pods, if there are any."""

    host: str
    port: int
    etcd_client: int
    etcd_peer: int
    services: str
    first_service: str
    nodes: str | None = None


class ControlPlane:
    """A running control plane. `start(name, argv)` starts a program that logs to `directory/NAME.log` and returns its process."""

    def __init__(self, directory, binaries, addresses, start):
        self.directory, self.binaries, self.addresses, self._start = directory, binaries, addresses, start
        self.certificates = Certificates(directory / "certificates")
        self.url = f"https://{addresses.host}:{addresses.port}"
        self.kubeconfig = self.certificates.kubeconfig(self.url, "admin", "system:masters")
        self.kubectl = Kubectl(binaries / "kubectl", self.kubeconfig)

    def up(self):
        """Starts everything and returns once pods can be created."""
        etcd = self._start("etcd", self._etcd())
        server = self._start("kube-apiserver", self._api_server())
        self._wait([("etcd", etcd), ("kube-apiserver", server)], "kube-apiserver", self._ready)
        controllers = self._start("kube-controller-manager", self._controllers())
        if self.addresses.nodes:
            self._start("kube-scheduler", self._scheduler())
            self._bind("node-proxier", "system:kube-proxy", "system:node-proxier")
            self._bind("kubelet-api", "kube-apiserver-kubelet", "system:kubelet-api-admin")
        self._wait([("kube-controller-manager", controllers)], "kube-controller-manager", self._has_default_account)

    def account(self, namespace, name):
        """A kubectl that acts as service account `name`."""
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration=2h").strip()
        path = self.directory / f"{namespace}-{name}.kubeconfig"
        write_kubeconfig(path, self.url, self.certificates.authority, {"token": token})
        return Kubectl(self.binaries / "kubectl", path)

    def _etcd(self):
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.addresses.etcd_client, self.addresses.etcd_peer))
        return [
            self.binaries / "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync=true",
        ]

    def _api_server(self):
        made, addresses = self.certificates, self.addresses
        hosts = [addresses.host, "127.0.0.1", addresses.first_service, "kubernetes.default.svc", "localhost"]
        certificate, key = made.server("kube-apiserver", list(dict.fromkeys(hosts)))
        argv = [
            self.binaries / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{addresses.etcd_client}",
            f"--bind-address={addresses.host}",
            f"--advertise-address={addresses.host}",
            f"--secure-port={addresses.port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={made.authority}",
            f"--service-cluster-ip-range={addresses.services}",
            "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={made.account_public_key}",
            f"--service-account-signing-key-file={made.account_key}",
            # Pods are evicted from a lost node after seconds, not after five minutes.
            "--default-not-ready-toleration-seconds=10",
            "--default-unreachable-toleration-seconds=10",
        ]
        if not addresses.nodes:
            # On the loopback interface: there is no default route from which to derive an address.
            return [*argv, "--authorization-mode=RBAC", "--endpoint-reconciler-type=none"]
        certificate, key = made.client("kube-apiserver-kubelet")
        return [
            *argv,
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            # Node names cannot be resolved by DNS.
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={certificate}",
            f"--kubelet-client-key={key}",
            f"--kubelet-certificate-authority={made.authority}",
        ]

    def _controllers(self):
        config = self.certificates.kubeconfig(self.url, "system:kube-controller-manager")
        argv = [
            self.binaries / "kube-controller-manager",
            f"--kubeconfig={config}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.certificates.account_key}",
            f"--root-ca-file={self.certificates.authority}",
            "--secure-port=0",
            # A node that stops reporting is lost after 12 seconds; it reports every two (see `node`).
            "--node-monitor-period=1s",
            "--node-monitor-grace-period=12s",
        ]
        return [*argv, f"--cluster-cidr={self.addresses.nodes}"] if self.addresses.nodes else argv

    def _scheduler(self):
        config = self.certificates.kubeconfig(self.url, "system:kube-scheduler")
        return [
            self.binaries / "kube-scheduler",
            *(f"--{flag}={config}" for flag in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")),
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ]

    def _bind(self, name, user, role):
        self.kubectl("create", "clusterrolebinding", f"e2e-{name}", f"--user={user}", f"--clusterrole={role}")

    def _ready(self):
        return self.kubectl.says_yes("get", "--raw", "/readyz")

    def _has_default_account(self):
        return self.kubectl.says_yes("get", "serviceaccount", "default", "--namespace=default")

    def _wait(self, programs, name, ready):
        """Waits for `ready()`; fails if one of these programs exits."""

        def done():
            for program, process in programs:
                if not process.alive():
                    raise LabError(f"{program} has ended; its log ends with{last_lines(self.directory / f'{program}.log')}")
            return ready()

        eventually(done, PATIENCE, lambda: f"{name} ready{last_lines(self.directory / f'{name}.log')}\n ")
