"""This machine: paths, required packages, and control groups."""

import os
import pathlib
import shutil
import socket
import subprocess

from lab.errors import LabError
from lab.processes import command

ROOT = pathlib.Path(__file__).resolve().parents[2]
CGROUPS = pathlib.Path("/sys/fs/cgroup")

# Programs that a cluster needs, and the Debian packages that provide them.
PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "openssl": "openssl",
    "busybox": "busybox-static",
    "strip": "binutils",
}
PLUGINS = [pathlib.Path("/usr/lib/cni"), pathlib.Path("/opt/cni/bin")]


def cache():
    """The directory for build outputs, outside the clone."""
    return pathlib.Path(os.environ.get("FIRESTEEL_CACHE") or pathlib.Path.home() / ".cache" / "firesteel")


def runs():
    """The parent of the runs' directories. Its path is short because socket paths are limited in length."""
    path = cache() / "e2e" / "runs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def built(what):
    """The directory of the binaries of `kubernetes` or `helm`; builds them if they are missing."""
    done = subprocess.run(
        [ROOT / "e2e" / "kube" / "build", what],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FIRESTEEL_CACHE": str(cache())},
    )
    if done.returncode != 0:
        raise LabError(f"building {what} failed; see above")
    return pathlib.Path(done.stdout.strip())


def require_cluster():
    """Fails with a one-line list of everything missing for a cluster with nodes."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not plugins():
        missing.append("containernetworking-plugins")
    if missing:
        raise LabError(f"a cluster needs Debian packages that are missing: {' '.join(missing)} (`./dev setup e2e` installs them)")
    if os.geteuid() != 0:
        raise LabError("a cluster with nodes needs root: namespaces, mounts and control groups (the API server alone does not)")
    if cache().resolve().is_relative_to("/var/lib"):
        raise LabError("FIRESTEEL_CACHE must not be below /var/lib: nodes have one of their own")


def plugins():
    """The directory of the CNI plugins, or None."""
    return next((path for path in PLUGINS if (path / "ptp").exists()), None)


def free_ports(count):
    """Distinct free ports on the loopback interface."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def load_modules():
    """Loads the kernel modules that nodes need, unless they are built in or loaded."""
    for module in ["overlay", "br_netfilter"] if shutil.which("modprobe") else []:
        subprocess.run(["modprobe", "-q", module], capture_output=True, check=False)
    if "overlay" not in pathlib.Path("/proc/filesystems").read_text():
        raise LabError("the kernel has no overlayfs")


def require_free_network(network):
    """Fails if this machine already has a route into `network`, an `ipaddress` network."""
    import ipaddress
    import json

    for route in json.loads(command("ip", "-json", "-4", "route", "show", "table", "all")):
        if route["dst"] != "default" and ipaddress.ip_network(route["dst"], strict=False).overlaps(network):
            raise LabError(
                f"{network} is already used by this machine ({route['dst']} on {route.get('dev', '?')}); "
                "set FIRESTEEL_E2E_NETWORK to the first two numbers of another, as in 10.99"
            )


def cgroup_directories(name):
    """Directories of cgroup `name`, one in each hierarchy; besides version 1 there may be an unused version 2."""
    return [top / name for top in _hierarchies("cgroup", "cgroup2") if (top / name).exists()]


def make_cgroup(name):
    """Creates a cgroup that a kubelet can use as its root."""
    if (CGROUPS / "cgroup.controllers").exists():
        path = CGROUPS
        for part in pathlib.PurePath(name).parts:
            wanted = (path / "cgroup.controllers").read_text().split()
            for controller in wanted:
                # If a controller cannot be delegated, the kubelet reports a better error.
                try:
                    (path / "cgroup.subtree_control").write_text(f"+{controller}")
                except OSError:
                    pass
            path = path / part
            path.mkdir(exist_ok=True)
        return
    for top in _hierarchies("cgroup"):
        path = top
        for part in pathlib.PurePath(name).parts:
            parent, path = path, path / part
            path.mkdir(exist_ok=True)
            for file in ["cpuset.cpus", "cpuset.mems"]:
                # Empty in a new version 1 cgroup, in which nothing could run.
                if (parent / file).exists():
                    (path / file).write_text((parent / file).read_text())


def _hierarchies(*kinds):
    """Mount points of cgroup hierarchies: `cgroup` is version 1, `cgroup2` version 2."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [pathlib.Path(fields[1]) for fields in mounts if fields[2] in kinds]
