"""Cleanup: a run leaves nothing on the machine, however it ends."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from lab import ApiServer, Cluster, LabError, eventually, images, machine
from lab.cluster import Site
from lab.node import PAUSE_IMAGE, SOCKET, Node
from lab.processes import Process, command
from lab.record import Record, sweep

pytestmark = pytest.mark.alone
E2E = pathlib.Path(__file__).resolve().parents[1]
OTHER = 7


def run(program):
    """Starts a process that runs this program, which reports on standard output when it has reached the desired point."""
    # A shell's background processes ignore SIGINT by default.
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{program}"
    return subprocess.Popen([sys.executable, "-c", program], cwd=E2E, stdout=subprocess.PIPE, text=True)


def end(owner, number):
    """Sends a signal until the process has exited, as a user would repeat Ctrl-C if Python misses an interrupt."""
    for _ in range(12):
        owner.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            owner.wait(timeout=5)
            return
    raise AssertionError(f"{number} does not end the run")


def state():
    """Everything that a cluster could leave behind: links, mounts, firewall rules, kernel settings, cgroups."""
    forward = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text()
    groups = sorted(str(path) for path in machine.cgroup_directories(Site(OTHER).cgroup))
    mounts = sorted(line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines())
    rules = command("iptables-save", "-t", "nat") if os.geteuid() == 0 else ""
    rules = [line for line in rules.splitlines() if "KUBE" in line or "CNI" in line]
    # Links of other clusters are ignored, because they may change.
    links = sorted(path.name for path in pathlib.Path("/sys/class/net").iterdir() if path.name == Site(OTHER).link or "firesteel" not in path.name)
    return links, mounts, rules, forward, groups


def test_an_api_server_ends_with_its_process_even_if_that_is_killed():
    owner = run("from lab import ApiServer; import time; s = ApiServer.up(); print(s.kubeconfig, flush=True); time.sleep(600)")
    try:
        directory = pathlib.Path(owner.stdout.readline().strip()).parent.parent
        processes = Record.read(directory).processes
        assert len(processes) == 3
    finally:
        owner.kill()
        owner.wait()
    eventually(lambda: not any(each.alive() for each in processes.values()), 20, "the end of its processes")
    assert directory.exists()
    sweep()
    assert not directory.exists()


def test_an_api_server_that_does_not_start_shows_its_log_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr("lab.control_plane.ControlPlane._api_server", lambda self: [self.binaries / "kube-apiserver", "--no-such-flag"])
    before = set(machine.runs().iterdir())
    with pytest.raises(LabError, match="kube-apiserver has ended.*\n.*unknown flag: --no-such-flag"):
        ApiServer.up()
    assert set(machine.runs().iterdir()) == before


@pytest.mark.machine
@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("lab.cluster.Cluster._populate", signal.SIGKILL),
        ("lab.cluster.ControlPlane.up", signal.SIGINT),
        ("lab.cluster.Node.start_proxy", signal.SIGKILL),
        ("lab.cluster.Node.wait_ready", signal.SIGINT),
    ],
)
def test_a_cluster_whose_run_ends_during_its_start_leaves_nothing(step, number):
    before = state()
    where, name = step.rsplit(".", 1)
    owner = run(
        f"""
import pkgutil, time
from lab import Cluster
owner = pkgutil.resolve_name({where!r})
def stop(*_): print("here", flush=True); time.sleep(600)
setattr(owner, {name!r}, stop)
Cluster.up(number={OTHER})
"""
    )
    try:
        assert owner.stdout.readline() == "here\n"
        record = Record.read(machine.runs() / Site(OTHER).name)
        assert all(each.alive() for each in record.processes.values())
        assert state() != before
    finally:
        end(owner, number)
    eventually(lambda: not any(each.alive() for each in record.processes.values()), 20, "the end of its processes")
    sweep()
    assert state() == before
    assert not record.directory.exists()


@pytest.mark.machine
def test_a_cluster_runs_only_once():
    owner = run(f"from lab.record import Record; import time; Record.begin({Site(OTHER).name!r}, False); print('here', flush=True); time.sleep(600)")
    try:
        assert owner.stdout.readline() == "here\n"
        with pytest.raises(LabError, match="is already running"):
            Cluster.up(number=OTHER)
    finally:
        owner.kill()
        owner.wait()
    sweep()


def test_another_process_with_a_reused_id_is_not_ended():
    other = subprocess.Popen(["sleep", "600"])
    try:
        real = Process.of(other.pid)
        Process(real.pid, real.start - 1).signal(signal.SIGKILL)
        assert other.poll() is None and real.alive()
    finally:
        other.kill()
        other.wait()
    assert not real.alive()


@pytest.mark.machine
def test_a_network_that_the_machine_uses_is_refused(monkeypatch):
    used = next(iter(command("ip", "-4", "-brief", "address", "show", "scope", "global").split()[2:3]), None)
    if used is None:
        pytest.skip("this machine has no address but its own")
    monkeypatch.setenv("FIRESTEEL_E2E_NETWORK", ".".join(used.split(".")[:2]))
    with pytest.raises(LabError, match="is already used by this machine"):
        Cluster.up(number=OTHER)


@contextlib.contextmanager
def node_alone():
    """Runs one node without a control plane, as at the start of a run."""
    record = Record.begin(Site(OTHER).name, False)
    try:
        site = Site(OTHER)
        cluster = Cluster._switched_on(record, site, machine.built("kubernetes"))
        node = Node(record, site, cluster.outer, cluster.control, 1)
        node.plug()
        node.fill([images.pause()])
        node.start_containerd()
        yield node
    finally:
        record.undo()


def ctr(node, *words):
    return node.namespace.run("ctr", "--address", SOCKET, "--namespace=k8s.io", *words).split()


@pytest.mark.machine
def test_a_disk_keeps_its_images_and_nothing_else_of_a_run():
    with node_alone() as node:
        ctr(node, "containers", "create", PAUSE_IMAGE, "left")
        assert ctr(node, "containers", "list", "--quiet") == ["left"]
        inode = node.disk.root.stat().st_ino
    assert not node.directory.exists()
    with node_alone() as node:
        assert ctr(node, "containers", "list", "--quiet") == []
        assert PAUSE_IMAGE in ctr(node, "images", "list", "--quiet")
        assert node.disk.root.stat().st_ino == inode


@pytest.mark.machine
def test_a_damaged_disk_is_recreated(capsys):
    with node_alone() as node:
        pass
    metadata = node.disk.root / "io.containerd.metadata.v1.bolt" / "meta.db"
    metadata.write_bytes(b"damaged" * 10000)
    with node_alone() as node:
        assert PAUSE_IMAGE in ctr(node, "images", "list", "--quiet")
    assert "node1 gets a new disk" in capsys.readouterr().err
