"""RDDs, broadcast variables and accumulators, on a real driver and executors."""

import random
import re

import pytest

from conftest import program_on, run

#: Runs before each program: a context, and a check that prints nothing unless it fails.
START = """
from operator import add
from pyspark import SparkConf, SparkContext, StorageLevel
from pyspark.sql import Row, SparkSession

sc = SparkContext(conf=SparkConf().setAppName("rdd"))


def same(found, expected):
    assert found == expected, (found, expected)

"""


def check(tmp_path, text):
    """Runs a program on two executors of two slots."""
    program_on(tmp_path, START + text, "local-cluster[2,2,1024]")


def test_narrow_operations_and_actions(tmp_path):
    check(
        tmp_path,
        """
rdd = sc.parallelize(range(100), 5)
same(rdd.map(lambda x: x * 2).filter(lambda x: x % 3 == 0).sum(), sum(x * 2 for x in range(100) if x * 2 % 3 == 0))
same((rdd.count(), rdd.first(), rdd.take(7), rdd.getNumPartitions()), (100, 0, list(range(7)), 5))
same(rdd.glom().map(len).collect(), [20] * 5)
same(rdd.flatMap(lambda x: [x, x]).distinct().count(), 100)
same(rdd.reduce(add), 4950)
same(rdd.fold(0, add), 4950)
same(rdd.aggregate((0, 0), lambda a, x: (a[0] + x, a[1] + 1), lambda a, b: (a[0] + b[0], a[1] + b[1])), (4950, 100))
same((rdd.max(), rdd.min(), rdd.mean(), rdd.stats().count()), (99, 0, 49.5, 100))
same(rdd.top(3), [99, 98, 97])
same(rdd.takeOrdered(3, key=lambda x: -x), [99, 98, 97])
same(rdd.mapPartitionsWithIndex(lambda i, rows: [(i, sum(rows))]).collect()[4], (4, sum(range(80, 100))))
same(sc.parallelize([], 3).collect(), [])
same(sc.union([rdd, sc.parallelize(["a"], 1)]).count(), 101)
same(rdd.coalesce(2).glom().map(len).collect(), [40, 60])
same(sorted(rdd.repartition(7).collect()), list(range(100)))
same(rdd.zip(rdd.map(str)).take(2), [(0, "0"), (1, "1")])
same(rdd.zipWithIndex().collect()[37], (37, 37))
same(sorted(sc.parallelize([1, 2], 2).cartesian(sc.parallelize("ab", 2)).collect()), [(1, "a"), (1, "b"), (2, "a"), (2, "b")])
same(rdd.isEmpty(), False)
same(sc.runJob(rdd, lambda rows: [sum(rows)], [0, 4]), [sum(range(20)), sum(range(80, 100))])
""",
    )


def test_shuffles_of_pairs(tmp_path):
    check(
        tmp_path,
        """
pairs = sc.parallelize([(n % 7, n) for n in range(1000)], 4)
expected = {k: [n for n in range(1000) if n % 7 == k] for k in range(7)}
same(dict(pairs.reduceByKey(add, 3).collect()), {k: sum(v) for k, v in expected.items()})
same({k: sorted(v) for k, v in pairs.groupByKey().collect()}, expected)
same(dict(pairs.countByKey()), {k: len(v) for k, v in expected.items()})
same(pairs.sortByKey(ascending=False).keys().collect(), sorted((n % 7 for n in range(1000)), reverse=True))
same(sc.parallelize([5, 3, 9, 1], 2).sortBy(lambda x: x).collect(), [1, 3, 5, 9])
left, right = sc.parallelize([(1, "a"), (2, "b")], 2), sc.parallelize([(1, "x"), (3, "z")], 2)
same(left.join(right).collect(), [(1, ("a", "x"))])
same(sorted(left.leftOuterJoin(right).collect()), [(1, ("a", "x")), (2, ("b", None))])
same(sorted(left.fullOuterJoin(right).collect()), [(1, ("a", "x")), (2, ("b", None)), (3, (None, "z"))])
same(sorted((k, [list(v) for v in vs]) for k, vs in left.cogroup(right).collect()), [(1, [["a"], ["x"]]), (2, [["b"], []]), (3, [[], ["z"]])])
same(sorted(left.subtractByKey(right).collect()), [(2, "b")])
same(pairs.partitionBy(3).glom().map(lambda rows: {k % 3 for k, _ in rows}).collect(), [{0}, {1}, {2}])
same(sorted(pairs.mapValues(lambda n: 1).combineByKey(int, add, add).collect()), sorted((k, len(v)) for k, v in expected.items()))
""",
    )


