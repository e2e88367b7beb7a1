"""Rows 31-35: executors in network namespaces, between which packets are lost, late, repeated, damaged, or do not get through at all."""

import contextlib
import pathlib
import shutil
import time

from switch import CUT, Link, Switch
from work import answer, grouped, sums
from world import FOUR, QUICK, Asked, Marks, application, connected, eventually

CONF = {**FOUR, **QUICK}


@contextlib.contextmanager
def network(run, nodes, volume="shuffle", **conf):
    """An application whose executors are nodes of their own; yields what a row needs of it."""
    with Switch(nodes, run.seed) as switch, application(run.dir, **{**CONF, **conf}) as app:
        _, cluster, url = app.driver(1, listen=f"{switch.address(0)}:0")
        places = [volume if volume == "shuffle" else f"{volume}-{node}" for node in range(nodes)]
        executors = [
            app.executor(1, cluster, places[node], switch.prefix(node + 1), host=switch.address(node + 1)) for node in range(nodes)
        ]
        eventually(lambda: sum(each["alive"] for each in app.status()["executors"]) == nodes)
        spark = connected(url)
        yield switch, app, executors, spark
        spark.stop()


def partitioned_both_ways(run):
    partitioned(run, lambda switch: switch.both(0, 1, CUT))


def partitioned_one_way(run):
    partitioned(run, lambda switch: switch.set(*run.rng.choice([(0, 1), (1, 0)]), CUT))


def partitioned(run, cut):
    with network(run, 2) as (switch, app, executors, spark):
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(spark, marks, seconds=0.4, reduces=0)))
        eventually(lambda: len(marks.ended("map")) >= 2 and len(marks.running()) == 2)
        lost = {task for task, executor in marks.running().items() if executor == executors[0].pid}
        cut(switch)
        at = run.hit()
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at, lost or None), marks.again()
        assert run.recovery < 15
        # It notices by itself, or hears it from the driver before, unless that direction is cut.
        assert executors[0].wait(20) in ([0, 56] if switch.links.get((0, 1)) is None else [56])
        assert len(app.outputs()) == 8, "each output is one attempt's"


def bad_network(run):
    with network(run, 2, "own", **{"spark.network.timeout": "20s"}) as (switch, app, executors, spark):
        marks = Marks(run.dir)
        for first, second in ((0, 1), (0, 2), (1, 2)):
            switch.both(first, second, Link(loss=0.1, delay=0.2, repeat=0.05, damage=0.02))
        at = run.hit()
        asked = Asked(lambda: answer(grouped(spark, marks, seconds=0.1, reduces=0)))
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at), marks.again()
        assert switch.lost > 0
        assert all(executor.poll() is None for executor in executors), "no executor was given up"
        assert sum(each["alive"] for each in app.status()["executors"]) == 2


def peers_partitioned(run):
    """Each executor reaches the driver, and neither the other, for some seconds."""
    with network(run, 2, "own") as (switch, _, _, spark):
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(spark, marks, seconds=0.1, reduces=0)))
        eventually(lambda: len(marks.ended("map")) >= 2)
        switch.both(1, 2, CUT)
        at = run.hit()
        time.sleep(run.rng.uniform(4, 8))
        switch.both(1, 2, None)
        assert asked.answer() == sums()
        run.recovery, run.again = asked.ended - at, marks.again()


def peers_parted(run):
    """The same for good: one of them does all the work."""
    patience = {"spark.shuffle.io.connectionCreationTimeout": "2s", "spark.shuffle.io.connectionTimeout": "3s"}
    with network(run, 2, "own", **patience) as (switch, _, executors, spark):
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(spark, marks, seconds=0.1, reduces=0)))
        eventually(lambda: len(marks.ended("map")) >= 2)
        switch.both(1, 2, CUT)
        at = run.hit()
        assert asked.answer() == sums()
        run.recovery, run.again = asked.ended - at, marks.again()
        assert answer(grouped(spark, Marks(run.dir), tasks=6, seconds=0.1, reduces=0)) == sums()
        assert all(executor.poll() is None for executor in executors), "no executor was given up"


def names_unresolved(run):
    """The names of an executor's node do not resolve while it starts; another works on."""
    with Switch(2, run.seed) as switch:
        files = pathlib.Path("/etc/netns", switch.space(2))
        files.mkdir(parents=True)
        try:
            for name, text in (("hosts", "127.0.0.1 localhost\n"), ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")):
                (files / name).write_text(text)
            with application(run.dir, **CONF) as app:
                _, cluster, url = app.driver(1, listen=f"{switch.address(0)}:0")
                port = cluster.rpartition(":")[2]
                app.executor(1, cluster, "shuffle", switch.prefix(1), host=switch.address(1))
                late = app.executor(1, f"driver.faults:{port}", "shuffle", switch.prefix(2), host=switch.address(2))
                at = run.hit()
                spark = connected(url)
                marks = Marks(run.dir)
                assert answer(grouped(spark, marks, seconds=0.1, reduces=0)) == sums()
                run.recovery = marks.recovered(at)
                time.sleep(1)
                assert late.poll() is None, "it tries again"
                with (files / "hosts").open("a") as hosts:
                    hosts.write(f"{switch.address(0)} driver.faults\n")
                eventually(lambda: sum(each["alive"] for each in app.status()["executors"]) == 2)
                assert answer(grouped(spark, marks, tasks=6, seconds=0.1, reduces=0)) == sums()
                run.again = 0
                spark.stop()
        finally:
            shutil.rmtree(files)


def swizzle_clog(run):
    """All links of one node after the other stop, and start again in another order."""
    with network(run, 3, "own", **{"spark.network.timeout": "20s"}) as (switch, _, executors, spark):
        marks = Marks(run.dir)
        asked = Asked(lambda: answer(grouped(spark, marks, tasks=12, seconds=0.3, reduces=0.3)))
        eventually(lambda: len(marks.ended("map")) >= 2)
        at = run.hit()
        nodes = [1, 2, 3]
        run.rng.shuffle(nodes)
        for node in nodes:
            switch.alone(node, CUT)
            time.sleep(run.rng.uniform(0.2, 0.8))
        run.rng.shuffle(nodes)
        for node in nodes:
            switch.alone(node, None)
            time.sleep(run.rng.uniform(0.2, 0.8))
        assert asked.answer() == sums()
        run.recovery, run.again = marks.recovered(at), marks.again()
        assert all(executor.poll() is None for executor in executors)
