"""A worker: takes over its descriptors and serves tasks until the executor closes the data socket."""

from __future__ import annotations

import faulthandler
import fcntl
import os
import resource
import socket
import sys

from firesteel.worker import blobs
from firesteel.worker.frames import Channel
from firesteel.worker.task import serve


def run(data: int, requests: int, output: int) -> int:
    """Serves tasks; the exit code is 0 unless a task has failed."""
    _redirect(output)
    channel = Channel(_out_of_reach(data))
    blobs.connect(_out_of_reach(requests))
    while True:
        more, failed = serve(channel)
        if not more:
            return 1 if failed else 0


def _redirect(output: int) -> None:
    """Makes the given pipe the standard output and error, line by line: a crash must not lose what was printed."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for descriptor in (nothing, output):
        if descriptor > 2:
            os.close(descriptor)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stdin = sys.__stdin__ = os.fdopen(0, "r", closefd=False)
    faulthandler.enable(file=2, all_threads=True)


def _out_of_reach(descriptor: int) -> socket.socket:
    """Moves a socket to a high descriptor: some functions close the low ones (`os.closerange(3, 256)`)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = max(3, min(limit if limit > 0 else 1024, 4096) - 64)
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    os.close(descriptor)
    return socket.socket(fileno=moved)
