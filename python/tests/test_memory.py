"""Queries that need more memory than an executor has: they spill, return correct results, and leave no files behind."""

import contextlib
import sys
import threading
import time

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import serving, session
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql.functions import udtf
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
