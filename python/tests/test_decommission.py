"""Executors that leave: what only they have is moved to others, so that nothing runs again."""

import os
import signal

import pytest
from conftest import descendants, eventually, serving, session
from test_faults import FOUR, status, tasks

MOVES = {
    **FOUR,
    "firesteel.shuffle.volume": "own",
    "spark.decommission.enabled": "true",
    "spark.storage.decommission.enabled": "true",
}


def executors(server):
    return [pid for pid, line in descendants(server.pid).items() if line.startswith("firesteel executor")]


def alive(url):
    return sum(executor["alive"] for executor in status(url)["executors"])


def shuffled(spark):
    frame = spark.range(0, 100000, 1, 6).selectExpr("id % 1000 as k", "id").groupBy("k").sum("id")
    return sorted(map(tuple, frame.collect()))


def leave(server, url, how):
    """One of two executors is told to end, and another takes its place."""
    victim = min(executors(server))
    os.kill(victim, how)
    eventually(lambda: victim not in executors(server) and len(executors(server)) == 2)
    eventually(lambda: len(status(url)["executors"]) == 3 and alive(url) == 2)


def ran(url):
    return tasks(status(url), "finished")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGPWR])
def test_map_outputs_of_an_executor_that_leaves_are_read_from_others(how):
    with serving("local-cluster[2,1,512]", **MOVES) as (server, url), session(url) as spark:
        eventually(lambda: alive(url) == 2)
        expected = shuffled(spark)
        leave(server, url, how)
        before = ran(url)
        assert shuffled(spark) == expected
        # Only the readers: all map outputs are there.
        assert ran(url) - before == 4
        assert [stage["state"] for stage in status(url)["jobs"][-1]["stages"]] == ["skipped", "done"]


def test_without_it_they_are_made_again():
    off = {**MOVES, "spark.storage.decommission.enabled": "false"}
    with serving("local-cluster[2,1,512]", **off) as (server, url), session(url) as spark:
        eventually(lambda: alive(url) == 2)
        expected = shuffled(spark)
        leave(server, url, signal.SIGTERM)
        before = ran(url)
        assert shuffled(spark) == expected
        assert ran(url) - before > 4


def test_cached_partitions_move_too_unless_they_are_not_to():
    def stays(conf):
        with serving("local-cluster[2,1,512]", **MOVES, **conf) as (server, url), session(url) as spark:
            eventually(lambda: alive(url) == 2)
            rows = spark.range(0, 100, 1, 4).persist()
            assert rows.count() == 100
            leave(server, url, signal.SIGTERM)
            before = ran(url)
            # Another query, so that only what is cached is used again.
            assert rows.where("id % 2 = 0").count() == 50
            return ran(url) - before

    moved = stays({"spark.storage.decommission.shuffleBlocks.enabled": "false"})
    again = stays({"spark.storage.decommission.rddBlocks.enabled": "false"})
    assert moved < again, (moved, again)


def test_idle_executors_are_released_with_their_shuffles_moved():
    conf = {
        **MOVES,
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "1",
        "spark.dynamicAllocation.executorIdleTimeout": "6s",
        "spark.dynamicAllocation.shuffleTracking.enabled": "false",
    }
    with serving("local-cluster[3,1,512]", **conf) as (server, url), session(url) as spark:
        eventually(lambda: alive(url) == 3)
        expected = shuffled(spark)
        eventually(lambda: len(executors(server)) == 1)
        assert shuffled(spark) == expected
        assert status(url)["jobs"][-1]["stages"][0]["state"] == "skipped"