def test_frames_and_rdds(tmp_path):
    check(
        tmp_path,
        """
spark = SparkSession.builder.getOrCreate()
assert spark.sparkContext is sc
frame = spark.createDataFrame([(1, "a", None), (2, "b", 2.5)], "n int, s string, x double")
same(frame.rdd.collect(), frame.collect())
same(frame.rdd.map(lambda row: row.n + 1).collect(), [2, 3])
same(sc.parallelize([(1, "a"), (2, "b")]).toDF(["n", "s"]).collect(), [Row(n=1, s="a"), Row(n=2, s="b")])
same(spark.createDataFrame(sc.parallelize([Row(a=1), Row(a=2)]), "a long").groupBy().sum("a").first()[0], 3)
same(spark.range(10, numPartitions=3).rdd.getNumPartitions(), 3)
ordered = spark.range(0, 1000, 1, 4).orderBy("id", ascending=False).rdd.map(lambda row: row.id)
same((ordered.getNumPartitions(), ordered.take(3)), (1, [999, 998, 997]))
spark.conf.set("spark.sql.adaptive.enabled", "false")
spark.conf.set("spark.sql.shuffle.partitions", "7")
ordered = spark.range(0, 1000, 1, 4).orderBy("id", ascending=False).rdd.map(lambda row: row.id)
same((ordered.getNumPartitions(), ordered.take(3)), (7, [999, 998, 997]))
same((ordered.collect(), list(ordered.toLocalIterator())), (list(range(1000))[::-1],) * 2)
parts = ordered.glom().collect()
assert len(parts) == 7 and all(part == sorted(part)[::-1] and part for part in parts), parts
""",
    )


def test_broadcast_variables_and_accumulators(tmp_path):
    check(
        tmp_path,
        """
from pyspark.sql.functions import udf

spark = SparkSession.builder.getOrCreate()
values = sc.broadcast({n: n * n for n in range(1000)})
same(sc.parallelize(range(1000), 4).map(lambda n: values.value[n]).sum(), sum(n * n for n in range(1000)))
same(spark.range(3).select(udf(lambda n: values.value[n], "long")("id").alias("v")).collect(), [Row(v=0), Row(v=1), Row(v=4)])
total, seen = sc.accumulator(0), sc.accumulator(0.0)
rdd = sc.parallelize(range(100), 4)
rdd.foreach(lambda n: total.add(n))
same(total.value, 4950)
same(rdd.map(lambda n: (n % 3, seen.add(1) or n)).reduceByKey(add).count(), 3)
same(seen.value, 100.0)


def careless(n):
    total.add(1)
    if n == 50:
        raise ValueError("no fifty")
    return n


try:
    rdd.map(careless).collect()
    raise SystemExit("no error")
except Exception as error:
    assert "no fifty" in str(error), error
# The tasks that succeeded have counted; the one that failed has not, however often it ran.
assert total.value - 4950 in (0, 25, 50, 75), total.value
""",
    )


