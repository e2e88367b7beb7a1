"""What a program asks to be stored: it is stored once, read from then on, and deleted when it is given up."""

import contextlib
import io
import re

import pytest
from conftest import eventually, program_on, serving, session
from pyspark import StorageLevel
from pyspark.errors import IllegalArgumentException
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
        spark.sql("cache lazy table v")
        assert stored(server) == []
        assert sorted(spark.table("v").collect()) == sorted(spark.table("v").collect()) != first
        assert len(stored(server)) == 2
        spark.sql("clear cache")
        eventually(lambda: stored(server) == [])
        spark.sql("cache lazy table w as select id, uuid() u from range(10)")
        assert sorted(spark.table("w").collect()) == sorted(spark.table("w").collect())
        spark.catalog.clearCache()
        assert not spark.catalog.isCached("w")
        eventually(lambda: stored(server) == [])
        spark.sql("cache table v")
        assert stored(server) != []


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


def test_rows_of_a_cache_are_filtered_above_it_and_drawn_anew():
    with serving("local[2]") as (server, url), session(url) as spark:
        cached = spark.range(0, 4000, 1, 4).cache()
        assert len(cached.collect()) == 4000
        files = stored(server)
        nothing = F.udf(lambda: False, "boolean")
        draws = {len(cached.filter(F.rand() < 0.5).collect()) for _ in range(3)}
        assert len(draws) > 1 and all(1800 < count < 2200 for count in draws)
        first = cached.where(F.monotonically_increasing_id() % 2**33 < 3)
        assert [row.id for row in first.collect()] == [0, 1, 2, 1000, 1001, 1002, 2000, 2001, 2002, 3000, 3001, 3002]
        assert cached.filter(nothing()).collect() == []
        assert 1800 < len(cached.coalesce(1).select("id").where("id >= 0 and rand() < 0.5").collect()) < 2200
        assert 1800 < len(cached.sample(0.5).collect()) < 2200
        assert sorted(stored(server)) == sorted(files)
        assert cached.count() == 4000


def test_conditions_without_columns_are_computed_where_they_stand(spark):
    rows = spark.range(0, 400, 1, 4)
    groups = rows.groupBy((F.col("id") % 100).alias("k")).count()
    drawn = groups.filter(F.rand() < 0.5).collect()
    assert 20 < len(drawn) < 80 and {row["count"] for row in drawn} == {4}
    assert {row["count"] for row in groups.sample(0.5).collect()} == {4}
    assert rows.groupBy().count().filter(F.udf(lambda: False, "boolean")()).collect() == []
    few = rows.limit(20)
    pairs = few.join(few.withColumnRenamed("id", "b"), (F.col("id") < F.col("b") + 20) & (F.rand() < 0.5))
    assert 100 < pairs.count() < 300 and pairs.groupBy("id").count().select("count").distinct().count() > 2


def scans(frame):
    """The lines of a frame's plan that tell of caches."""
    return [line.strip() for line in explained(frame).splitlines() if "InMemory" in line or "In-memory" in line]


def explained(frame, mode="simple"):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        frame.explain(mode)
    return out.getvalue()


def same_rows(batches):
    yield from batches


def doubled(spark):
    return spark.range(0, 100, 1, 4).withColumn("x", F.col("id") * 2).filter("x > 4")


def test_a_stored_cache_shows_how_it_was_computed(spark):
    sums = doubled(spark).groupBy((F.col("x") % 7).alias("k")).count().cache()
    before = explained(sums)
    assert before.count("AdaptiveSparkPlan isFinalPlan=false") == 2 and "Final Plan" not in before
    try:
        assert sums.count() == 7
        lines = [line.strip() for line in explained(sums).splitlines()]
        at = lines.index("AdaptiveSparkPlan isFinalPlan=true")
        assert lines[at - 1].startswith("InMemoryRelation")
        final = lines[lines.index("== Final Plan ==") : lines.index("== Initial Plan ==")]
        titles = [re.sub(r"\d+", "n", line) for line in final if "QueryStage" in line]
        assert titles == ["ResultQueryStage n: n tasks", "ShuffleQueryStage n: n tasks"]
        # Next to nothing is read by one task, and written by as many as there were.
        assert [line.split(": ")[1] for line in final if "QueryStage" in line] == ["1 tasks", "4 tasks"]
        assert any("RepartitionExec" in line for line in lines[lines.index("== Initial Plan ==") :])
    finally:
        sums.unpersist()
    assert "InMemoryRelation" not in explained(sums)


