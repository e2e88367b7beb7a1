"""Record of everything that a run creates on this machine; each entry is written before the resource is created.

A run cleans up at its end. A killed one leaves its record, and the next run starts by removing everything in the records of dead
runs: processes (by PID and start time), network links, cgroups and one directory.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import threading
from dataclasses import dataclass, field

from lab import machine
from lab.errors import LabError
from lab.processes import Process, command
from lab.waiting import eventually

FILE = "record.json"


@dataclass
class Record:
    """One run. Its directory holds the record itself and all files of the run.

    The processes of a `detached` run outlive its owner; once `kept`, the run stays until it is removed explicitly.
    """

    directory: pathlib.Path
    owner: Process
    detached: bool = False
    kept: bool = False
    processes: dict = field(default_factory=dict)
    links: list = field(default_factory=list)
    cgroups: list = field(default_factory=list)
    # Several threads add entries while a cluster starts.
    _adding: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @staticmethod
    def begin(name, detached):
        """Creates a record in a new directory. A name can only be used by one run at a time."""
        with _locked():
            sweep(locked=True)
            directory = machine.runs() / name
            if directory.exists():
                raise LabError(f"{name} is already running ({directory}); stop it with `./dev e2e down` if it was started with `up`")
            directory.mkdir(parents=True)
            record = Record(directory, Process.of(os.getpid()), detached)
            record.write()
            return record

    @staticmethod
    def read(directory):
        with open(directory / FILE) as file:
            found = json.load(file)
        processes = {name: Process(*pair) for name, pair in found["processes"].items()}
        owner = Process(*found["owner"])
        return Record(directory, owner, found["detached"], found["kept"], processes, found["links"], found["cgroups"])

    def write(self):
        text = json.dumps(
            {
                "owner": [self.owner.pid, self.owner.start],
                "detached": self.detached,
                "kept": self.kept,
                "processes": {name: [made.pid, made.start] for name, made in self.processes.items()},
                "links": self.links,
                "cgroups": self.cgroups,
            }
        )
        part = self.directory / (FILE + ".part")
        part.write_text(text)
        part.replace(self.directory / FILE)

    def lives(self):
        """Whether the run is still in use."""
        if self.kept:
            return any(process.alive() for process in self.processes.values())
        return self.owner.alive()

    def keep(self):
        """Detaches the run from its owner."""
        self.kept = True
        self.write()

    def add_process(self, name, process):
        with self._adding:
            self.processes[name] = process
            self.write()

    def end_process(self, name):
        """Kills a process and removes it from the record."""
        self.processes[name].end()
        with self._adding:
            del self.processes[name]
            self.write()

    def add_link(self, name):
        with self._adding:
            self.links.append(name)
            self.write()

    def add_cgroup(self, name):
        with self._adding:
            self.cgroups.append(name)
            self.write()

    def undo(self):
        """Removes everything, the latest processes first. Idempotent."""
        for process in reversed(list(self.processes.values())):
            process.end()
        for link in self.links:
            _delete_link(link)
        for cgroup in self.cgroups:
            for path in machine.cgroup_directories(cgroup):
                _remove_cgroup(path)
        eventually(lambda: _removed(self.directory), 20, f"the removal of {self.directory}")


def _delete_link(name):
    """Deletes a network link, unless it goes by itself: with its other end, when the network of a node is no longer used."""
    path = pathlib.Path("/sys/class/net", name)
    try:
        if path.exists():
            command("ip", "link", "delete", name)
    except LabError:
        if path.exists():
            raise


def end_kept(*names):
    """Removes the runs with these names, and the leftovers of dead runs."""
    with _locked():
        sweep(locked=True)
        for directory in sorted(machine.runs().iterdir()):
            if directory.name in names and Record.read(directory).kept:
                Record.read(directory).undo()


def sweep(locked=False):
    """Removes the leftovers of dead runs."""
    with contextlib.nullcontext() if locked else _locked():
        for directory in sorted(machine.runs().iterdir()):
            try:
                record = Record.read(directory)
            except (OSError, ValueError, KeyError, TypeError):
                # The run was killed before its first entry, so there is only the directory.
                shutil.rmtree(directory, ignore_errors=True)
                continue
            if not record.lives():
                record.undo()


@contextlib.contextmanager
def _locked():
    with open(machine.runs().with_name("lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_cgroup(top):
    """Removes cgroups from the leaves up, waiting until their last process has exited."""

    def removed():
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError:
                return False
        return not top.exists()

    eventually(removed, 20, f"the end of all processes in {top}")


def _removed(directory):
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()
