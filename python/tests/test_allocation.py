"""Dynamic allocation on one machine: executors come with the tasks and go when there are none, but not with what is needed."""

import threading

from conftest import descendants, eventually, program_on, run, serving, session
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
