"""Dynamic allocation on one machine: executors come with the tasks and go when there are none, but not with what is needed."""

import threading

import pytest
from conftest import descendants, eventually, program_on, run, serving, session
from pyspark.resource import ExecutorResourceRequests, ResourceProfileBuilder, TaskResourceRequests
from test_faults import FOUR, status

PREFIX = "spark.dynamicAllocation."
QUICK = {
    PREFIX + "enabled": "true",
    PREFIX + "schedulerBacklogTimeout": "200ms",
    PREFIX + "executorIdleTimeout": "1s",
}


def executors(server):
    return [line for line in descendants(server.pid).values() if line.startswith("firesteel executor")]


def slowly(seconds):
    def map_batches(batches):
        import time

        for batch in batches:
            time.sleep(seconds)
            yield batch

    return map_batches


def test_executors_come_with_the_tasks_and_go_when_they_are_idle():
    conf = {**FOUR, **QUICK, PREFIX + "maxExecutors": "3", PREFIX + "initialExecutors": "0"}
    with serving("local-cluster[1,1,512]", **conf) as (server, url), session(url) as spark:
        assert executors(server) == []
        most = 0
        rows = spark.range(0, 8, 1, 8).mapInPandas(slowly(0.7), "id long")
        answers = []
        running = threading.Thread(target=lambda: answers.append(rows.collect()))
        running.start()
        while running.is_alive():
            most = max(most, len(executors(server)))
            running.join(timeout=0.05)
        assert sorted(row.id for row in answers[0]) == list(range(8))
        assert most == 3
        eventually(lambda: executors(server) == [])
        # Those that were released have not failed, and none takes their place.
        assert spark.range(0, 100, 1, 4).count() == 100
        assert all(stage["failed"] == 0 for job in status(url)["jobs"] for stage in job["stages"])


def test_the_number_of_a_local_cluster_is_the_initial_one_and_the_least_number_stays():
    conf = {**QUICK, PREFIX + "minExecutors": "1"}
    with serving("local-cluster[2,1,512]", **conf) as (server, url), session(url) as spark:
        eventually(lambda: len(executors(server)) == 2)
        assert spark.range(10).count() == 10
        eventually(lambda: len(executors(server)) == 1)
        assert spark.range(10).count() == 10


def cpus():
    def map_batches(batches):
        from pyspark import TaskContext

        for batch in batches:
            yield batch.assign(cpus=TaskContext.get().cpus())

    return map_batches


def test_a_resource_profile_has_executors_of_its_own():
    large = ExecutorResourceRequests().cores(3).memory("700m")
    profile = ResourceProfileBuilder().require(large).require(TaskResourceRequests().cpus(2)).build
    conf = {**FOUR, **QUICK, PREFIX + "maxExecutors": "2", PREFIX + "initialExecutors": "0", "spark.sql.adaptive.enabled": "false"}
    with serving("local-cluster[1,1,512]", **conf) as (server, url), session(url) as spark:
        rows = spark.range(0, 4, 1, 4).mapInPandas(slowly(0.5), "id long", profile=profile).mapInPandas(cpus(), "id long, cpus int", profile=profile)
        asked = rows.repartition(2, "id").mapInPandas(cpus(), "id long, cpus int").collect()
        # The stage that reads its shuffle is as the settings say.
        assert sorted(map(tuple, asked)) == [(n, 1) for n in range(4)]
        assert sorted(map(tuple, rows.collect())) == [(n, 2) for n in range(4)]
        by_kind = {}
        for executor in status(url)["executors"]:
            by_kind.setdefault(executor["resourceProfile"], []).append(executor)
        assert {kind: {one["slots"] for one in some} for kind, some in by_kind.items()} == {0: {1}, 1: {3}}
        # Twice four tasks there, of which each executor runs one at a time; two on the others.
        assert [sum(one["finished"] for one in by_kind[kind]) for kind in (0, 1)] == [2, 8]
        assert len(by_kind[1]) >= 2
        # They go when they have nothing to do, and come again.
        eventually(lambda: executors(server) == [])
        assert rows.count() == 4
        # An equal profile is the same; one that nothing can meet is refused by name.
        again = ResourceProfileBuilder().require(large).require(TaskResourceRequests().cpus(2)).build
        assert again.id == profile.id
        gpu = ResourceProfileBuilder().require(ExecutorResourceRequests().resource("gpu", 1)).build
        with pytest.raises(Exception, match="The executor resource gpu is not served yet"):
            spark.range(1).mapInPandas(cpus(), "id long, cpus int", profile=gpu).collect()


