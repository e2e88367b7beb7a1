"""Correct results despite failures: real processes are killed, real files are corrupted, a real disk is full."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest
from conftest import descendants, eventually, run, serving, session


def executors(server):
    return {pid: line for pid, line in descendants(server.pid).items() if line.startswith("firesteel executor")}


def status(url):
    """Status of the application at this URL."""
    everything = json.loads(run("status", "--json").stdout)
    return next(application for application in everything if application["connect"].split("://")[1] in url)


def tasks(application, field):
    return sum(executor[field] for executor in application["executors"])


# Each of four partitions is read by a task of its own.
FOUR = {"spark.sql.shuffle.partitions": "4", "spark.sql.adaptive.enabled": "false"}


def load(spark, data):
    for table in data.iterdir():
        if table.is_dir():
            spark.read.parquet(str(table)).createOrReplaceTempView(table.name)


def test_an_executor_killed_in_a_query_costs_only_what_it_ran(tpch):
    data, _, queries = tpch
    query = next(path for path in queries if path.stem == "q09").read_text()
    conf = {
        "spark.sql.shuffle.partitions": "16",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.sql.adaptive.coalescePartitions.minPartitionSize": "1b",
        "spark.sql.adaptive.coalescePartitions.minPartitionNum": "16",
    }
    with serving("local-cluster[2,1,1024]", **conf) as (server, url), session(url) as spark:
        load(spark, data)
        expected = spark.sql(query).toArrow()
    with serving("local-cluster[2,1,1024]", **conf) as (server, url), session(url) as spark:
        load(spark, data)
        answers = []
        running = threading.Thread(target=lambda: answers.append(spark.sql(query).toArrow()))
        running.start()
        eventually(lambda: tasks(status(url), "finished") >= 10)
        victim = next(iter(executors(server)))
        os.kill(victim, signal.SIGKILL)
        running.join(timeout=120)
        assert answers and answers[0].equals(expected)
        after = status(url)
        # One slot was lost, so at most one task was rerun: the volume still contains the lost executor's output.
        stages = [stage for job in after["jobs"] for stage in job["stages"]]
        assert sum(stage["failed"] for stage in stages) <= 1
        eventually(lambda: len(executors(server)) == 2)


def test_a_damaged_shuffle_file_is_noticed_and_written_again():
    with serving("local-cluster[2,1,512]", **FOUR) as (server, url):
        with session(url) as spark:
            frame = spark.range(0, 100000, 1, 4).selectExpr("id % 100 as k", "id").groupBy("k").sum("id").orderBy("k")
            expected = frame.collect()
            before = status(url)
            shuffles = [entry for entry in (home_of(server) / "shuffle").iterdir() if entry.is_dir()]
            outputs = [min(shuffle.glob("*.out")) for shuffle in shuffles]
            assert len(outputs) >= 2
            for output in outputs:
                damaged = bytearray(output.read_bytes())
                damaged[16] ^= 0xFF
                output.write_bytes(bytes(damaged))
            replace_executors(server, url)
            assert frame.collect() == expected
            after = status(url)
            assert tasks(after, "finished") > tasks(before, "finished") + 1
            assert sum(stage["failed"] for stage in after["jobs"][-1]["stages"]) >= 1


def home_of(server):
    """The directory of a server's application."""
    homes = pathlib.Path("/tmp").glob(f"firesteel-{os.getuid()}/*/owner")
    return next(owner.parent for owner in homes if owner.read_text().split()[0] == str(server.pid))


def replace_executors(server, url):
    """Replaces all executors: they cache small outputs in memory, whereas new ones must read the files from disk."""
    old = {executor["executor"] for executor in status(url)["executors"]}
    for victim in executors(server):
        os.kill(victim, signal.SIGKILL)
    alive = lambda: {executor["executor"] for executor in status(url)["executors"] if executor["alive"]}
    eventually(lambda: len(alive() - old) == 2 and not alive() & old)


