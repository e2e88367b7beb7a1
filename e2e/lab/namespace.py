"""A set of Linux namespaces (network, mount, PID, UTS) with an init process, the holder.

Programs in it see no other processes and no other network, and their mounts are private. When the holder exits, the kernel kills every
process in it and removes its mounts and links, so that killing one PID is a complete cleanup.
"""

import pathlib
import subprocess
import sys

from lab.errors import LabError
from lab.processes import command, last_lines, only_child, start

HOLD = pathlib.Path(__file__).with_name("hold.py")
KINDS = ["--net", "--mount", "--pid", "--uts"]


class Namespace:
    """One set of namespaces. With `inside` it is nested in another one and ends with it."""

    def __init__(self, holder, keeper=None):
        self.holder = holder
        # The holder watches this pipe, which closes when this process ends for any reason.
        self._keeper = keeper

    @staticmethod
    def make(record, name, inside=None, detached=False):
        argv = ["unshare", *KINDS, "--fork", "--kill-child", "--mount-proc", sys.executable, HOLD, *(["--detached"] if detached else [])]
        outer = inside.argv([]) if inside else []
        log = record.directory / f"{name}.log"
        with open(log, "ab") as words:
            starter = subprocess.Popen(
                [str(part) for part in outer + argv],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                start_new_session=True,
            )
        child = _child(starter, log)
        record.add_process(name, child)
        if inside:
            # nsenter started unshare, which started the holder.
            child = _child(_Started(child), log)
            record.add_process(name, child)
        if starter.stdout.readline() != b"ready\n":
            raise LabError(f"namespaces for {name} could not be created{last_lines(log)}")
        starter.stdout.close()
        made = Namespace(child, starter.stdin)
        made.run("mount", "--make-rshared", "/")
        made.run("ip", "link", "set", "lo", "up")
        made.run("hostname", name)
        return made

    def argv(self, argv):
        """Wraps `argv` to run in these namespaces."""
        return ["nsenter", f"--target={self.holder.pid}", *KINDS, "--", *argv]

    def run(self, *argv, **options):
        """Runs a program in these namespaces to completion and returns its output."""
        return command(*self.argv(argv), **options)

    def start(self, argv, log, environment=None):
        """Starts a program in these namespaces; returns its process in the machine's PID namespace."""
        return only_child(start(self.argv(argv), log, environment))

    def in_network(self, *argv):
        """Runs a program in this network namespace, with the machine's processes and files."""
        return command("nsenter", f"--target={self.holder.pid}", "--net", "--", *argv)

    def own(self, path, memory):
        """Mounts an overlay over `path`: changes are only visible in here, and stored below `memory`, a file system of this namespace."""
        changes, work = f"{memory}/changes", f"{memory}/work"
        self.run("mkdir", "-p", changes, work)
        self.run("mount", "-t", "overlay", "-o", f"lowerdir={path},upperdir={changes},workdir={work}", "overlay", path)

    def end(self):
        """Kills every process in these namespaces."""
        self.holder.end()


def _child(parent, log):
    try:
        return only_child(parent)
    except LabError as error:
        raise LabError(f"{error}{last_lines(log)}") from None


class _Started:
    """Adapts a process started elsewhere to the interface that `only_child` expects."""

    def __init__(self, process):
        self.pid, self.args, self.returncode = process.pid, ["unshare"], None
        self._process = process

    def poll(self):
        return None if self._process.alive() else 1
