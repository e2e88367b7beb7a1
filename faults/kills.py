"""All queries of TPC-H and TPC-DS while executors, and sometimes the driver, are killed at random moments."""

import os
import pathlib
import signal
import subprocess
import threading
import time

import pyarrow as pa
from world import FIRESTEEL, ROOT, Asked, application, equal, eventually, server

SUITES = {"tpch": (ROOT / "examples" / "tpch", "0.01"), "tpcds": (ROOT / "bench" / "tpcds", "0.01")}
# At this scale some averages of TPC-DS are zero, and divisors.
CONF = {"spark.sql.ansi.enabled": "false", "spark.sql.shuffle.partitions": "4", "spark.executor.maxNumFailures": "10000", "spark.task.maxFailures": "20"}


def data_of(suite):
    """The tables of a suite, generated once per machine."""
    _, scale = SUITES[suite]
    base = pathlib.Path(os.environ.get("FIRESTEEL_CACHE", pathlib.Path.home() / ".cache" / "firesteel")) / "faults"
    path = base / f"{suite}-{scale}"
    if not path.exists():
        base.mkdir(parents=True, exist_ok=True)
        making = base / f"{suite}-{scale}.{os.getpid()}"
        command = [pathlib.Path(FIRESTEEL).with_name("bench"), "data", "--suite", suite, "--scale", scale, "--out", making]
        subprocess.run(command, check=True)
        making.rename(path)
    return path


def load(spark, suite):
    for table in data_of(suite).iterdir():
        if table.is_dir():
            spark.read.parquet(str(table)).createOrReplaceTempView(table.name)


def queries(suite):
    return {path.stem: path.read_text() for path in sorted(SUITES[suite][0].glob("q*.sql"))}


class Killer:
    """Kills an executor now and then."""

    def __init__(self, it, rng, pause):
        self.it, self.rng, self.pause, self.stopped, self.moments = it, rng, pause, threading.Event(), []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopped.wait(self.rng.uniform(*self.pause)):
            if victims := self.it.executors():
                try:
                    os.kill(self.rng.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.moments.append(time.monotonic())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def tpch(run):
    suite_under_kills(run, "tpch")


def tpcds(run):
    suite_under_kills(run, "tpcds")


def suite_under_kills(run, suite):
    texts, expected = queries(suite), {}
    with server("local-cluster[2,1,1024]", **CONF) as it:
        load(it.spark, suite)
        for name, text in texts.items():
            expected[name] = it.spark.sql(text).toArrow()
    with server("local-cluster[2,1,1024]", **CONF) as it:
        load(it.spark, suite)
        answered = []
        with Killer(it, run.rng, (0.3, 2.5)) as killer:
            for name, text in texts.items():
                asked = Asked(lambda text=text: it.spark.sql(text).toArrow())
                answer = asked.answer(120)
                assert equal(answer, expected[name]), f"{name} has other rows"
                answered.append(asked.ended)
        assert killer.moments, "nothing was killed"
        # From each kill to the next answer.
        waits = sorted(min(at for at in answered if at > moment) - moment for moment in killer.moments if moment < answered[-1])
        run.recovery = waits[len(waits) // 2]
        run.again = sum(stage["failed"] for job in it.status()["jobs"] for stage in job["stages"])
        run.note = f"{len(killer.moments)} kills, worst {waits[-1]:.1f} s"


LIVES = 4
DRIVERS = """
import pathlib, sys
import pyarrow as pa
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
data, queries, out = map(pathlib.Path, sys.argv[1:4])
for table in data.iterdir():
    if table.is_dir():
        spark.read.parquet(str(table)).createOrReplaceTempView(table.name)
for query in sorted(queries.glob("q*.sql")):
    done = out / f"{query.stem}.arrow"
    table = spark.sql(query.read_text()).toArrow()
    with pa.OSFile(str(done) + ".new", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    pathlib.Path(str(done) + ".new").rename(done)
"""


def drivers(run):
    """A program with all queries of TPC-H; its driver is killed at random, and the next one starts it again on the same volume."""
    texts, expected = queries("tpch"), {}
    with server("local-cluster[2,1,1024]", **CONF) as it:
        load(it.spark, "tpch")
        for name, text in texts.items():
            expected[name] = it.spark.sql(text).toArrow()
    out = run.dir / "out"
    out.mkdir()
    with application(run.dir, **CONF) as app:
        for epoch in range(1, LIVES + 1):
            driver, cluster, _ = app.driver(epoch, DRIVERS, [data_of("tpch"), SUITES["tpch"][0], out])
            executors = [app.executor(epoch, cluster) for _ in range(2)]
            if epoch == LIVES:
                answered = {path: path.stat().st_mtime_ns for path in out.glob("*.arrow")}
                eventually(lambda: any(answered.get(path) != path.stat().st_mtime_ns for path in out.glob("*.arrow")))
                run.recovery = time.monotonic() - run.at
                assert driver.wait(110) == 0, app.said(f"driver-{LIVES}")[-500:]
                break
            eventually(lambda: app.status()["jobs"])
            time.sleep(run.rng.uniform(0.5, 4))
            driver.kill()
            run.hit()
            for executor in executors:
                executor.wait(20)
    for name in texts:
        with pa.OSFile(str(out / f"{name}.arrow")) as file:
            assert equal(pa.ipc.open_file(file).read_all(), expected[name]), f"{name} has other rows"
