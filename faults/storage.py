"""Rows 20-29: map outputs are damaged, lost, slow or in the way, and volumes are full, gone or somebody else's."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import shim
from drivers import flip
from work import answer, grouped, maps, marked, sums
from world import APPLICATIONS, FIRESTEEL, FOUR, QUICK, Asked, Marks, application, connected, eventually, server, stages

CONF = {**FOUR, **QUICK}


def damaged(run, damage, most=None):
    """A query is answered, its outputs are damaged, and it is asked again by executors that have read none of them."""
    with server(**CONF) as it:
        marks = Marks(run.dir)
        frame = grouped(it.spark, marks, seconds=0, reduces=0)
        assert answer(frame) == sums()
        victims = run.rng.sample(it.outputs(), most or run.rng.randint(1, 8))
        for victim in victims:
            damage(victim)
        it.replace_executors()
        at = run.hit()
        assert answer(frame) == sums()
        run.recovery, run.again = marks.recovered(at), marks.again("map")
        return len(victims), it.status()


def bytes_flipped(run):
    # Anywhere: in a block that is read, or in what says where the blocks are.
    count, _ = damaged(run, lambda path: flip(path, run.rng.randrange(path.stat().st_size)))
    assert run.again <= count, "those that are whole do not run again"


def outputs_truncated(run):
    def damage(path):
        how = run.rng.randrange(3)
        if how == 0:
            path.unlink()
        else:
            os.truncate(path, 0 if how == 1 else run.rng.randrange(path.stat().st_size))

    count, _ = damaged(run, damage)
    assert run.again == count, "those that are damaged run again and no others"


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def disk_full(run):
    """The volume of one of two executors is full: its tasks fail, and the other's succeed."""
    conf = {**CONF, "spark.excludeOnFailure.enabled": "true"}
    with application(run.dir, **conf) as app, small_disk(app.home / "shuffle-small", "200k"):
        _, cluster, url = app.driver(1)
        spark = connected(url)
        app.executors(1, 1, cluster, volume="shuffle-small")
        app.executors(1, 1, cluster, volume="shuffle-large")
        marks = Marks(run.dir)
        rows = spark.range(0, 40000, 1, 8).selectExpr("id", "sha2(cast(id as string), 512) as text")
        wide = rows.mapInArrow(marked(str(marks.path), "map", 0.05), "id long, text string").repartition(4)
        at = run.hit()
        asked = Asked(lambda: wide.selectExpr("count(*)", "sum(id)", "count(distinct text)").collect())
        assert tuple(asked.answer()[0]) == (40000, 40000 * 39999 // 2, 40000)
        run.recovery, run.again = marks.recovered(at), marks.again()
        assert not list((app.home / "shuffle-small").rglob("*.tmp")), "what could not be written is gone"
        assert spark.range(10).count() == 10
        spark.stop()


def reads_fail(run):
    reads(run, "read", 1, lambda faults: eventually(lambda: faults.happened("read")))


def reads_take_long(run):
    reads(run, "slow", 5000, lambda faults: None)


def reads(run, name, value, wait):
    faults = shim.Faults(run.dir)
    with server(preload=shim.library(), **CONF) as it:
        marks = Marks(run.dir)
        frame = grouped(it.spark, marks, seconds=0, reduces=0)
        assert answer(frame) == sums()
        it.replace_executors()
        faults.set(name, value)
        at = run.hit()
        asked = Asked(lambda: answer(frame))
        wait(faults)
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at), marks.again("map")
        faults.clear(name)
        assert run.again <= 1


def volume_gone(run):
    """All outputs vanish below executors that live, while their readers run."""
    with server(**CONF) as it:
        marks = Marks(run.dir)
        frame = grouped(it.spark, marks, seconds=0.05, reduces=0.3)
        assert answer(frame) == sums()
        it.replace_executors()
        before = len(marks.started("reduce"))
        asked = Asked(lambda: answer(grouped(it.spark, marks, seconds=0.05, reduces=0.3)))
        eventually(lambda: len(marks.started("reduce")) > before or asked.ended)
        for directory in {path.parent for path in it.outputs()}:
            shutil.rmtree(directory)
        at = run.hit()
        assert asked.answer() == sums()
        # Whoever had read its blocks is done; what is asked next needs them all.
        it.replace_executors()
        assert answer(grouped(it.spark, marks, seconds=0.05, reduces=0.3)) == sums()
        run.recovery, run.again = marks.recovered(at), marks.again("map")
        assert run.again <= 16
        assert sum(stage["failed"] for stage in stages(it.status())) <= 4, "one round, not one for each output"