def test_a_broadcast_value_is_one_file_in_each_executor_until_it_is_dropped(tmp_path):
    check(
        tmp_path,
        """
import os, time

data = os.urandom(9_000_000)
values, equal = sc.broadcast(data), sc.broadcast(data)


def place(values):
    def found(_):
        from firesteel.worker import blobs

        time.sleep(0.05)
        return blobs.path(values._hash), sum(values.value[::1000])

    places = set(sc.parallelize(range(16), 16).map(found).collect())
    same({total for _, total in places}, {sum(data[::1000])})
    paths = {path for path, _ in places}
    same(len(paths), 2)
    assert all(os.path.getsize(path) > 9_000_000 for path in paths)
    return paths


def wait_until_gone(paths):
    for _ in range(600):
        if not any(os.path.exists(path) for path in paths):
            return
        time.sleep(0.05)
    raise SystemExit(f"{paths} are still there")


paths = place(values)
values.unpersist()
wait_until_gone(paths)
paths = place(values)
values.destroy()
same(place(equal), paths)
use = sc.parallelize([1]).map(lambda n: len(equal.value))
same(use.collect(), [9_000_000])
equal.destroy()
wait_until_gone(paths)
try:
    sc.parallelize([1]).map(lambda n: len(equal.value)).collect()
    raise SystemExit("no error")
except Exception as error:
    assert "after it was destroyed" in str(error), error
""",
    )


def test_random_programs_compute_what_lists_do(tmp_path):
    rng = random.Random(5)
    lines = []
    for _ in range(6):
        rdd, data = f"sc.parallelize(range({rng.randrange(50)}), {rng.randrange(1, 5)})", None
        data = rdd[rdd.index("range") : rdd.index(")") + 1]
        steps = [rng.choice(["map", "filter", "flatMap", "distinct", "union", "repartition"]) for _ in range(4)]
        for step in steps:
            n = rng.randrange(2, 5)
            if step == "map":
                rdd, data = f"{rdd}.map(lambda x: x + {n})", f"[x + {n} for x in {data}]"
            elif step == "filter":
                rdd, data = f"{rdd}.filter(lambda x: x % {n})", f"[x for x in {data} if x % {n}]"
            elif step == "flatMap":
                rdd, data = f"{rdd}.flatMap(lambda x: [x] * {n})", f"[y for x in {data} for y in [x] * {n}]"
            elif step == "distinct":
                rdd, data = f"{rdd}.distinct()", f"list(set({data}))"
            elif step == "union":
                rdd, data = f"(lambda r: r.union(r))({rdd})", f"list({data}) * 2"
            else:
                rdd = f"{rdd}.repartition({n})"
        lines.append(f"same(sorted({rdd}.collect()), sorted({data}))")
    check(tmp_path, "\n".join(lines))


def test_rdds_without_partitions(tmp_path):
    check(
        tmp_path,
        """
empty, some = sc.emptyRDD(), sc.parallelize(range(4), 2)
same(empty.union(some).glom().collect(), [[0, 1], [2, 3]])
same(some.union(empty.map(str)).union(empty.cartesian(some)).collect(), [0, 1, 2, 3])
same(empty.repartition(2).glom().collect(), [[], []])
same(empty.reduceByKey(add, 3).union(some).getNumPartitions(), 5)
same(some.keyBy(str).leftOuterJoin(empty).count(), 4)
same((empty.collect(), empty.count(), empty.meanApprox(1000)), ([], 0, 0.0))
same(empty.toDF("a int").collect(), [])
""",
    )


