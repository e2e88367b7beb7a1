"""A group of Linux namespaces (network, mounts, processes, host name) with one process that holds it.

Programs in it see no other process and no other network, their mounts are private, and when the holder ends, the kernel ends every
process in it and removes its mounts and links. So there is one id to end, and nothing to forget.
"""

import pathlib
import subprocess
import sys

from lab.errors import LabError
from lab.processes import command, last_lines, only_child, start

HOLD = pathlib.Path(__file__).with_name("hold.py")
KINDS = ["--net", "--mount", "--pid", "--uts"]


class Namespace:
    """One such group. `inside` nests it in another: it ends with the outer one."""

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
            # nsenter started unshare, and unshare the holder.
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
        """`argv`, wrapped to run in here."""
        return ["nsenter", f"--target={self.holder.pid}", *KINDS, "--", *argv]

    def run(self, *argv, **options):
        """Runs a program in here to its end and returns its output."""
        return command(*self.argv(argv), **options)

    def start(self, argv, log, environment=None):
        """Starts a program in here; returns it as this machine sees it."""
        return only_child(start(self.argv(argv), log, environment))

    def in_network(self, *argv):
        """Runs a program that sees this network, but the machine's processes and files."""
        return command("nsenter", f"--target={self.holder.pid}", "--net", "--", *argv)

    def own(self, path, memory):
        """Makes changes below `path` visible only in here; they are stored below `memory`, a file system of this namespace."""
        changes, work = f"{memory}/changes", f"{memory}/work"
        self.run("mkdir", "-p", changes, work)
        self.run("mount", "-t", "overlay", "-o", f"lowerdir={path},upperdir={changes},workdir={work}", "overlay", path)

    def end(self):
        """Ends every process in here."""
        self.holder.end()


def _child(parent, log):
    try:
        return only_child(parent)
    except LabError as error:
        raise LabError(f"{error}{last_lines(log)}") from None


class _Started:
    """A process started elsewhere, in the form that `only_child` expects."""

    def __init__(self, process):
        self.pid, self.args, self.returncode = process.pid, ["unshare"], None
        self._process = process

    def poll(self):
        return None if self._process.alive() else 1
