"""Rows 9-19: executors and their Python workers are killed, crash, freeze and lose what they said."""

import os
import pathlib
import signal
import subprocess
import time

import shim
from proxy import Proxy
from work import answer, grouped, sums
from world import FIRESTEEL, FOUR, QUICK, Asked, Marks, alive, application, connected, descendants, eventually, server, stages

CONF = {**FOUR, **QUICK}


def killed_in_a_map_task(run):
    with server(**CONF) as it:
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(it.spark, marks, reduces=0)))
        eventually(lambda: len(marks.ended("map")) >= 3 and len(marks.running()) == 2)
        time.sleep(run.rng.uniform(0, 0.1))
        victim = run.rng.choice(it.executors())
        lost = {task for task, executor in marks.running().items() if executor == victim}
        os.kill(victim, signal.SIGKILL)
        at = run.hit()
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at, lost or None), marks.again()
        assert run.again <= 1, "only what ran on the one that was lost runs again"
        eventually(lambda: len(it.alive()) == 2)


def killed_after_its_map_outputs(run):
    with server(**CONF) as it:
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(it.spark, marks, reduces=0.4)))
        eventually(lambda: marks.started("reduce"))
        victim = run.rng.choice(it.executors())
        os.kill(victim, signal.SIGKILL)
        at = run.hit()
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at), marks.again()
        assert marks.again("map") == 0, "the volume has the map outputs"


def ends_before_its_output_has_a_name(run):
    ends_in_a_write(run, shim.KILL)


def ends_with_code_zero_in_a_task(run):
    ends_in_a_write(run, shim.EXIT_ZERO)


def ends_in_a_write(run, code):
    faults = shim.Faults(run.dir)
    with server(preload=shim.library(), **CONF, **{"firesteel.shuffle.sync": "true"}) as it:
        marks = Marks(run.dir)
        faults.set("exit", code)
        asked = Asked(lambda: answer(grouped(it.spark, marks, seconds=0.05, reduces=0)))
        eventually(lambda: faults.happened("exit"))
        at = run.hit()
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at), marks.again()
        assert 1 <= marks.again("map") <= 2, "the output that has no name is not there"
        assert sum(stage["failed"] for stage in stages(it.status())) >= 1
        assert len(it.outputs()) == 8


def one_task_kills_its_executors(run):
    def deadly(batches):
        from pyspark import TaskContext

        if TaskContext.get().partitionId() == 2:
            with open(f"/proc/{os.getppid()}/stat") as stat:
                os.kill(int(stat.read().rsplit(")", 1)[1].split()[1]), signal.SIGABRT)
            time.sleep(60)
        yield from batches

    conf = {**CONF, "spark.executor.maxNumFailures": "20"}
    with server(**conf) as it:
        run.hit()
        asked = Asked(lambda: it.spark.range(0, 8, 1, 4).mapInArrow(deadly, "id long").collect())
        error = str(asked.refusal())
        run.recovery = asked.ended - run.at
        assert "task 2" in error.lower() or "2.3" in error, error
        assert "4 times" in error and "signal" in error and "executor" in error, error
        eventually(lambda: len(it.alive()) == 2)
        assert it.spark.range(10).count() == 10


def straggler(run):
    """One attempt of a task never ends; another one does."""

    def slow(batches):
        from pyspark import TaskContext

        context = TaskContext.get()
        if context.partitionId() == 2 and context.attemptNumber() == 0:
            time.sleep(600)
        yield from batches

    conf = {"spark.speculation": "true", "spark.speculation.multiplier": "1.5", "spark.speculation.quantile": "0.5"}
    with server(**CONF, **conf) as it:
        frame = it.spark.range(0, 4000, 1, 8).mapInArrow(slow, "id long").repartition(4)
        run.hit()
        asked = Asked(lambda: sorted(row[0] for row in frame.collect()))
        assert asked.answer() == list(range(4000))
        run.recovery = asked.ended - run.at
        assert len(it.outputs()) == 8, "one output of each task"
        assert it.spark.range(10).count() == 10


def killed_by_the_memory_limit(run):
    """The kernel kills an executor in a group of processes whose memory is limited."""
    group = pathlib.Path("/sys/fs/cgroup/memory") if pathlib.Path("/sys/fs/cgroup/memory").is_dir() else pathlib.Path("/sys/fs/cgroup")
    group = group / f"firesteel-faults-{os.getpid()}"
    group.mkdir()
    try:
        limit = "memory.limit_in_bytes" if (group / "memory.limit_in_bytes").exists() else "memory.max"
        (group / limit).write_text(str(600 << 20))
        with server(**CONF) as it:
            victim = it.executors()[0]
            (group / "cgroup.procs").write_text(str(victim))

            # More than the group may have, once: the next attempt finds the mark.
            once = str(run.dir / "once")

            def greedy(batches):
                try:
                    os.close(os.open(once, os.O_CREAT | os.O_EXCL))
                    first = True
                except FileExistsError:
                    first = False
                with open(f"/proc/{os.getppid()}/stat") as stat:
                    executor = int(stat.read().rsplit(")", 1)[1].split()[1])
                if first:
                    with open(f"/proc/{executor}/oom_score_adj", "w") as score:
                        score.write("1000")
                    if executor == victim:
                        kept = [bytearray(os.urandom(1 << 20)) for _ in range(2000)]
                        time.sleep(len(kept))
                    os.unlink(once)
                yield from batches

            run.hit()
            frame = it.spark.range(0, 400, 1, 8).mapInArrow(greedy, "id long")
            asked = Asked(lambda: sorted(row[0] for row in frame.collect()))
            assert asked.answer() == list(range(400))
            run.recovery = asked.ended - run.at
            eventually(lambda: not alive(victim) and len(it.alive()) == 2)
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text().strip(), 20)
        group.rmdir()