def test_the_tasks_of_an_rdd_take_the_cores_that_it_asks_for(tmp_path):
    text = """
import time
from pyspark import TaskContext
from pyspark.resource import ExecutorResourceRequests, ResourceProfileBuilder, TaskResourceRequests


def asking(cpus):
    return ResourceProfileBuilder().require(TaskResourceRequests().cpus(cpus)).build


def place(n):
    began = time.time()
    time.sleep(0.3)
    return n, TaskContext.get().cpus(), began, time.time()


def run(rdd):
    rows = rdd.map(place).collect()
    together = max(sum(other[2] <= row[2] < other[3] for other in rows) for row in rows)
    return [row[0] for row in rows], {row[1] for row in rows}, together


numbers = sc.parallelize(range(4), 4)
same(run(numbers.map(lambda n: n)), ([0, 1, 2, 3], {1}, 4))
wide = numbers.map(lambda n: n).withResources(asking(2))
same(wide.getResourceProfile().taskResources["cpus"].amount, 2.0)
same(run(wide), ([0, 1, 2, 3], {2}, 2))
# The stage that reads its shuffle is another one, unless it asks, too.
pairs = wide.map(lambda n: (n, TaskContext.get().cpus())).partitionBy(4)
same(sorted(pairs.map(lambda pair: (*pair, TaskContext.get().cpus())).collect()), [(n, 2, 1) for n in range(4)])
asked = pairs.values().withResources(asking(4))
same(asked.map(lambda before: (before, TaskContext.get().cpus())).distinct().collect(), [(2, 4)])


def refused(what, words):
    try:
        what()
    except Exception as error:
        assert words in str(error), error
    else:
        raise SystemExit(f"it is not refused: {words}")


other = numbers.map(lambda n: n).withResources(asking(3))
refused(wide.zip(other).collect, "Multiple ResourceProfiles specified in the RDDs for this stage")
refused(numbers.map(lambda n: n).withResources(asking(5)).collect, "The number of cores per executor (=4) has to be >= the number of cpus per task = 5.")
whole = ResourceProfileBuilder().require(ExecutorResourceRequests().cores(8)).build
refused(lambda: numbers.withResources(whole), "with dynamic allocation enabled")
gpu = ResourceProfileBuilder().require(TaskResourceRequests().resource("gpu", 1)).build
refused(lambda: numbers.withResources(gpu), "the following task configs: gpu")
same(numbers.sum(), 6)
"""
    program_on(tmp_path, START + text, "local-cluster[1,4,1024]")


def test_conflicting_cores_of_a_stage_are_merged_if_that_is_wanted(tmp_path):
    text = """
from pyspark import TaskContext
from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests


def asking(cpus):
    return ResourceProfileBuilder().require(TaskResourceRequests().cpus(cpus)).build


one, two = (sc.parallelize(range(2), 2).map(lambda n: n).withResources(asking(cpus)) for cpus in (1, 2))
same(one.zip(two).map(lambda pair: (*pair, TaskContext.get().cpus())).collect(), [(0, 0, 2), (1, 1, 2)])
"""
    merged = "spark.scheduler.resource.profileMergeConflicts=true"
    program_on(tmp_path, START + text, "local-cluster[1,2,1024]", "--conf", merged)


def test_a_local_master_has_no_profiles(tmp_path):
    text = """
from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

profile = ResourceProfileBuilder().require(TaskResourceRequests().cpus(2)).build
try:
    sc.parallelize([1], 1).withResources(profile)
    raise SystemExit("it is not refused")
except Exception as error:
    assert "TaskResourceProfiles are only supported for Standalone" in str(error), error
"""
    program_on(tmp_path, START + text, "local[2]")


def test_unions_of_shuffled_and_other_rdds(tmp_path):
    check(
        tmp_path,
        """
# Both in batches of ten, so that nothing is pickled again.
rdd = sc.parallelize(list(range(20)), 2)
same(rdd._jrdd_deserializer, rdd.repartition(2)._jrdd_deserializer)
same(sorted(rdd.union(rdd.repartition(2)).collect()), sorted([*range(20), *range(20)]))
same(sorted(rdd.repartition(3).coalesce(1).union(rdd).collect()), sorted([*range(20), *range(20)]))
""",
    )


def test_columns_of_frames_that_were_made_of_rdds(tmp_path):
    check(
        tmp_path,
        """
spark = SparkSession.builder.getOrCreate()
left = sc.parallelize([(1, "a"), (2, "b")], 2).toDF(["n", "s"])
right = sc.parallelize([(1, "x")], 1).map(lambda x: x).cache().toDF(["n", "t"])
same(left.filter(left.n > 1).select(left["s"]).collect(), [Row(s="b")])
same(left.join(right, left.n == right.n).select(left.s, right.t).collect(), [Row(s="a", t="x")])
same(left.groupBy("n").count().count(), 2)
""",
    )


