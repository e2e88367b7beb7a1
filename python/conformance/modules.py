"""Modules of PySpark's tests that are run, and one run of one: a server of its own, and a process that is watched."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import environment

MASTER = "local[4]"
# Adaptive execution would read a shuffle of a few rows as one partition, and some tests expect rows in the order that they have then.
CONF = {"spark.sql.shuffle.partitions": "1"}
CORE = "rdd broadcast join taskcontext rddbarrier rddsampler statcounter serializers shuffle worker context conf util profiler"
CONNECT = (
    "udf pandas_udf pandas_udf_scalar pandas_udf_grouped_agg pandas_udf_window pandas_map pandas_grouped_map"
    " pandas_cogrouped_map arrow_map arrow_python_udf udtf serde"
)
# Their contexts have settings of an application, such as its memory, or look at its jobs: each starts a driver of its own, as it would be with Spark.
OWN_DRIVERS = [f"pyspark.tests.test_{name}" for name in ("broadcast", "taskcontext", "worker", "context")]
MODULES = [
    *(f"pyspark.tests.test_{name}" for name in CORE.split()),
    *(f"pyspark.sql.tests.connect.test_parity_{name}" for name in CONNECT.split()),
    "pyspark.sql.tests.test_udf_profiler",
]

# Waits beyond the limit of a test, because that ends a test only if Python still runs in its main thread.
GRACE = 30
MODULE_LIMIT = "the module took more than"
# Stands for a module's tests if it cannot be imported.
IMPORT = "(import)"


@dataclasses.dataclass
class Limits:
    """Seconds after which a test, or all of a module, is given up."""

    test: float
    module: float


@dataclasses.dataclass
class Result:
    """Outcomes of a module's tests: `passed`, `failed` or `skipped`, and what was said about it."""

    module: str
    tests: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def named(self, outcome: str) -> list[str]:
        return [test for test, (found, _) in self.tests.items() if found == outcome]


def run(module: str, base: pathlib.Path, firesteel: str, limits: Limits, selection: str) -> Result:
    """Runs a module. If a test kills or blocks its process or the server, new ones run the rest."""
    directory = base / "runs" / module
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        if old.is_file():
            old.unlink()
    result = Result(module)
    started = time.monotonic()
    deadline = started + limits.module
    done: set[str] = set()
    attempt, again = 0, True
    while again:
        attempt += 1
        variables = environment.variables(base, temporary(directory))
        with serving(module, firesteel, directory / f"server-{attempt}.log", variables) as server:
            tests = Tests(module, base, directory, attempt, variables)
            ended = tests.run(server, limits, deadline, selection, done)
        again = collect(result, tests, ended, done)
    temporary(directory)
    result.seconds = time.monotonic() - started
    return result


def temporary(directory: pathlib.Path) -> pathlib.Path:
    """An empty directory for the files that tests leave behind."""
    path = directory / "tmp"
    subprocess.run(["rm", "-rf", path], check=True)
    path.mkdir()
    return path