def test_a_cache_is_shown_in_plans(spark):
    cached = doubled(spark).cache()
    level = "StorageLevel(disk, memory, deserialized, 1 replicas)"
    lines = explained(cached.groupBy("x").count()).splitlines()
    at = next(number for number, line in enumerate(lines) if "InMemoryTableScan" in line)
    assert re.fullmatch(r" *InMemoryTableScan \[id#\d+, x#\d+\]", lines[at])
    assert re.fullmatch(r" *InMemoryRelation \[id#\d+, x#\d+\], " + re.escape(level), lines[at + 1])
    indents = [len(line) - len(line.lstrip()) for line in lines[at : at + 3]]
    assert indents == [indents[0], indents[0] + 2, indents[0] + 4]
    parts = re.split(r"== (.*) ==\n", explained(cached.select("x"), "extended"))
    shown = {title: "InMemoryRelation" in text for title, text in zip(parts[1::2], parts[2::2])}
    assert shown == {
        "Parsed Logical Plan": False,
        "Analyzed Logical Plan": False,
        "Optimized Logical Plan": True,
        "Physical Plan": True,
    }
    assert explained(cached, "cost").count("InMemoryRelation") == 2
    cached.unpersist()
    assert scans(cached) == []
    for storage, text in [
        (StorageLevel.DISK_ONLY, "disk, 1 replicas"),
        (StorageLevel.DISK_ONLY_3, "disk, 3 replicas"),
        (StorageLevel.MEMORY_ONLY, "memory, 1 replicas"),
        (StorageLevel.MEMORY_AND_DISK_2, "disk, memory, 2 replicas"),
        (StorageLevel.OFF_HEAP, "disk, memory, offheap, 1 replicas"),
    ]:
        cached.persist(storage)
        assert cached.storageLevel == storage
        assert scans(cached)[1].endswith(f"StorageLevel({text})"), scans(cached)
        cached.unpersist()
    spark.sql("cache table kept options('storageLevel'='memory_only') as select 1 a")
    assert scans(spark.sql("select a + 1 from kept"))[0].startswith("Scan In-memory table kept [a#")
    assert spark.table("kept").storageLevel == StorageLevel(False, True, False, True)
    with pytest.raises(IllegalArgumentException, match="Invalid StorageLevel: X"):
        spark.sql("cache table kept options('storageLevel'='x')")
    spark.catalog.dropTempView("kept")
    assert scans(spark.sql("select 1 a")) == []


def test_an_equal_plan_reads_the_cache():
    with serving("local[2]") as (server, url), session(url) as spark:
        cached = doubled(spark).cache()
        rows = sorted(cached.collect())
        kept = stored(server)
        assert len(kept) == 4
        again = doubled(spark)
        assert again.is_cached and again.storageLevel == StorageLevel.MEMORY_AND_DISK_DESER
        before = tasks(status(url), "finished")
        assert sorted(again.collect()) == rows
        assert tasks(status(url), "finished") == before + 4
        assert len(doubled(spark).select("x").where("x < 50").collect()) == 22
        renamed = spark.range(0, 100, 1, 4).select("id", (F.col("id") * 2).alias("y")).where("y > 4")
        assert sorted(renamed.collect()) == rows and renamed.columns == ["id", "y"]
        text = "select id, id * 2 as z from range(0, 100, 1, 4)"
        assert len(spark.sql(f"select * from (select * from ({text}) where z > 4) where z < 50").collect()) == 22
        both = again.alias("l").crossJoin(doubled(spark).limit(2).alias("r"))
        assert len(scans(both)) == 4 and both.count() == 2 * len(rows)
        assert again.union(doubled(spark)).count() == 2 * len(rows)
        assert set(kept) <= set(stored(server))
        assert scans(spark.range(0, 100, 1, 4).withColumn("x", F.col("id") * 3).filter("x > 4")) == []
        assert scans(spark.range(0, 100, 1, 5).withColumn("x", F.col("id") * 2).filter("x > 4")) == []
        # Persisted again it is the same entry, at the first level.
        assert again.persist(StorageLevel.DISK_ONLY).storageLevel == StorageLevel.MEMORY_AND_DISK_DESER
        again.unpersist()
        assert not cached.is_cached and scans(cached) == []
        eventually(lambda: not any(file.exists() for file in kept))


def test_what_an_equal_plan_reads_does_not_depend_on_later_caches():
    with serving("local[2]") as (server, url), session(url) as spark:
        cached = doubled(spark).cache()
        rows = sorted(cached.collect())
        kept = stored(server)
        below = spark.range(0, 100, 1, 4).cache()
        assert sorted(doubled(spark).collect()) == rows
        assert stored(server) == kept
        assert len(scans(doubled(spark))) == 2
        above = doubled(spark).where("id < 10").cache()
        assert len(above.collect()) == 7 and len(stored(server)) == 8
        assert len(doubled(spark).where("id < 10").collect()) == 7 and len(stored(server)) == 8
        cached.unpersist()
        assert len(doubled(spark).where("id < 10").collect()) == 7
        assert len(scans(doubled(spark).where("id < 10"))) == 4
        assert len(below.collect()) == 100


