"""Whoever goes away, or interrupts what runs, stops it: no task goes on computing, no worker keeps running its function."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import descendants, serving, session

NATIVE = "spark.sql('select count(*) from range(10000000) a join range(10000000) b on pmod(a.id, 1) = pmod(b.id, 1) and a.id + b.id < 0').collect()"
PYTHON = """
def busy(batches):
    import os, pathlib
    pathlib.Path({pid!r}).write_text(str(os.getpid()))
    while True:
        pass
    yield from batches
spark.range(4).mapInPandas(busy, "id long").collect()
"""
PROGRAM = """
import sys, threading
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote({url!r}).create()
threading.Thread(target=lambda: (sys.stdin.readline(), {end}), daemon=True).start()
print("ready", flush=True)
try:
    {work}
except Exception as error:
    print(error)
sys.stdin.readline()
"""
ENDS = {
    "interrupted": "spark.interruptAll()",
    "session closed": "spark.stop()",
    "killed": "__import__('os').kill(__import__('os').getpid(), 9)",
}


def cpu_seconds(pid):
    """CPU time of a process and of its descendants that live."""
    process = pathlib.Path("/proc", str(pid))
    try:
        fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        children = " ".join(path.read_text() for path in process.glob("task/*/children")).split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_seconds, children))


def wait_for(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def is_busy(pid):
    before = cpu_seconds(pid)
    time.sleep(1)
    return cpu_seconds(pid) - before > 0.3


@pytest.fixture(scope="module")
def own():
    with serving("local[2]") as server:
        yield server


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("work", ["native", "python"])
def test_nothing_runs_for_a_client_that_is_gone(own, tmp_path, work, end):
    server, url = own
    pid = tmp_path / "pid"
    text = NATIVE if work == "native" else PYTHON.format(pid=str(pid)).strip().replace("\n", "\n    ")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(url=url, end=ENDS[end], work=text))
    client = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "ready\n"
        if work == "python":
            wait_for("the function starts", lambda: pid.exists() and pid.read_text())
        wait_for("the query runs", lambda: is_busy(server.pid))
        client.stdin.write("\n")
        client.stdin.flush()
        wait_for("the query ends", lambda: not is_busy(server.pid))
        if work == "python":
            assert not pathlib.Path(f"/proc/{pid.read_text()}").exists()
        with session(url) as spark:
            assert spark.range(10).count() == 10
    finally:
        client.send_signal(signal.SIGKILL)
        client.wait()


def test_an_executor_ends_whose_task_does_not_stop(capfd):
    conf = {
        "spark.task.reaper.enabled": "true",
        "spark.task.reaper.pollingInterval": "200ms",
        "spark.task.reaper.killTimeout": "1s",
    }
    with serving("local-cluster[1,1,1024]", **conf) as (server, url), session(url) as spark:
        assert spark.range(3).count() == 3
        (before,) = executors(server.pid)
        # One row takes minutes, and nothing looks meanwhile whether it is still wanted.
        rows = spark.range(1).selectExpr("levenshtein(repeat(cast(id as string), 300000), repeat('b', 300000)) as d")
        failed = []

        def run():
            try:
                rows.collect()
            except Exception as error:
                failed.append(error)

        running = threading.Thread(target=run)
        running.start()
        wait_for("the task computes", lambda: is_busy(before))
        spark.interruptAll()
        running.join(20)
        assert len(failed) == 1
        wait_for("the executor has ended", lambda: before not in executors(server.pid))
        assert spark.range(4).count() == 4
    said = capfd.readouterr().err
    assert re.search(r"killed .* is still running after \d+ ms", said), said
    assert "ProjectionExec" in said, said
    assert re.search(r"ending this executor: killed .* could not be stopped within 1000 ms", said), said


def executors(pid):
    return [child for child, line in descendants(pid).items() if line.startswith("firesteel executor")]
