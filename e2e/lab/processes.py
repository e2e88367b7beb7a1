"""Processes identified by PID and start time, so that a later process with the same PID is never mistaken for one of ours."""

import contextlib
import os
import pathlib
import signal
import subprocess
from dataclasses import dataclass

from lab.errors import LabError
from lab.waiting import eventually


@dataclass(frozen=True)
class Process:
    """One process. `start` is its start time in clock ticks since boot."""

    pid: int
    start: int

    @staticmethod
    def of(pid):
        """The process that currently has this PID, or None."""
        found = _stat(pid)
        return Process(pid, int(found[19])) if found else None

    def alive(self):
        found = _stat(self.pid)
        return bool(found) and int(found[19]) == self.start and found[0] != "Z"

    def signal(self, number):
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    @contextlib.contextmanager
    def paused(self):
        """Stops the process for the duration of the block. A wrapper that waits for it stops itself too."""
        wrapper = Process.of(int(_stat(self.pid)[1]))
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)
            wrapper.signal(signal.SIGCONT)

    def end(self):
        """Kills the process: anything that it would save is discarded anyway."""
        self.signal(signal.SIGKILL)
        eventually(lambda: not self.alive(), 30, f"the end of process {self.pid}")


def only_child(parent):
    """The only child of a wrapper process, which starts the program that we want and waits for it."""

    def find():
        if parent.poll() is not None:
            raise LabError(f"{parent.args[0]} ended with {parent.returncode}")
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and (found := _stat(entry.name)) and int(found[1]) == parent.pid:
                return Process.of(int(entry.name))
        return None

    return eventually(find, 10, f"a child of {parent.args[0]}")


def start(argv, log, environment=None):
    """Starts a program in a new session, so that it does not receive Ctrl-C from our terminal, with its output in `log`."""
    with open(log, "ab") as out:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )


def last_lines(log, count=15):
    """The last lines of a log, indented, for an error message."""
    try:
        lines = pathlib.Path(log).read_text(errors="replace").splitlines()[-count:]
    except OSError as error:
        lines = [str(error)]
    return "".join(f"\n    {line[:400]}" for line in lines)


def command(*argv, seconds=60, **options):
    """Runs a program to completion and returns its output; an error includes its output."""
    argv = [str(part) for part in argv]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, **options)
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: no such program") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: not finished within {seconds} s") from None
    if done.returncode != 0:
        said = (done.stdout[-1000:] + done.stderr[-3000:]).strip()
        raise LabError(f"{' '.join(argv)}: exit code {done.returncode}: {said}")
    return done.stdout


def _stat(pid):
    """Fields of /proc/PID/stat, starting with the state, or None if there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