@contextlib.contextmanager
def serving(module: str, firesteel: str, log: pathlib.Path, variables: dict[str, str]):
    """Starts a server for a module in the directory of the Spark distribution, to which tests' paths are relative. Tests find it by variables."""
    if module in OWN_DRIVERS:
        variables["FIRESTEEL"] = firesteel
        yield None
        return
    conf = [flag for key, value in CONF.items() for flag in ("--conf", f"{key}={value}")]
    command = [firesteel, "server", "--port", "0", "--master", MASTER, *conf]
    with open(log, "w") as out:
        process = subprocess.Popen(
            command, env=variables, cwd=variables["SPARK_HOME"], stdout=out, stderr=out, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"sc://\S+", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline, f"the server did not start: see {log}"
            time.sleep(0.05)
        variables |= {"SPARK_REMOTE": found.group(), "SPARK_CONNECT_TESTING_REMOTE": found.group()}
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """Ends a process with all that it started in its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclasses.dataclass
class Progress:
    """What a process has recorded so far."""

    lines: int = 0
    collected: list[str] = dataclasses.field(default_factory=list)
    outcomes: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    running: str | None = None
    broken: str | None = None


class Tests:
    """One process that runs tests of a module."""

    def __init__(self, module: str, base: pathlib.Path, directory: pathlib.Path, attempt: int, variables) -> None:
        self.file = base / "spark" / "python" / (module.replace(".", "/") + ".py")
        self.python = base / "venv" / "bin" / "python"
        self.log = directory / f"tests-{attempt}.log"
        self.record = directory / f"record-{attempt}.jsonl"
        self.done = directory / "done.json"
        self.variables = dict(variables, CONFORMANCE_RECORD=str(self.record), CONFORMANCE_DONE=str(self.done))
        self.variables["PYTHONPATH"] += os.pathsep + str(environment.HERE)

    def run(self, server: subprocess.Popen | None, limits: Limits, deadline: float, selection: str, done: set[str]) -> str:
        """Runs the tests that are not `done`, and returns why it ended before the last one, if so."""
        command = [self.python, "-m", "pytest", "-p", "plugin", "-p", "no:cacheprovider", "-q", "-s", "--rootdir"]
        command += [self.variables["SPARK_HOME"], "--timeout", str(limits.test), "--timeout-method", "signal", self.file]
        command += ["-k", selection] if selection else []
        self.done.write_text(json.dumps(sorted(done)))
        with open(self.log, "w") as out:
            process = subprocess.Popen(
                command, env=self.variables, cwd=self.variables["SPARK_HOME"], stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            return self.watch(process, server, limits, deadline)
        finally:
            end(process)

    def watch(self, process: subprocess.Popen, server: subprocess.Popen | None, limits: Limits, deadline: float) -> str:
        lines, moved = 0, time.monotonic()
        while process.poll() is None:
            now, seen = time.monotonic(), self.progress().lines
            if seen != lines:
                lines, moved = seen, now
            if server is not None and server.poll() is not None:
                return f"the server ended {how(server)}"
            if now > deadline:
                return f"{MODULE_LIMIT} {limits.module:g} s"
            if now > moved + limits.test + GRACE:
                return f"no result within {limits.test + GRACE:g} s"
            time.sleep(0.2)
        # 0: passed, 1: failed, 2: not importable, 5: nothing to run.
        return "" if process.returncode in (0, 1, 2, 5) else f"the process ended {how(process)}"

    def progress(self) -> Progress:
        found = Progress()
        text = self.record.read_text() if self.record.exists() else ""
        for line in text.splitlines(keepends=True):
            # The last line may be half written.
            if not line.endswith("\n"):
                break
            found.lines += 1
            entry = json.loads(line)
            if "broken" in entry:
                found.broken = entry["broken"]
            elif "collected" in entry:
                found.collected = entry["collected"]
            elif "started" in entry:
                found.running = entry["started"]
            elif "finished" in entry:
                found.running = None
            elif found.outcomes.get(entry["test"], ("",))[0] != "failed":
                found.outcomes[entry["test"]] = (entry["outcome"], entry["message"])
        return found


def how(process: subprocess.Popen) -> str:
    code = process.returncode
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"


def collect(result: Result, tests: Tests, ended: str, done: set[str]) -> bool:
    """Adds what was recorded, and tells whether something is left to run. A test that ran when all ended has failed."""
    progress = tests.progress()
    outcomes = dict(progress.outcomes)
    if progress.broken is not None:
        result.tests[IMPORT] = ("failed", progress.broken)
    elif ended and not progress.collected:
        result.tests[IMPORT] = ("failed", f"{ended}: see {tests.log}")
    elif ended and progress.running:
        outcomes[progress.running] = ("failed", ended)
    left = [test for test in progress.collected if test not in outcomes]
    # One without any outcome would only repeat itself.
    if left and (ended.startswith(MODULE_LIMIT) or not outcomes):
        outcomes |= {test: ("failed", ended) for test in left}
        left = []
    done.update(outcomes)
    result.tests.update((name(test), outcome) for test, outcome in outcomes.items())
    return bool(ended and left)


def name(test: str) -> str:
    """`Class.test` of pytest's `file::Class::test`."""
    return ".".join(test.split("::")[1:])
