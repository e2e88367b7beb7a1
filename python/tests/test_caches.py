"""What a program asks to be stored: it is stored once, read from then on, and deleted when it is given up."""

import pytest
from conftest import eventually, program_on, serving, session
from pyspark import StorageLevel
from pyspark.sql import functions as F
from test_faults import home_of, status, tasks

#: Runs before each program: a context, and the sizes of what is stored.
START = """
import glob, os, threading, time
from pyspark import SparkConf, SparkContext, StorageLevel
from pyspark.sql import SparkSession

sc = SparkContext(conf=SparkConf().setAppName("caches"))


def same(found, expected):
    assert found == expected, (found, expected)


def size(file):
    try:
        return os.path.getsize(file)
    except FileNotFoundError:
        return 0  # it was just deleted


def bytes_stored():
    return sum(map(size, glob.glob(sc.getConf().get("spark.local.dir") + "/**/*.out", recursive=True)))


def eventually(what):
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


calls = sc.accumulator(0)


def counted(x):
    calls.add(1)
    return x


"""


def check(tmp_path, text, master="local-cluster[2,2,1024]", *flags):
    disk = tmp_path / "disk"
    disk.mkdir()
    program_on(tmp_path, START + text, master, "--conf", f"spark.local.dir={disk}", *flags)


def stored(server):
    """The map outputs on the volumes of a server."""
    return [file for volume in home_of(server).glob("shuffle*") for file in volume.glob("**/*.out")]


# RDDs.


@pytest.mark.parametrize("volumes", ["shared", "own"])
def test_an_rdd_is_stored_until_it_is_unpersisted(tmp_path, volumes):
    check(
        tmp_path,
        """
rdd = sc.parallelize(range(1000), 4).map(counted).map(lambda x: os.urandom(1000))
assert rdd.persist(StorageLevel.DISK_ONLY) is rdd
same((rdd.is_cached, rdd.getStorageLevel()), (True, StorageLevel.DISK_ONLY))
same((rdd.count(), calls.value), (1000, 1000))
first = rdd.collect()
same((rdd.count(), rdd.collect() == first, calls.value), (1000, True, 1000))
assert bytes_stored() > 1000000, bytes_stored()
assert rdd.unpersist() is rdd
same((rdd.is_cached, rdd.getStorageLevel()), (False, StorageLevel.NONE))
eventually(lambda: bytes_stored() == 0)
same((rdd.count(), calls.value), (1000, 2000))
assert bytes_stored() == 0
rdd.cache()
same((rdd.count(), rdd.count(), calls.value), (1000, 1000, 3000))
assert rdd.collect() != first and rdd.collect() == rdd.collect()
rdd.unpersist(blocking=True)
eventually(lambda: bytes_stored() == 0)
""",
        "local-cluster[2,2,1024]",
        "--conf",
        f"firesteel.shuffle.volume={volumes}",
    )


def test_what_a_job_reads_stays_until_its_end(tmp_path):
    check(
        tmp_path,
        """
rdd = sc.parallelize(range(8), 4).map(counted).map(lambda x: (x, os.urandom(1000))).cache()
rdd.count()
going, ended = rdd.map(lambda pair: time.sleep(1) or pair[0]), []
thread = threading.Thread(target=lambda: ended.append(going.sum()))
thread.start()
time.sleep(1)
rdd.unpersist()
time.sleep(0.3)
assert bytes_stored() > 0 and not ended, (bytes_stored(), ended)
thread.join()
same((ended, calls.value), ([28], 8))
eventually(lambda: bytes_stored() == 0)
""",
    )


def test_other_rdds_keep_what_they_have_stored(tmp_path):
    check(
        tmp_path,
        """
one = sc.parallelize(range(8), 2).map(counted).cache()
two = one.map(lambda x: x + 1).cache()
same((one.sum(), two.sum(), calls.value), (28, 36, 8))
one.unpersist()
same((two.sum(), calls.value), (36, 8))
same((one.sum(), calls.value), (28, 16))
two.unpersist()
eventually(lambda: bytes_stored() == 0)
local = sc.parallelize(range(8), 2).map(counted)
local.localCheckpoint()
same((local.collect() == local.collect(), calls.value), (True, 24))
shuffled = sc.parallelize(range(8), 2).map(lambda x: (x % 2, counted(x))).reduceByKey(lambda x, y: x + y, 2).cache()
same(sorted(shuffled.collect()), [(0, 12), (1, 16)])
shuffled.unpersist()
# What it was made of is a shuffle like any other.
same((sorted(shuffled.collect()), calls.value), ([(0, 12), (1, 16)], 32))
""",
    )


