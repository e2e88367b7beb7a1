"""Numbers of jobs, stages and tasks, as given in "Spark: The Definitive Guide", chapter 15."""

import json
import re

from conftest import run, serving, session

BOOK = {
    "spark.default.parallelism": "8",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
}


def chapter15(spark):
    step1 = spark.range(2, 10000000, 2).repartition(5)
    step12 = spark.range(2, 10000000, 4).repartition(6)
    return step1.selectExpr("id * 5 as id").join(step12, ["id"]).selectExpr("sum(id)")


def last_job(url):
    everything = json.loads(run("status", "--json").stdout)
    application = next(one for one in everything if one["connect"].split("://")[1] in url)
    return application["jobs"][-1]["stages"]


def test_the_stages_have_8_8_5_6_200_and_1_tasks_and_are_skipped_the_second_time():
    with serving("local-cluster[2,1,1024]", **BOOK) as (_, url), session(url) as spark:
        frame = chapter15(spark)
        assert frame.collect()[0][0] == 2500000000000
        first = last_job(url)
        assert sorted(stage["tasks"] for stage in first) == sorted([8, 8, 5, 6, 200, 1])
        assert first[-1]["tasks"] == 1
        assert all(stage["state"] == "done" and stage["done"] == stage["tasks"] for stage in first)

        assert frame.collect()[0][0] == 2500000000000
        second = last_job(url)
        assert [stage["tasks"] for stage in second] == [stage["tasks"] for stage in first]
        assert [stage["state"] for stage in second] == ["skipped"] * 5 + ["done"]


def test_the_client_is_told_how_far_it_is():
    seen = []
    with serving("local-cluster[2,1,1024]", **BOOK) as (_, url), session(url) as spark:
        spark.registerProgressHandler(lambda stages, **_: seen.append([(s.num_tasks, s.num_completed_tasks) for s in stages]))
        chapter15(spark).collect()
    assert seen
    assert sorted(total for total, _ in seen[-1]) == sorted([8, 8, 5, 6, 200, 1])


def test_the_log_shows_the_same_numbers(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(
        "from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "spark.range(0, 100, 1, 4).repartition(3).selectExpr('sum(id)').collect()\n"
    )
    done = run("run", "--verbose", "--master", "local[2]", file)
    assert done.returncode == 0, done.stderr
    finished = [int(number) for number in re.findall(r"stage.*?(\d+) tasks", done.stderr)]
    for wanted in (4, 3, 1):
        assert wanted in finished, done.stderr


def test_reuse_can_be_turned_off():
    with serving("local[2]", **{"spark.sql.shuffle.partitions": "2"}) as (_, url), session(url) as spark:
        frame = spark.range(100).repartition(3).selectExpr("sum(id)")
        frame.collect()
        frame.collect()
        assert "skipped" in [stage["state"] for stage in last_job(url)]
        spark.conf.set("firesteel.shuffle.reuse", "false")
        frame.collect()
        assert "skipped" not in [stage["state"] for stage in last_job(url)]


def test_steps_without_a_shuffle_are_one_stage():
    with serving("local[2]") as (_, url), session(url) as spark:
        frame = spark.range(0, 100, 1, 4).selectExpr("id * 2 as n").where("n > 20")
        assert len(frame.mapInArrow(lambda batches: batches, "n long").where("n < 40").collect()) == 9
        assert [(stage["tasks"], stage["state"]) for stage in last_job(url)] == [(4, "done")]
