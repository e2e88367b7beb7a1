"""The fork server: imports what functions usually need, then forks a worker per request.

It runs no code of users, has one thread, and ends its workers when the executor closes the control socket. Workers die
with it even if it is killed (`PR_SET_PDEATHSIG`).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

CONTROL = 0
DESCRIPTORS = 3
_PR_SET_PDEATHSIG = 1
_WARM = (
    "numpy",
    "pandas",
    "pyarrow",
    "pyarrow.compute",
    "pyspark.accumulators",
    "pyspark.cloudpickle",
    "pyspark.serializers",
    "pyspark.taskcontext",
    "pyspark.util",
    "pyspark.sql.types",
    "pyspark.sql.udtf",
    "pyspark.sql.pandas.types",
    "firesteel.worker.task",
    "firesteel.worker.process",
    "firesteel.worker.scalar",
    "firesteel.worker.iterating",
    "firesteel.worker.mapped",
    "firesteel.worker.grouped",
    "firesteel.worker.pandas_groups",
    "firesteel.worker.aggregate",
    "firesteel.worker.window",
    "firesteel.worker.table",
    "firesteel.worker.analysis",
)


def main() -> None:
    """Serves fork requests until the executor closes the control socket."""
    control = socket.socket(fileno=os.dup(CONTROL))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, CONTROL)
    os.close(nothing)
    os.set_inheritable(control.fileno(), False)
    _warm()
    Server(control).serve()


def _warm() -> None:
    """Imports once what forked workers then share. Nothing here may start a thread: threads do not survive a fork."""
    # Libraries of linear algebra start a thread per core when they are loaded, in each of the workers.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    for name in _WARM:
        # A broken optional package is reported by the function that needs it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


class Server:
    """The loop of the server, and the workers it has forked."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pid = os.getpid()
        self._workers: set = set()
        self._partial = b""
        self._descriptors: list = []
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Forks on request and reports ends of workers, until the end of the control socket."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # A Ctrl-C on a terminal goes to the executor, which decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if self._woken in ready:
                    self._drain()
                    self._reap()
                if self._control.fileno() in ready and not self._read():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            if os.getpid() == self._pid:
                for pid in self._workers:
                    _kill_group(pid)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._woken, 512):
                pass

    def _reap(self) -> None:
        """Reports workers that have ended, and kills what is left of their process groups."""
        while self._workers:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            # Before its number is free for another process.
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            self._workers.discard(pid)
            if os.WIFSIGNALED(status):
                self._answer({"exited": pid, "signal": os.WTERMSIG(status)})
            else:
                self._answer({"exited": pid, "code": os.WEXITSTATUS(status)})

    def _read(self) -> bool:
        """Reads requests; false at the end of the socket."""
        space = socket.CMSG_SPACE(DESCRIPTORS * array.array("i").itemsize)
        data, ancillary, _, _ = self._control.recvmsg(65536, space)
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors = array.array("i")
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
                self._descriptors.extend(descriptors)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if line.strip():
                descriptors, self._descriptors = self._descriptors[:DESCRIPTORS], self._descriptors[DESCRIPTORS:]
                self._fork(json.loads(line), descriptors)
        return bool(data)

    def _fork(self, request: dict, descriptors: list) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            for descriptor in descriptors:
                os.close(descriptor)
            self._answer({"error": f"no worker could be forked: {error}"})
            return
        if pid == 0:
            self._become_worker(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        # Parent and child both do this, so that the group exists whoever is first.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._workers.add(pid)
        self._answer({"forked": pid})

    def _become_worker(self, request: dict, descriptors: list) -> None:
        """Turns the forked child into a worker; never returns."""
        code = 1
        try:
            with contextlib.suppress(OSError):
                os.setpgid(0, 0)
            _die_with_parent(self._pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(self._woken)
            os.close(self._wake)
            self._control.close()
            # Those of the requests that follow: a worker that keeps them hides the end of another.
            for descriptor in self._descriptors:
                os.close(descriptor)
            from firesteel.worker import process

            code = process.run(*descriptors)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            # Not sys.exit: handlers at exit belong to the server.
            os._exit(code)

    def _answer(self, message: dict) -> None:
        self._control.sendall(json.dumps(message).encode() + b"\n")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when the server ends, however it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