def test_the_lineage_says_what_is_stored(tmp_path):
    check(
        tmp_path,
        r"""
import re


def lineage(rdd):
    # The places of calls and the sizes of what is stored depend on the program and on our format.
    text = re.sub(r"(\w+RDD\[\d+\]) at .* \[", r"\1 [", rdd.toDebugString().decode())
    return re.sub(r"[1-9]\d*\.\d B$", "N B", text, flags=re.M).split("\n")


level = "Memory Serialized 1x Replicated"
rdd = sc.parallelize(range(10), 2).map(lambda x: x + 1).cache()
before = [f"(2) PythonRDD[1] [{level}]", f" |  ParallelCollectionRDD[0] [{level}]"]
same(lineage(rdd), before)
rdd.count()
line = "CachedPartitions: 2; MemorySize: 0.0 B; DiskSize: N B"
after = [before[0], f" |       {line}", before[1]]
same(lineage(rdd), after)
above = rdd.map(lambda x: (x, x)).reduceByKey(lambda x, y: x + y, 2)
same(
    lineage(above),
    [
        "(2) PythonRDD[7] []",
        " |  MapPartitionsRDD[6] []",
        " |  ShuffledRDD[5] []",
        " +-(2) PairwiseRDD[4] []",
        "    |  PythonRDD[3] []",
        "    |  PythonRDD[1] []",
        f"    |      {line}",
        "    |  ParallelCollectionRDD[0] []",
    ],
)
above.persist(StorageLevel.MEMORY_AND_DISK_2).count()
of = "[Disk Memory Serialized 2x Replicated]"
same(lineage(above)[:3], [f"(2) PythonRDD[7] {of}", f" |       {line}", f" |  MapPartitionsRDD[6] {of}"])
rdd.unpersist()
same(lineage(rdd), [text.replace(level, "") for text in before])
local = sc.parallelize(range(4), 2).map(lambda x: x)
local.localCheckpoint()
local.count()
same(len(lineage(local)), 2)
""",
    )


# DataFrames.


def test_a_frame_is_stored_until_it_is_unpersisted():
    with serving("local-cluster[2,2,1024]") as (server, url), session(url) as spark:
        frame = spark.range(0, 1000, 1, 4).select("id", (F.rand() * 1000).cast("int").alias("r"))
        frame.persist(StorageLevel.DISK_ONLY)
        assert frame.is_cached and frame.storageLevel == StorageLevel.DISK_ONLY
        assert frame.persist().storageLevel == StorageLevel.DISK_ONLY
        assert stored(server) == []
        first = sorted(frame.collect())
        kept = stored(server)
        assert len(kept) == 4
        before = tasks(status(url), "finished")
        assert sorted(frame.collect()) == first
        assert tasks(status(url), "finished") == before + 4
        assert frame.where("r >= 500").count() == sum(row.r >= 500 for row in first)
        assert frame.select("r").groupBy().sum().first()[0] == sum(row.r for row in first)
        stages = status(url)["jobs"][-1]["stages"]
        assert stages[0]["state"] == "skipped", stages
        other = frame.join(frame.withColumnRenamed("r", "s"), "id").where("r = s")
        assert other.count() == 1000
        frame.unpersist()
        assert not frame.is_cached and frame.storageLevel == StorageLevel.NONE
        eventually(lambda: not any(file.exists() for file in kept))
        assert frame.count() == 1000


def test_tables_are_cached_by_name():
    with serving("local[2]") as (server, url), session(url) as spark:
        spark.range(0, 10, 1, 2).selectExpr("id", "uuid() u").createOrReplaceTempView("v")
        spark.catalog.cacheTable("v")
        assert spark.catalog.isCached("v")
        first = sorted(spark.table("v").collect())
        assert sorted(spark.sql("select * from v").collect()) == first
        assert len(stored(server)) == 2
        spark.catalog.uncacheTable("v")
        assert not spark.catalog.isCached("v")
        eventually(lambda: stored(server) == [])
        spark.sql("cache table v")
        assert sorted(spark.table("v").collect()) == sorted(spark.table("v").collect()) != first
        assert len(stored(server)) == 2
        spark.sql("clear cache")
        eventually(lambda: stored(server) == [])
        spark.sql("cache table w as select id, uuid() u from range(10)")
        assert sorted(spark.table("w").collect()) == sorted(spark.table("w").collect())
        spark.catalog.clearCache()
        assert not spark.catalog.isCached("w")
        eventually(lambda: stored(server) == [])


def test_what_a_session_has_stored_goes_with_it():
    with serving("local[2]") as (server, url):
        with session(url) as spark:
            spark.range(10).cache().collect()
            assert stored(server) != []
        eventually(lambda: stored(server) == [])


def test_a_cached_frame_has_the_columns_below_its_select_list(spark, tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,1\n")
    frame = spark.read.schema("a int, b int").csv(str(tmp_path))
    cached = frame.select("a").cache()
    assert cached.orderBy(frame.b).collect() == [(3,), (1,)]
    assert [row.file_name for row in cached.select("_metadata.file_name").collect()] == ["a.csv"] * 2
    assert cached.select(F.input_file_name()).first()[0] == ""
    cached.unpersist()
    assert cached.select(F.input_file_name()).first()[0].endswith("a.csv")


def test_rows_of_a_cache_are_sorted_above_it_and_not_below():
    with serving("local[2]") as (server, url), session(url) as spark:
        cached = spark.range(0, 40, 1, 4).selectExpr("id", "uuid() u").cache()
        rows = cached.collect()
        files = sorted(stored(server))
        assert cached.orderBy(F.desc("id")).collect() == rows[::-1]
        assert cached.sort("u").collect() == sorted(rows, key=lambda row: row.u)
        assert cached.groupBy((F.col("id") % 2).alias("n")).agg(F.max("u")).orderBy("n").count() == 2
        assert set(files) <= set(stored(server))
        in_order = spark.range(0, 40, 1, 4).orderBy(F.desc("id")).cache()
        assert [row.id for row in in_order.collect()] == list(range(40))[::-1]
        assert [row.id for row in in_order.limit(3).collect()] == [39, 38, 37]
        together = spark.range(0, 40, 1, 4).coalesce(2).orderBy(F.desc("id"))
        assert [row.id for row in together.collect()] == list(range(40))[::-1]
        assert [row.id for row in spark.range(9).orderBy(F.desc("id")).coalesce(1).collect()] == list(range(9))[::-1]