@pytest.mark.parametrize("call, error", [("sequenceFile('x')", "NOT_IMPLEMENTED"), ("newAPIHadoopFile('x', 'a', 'b', 'c')", "NOT_IMPLEMENTED")])
def test_what_needs_a_jvm_is_refused_by_name(tmp_path, call, error):
    check(
        tmp_path,
        f"""
try:
    sc.{call}
    raise SystemExit("no error")
except Exception as refused:
    assert {error!r} in str(refused), refused
""",
    )


def test_frames_whose_partitions_were_put_together_are_zipped_as_they_are_counted(tmp_path):
    check(
        tmp_path,
        """
spark = SparkSession.builder.getOrCreate()
counts = spark.range(100).selectExpr("id % 10 as k").groupBy("k").count().rdd
same(counts.getNumPartitions(), 1)
same(len(counts.zip(sc.parallelize(range(10), 1)).collect()), 10)
ordered = spark.range(0, 3000, 1, 4).selectExpr("id", "id % 7 as x").orderBy("x", "id").rdd
pairs = ordered.zip(ordered.map(lambda row: row.id))
same(all(row.id == id for row, id in pairs.toLocalIterator()), True)
same([number for _, number in ordered.zipWithIndex().collect()], list(range(3000)))
""",
    )


def test_partitions_taken_one_by_one_have_their_own_numbers(tmp_path):
    check(
        tmp_path,
        """
from pyspark.sql import functions as F

spark = SparkSession.builder.getOrCreate()
frame = spark.range(0, 100, 1, 4)
frame = frame.select("id", F.spark_partition_id(), F.monotonically_increasing_id(), F.rand(5)).rdd
rows = frame.collect()
same([row[1] for row in rows[::25]], [0, 1, 2, 3])
same(list(frame.toLocalIterator()), rows)
same(frame.take(60), rows[:60])
""",
    )


@pytest.mark.parametrize(("master", "tries"), [("local[2]", 1), ("local[2,3]", 3), ("local-cluster[1,1,512]", 4)])
def test_a_task_that_always_fails_is_tried_as_often_as_in_spark(tmp_path, master, tries):
    text = f"""
from pyspark import TaskContext


class Mine(Exception):
    pass


def fails(n):
    number = TaskContext.get().attemptNumber()
    with open({str(tmp_path / "log")!r}, "a") as file:
        print(number, file=file)
    raise Mine(f"try {{number}}")


try:
    sc.parallelize([1], 1).map(fails).collect()
    raise SystemExit("no error")
except Exception as error:
    assert "Mine: try {tries - 1}" in str(error) and "in fails" in str(error), error
same(sc.parallelize([1, 2], 1).sum(), 3)
"""
    program_on(tmp_path, START + text, master)
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(tries)]


def test_large_tasks_are_warned_of(tmp_path):
    text = """
import os

large = [(os.urandom(1_500_000),) for _ in range(4)]
spark = SparkSession.builder.getOrCreate()
frame = spark.createDataFrame(large, "b binary").coalesce(1).mapInArrow(lambda batches: batches, "b binary")
same(frame.selectExpr("sum(length(b))").first()[0], 6_000_000)
# The elements of an RDD are no part of its tasks: an executor gets them once.
same(sc.parallelize(large, 1).map(lambda row: len(row[0])).sum(), 6_000_000)
"""
    file = tmp_path / "program.py"
    file.write_text(START + text)
    done = run("run", "--master", "local[2]", file)
    assert done.returncode == 0, done.stderr
    warned = re.findall(r"Stage \d+ contains a task of very large size \((\d+) KiB\)", done.stderr)
    assert len(warned) == 1 and 5800 <= int(warned[0]) <= 6000, done.stderr
    assert "The maximum recommended task size is 1000 KiB." in done.stderr


