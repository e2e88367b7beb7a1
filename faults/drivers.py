"""Rows 1-8: the driver is lost, frozen, overwhelmed, restarted on what is left, or its clock jumps."""

import json
import os
import pathlib
import signal
import time

import shim
from work import answer, grouped, sums
from world import FOUR, QUICK, Asked, Marks, application, eventually, server, stages

# A program that runs the same query in each life, and writes its rows as files and its answer last.
PROGRAM = """
import json, pathlib, sys
from pyspark.sql import SparkSession
from work import answer, grouped, maps
marks = type("Marks", (), {"path": pathlib.Path(sys.argv[1])})
spark = SparkSession.builder.getOrCreate()
if sys.argv[3] == "write":
    maps(spark, marks, tasks=6, seconds=0.5).write.mode("overwrite").parquet(sys.argv[2] + ".rows")
    found = sorted(map(tuple, spark.read.parquet(sys.argv[2] + ".rows").collect()))
else:
    found = answer(grouped(spark, marks, tasks=6, seconds=0.2, reduces=float(sys.argv[4])))
path = pathlib.Path(sys.argv[2])
path.with_suffix(".new").write_text(json.dumps(found))
path.with_suffix(".new").rename(path)
"""
CONF = {**FOUR, **QUICK}


class Lives:
    """An application whose driver runs the program, once in each life."""

    def __init__(self, run, app, what="group", reduces=0.5):
        self.app, self.marks, self.answer = app, Marks(run.dir), run.dir / "answer"
        self.arguments = [self.marks.path, self.answer, what, reduces]

    def start(self, epoch, executors=2):
        driver, cluster, _ = self.app.driver(epoch, PROGRAM, self.arguments)
        return driver, [self.app.executor(epoch, cluster) for _ in range(executors)]

    def finish(self, driver):
        assert driver.wait(60) == 0, self.app.said("driver-2")[-500:]
        return [tuple(row) for row in json.loads(self.answer.read_text())]


def killed_before_the_first_task(run):
    with application(run.dir, **CONF) as app:
        lives = Lives(run, app)
        driver, _ = lives.start(1, executors=0)
        eventually(lambda: app.status()["jobs"])
        driver.kill()
        at = run.hit()
        driver, _ = lives.start(2)
        assert lives.finish(driver) == sums()
        run.recovery, run.again = lives.marks.recovered(at), lives.marks.again()
        assert run.recovery < 20 and run.again == 0


def killed_in_the_reduce_stage(run):
    with application(run.dir, **CONF) as app:
        lives = Lives(run, app)
        driver, executors = lives.start(1)
        eventually(lambda: lives.marks.started("reduce"))
        driver.kill()
        at = run.hit()
        for executor in executors:
            assert executor.wait(20) == 56, "an executor whose driver is gone ends"
        driver, _ = lives.start(2)
        assert lives.finish(driver) == sums()
        run.recovery, run.again = lives.marks.recovered(at), lives.marks.again()
        assert lives.marks.again("map") == 0, "the volume has the map outputs"
        # A result that the program has not got is computed again: it was nowhere but in the driver.
        assert lives.marks.again("reduce") <= 4


def killed_before_the_job_commits(run):
    with application(run.dir, **CONF) as app:
        lives = Lives(run, app, "write")
        written = pathlib.Path(f"{lives.answer}.rows")
        driver, _ = lives.start(1)
        eventually(lambda: len(lives.marks.ended("map")) >= 3)
        assert not (written / "_SUCCESS").exists()
        driver.kill()
        at = run.hit()
        driver, _ = lives.start(2)
        assert lives.finish(driver) == [(n, n % 40) for n in range(8000)]
        run.recovery, run.again = lives.marks.recovered(at), lives.marks.again()
        files = list(written.rglob("*.parquet"))
        assert len(files) == 6 and (written / "_SUCCESS").exists(), files
        others = [path for path in written.iterdir() if path not in files and path.name != "_SUCCESS"]
        assert not [path for path in others if not path.name.endswith(".crc")], others


def frozen_while_a_successor_runs(run):
    # Its executors do not give it up, and go on with what they have.
    with application(run.dir, **{**CONF, "spark.network.timeout": "60s"}) as app:
        lives = Lives(run, app)
        old, old_executors = lives.start(1)
        eventually(lambda: lives.marks.started("map"))
        old.send_signal(signal.SIGSTOP)
        at = run.hit()
        time.sleep(0.5)
        new, executors = lives.start(2)
        assert lives.finish(new) == sums()
        ends = [each[0] for each in lives.marks.ended() if each[4] in {executor.pid for executor in executors}]
        run.recovery, run.again = min(ends) - at, lives.marks.again()
        before = {path: path.read_bytes() for path in app.outputs()}
        answered = lives.answer.stat().st_mtime_ns
        old.send_signal(signal.SIGCONT)
        ended = old.wait(60)
        assert ended != 0, "the old driver's program must not succeed"
        assert "a newer driver of this application, epoch-2, has taken over" in app.said("driver-1")
        assert lives.answer.stat().st_mtime_ns == answered, "the old driver's program went on to its end"
        assert {path: path.read_bytes() for path in app.outputs()} == before, "the old executors have changed outputs"
        for executor in old_executors:
            executor.wait(30)


def result_too_large(run):
    with server(**{"spark.driver.maxResultSize": "1m"}) as it:
        frame = it.spark.range(0, 200000, 1, 4).selectExpr("repeat(cast(id as string), 20) as text")
        run.hit()
        try:
            frame.collect()
            raise AssertionError("more than the limit was collected")
        except Exception as error:  # noqa: BLE001
            assert "maxResultSize" in str(error), error
        assert it.spark.range(1000).count() == 1000
        run.recovery = time.monotonic() - run.at


def records_torn_at_a_restart(run):
    with application(run.dir, **CONF) as app:
        lives = Lives(run, app)
        driver, executors = lives.start(1)
        eventually(lambda: lives.marks.started("reduce"))
        driver.kill()
        for executor in executors:
            executor.wait(20)
        outputs = app.outputs()
        assert len(outputs) == 6
        torn, wrong = run.rng.sample(outputs, 2)
        os.truncate(torn, torn.stat().st_size - run.rng.randint(1, 60))
        flip(wrong, wrong.stat().st_size - run.rng.randint(1, 60))
        at = run.hit()
        driver, _ = lives.start(2)
        assert lives.finish(driver) == sums()
        run.recovery, run.again = lives.marks.recovered(at), lives.marks.again()
        assert lives.marks.again("map") == 2, "those that are damaged run again and no others"


def flip(path, at):
    """Changes one byte of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


def clock_jumps(run):
    faults = shim.Faults(run.dir)
    with server(preload=shim.library(), **CONF) as it:
        marks = Marks(run.dir)
        before = it.alive()
        for jump in (3600, -3600):
            already = len(marks.ended())
            asked = Asked(lambda: answer(grouped(it.spark, marks, seconds=0.3)))
            eventually(lambda already=already: len(marks.ended()) > already)
            faults.clock(jump)
            run.hit()
            assert asked.answer() == sums()
            run.recovery = max(run.recovery or 0, marks.recovered(run.at))
        time.sleep(4)
        assert it.alive() == before, "executors were given up"
        run.again = 0
        for stage in stages(it.status()):
            assert stage["failed"] == 0 and 0 <= stage["metrics"]["run_nanos"] < 600e9, stage
