"""Real processes for a fault to meet: `firesteel server`, and drivers and executors that a test starts by itself, life after life."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "python" / "tests"), str(ROOT / "bench")]

from answers import equal  # noqa: E402
from conftest import FIRESTEEL, alive, descendants, eventually, serving, session  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

APPLICATIONS = pathlib.Path(tempfile.gettempdir()) / f"firesteel-{os.getuid()}"
# Short, so that a silent process is given up within seconds.
QUICK = {"spark.executor.heartbeatInterval": "500ms", "spark.network.timeout": "3s"}
FOUR = {"spark.sql.shuffle.partitions": "4", "spark.sql.adaptive.enabled": "false"}


def status(application=None):
    """The status of an application; of the only one if none is named."""
    arguments = [application] if application else []
    done = subprocess.run([FIRESTEEL, "status", *arguments, "--json"], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)[0]


def stages(found, job=-1):
    return found["jobs"][job]["stages"]


class Server:
    """`firesteel server`, which replaces what dies, and a session on it."""

    def __init__(self, process, url, spark):
        self.process, self.url, self.spark = process, url, spark
        mark = next(path for path in APPLICATIONS.glob("*/owner") if path.read_text().split()[0] == str(process.pid))
        self.application = mark.parent.name
        self.home = mark.parent

    def executors(self):
        return sorted(pid for pid, line in descendants(self.process.pid).items() if line.startswith("firesteel executor"))

    def driver(self):
        return next(pid for pid, line in descendants(self.process.pid).items() if line.startswith("firesteel driver"))

    def status(self):
        return status(self.application)

    def alive(self):
        return {each["executor"] for each in self.status()["executors"] if each["alive"]}

    def outputs(self):
        """The map outputs on its volumes."""
        return sorted(self.home.glob("shuffle*/*/*.out"))

    def replace_executors(self):
        """Small outputs are in the memory of executors: new ones read the files."""
        old, count = self.alive(), len(self.executors())
        for victim in self.executors():
            os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(self.alive() - old) == count and not self.alive() & old)


@contextlib.contextmanager
def server(master="local-cluster[2,1,512]", preload=None, **conf):
    """A server; `preload` names a library for all of its processes."""
    before = os.environ.get("LD_PRELOAD")
    if preload:
        os.environ["LD_PRELOAD"] = str(preload)
    try:
        started = serving(master, **conf)
        process, url = started.__enter__()
    finally:
        if preload:
            del os.environ["LD_PRELOAD"]
            if before:
                os.environ["LD_PRELOAD"] = before
    try:
        with session(url) as spark:
            yield Server(process, url, spark)
    finally:
        started.__exit__(None, None, None)


class Application:
    """An application without a manager: drivers, one after or beside the other, and executors for each."""

    def __init__(self, directory, **conf):
        self.id = f"faults-{uuid.uuid4().hex[:12]}"
        self.directory, self.conf, self.token = pathlib.Path(directory), conf, uuid.uuid4().hex
        self.home = APPLICATIONS / self.id
        self.home.mkdir(parents=True, mode=0o700)
        pid = os.getpid()
        began = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        (self.home / "owner").write_text(f"{pid} {began}")
        self.processes, self.next = [], 0

    def start(self, role, settings, prefix=(), **options):
        read, write = os.pipe()
        command = [*prefix, FIRESTEEL, role, f"/dev/fd/{read}"]
        process = subprocess.Popen(command, pass_fds=[read, *options.pop("pass_fds", [])], **options)
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            json.dump(settings, pipe)
        self.processes.append(process)
        return process

    def driver(self, epoch, program=None, arguments=(), listen="127.0.0.1:0"):
        """Starts the driver of an epoch, with a program or to serve sessions; returns it with its address and URL."""
        settings = {
            "application": self.id, "name": "faults", "epoch": epoch, "token": self.token, "conf": self.conf,
            "connect_access": "open", "listen": listen,
        }
        if program:
            path = self.directory / "program.py"
            path.write_text(program)
            settings["program"] = {
                "file": str(path), "arguments": list(map(str, arguments)), "python": sys.executable,
                "python_path": [str(ROOT / "python"), str(ROOT / "faults")],
            }
        read, write = os.pipe()
        output = open(self.directory / f"driver-{epoch}", "ab")
        process = self.start(
            "driver", settings | {"announce": f"/dev/fd/{write}"}, pass_fds=[write], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            addresses = json.loads(pipe.readline())
        self.announce(addresses["cluster"])
        return process, addresses["cluster"], addresses["connect"]

    def announce(self, cluster):
        contact = {"application_id": self.id, "cluster": cluster, "token": self.token}
        (self.home / "application.json").write_text(json.dumps(contact))

    def executor(self, epoch, driver, volume="shuffle", prefix=(), preload=None, slots=1, host="127.0.0.1"):
        """Starts an executor with a volume of that name."""
        number, self.next = self.next, self.next + 1
        log = open(self.directory / f"executor-{number}", "ab")
        settings = {
            "application": self.id, "executor": number, "driver": driver, "token": self.token, "epoch": epoch, "slots": slots,
            "memory_bytes": 512 << 20, "volume": {"volume": volume, "path": str(self.home / volume)},
            "scratch": str(self.home / "scratch" / str(number)), "host": host, "python": sys.executable,
            "python_path": [str(ROOT / "python")],
        }
        env = os.environ | ({"LD_PRELOAD": str(preload)} if preload else {})
        return self.start("executor", settings, prefix, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def executors(self, count, *arguments, **options):
        started = [self.executor(*arguments, **options) for _ in range(count)]
        eventually(lambda: sum(each["alive"] for each in self.status()["executors"]) >= count)
        return started

    def status(self):
        return status(self.id)

    def said(self, name):
        """What a process wrote, by `driver-EPOCH` or `executor-NUMBER`."""
        return (self.directory / name).read_text(errors="replace")

    def outputs(self):
        return sorted(self.home.glob("shuffle*/*/*.out"))

    def end(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        # Fork servers and workers of Python end with their executors, but not in the same moment.
        subprocess.run(["rm", "-rf", str(self.home)], check=True)


@contextlib.contextmanager
def application(directory, **conf):
    started = Application(directory, **conf)
    try:
        yield started
    finally:
        started.end()


class Marks:
    """What tasks say about themselves: a line at the start and one at the end of each attempt."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "marks"
        self.path.touch()

    def events(self):
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return [(float(at), what, stage, int(task), int(executor), attempt) for at, what, stage, task, executor, attempt in lines]

    def started(self, stage=None):
        return [each for each in self.events() if each[1] == "start" and stage in (None, each[2])]

    def ended(self, stage=None):
        return [each for each in self.events() if each[1] == "end" and stage in (None, each[2])]

    def again(self, stage=None):
        """The attempts that are not the first of their task."""
        started = self.started(stage)
        return len(started) - len({each[2:4] for each in started})

    def running(self):
        """The attempts that have started and not ended, as the processes of their executors by stage and task."""
        over = {each[5] for each in self.ended()}
        return {each[2:4]: each[4] for each in self.started() if each[5] not in over}

    def recovered(self, since, tasks=None):
        """The time from `since` to the first end of an attempt that started after it, of one of these tasks."""
        later = {each[5] for each in self.started() if each[0] >= since and (tasks is None or each[2:4] in tasks)}
        ends = [each[0] for each in self.ended() if each[5] in later]
        return min(ends) - since if ends else None


class Asked:
    """An action in a thread: its result, or what it raised."""

    def __init__(self, action):
        self.result = self.error = None
        self.ended = None

        def run():
            try:
                self.result = action()
            except Exception as error:  # noqa: BLE001
                self.error = error
            self.ended = time.monotonic()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def answer(self, seconds=90):
        self.thread.join(seconds)
        if self.thread.is_alive():
            raise TimeoutError(f"no answer within {seconds} s")
        if self.error:
            raise self.error
        return self.result

    def refusal(self, seconds=90):
        """The error that it must end with."""
        self.thread.join(seconds)
        if self.thread.is_alive():
            raise TimeoutError(f"no answer within {seconds} s")
        assert self.error is not None, f"it succeeded: {str(self.result)[:200]}"
        return self.error


def connected(url):
    return SparkSession.builder.remote(url).create()


__all__ = [
    "FIRESTEEL", "FOUR", "QUICK", "ROOT", "Application", "Asked", "Marks", "alive", "application", "connected", "descendants", "equal", "eventually",
    "re", "server", "session", "stages", "status",
]