def volume_lost_with_its_executor(run):
    with server(**CONF, **{"firesteel.shuffle.volume": "own"}) as it:
        marks = Marks(run.dir)
        frame = grouped(it.spark, marks, seconds=0.05, reduces=0)
        assert answer(frame) == sums()
        of_volume = {path.parent.parent.name: 0 for path in it.outputs()}
        for path in it.outputs():
            of_volume[path.parent.parent.name] += 1
        victim = run.rng.choice(it.executors())
        old = it.alive()
        os.kill(victim, signal.SIGKILL)
        at = run.hit()
        eventually(lambda: it.alive() != old and len(it.alive()) == 2)
        assert answer(frame) == sums()
        run.recovery, run.again = marks.recovered(at), marks.again("map")
        assert run.again in of_volume.values(), (run.again, of_volume)
        assert sum(stage["failed"] for stage in stages(it.status())) == 0, "it is known before a read fails"


def volume_of_another_application(run):
    with application(run.dir, **CONF) as app:
        _, cluster, url = app.driver(1)
        spark = connected(url)
        app.executors(1, 1, cluster)
        marks = Marks(run.dir)
        assert answer(grouped(spark, marks, seconds=0, reduces=0)) == sums()
        # The volume of another: its outputs have the same fingerprints.
        foreign = app.home / "foreign"
        shutil.copytree(app.home / "shuffle", foreign)
        identity = foreign / "volume.json"
        identity.write_text(identity.read_text().replace(app.id, "another"))
        at = run.hit()
        refused = app.executor(1, cluster, volume="foreign")
        assert refused.wait(20) == 53
        assert "another" in app.said("executor-1"), app.said("executor-1")
        assert answer(grouped(spark, marks, seconds=0, reduces=0)) == sums()
        run.recovery = time.monotonic() - at
        spark.stop()


def random_rows_lost(run):
    """Outputs of tasks that give other rows each time are lost while they are read: all consumers run again, or the job fails by name."""
    rows = 4000
    with server(**CONF) as it:
        marks = Marks(run.dir)
        drawn = maps(it.spark, marks, tasks=6, seconds=0.05, rows=rows).selectExpr("id", "rand() as r").repartition(4, "r")
        frame = drawn.mapInArrow(marked(str(marks.path), "reduce", 0.4), "id long, r double")
        asked = Asked(lambda: sorted(row[0] for row in frame.collect()))
        eventually(lambda: marks.ended("reduce"))
        for path in run.rng.sample(it.outputs(), 3):
            path.unlink()
        for victim in it.executors():
            os.kill(victim, signal.SIGKILL)
        at = run.hit()
        try:
            assert asked.answer() == list(range(rows)), "rows are missing, or are there twice"
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001
            assert "indeterminate" in str(error).lower() or "nondeterministic" in str(error).lower(), error
        run.recovery, run.again = marks.recovered(at), marks.again()


def leftovers_swept(run):
    """A command is killed with its driver and executors; the next one removes what it left, and nothing of one that lives."""
    with server(**CONF) as lives:
        marks = Marks(run.dir)
        frame = grouped(lives.spark, marks, seconds=0, reduces=0)
        assert answer(frame) == sums()
        killed = subprocess.Popen([FIRESTEEL, "server", "--port", "0", "--master", "local[1]"], stdout=subprocess.PIPE)
        killed.stdout.readline()
        left = next(path.parent for path in APPLICATIONS.glob("*/owner") if path.read_text().split()[0] == str(killed.pid))
        killed.kill()
        killed.wait()
        at = run.hit()
        assert left.exists()
        with server(**CONF) as following:
            run.recovery = time.monotonic() - at
            assert not left.exists()
            assert following.spark.range(10).count() == 10
        lives.replace_executors()
        assert answer(frame) == sums()
        run.again = marks.again("map")
        assert run.again == 0