def workers_misbehave(run):
    """A segmentation fault, an end, a loop without end, 100 MB of messages, and a closed standard input."""

    def misbehaving(how):
        def run(batches):
            import ctypes
            import sys

            if how == "segmentation fault":
                ctypes.string_at(0)
            if how == "exit":
                os._exit(3)
            if how == "loop":
                while True:
                    pass
            if how == "messages":
                for _ in range(100):
                    sys.stderr.write("x" * (1 << 20) + "\n")
            if how == "closed input":
                os.close(0)
            yield from batches

        return run

    conf = {**CONF, "spark.python.worker.idleTimeoutSeconds": "1", "spark.python.worker.killOnIdleTimeout": "true", "spark.task.maxFailures": "2"}
    with server(**conf) as it:
        before = it.executors()
        for how, says in [("segmentation fault", "SIGSEGV"), ("exit", "exit code 3"), ("loop", "idle"), ("messages", None), ("closed input", None)]:
            run.hit()
            asked = Asked(lambda how=how: it.spark.range(0, 4, 1, 1).mapInArrow(misbehaving(how), "id long").collect())
            if says:
                error = str(asked.refusal())
                assert says.lower() in error.lower(), f"{how}: {error}"
            else:
                assert len(asked.answer()) == 4, how
            assert it.spark.range(0, 4, 1, 1).mapInArrow(misbehaving("well"), "id long").count() == 4
            run.recovery = max(run.recovery or 0, time.monotonic() - asked.ended)
        assert it.executors() == before, "the executors live"


def frozen_and_back(run):
    with application(run.dir, **CONF) as app:
        _, cluster, url = app.driver(1)
        spark = connected(url)
        executors = app.executors(2, 1, cluster)
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(spark, marks, seconds=0.3, reduces=0)))
        eventually(lambda: len(marks.ended("map")) >= 2 and len(marks.running()) == 2)
        victim = run.rng.choice(executors)
        lost = {task for task, executor in marks.running().items() if executor == victim.pid}
        victim.send_signal(signal.SIGSTOP)
        at = run.hit()
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at, lost), marks.again()
        assert run.again == 1 and 2 < run.recovery < 12
        before = {path: path.read_bytes() for path in app.outputs()}
        assert len(before) == 8
        victim.send_signal(signal.SIGCONT)
        victim.wait(30)
        assert {path: path.read_bytes() for path in app.outputs()} == before, "each output is one attempt's, for ever"
        assert answer(grouped(spark, marks, seconds=0.3, reduces=0)) == sums()
        spark.stop()


def stream_cut(run):
    """The connection of an executor breaks, so that what is on its way in both directions is lost."""
    with application(run.dir, **CONF) as app:
        _, cluster, url = app.driver(1)
        spark = connected(url)
        with Proxy(cluster) as proxy:
            executor = app.executors(1, 1, proxy.address)[0]
            app.executors(1, 1, cluster)
            marks = Marks(run.dir)
            asked = Asked(lambda: answer(grouped(spark, marks, seconds=0.1, reduces=0)))
            eventually(lambda: len(marks.ended("map")) >= 2)
            # What it says from now on does not arrive, and then it never will.
            proxy.hold()
            time.sleep(run.rng.uniform(0.1, 0.4))
            proxy.cut()
            at = run.hit()
            assert asked.answer() == sums()
            run.recovery, run.again = marks.recovered(at), marks.again()
            assert executor.wait(20) == 56
            # Attempts that ended unheard run again, but find what they had written: one output of each.
            assert len(app.outputs()) == 8
        spark.stop()


def accumulators(run):
    """An executor is killed in an action with accumulators: each task counts once."""
    marks = Marks(run.dir)
    program = run.dir / "program.py"
    program.write_text(ACCUMULATORS)
    command = [FIRESTEEL, "run", "--master", "local-cluster[2,1,512]", program, marks.path]
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parent)}
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    eventually(lambda: len(marks.ended()) >= 2 and len(marks.running()) == 2)
    victim = next(pid for pid, line in descendants(process.pid).items() if line.startswith("firesteel executor"))
    os.kill(victim, signal.SIGKILL)
    at = run.hit()
    said, _ = process.communicate(timeout=60)
    assert "total 31996000 of 8000" in said, said[-500:]
    run.recovery, run.again = marks.recovered(at), marks.again()


ACCUMULATORS = """
import sys
from pyspark.sql import SparkSession
from work import marked
spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
total, count = sc.accumulator(0), sc.accumulator(0)
mark = marked(sys.argv[1], "count", 0.3)
def add(numbers):
    for number in mark(numbers):
        total.add(number)
        count.add(1)
sc.parallelize(range(8000), 8).foreachPartition(add)
print("total", total.value, "of", count.value)
"""

