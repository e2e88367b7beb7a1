"""Queries that need more memory than an executor has: they spill, return correct results, and leave no files behind."""

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import descendants, eventually, serving, session
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql.functions import col, collect_list, udtf
from test_faults import home_of, status

# Workers do not have this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

ROWS = 2000000


@contextlib.contextmanager
def watching(directory):
    """Yields the maximum sizes, by path, of the files observed in a directory during the block."""
    seen, done = {}, threading.Event()

    def watch():
        while not done.is_set():
            for file in directory.rglob("*"):
                with contextlib.suppress(OSError):
                    if file.is_file():
                        seen[file] = max(seen.get(file, 0), file.stat().st_size)
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def tight():
    """A server whose executors have 48 MiB each, and a session."""
    conf = {"spark.sql.shuffle.partitions": "2", "spark.sql.autoBroadcastJoinThreshold": "-1"}
    with serving("local-cluster[2,1,48]", **conf) as (server, url), session(url) as spark:
        home = home_of(server)
        yield spark, url, home
    assert not home.exists()


def frame(spark, tasks=4):
    return spark.range(0, ROWS, 1, tasks).selectExpr("id", "hash(id) as k", "concat('a text of some length ', id) as t")


def spills(tight, action):
    """Runs the action and returns its result; asserts that it spilled, by its metrics and on disk, and left no files behind."""
    _, url, home = tight
    with watching(home / "scratch") as seen:
        answer = action()
    job = status(url)["jobs"][-1]
    spilled = sum(stage["metrics"]["spilled_bytes"] for stage in job["stages"])
    assert spilled > 16 << 20, job
    assert sum(seen.values()) > 16 << 20, seen
    assert [path for path in (home / "scratch").rglob("*") if path.is_file()] == []
    assert sum(stage["failed"] for stage in job["stages"]) == 0, job
    return answer


def test_a_sort(tight, tmp_path):
    path = str(tmp_path / "sorted")
    spills(tight, lambda: frame(tight[0], 2).sort("k").coalesce(1).write.parquet(path))
    table = pq.read_table(path, columns=["id", "k", "t"])
    k = table["k"].combine_chunks()
    assert (len(k), pc.sum(table["id"]).as_py()) == (ROWS, ROWS * (ROWS - 1) // 2)
    assert pc.all(pc.less_equal(k[:-1], k[1:])).as_py()
    assert pc.all(pc.equal(table["t"], pc.binary_join_element_wise("a text of some length", pc.cast(table["id"], "string"), " "))).as_py()


def test_an_aggregation_with_many_groups(tight):
    groups = frame(tight[0]).groupBy("t").count()
    (row,) = spills(tight, lambda: groups.selectExpr("count(*)", "sum(count)", "max(count)").collect())
    assert tuple(row) == (ROWS, ROWS, 1)


@pytest.mark.parametrize("kind", ["inner", "left", "full", "left_semi", "left_anti"])
def test_a_join_of_two_large_sides(tight, kind):
    spark, _, _ = tight
    half = ROWS // 2
    other = spark.range(half, ROWS + half, 1, 4).selectExpr("id", "concat('another text of some length ', id) as u")
    joined = frame(spark).join(other, "id", kind)
    (row,) = spills(tight, lambda: joined.selectExpr("count(*)", "sum(id)", "count(t)").collect())
    total = lambda first, end: (end - first) * (first + end - 1) // 2
    expected = {
        "inner": (half, total(half, ROWS), half),
        "left": (ROWS, total(0, ROWS), ROWS),
        "full": (ROWS + half, total(0, ROWS + half), ROWS),
        "left_semi": (half, total(half, ROWS), half),
        "left_anti": (half, total(0, half), half),
    }
    assert tuple(row) == expected[kind]


class Silent:
    def eval(self, text):
        return iter(())


def test_rows_that_a_table_function_does_not_answer(tight):
    spark, _, _ = tight
    spark.udtf.register("silent", udtf(Silent, returnType="n int"))
    frame(spark).selectExpr("id", "repeat(t, 8) as t").createOrReplaceTempView("many")
    few = spark.sql("SELECT count(*) FROM (SELECT * FROM many WHERE id < 1000), LATERAL silent(t)")
    assert few.collect() == [(0,)]
    with pytest.raises(PySparkException, match="rows that the table function silent has not answered") as caught:
        spark.sql("SELECT count(t) FROM many, LATERAL silent(t)").collect()
    assert caught.value.getCondition() == "UNABLE_TO_ACQUIRE_MEMORY"


def test_rows_that_are_not_in_a_large_list(tight):
    spark, _, _ = tight
    half = ROWS // 2
    frame(spark).createOrReplaceTempView("all_rows")
    spark.range(half, ROWS + half, 1, 4).selectExpr("concat('a text of some length ', id) as t").createOrReplaceTempView("listed")
    rest = spark.sql("SELECT * FROM all_rows WHERE t NOT IN (SELECT t FROM listed)")
    (row,) = spills(tight, lambda: rest.selectExpr("count(*)", "sum(id)", "count(t)").collect())
    assert tuple(row) == (half, half * (half - 1) // 2, half)
    none = spark.sql("SELECT count(*) FROM all_rows WHERE t NOT IN (SELECT t FROM listed UNION ALL SELECT NULL)")
    assert none.collect() == [(0,)]


def wide(spark, rows=100000):
    """Rows of about 700 bytes."""
    return spark.range(0, rows, 1, 4).selectExpr("id", "repeat(cast(id as string), 120) as t")


def test_windows_over_one_partition_and_over_many(tight):
    spark, _, _ = tight
    one = wide(spark).selectExpr("t", "sum(id) OVER () s", "count(*) OVER (PARTITION BY 1) c", "lag(id) OVER (PARTITION BY 1 ORDER BY id) l")
    (row,) = spills(tight, lambda: one.selectExpr("count(t)", "min(s)", "max(c)", "sum(l)", "count(l)").collect())
    assert tuple(row) == (100000, 4999950000, 100000, 4999850001, 99999)
    many = wide(spark).selectExpr("t", "max(t) OVER (PARTITION BY id % 1000) m", "count(*) OVER (PARTITION BY id % 1000) c")
    (row,) = many.selectExpr("count(t)", "sum(c)", "sum(cast(m >= t as int))").collect()
    assert tuple(row) == (100000, 10000000, 100000)


def test_groups_with_lists(tight):
    lists = wide(tight[0]).groupBy("id").agg(collect_list("t").alias("l"))
    assert lists.selectExpr("sum(size(l))", "sum(length(l[0]) % 120)").collect() == [(100000, 0)]


def test_what_cannot_spill_names_itself_and_the_setting_to_change(tight):
    with pytest.raises(PySparkException, match="aggregation without groups could not get .* Raise spark.executor.memory") as caught:
        wide(tight[0]).selectExpr("size(collect_list(t))").collect()
    assert caught.value.getCondition() == "UNABLE_TO_ACQUIRE_MEMORY"
    assert tight[0].range(10).count() == 10


def executors_of(server):
    """The process ids of a server's executors."""
    return [pid for pid, command in descendants(server.pid).items() if command.split()[1:2] == ["executor"]]


@contextlib.contextmanager
def limited(pid, limit):
    """Moves a process to a memory cgroup with this limit; yields a function that says how often the kernel ended something there."""
    v1, v2 = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
    v2 = v2 if (v2 / "cgroup.controllers").exists() else v2 / "unified"
    is_v1 = (v1 / "memory.limit_in_bytes").exists() or (v1 / "tasks").exists()
    group = (v1 if is_v1 else v2) / f"firesteel-test-{pid}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if is_v1 else "memory.max")).write_text(str(limit))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no memory cgroup can be made here: {error}")
    events = group / ("memory.oom_control" if is_v1 else "memory.events")
    try:
        yield lambda: dict(line.split() for line in events.read_text().splitlines()).get("oom_kill")
    finally:
        # Who is still in it goes back to the parent.
        for line in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "cgroup.procs").write_text(line)
        group.rmdir()