def test_what_cannot_be_pickled_and_a_bad_partitioner_fail_one_job(tmp_path):
    text = """
import threading

lock, one = threading.Lock(), sc.parallelize([(1, 2)], 1)


def bad(key):
    raise ValueError("a bad partitioner")


for job, why in [
    (lambda: one.map(lambda pair: lock and pair).count(), "cannot pickle"),
    (lambda: one.map(lambda pair: threading.Lock()).collect(), "cannot pickle"),
    (lambda: one.partitionBy(2, bad).count(), "a bad partitioner"),
]:
    try:
        job()
        raise SystemExit("no error")
    except Exception as error:
        assert why in str(error), error
    same(one.count(), 1)
"""
    program_on(tmp_path, START + text, "local[2]")


def test_an_accumulator_that_cannot_be_merged_harms_no_other(tmp_path):
    text = """
from pyspark import AccumulatorParam, TaskContext


class Unmerged(AccumulatorParam):
    def zero(self, value):
        return 0

    def addInPlace(self, one, other):
        if TaskContext.get() is None:
            raise ValueError("no merge")
        return one + other


good, bad, late = sc.accumulator(0), sc.accumulator(0, Unmerged()), sc.accumulator(0)
mapped = sc.parallelize(range(4), 2).map(lambda n: (good.add(1), bad.add(1), late.add(n)))
same(good.value, 0)
mapped.count()
same((good.value, bad.value, late.value), (4, 0, 6))
# Nothing was stored: what is computed again adds again.
mapped.count()
same((good.value, bad.value, late.value), (8, 0, 12))
"""
    program_on(tmp_path, START + text, "local[2]")


@pytest.mark.parametrize("encrypted", ["false", "true"])
def test_values_of_other_threads_and_of_large_functions_reach_tasks(tmp_path, encrypted):
    text = """
import threading

made, seen = [], []
maker = threading.Thread(target=lambda: made.extend([sc.broadcast(list(range(1000))), sc.broadcast({"a": 5})]))
maker.start()
maker.join()
numbers, names = made
job = lambda: seen.append(sc.parallelize(range(4), 4).map(lambda n: numbers.value[n] + names.value["a"]).collect())
user = threading.Thread(target=job)
user.start()
user.join()
same(seen, [[5, 6, 7, 8]])
same((numbers.value[-1], names.value), (999, {"a": 5}))
large = list(range(1_000_000))
same(sc.parallelize(range(4), 4).map(lambda n: large[-n]).collect(), [0, 999_999, 999_998, 999_997])
"""
    program_on(tmp_path, START + text, "local-cluster[2,1,512]", "--conf", f"spark.ssl.rpc.enabled={encrypted}")


def test_an_action_that_needs_few_rows_reads_few_and_its_worker_goes_on(tmp_path):
    text = """
import os

read = sc.accumulator(0)
rows = sc.parallelize(range(100_000), 2).map(lambda n: read.add(1) or (n, os.getpid()))
((_, worker),) = rows.take(1)
same((rows.first()[1], rows.keys().take(2)), (worker, [0, 1]))
assert read.value <= 20, read.value
same({pid for _, pid in rows.collect()}, {worker})
"""
    program_on(tmp_path, START + text, "local[1]")


def test_a_task_knows_its_stage_its_partition_its_attempt_and_its_cores(tmp_path):
    text = """
from pyspark import TaskContext


def place(_):
    context = TaskContext.get()
    return context.stageId(), context.partitionId(), context.attemptNumber(), context.cpus(), context.taskAttemptId()


rdd = sc.parallelize(range(3), 3)
first, second = rdd.map(place).collect(), rdd.map(place).collect()
for found in (first, second):
    same([place[1:4] for place in found], [(0, 0, 2), (1, 0, 2), (2, 0, 2)])
    same(len({place[0] for place in found}), 1)
assert first[0][0] < second[0][0], (first, second)
same(len({place[4] for place in first + second}), 6)
"""
    program_on(tmp_path, START + text, "local[4]", "--conf", "spark.task.cpus=2")
