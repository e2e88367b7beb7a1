"""Fixtures that start real Firesteel processes: `firesteel server` with two executors, and `firesteel run` for complete programs."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

# PySpark takes a main module without a file, as in a process of pytest-xdist, for its own doctests.
sys.modules["__main__"].__dict__.setdefault("__file__", "-c")

from pyspark.sql import SparkSession  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIRESTEEL = os.environ.get("FIRESTEEL", "firesteel")
BENCH = str(pathlib.Path(FIRESTEEL).with_name("bench"))
sys.path.append(str(ROOT / "bench"))


@contextlib.contextmanager
def serving(master="local-cluster[2,2,1024]", **conf):
    """Starts a server and yields its process and URL."""
    flags = [flag for key, value in conf.items() for flag in ("--conf", f"{key}={value}")]
    process = subprocess.Popen(
        [FIRESTEEL, "server", "--port", "0", "--master", master, *flags], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        found = re.search(r"sc://\S+", line)
        assert found, f"the server said {line!r} and ended with {process.poll()}"
        yield process, found.group()
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def session(url):
    """Opens a new session on a server. It is the active one, also where an earlier one has ended in another way than by `stop`."""
    spark = SparkSession.builder.remote(url).create()
    sessions = type(spark)
    before = sessions._default_session, getattr(sessions._active_session, "session", None)
    sessions._default_session = sessions._active_session.session = spark
    try:
        yield spark
    finally:
        spark.stop()
        sessions._default_session, sessions._active_session.session = before


@pytest.fixture(scope="session")
def server():
    with serving() as (_, url):
        yield url


@pytest.fixture
def spark(server):
    with session(server) as spark:
        yield spark


@pytest.fixture(scope="session")
def tpch(tmp_path_factory):
    """TPC-H tables at scale 0.1 and DataFusion's results; generated once per machine."""
    cache = os.environ.get("FIRESTEEL_CACHE")
    base = pathlib.Path(cache) / "test-data" if cache else tmp_path_factory.mktemp("tpch")
    data, answers = base / "tpch-0.1", base / "answers-0.1"
    queries = sorted((ROOT / "examples" / "tpch").glob("q*.sql"))
    subprocess.run([BENCH, "data", "--scale", "0.1", "--out", data], check=True)
    subprocess.run([BENCH, "answers", "--data", data, "--out", answers, *queries], check=True)
    return data, answers, queries


def run(*arguments, timeout=120, **options):
    """Runs `firesteel …` to completion."""
    return subprocess.run(
        [FIRESTEEL, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, cwd=ROOT, **options
    )


def eventually(what, seconds=30):
    """Waits until `what()` is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
    return found


def descendants(pid):
    """IDs and command lines of the descendants of process `pid`."""
    found, parents = {}, {pid}
    stats = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if stat[0] != "Z":
                    stats.append((int(entry.name), int(stat[1]), command))
    grown = True
    while grown:
        grown = False
        for child, parent, command in stats:
            if parent in parents and child not in parents:
                parents.add(child)
                found[child] = command
                grown = True
    return found


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return stat[0] != "Z"


def program_on(directory, text, master, *flags):
    """Runs a program with `firesteel run`; it succeeds."""
    path = directory / "program.py"
    path.write_text(text)
    done = run("run", "--master", master, *flags, path)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