def test_a_shuffle_with_every_file_damaged_is_written_again_in_one_round():
    with serving("local-cluster[2,1,512]", **FOUR) as (server, url), session(url) as spark:
        frame = spark.range(0, 1000000, 1, 12).selectExpr("id % 1000 as k", "id").groupBy("k").sum("id")
        expected = sorted(frame.collect())
        before = status(url)
        (shuffle,) = [entry for entry in (home_of(server) / "shuffle").iterdir() if list(entry.glob("*.out"))]
        files = sorted(shuffle.glob("*.out"), key=lambda path: int(path.stem))
        assert len(files) == 12
        # Spread over the readers' blocks, so that no single reader encounters all the damage.
        for number, file in enumerate(files):
            damaged = bytearray(file.read_bytes())
            damaged[100 + (len(damaged) - 1000) * number // 12] ^= 0xFF
            file.write_bytes(bytes(damaged))
        replace_executors(server, url)
        assert sorted(frame.collect()) == expected
        after = status(url)
        maps, result = after["jobs"][-1]["stages"]
        # The map stage was already done: each of its tasks was rerun once, and only those readers that had failed.
        ran = tasks(after, "finished") - tasks(before, "finished")
        assert ran == 12 + 4, (ran, maps, result)
        assert (maps["failed"], 1 <= result["failed"] <= 2) == (0, True), (maps, result)


def test_an_intact_shuffle_is_used_again():
    with serving("local-cluster[2,1,512]", **{"spark.sql.shuffle.partitions": "4"}) as (_, url), session(url) as spark:
        frame = spark.range(0, 1000, 1, 4).selectExpr("id % 10 as k").groupBy("k").count()
        first = frame.collect()
        assert sorted(frame.collect()) == sorted(first)
        states = [stage["state"] for stage in status(url)["jobs"][-1]["stages"]]
        assert states.count("skipped") >= 1, states
        assert states[-1] == "done"


def test_a_task_that_raises_fails_the_job_with_its_cause(spark):
    from pyspark.errors import ArithmeticException

    with pytest.raises(ArithmeticException) as raised:
        spark.range(0, 10, 1, 2).selectExpr("10 / (id - 5) as x").collect()
    assert "DIVIDE_BY_ZERO" in str(raised.value)
    # The next job succeeds.
    assert spark.range(10).count() == 10


def test_an_unreadable_input_is_named(spark, tmp_path):
    file = tmp_path / "broken" / "part-0.parquet"
    file.parent.mkdir()
    file.write_bytes(b"PAR1 this is no parquet file PAR1")
    with pytest.raises(Exception) as raised:
        spark.read.parquet(str(file.parent)).collect()
    assert "part-0.parquet" in str(raised.value)
    with pytest.raises(Exception) as raised:
        spark.read.parquet(str(tmp_path / "nothing")).collect()
    assert "PATH_NOT_FOUND" in str(raised.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a small disk")
def test_a_full_disk_is_named(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    try:
        with serving("local-cluster[1,1,512]", **{"spark.local.dir": disk}) as (_, url), session(url) as spark:
            with pytest.raises(Exception) as raised:
                spark.range(0, 5000000, 1, 2).selectExpr("id", "uuid() as text").repartition(3).collect()
            assert "full" in str(raised.value) or "No space left" in str(raised.value)
            assert str(disk) in str(raised.value) or "volume" in str(raised.value)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
        shutil.rmtree(disk, ignore_errors=True)


def test_executors_with_volumes_of_their_own_fetch_from_each_other_and_survive_a_loss(tpch):
    data, _, queries = tpch
    texts = [path.read_text() for path in queries if path.stem in ("q03", "q05", "q10")]
    conf = {"spark.sql.shuffle.partitions": "5", "spark.sql.autoBroadcastJoinThreshold": "-1"}
    with serving("local-cluster[2,1,1024]", **conf) as (_, url), session(url) as spark:
        load(spark, data)
        expected = [spark.sql(text).toArrow() for text in texts]
    own = {**conf, "firesteel.shuffle.volume": "own"}
    with serving("local-cluster[2,1,1024]", **own) as (server, url), session(url) as spark:
        load(spark, data)
        assert [spark.sql(text).toArrow() for text in texts] == expected
        # The volume is lost with its executor: only the outputs on it are recomputed, the others are reused.
        before = status(url)
        old, volumes = set(executors(server)), {path.name for path in home_of(server).glob("shuffle-*")}
        os.kill(next(iter(old)), signal.SIGKILL)
        eventually(lambda: len(set(executors(server)) - old) == 1 and len(list(home_of(server).glob("shuffle-*"))) == 2)
        assert {path.name for path in home_of(server).glob("shuffle-*")} != volumes
        eventually(lambda: sum(executor["alive"] for executor in status(url)["executors"]) == 2)
        assert [spark.sql(text).toArrow() for text in texts] == expected
        # The loss is detected immediately, without any failed fetch.
        jobs = status(url)["jobs"][len(before["jobs"]):]
        assert sum(stage["failed"] for job in jobs for stage in job["stages"]) == 0
        assert any(stage["state"] == "skipped" for job in jobs for stage in job["stages"])