def test_the_kernel_does_not_end_an_executor_with_the_memory_of_its_pod():
    memory = 64
    # As for a pod with Python: `docs/configuration.md`.
    limit = (memory + max(384, memory * 4 // 10)) << 20
    rows = 10 * memory * 10000
    conf = {"spark.sql.shuffle.partitions": "4", "spark.sql.autoBroadcastJoinThreshold": "-1"}
    with serving(f"local-cluster[2,1,{memory}]", **conf) as (server, url), session(url) as spark, contextlib.ExitStack() as groups:
        eventually(lambda: len(executors_of(server)) == 2)
        pids = executors_of(server)
        killed = [groups.enter_context(limited(pid, limit)) for pid in pids]
        # Ten times the memory of an executor: a hundred bytes a row.
        text = "concat('a text of some length, which is a bit longer than that of others ', lpad(cast(id as string), 12, '0')) as t"
        groups_of_one = spark.range(0, rows, 1, 4).selectExpr(text).groupBy("t").count()
        (row,) = groups_of_one.selectExpr("count(*)", "sum(count)", "max(count)").collect()
        assert tuple(row) == (rows, rows, 1)
        assert [one() for one in killed] == ["0", "0"]
        assert executors_of(server) == pids


def peak(pid):
    """The most memory that a process has had resident, in MiB."""
    (line,) = [line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) >> 10


def driver_of(server):
    """The process id of a server's driver."""
    (pid,) = [pid for pid, command in descendants(server.pid).items() if command.split()[1:2] == ["driver"]]
    return pid


@pytest.mark.parametrize("how", ["toArrow", "toLocalIterator"])
def test_a_result_is_streamed_and_may_be_larger_than_the_drivers_memory(how):
    rows, conf = 600000, {"spark.driver.maxResultSize": "0"}
    with serving("local-cluster[2,1,256]", **conf) as (server, url), session(url) as spark:
        large = spark.range(0, rows, 1, 8).selectExpr("id", "concat(repeat(md5(cast(id as string)), 20), id) as t")
        assert large.limit(1000).toArrow().num_rows == 1000
        driver = driver_of(server)
        before = peak(driver)
        if how == "toArrow":
            table = large.toArrow()
            assert table.nbytes > 350 << 20
            assert table["id"].to_pylist() == list(range(rows))
            assert pc.sum(pc.binary_length(table["t"])).as_py() == rows * 640 + sum(len(str(n)) for n in range(rows))
        else:
            assert all(row.id == n and len(row.t) == 640 + len(str(n)) for n, row in enumerate(large.toLocalIterator()))
        assert peak(driver) < before + 150



def test_the_limit_on_results_holds_for_all_that_collects():
    with serving("local-cluster[1,1,256]", **{"spark.driver.maxResultSize": "8m"}) as (_, url), session(url) as spark:
        large = spark.range(0, 20000, 1, 4).selectExpr("repeat(md5(cast(id as string)), 40) as t")
        for collects in (large.collect, large.toArrow, large.toPandas, lambda: list(large.toLocalIterator())):
            with pytest.raises(PySparkException, match="is bigger than spark.driver.maxResultSize"):
                collects()
        assert large.count() == 20000


@contextlib.contextmanager
def small_disk(path, size):
    """A file system of this size at a directory."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make a small disk")
ONE_TASK = {"spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false", "spark.sql.autoBroadcastJoinThreshold": "-1"}


def files_of(directory):
    return [path for path in directory.rglob("*") if path.is_file() and path.suffix not in (".json", ".lock", ".fence")]


@as_root
def test_a_disk_that_is_full_fails_the_task_by_name_and_leaves_nothing(tmp_path):
    with small_disk(tmp_path / "disk", "24m") as disk, serving("local-cluster[1,1,48]", **ONE_TASK, **{"spark.local.dir": disk, "spark.task.maxFailures": "1"}) as (server, url), session(url) as spark:
        (home,) = [path.parent for path in disk.glob("*/owner")]
        rows = spark.range(0, ROWS, 1, 1).selectExpr("id", "hash(id) as k", "concat('a text of some length ', id) as t")
        grouped = rows.coalesce(1).groupBy("t").count().selectExpr("count(*)")
        wide = rows.selectExpr("id", "sha2(cast(id as string), 512) as t").repartition(3)
        joined = rows.coalesce(1).join(rows.selectExpr("t", "k as l").coalesce(1), "t").selectExpr("count(*)")
        for spills_there in (grouped.collect, wide.collect, joined.collect):
            with pytest.raises(PySparkException, match="No space left on device") as caught:
                spills_there()
            assert caught.value.getCondition() == "SPILL_OUT_OF_MEMORY", caught.value
            left = lambda: files_of(home / "scratch") + [path for path in (home / "shuffle").rglob("*.tmp")]
            eventually(lambda: not left())
        for form in ("parquet", "csv"):
            out = disk / form
            with pytest.raises(PySparkException, match="No space left on device") as caught:
                rows.selectExpr("id", "sha2(cast(id as string), 512) as t").write.format(form).save(str(out))
            assert caught.value.getCondition() == "TASK_WRITE_FAILED", caught.value
            eventually(lambda: not list(out.rglob("*")))
        assert spark.range(10).repartition(2).count() == 10


@as_root
def test_a_task_whose_disk_is_full_runs_on_another_executor():
    with serving("local-cluster[2,1,48]", **ONE_TASK, **{"spark.excludeOnFailure.enabled": "true"}) as (server, url), session(url) as spark:
        eventually(lambda: len(executors_of(server)) == 2)
        (full, _) = sorted((home_of(server) / "scratch").iterdir())
        with small_disk(full, "1m"):
            failed = 0
            # A task is as likely to start on one as on the other.
            for turn in range(6):
                groups = spark.range(turn, turn + 1000000, 1, 2).selectExpr("concat('a text of some length ', id) as t").groupBy("t").count()
                assert tuple(groups.selectExpr("count(*)", "sum(count)").first()) == (1000000, 1000000)
                failed += sum(stage["failed"] for stage in status(url)["jobs"][-1]["stages"])
                if failed:
                    break
            assert failed > 0


def test_the_first_rows_are_more_than_memory(tight):
    first = frame(tight[0], 1).orderBy(col("t").desc()).limit(ROWS * 3 // 4)
    (row,) = spills(tight, lambda: first.selectExpr("count(*)", "min(t)", "max(t)").collect())
    texts = sorted((f"a text of some length {n}" for n in range(ROWS)), reverse=True)
    assert tuple(row) == (ROWS * 3 // 4, texts[ROWS * 3 // 4 - 1], texts[0])


def test_distinct_values_of_several_columns(tight):
    (row,) = spills(tight, lambda: frame(tight[0]).selectExpr("count(DISTINCT t)", "sum(DISTINCT id)", "count(*)", "max(k)").collect())
    assert tuple(row)[:3] == (ROWS, ROWS * (ROWS - 1) // 2, ROWS)