def test_a_profile_of_tasks_needs_no_other_executors():
    wide = ResourceProfileBuilder().require(TaskResourceRequests().cpus(2)).build
    with serving("local-cluster[1,2,512]") as (server, url), session(url) as spark:
        frame = spark.range(0, 4, 1, 2)
        assert {row.cpus for row in frame.mapInPandas(cpus(), "id long, cpus int", profile=wide).collect()} == {2}
        assert {row.cpus for row in frame.mapInPandas(cpus(), "id long, cpus int").collect()} == {1}
        large = ResourceProfileBuilder().require(ExecutorResourceRequests().cores(4)).build
        with pytest.raises(Exception, match="with dynamic allocation enabled"):
            frame.mapInPandas(cpus(), "id long, cpus int", profile=large).collect()


def shuffled(spark):
    frame = spark.range(0, 1000, 1, 4).selectExpr("id % 10 as k", "id").groupBy("k").sum("id")
    return sorted(map(tuple, frame.collect()))


def test_an_executor_with_a_shuffle_of_its_own_stays_until_its_time_is_over():
    """On volumes of their own, outputs are lost with their executor; on a shared one they are not."""
    own = {**FOUR, **QUICK, "firesteel.shuffle.volume": "own"}
    with serving("local-cluster[2,1,512]", **own) as (server, url), session(url) as spark:
        expected = shuffled(spark)
        eventually(lambda: status(url)["executors"][0]["running"] == 0)
        holders = [executor for executor in status(url)["executors"] if executor["alive"]]
        threading.Event().wait(3)
        assert len(executors(server)) == len(holders) == 2
        assert shuffled(spark) == expected
        assert [stage["state"] for stage in status(url)["jobs"][-1]["stages"]][0] == "skipped"
    limited = {**own, PREFIX + "shuffleTracking.timeout": "1s"}
    with serving("local-cluster[2,1,512]", **limited) as (server, url), session(url) as spark:
        assert shuffled(spark) == expected
        eventually(lambda: executors(server) == [])
        assert shuffled(spark) == expected
    with serving("local-cluster[2,1,512]", **FOUR, **QUICK) as (server, url), session(url) as spark:
        assert shuffled(spark) == expected
        eventually(lambda: executors(server) == [])
        assert shuffled(spark) == expected
        assert [stage["state"] for stage in status(url)["jobs"][-1]["stages"]][0] == "skipped"


def test_barrier_stages_and_rules_that_contradict_each_other_are_refused(tmp_path):
    text = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
try:
    sc.parallelize(range(4), 2).barrier().mapPartitions(lambda rows: rows).collect()
    raise SystemExit("it must fail")
except Exception as error:
    assert "[SPARK-24942]: Barrier execution mode does not support dynamic resource allocation for now." in str(error), error
assert sc.parallelize(range(4), 2).sum() == 6
"""
    program_on(tmp_path, text, "local-cluster[1,2,512]", "--conf", PREFIX + "enabled=true")
    on = ["--conf", PREFIX + "enabled=true"]
    bounds = ["--conf", PREFIX + "minExecutors=3", "--conf", PREFIX + "maxExecutors=2"]
    bad = run("run", "--master", "local-cluster[1,1,512]", *on, *bounds, tmp_path / "program.py")
    assert bad.returncode != 0
    assert "(3) must be less than or equal to spark.dynamicAllocation.maxExecutors (2)!" in bad.stderr
