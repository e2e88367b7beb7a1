"""An API server with its controllers (including the garbage collector) and RBAC, on the loopback interface; its pods never run.

For operator tests that need no containers. Does not need root.
"""

import contextlib
import itertools
import os

from lab import machine
from lab.control_plane import Addresses, ControlPlane
from lab.processes import Process, start
from lab.record import Record

_number = itertools.count()


class ApiServer:
    """A running API server."""

    def __init__(self, record, control):
        self._record, self._control = record, control
        self.kubeconfig, self.kubectl, self.account = control.kubeconfig, control.kubectl, control.account

    @staticmethod
    @contextlib.contextmanager
    def running():
        """Runs an API server for the duration of the block."""
        made = ApiServer.up()
        try:
            yield made
        finally:
            made.down()

    @staticmethod
    def up(kept=False):
        """Starts an API server. With `kept` it outlives this process."""
        binaries = machine.built("kubernetes")
        record = Record.begin("api" if kept else f"api-{os.getpid()}-{next(_number)}", kept)
        try:
            port, client, peer = machine.free_ports(3)
            addresses = Addresses("127.0.0.1", port, client, peer, services="10.0.0.0/24", first_service="10.0.0.1")
            control = ControlPlane(record.directory, binaries, addresses, _starter(record))
            control.up()
            if kept:
                record.keep()
            return ApiServer(record, control)
        except BaseException:
            record.undo()
            raise

    def down(self):
        self._record.undo()


def _starter(record):
    """A function that starts programs; the kernel kills them when this process ends, unless the run is detached."""
    leash = [] if record.detached else ["setpriv", "--pdeathsig=KILL", "--"]

    def run(name, argv):
        process = Process.of(start([*leash, *argv], record.directory / f"{name}.log").pid)
        record.add_process(name, process)
        return process

    return run