def test_a_view_that_is_replaced_or_dropped_is_no_longer_cached(spark):
    spark.range(5).createOrReplaceTempView("seen")
    spark.catalog.cacheTable("seen")
    assert spark.range(5).is_cached and spark.catalog.isCached("seen")
    spark.range(5).createOrReplaceTempView("seen")
    assert spark.catalog.isCached("seen")
    spark.range(6).createOrReplaceTempView("seen")
    assert not spark.catalog.isCached("seen") and not spark.range(5).is_cached
    spark.catalog.cacheTable("seen")
    spark.catalog.dropTempView("seen")
    assert not spark.range(6).is_cached


def test_rows_of_a_table_that_is_written_are_read_anew(spark, tmp_path):
    path = str(tmp_path / "rows")
    spark.range(3).write.parquet(path)
    cached = spark.read.parquet(path).cache()
    assert cached.count() == 3
    spark.range(3, 6).write.mode("append").parquet(path)
    again = spark.read.parquet(path)
    assert (cached.count(), again.count(), again.is_cached) == (6, 6, True)
    cached.unpersist()


def test_local_rows_and_python_functions_are_compared_by_what_they_hold(spark):
    rows = [(1, "a"), (2, "b")]
    cached = spark.createDataFrame(rows, "n int, s string").cache()
    assert spark.createDataFrame(rows, "n int, s string").is_cached
    assert not spark.createDataFrame(rows[::-1], "n int, s string").is_cached
    assert not spark.createDataFrame(rows, "n bigint, s string").is_cached
    cached.unpersist()
    within = "id in (select id from range(3)) and id > (select min(id) from range({}))"
    chosen = spark.range(9).where(within.format(4)).cache()
    assert spark.range(9).where(within.format(4)).is_cached
    assert not spark.range(9).where(within.format(5)).is_cached
    random = spark.range(9).select(F.rand(1)).cache()
    assert spark.range(9).select(F.rand(1)).is_cached and not spark.range(9).select(F.rand(2)).is_cached
    assert not spark.sql("select rand() from range(9)").is_cached
    mapped = spark.range(7).mapInPandas(same_rows, "id long").cache()
    again = spark.range(7).mapInPandas(same_rows, "id long")
    assert again.is_cached and len(scans(spark.range(2).join(again.groupBy("id").count(), "id"))) == 2
    assert not spark.range(7).mapInPandas(same_rows, "id int").is_cached
    for frame in (chosen, random, mapped):
        frame.unpersist()


def test_rows_that_were_read_in_part_or_by_a_cancelled_job_are_not_taken_for_all(tmp_path):
    check(
        tmp_path,
        """
rdd = sc.parallelize(range(1000), 2).map(counted).cache()
same(rdd.take(3), [0, 1, 2])
same((rdd.count(), rdd.sum(), rdd.take(3)), (1000, 499500, [0, 1, 2]))
gate = sc.getConf().get("spark.local.dir") + "/gate"


def wait(n):
    while n > 5 and not os.path.exists(gate):
        time.sleep(0.02)
    return n


waiting = sc.parallelize(range(10), 1).map(wait).cache()


def job():
    sc.setJobGroup("waits", "waits")
    try:
        waiting.count()
    except Exception as error:
        failed.append(str(error))


failed = []
thread = threading.Thread(target=job)
thread.start()
eventually(lambda: sc.statusTracker().getActiveStageIds())
time.sleep(0.5)
sc.cancelJobGroup("waits")
thread.join()
same(len(failed), 1)
open(gate, "w").close()
same((waiting.collect(), waiting.collect()), (list(range(10)),) * 2)
""",
    )


def test_of_a_cache_only_what_is_damaged_is_computed_again(tmp_path):
    check(
        tmp_path,
        """
import random

below = sc.accumulator(0)
pairs = sc.parallelize(range(1000), 2).map(lambda n: below.add(1) or (n % 4, random.Random(n).randbytes(1000)))
shuffled = pairs.partitionBy(4)
same(shuffled.count(), 1000)
files = lambda: set(glob.glob(sc.getConf().get("spark.local.dir") + "/**/*.out", recursive=True))
before = files()
rdd = shuffled.map(counted).cache()
rows = rdd.collect()
same((calls.value, below.value, len(files() - before)), (1000, 1000, 4))
with open(min(files() - before), "r+b") as file:
    file.seek(100_000)
    byte = file.read(1)[0]
    file.seek(100_000)
    file.write(bytes([byte ^ 0xFF]))
same((rdd.collect() == rows, calls.value, below.value), (True, 1250, 1000))
same((rdd.collect() == rows, calls.value), (True, 1250))
""",
    )
