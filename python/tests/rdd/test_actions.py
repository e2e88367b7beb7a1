"""Actions, errors, and what an RDD says about itself."""

import pytest
from pyspark import StorageLevel
from pyspark.errors import PySparkNotImplementedError, PySparkRuntimeError


class Jobs:
    """Counts the requests that run jobs."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        self.count, fetch = 0, self.client._execute_and_fetch_as_iterator

        def counted(*args, **kwargs):
            self.count += 1
            return fetch(*args, **kwargs)

        counted.__wrapped__ = fetch
        self.client._execute_and_fetch_as_iterator = counted
        return self

    def __exit__(self, *_):
        del self.client._execute_and_fetch_as_iterator


def test_take_asks_for_more_and_more_partitions(sc):
    rdd = sc.parallelize(range(100), 100)
    with Jobs(sc._client) as jobs:
        assert rdd.take(1) == [0]
        assert jobs.count == 1
        assert rdd.filter(lambda x: x > 30).take(1) == [31]
        # 1, 4, 20 and the rest of 100.
        assert jobs.count == 1 + 4
    assert rdd.take(0) == [] and rdd.take(1000) == list(range(100))
    assert rdd.first() == 0 and not rdd.isEmpty() and sc.emptyRDD().isEmpty()
    with pytest.raises(ValueError, match="RDD is empty"):
        sc.parallelize([], 2).first()


def test_each_operation_runs_as_many_jobs_as_in_spark(sc):
    rdd = sc.parallelize([(n, n) for n in range(20)], 4)
    for expected, action in [
        (1, lambda: rdd.count()),
        (1, lambda: rdd.reduceByKey(lambda a, b: a).collect()),
        (3, lambda: rdd.sortByKey().collect()),
        (1, lambda: rdd.zipWithIndex()),
        (0, lambda: rdd.zipWithUniqueId()),
        (4, lambda: list(rdd.toLocalIterator())),
        (4, lambda: list(rdd.toLocalIterator(prefetchPartitions=True))),
        (1, lambda: rdd.aggregate(0, lambda a, x: a + x[1], lambda a, b: a + b)),
    ]:
        with Jobs(sc._client) as jobs:
            action()
        assert jobs.count == expected


def test_combining_actions(sc):
    rdd = sc.parallelize(range(1, 11), 3)
    assert (rdd.sum(), rdd.max(), rdd.min(), rdd.mean(), rdd.count()) == (55, 10, 1, 5.5, 10)
    assert rdd.reduce(lambda a, b: a * b) == 3628800
    assert rdd.treeReduce(lambda a, b: a + b) == 55
    assert rdd.treeAggregate(0, lambda a, x: a + x, lambda a, b: a + b, 3) == 55
    assert sc.parallelize(range(100), 20).treeAggregate(0, lambda a, x: a + x, lambda a, b: a + b, 2) == 4950
    assert rdd.top(2) == [10, 9] and rdd.takeOrdered(2, key=lambda x: -x) == [10, 9]
    assert dict(sc.parallelize("aab", 2).countByValue()) == {"a": 2, "b": 1}
    assert rdd.map(lambda n: (n % 2, n)).reduceByKeyLocally(lambda a, b: a + b) == {0: 30, 1: 25}
    assert rdd.map(lambda n: (n, -n)).collectAsMap()[3] == -3
    assert rdd.histogram(2) == ([1, 5.5, 10], [5, 5])
    assert rdd.histogram([0, 5, 10]) == ([0, 5, 10], [4, 6])
    assert (rdd.countApprox(1000), rdd.sumApprox(1000), rdd.meanApprox(1000)) == (10, 55.0, 5.5)
    assert abs(sc.parallelize(range(10000), 4).countApproxDistinct(0.01) - 10000) < 300
    with pytest.raises(ValueError, match="empty RDD"):
        sc.parallelize([], 1).reduce(lambda a, b: a)


def test_errors_of_functions_reach_the_program(sc):
    def fails(x):
        raise RuntimeError("käput")

    def stops(x):
        raise StopIteration("no more")

    with pytest.raises(Exception, match="käput"):
        sc.parallelize([1]).map(fails).collect()
    rdd = sc.parallelize(range(4), 2)
    for action in (
        lambda: rdd.map(stops).collect(),
        lambda: rdd.filter(stops).collect(),
        lambda: rdd.foreach(stops),
        lambda: rdd.reduce(lambda a, b: stops(a)),
        lambda: rdd.fold(0, lambda a, b: stops(a)),
        lambda: rdd.map(lambda x: (1, x)).reduceByKeyLocally(lambda a, b: stops(a)),
    ):
        with pytest.raises(Exception, match="StopIteration"):
            action()
    assert rdd.count() == 4


def test_rdds_and_contexts_do_not_travel(sc):
    rdd = sc.parallelize([1])
    with pytest.raises(Exception, match="RDD_TRANSFORM_ONLY_VALID_ON_DRIVER"):
        sc.broadcast(rdd)
    with pytest.raises(Exception, match="RDD_TRANSFORM_ONLY_VALID_ON_DRIVER"):
        rdd.map(lambda x: rdd.count()).collect()
    with pytest.raises(Exception, match="CONTEXT_ONLY_VALID_ON_DRIVER"):
        rdd.map(lambda x: sc.parallelize([x])).collect()


def test_foreach(sc):
    seen = sc.accumulator(0)
    sc.parallelize(range(10), 3).foreach(seen.add)
    assert seen.value == 45
    sc.parallelize(range(10), 3).foreachPartition(lambda it: seen.add(len(list(it))))
    assert seen.value == 55


def test_kept_rdds_are_computed_once(sc):
    runs = sc.accumulator(0)
    rdd = sc.parallelize(range(4), 2).map(lambda x: runs.add(1) or x).cache()
    assert rdd.getStorageLevel() == StorageLevel.MEMORY_ONLY and rdd.is_cached
    assert (rdd.sum(), rdd.sum(), rdd.map(lambda x: x + 1).sum()) == (6, 6, 10)
    assert runs.value == 4
    with pytest.raises(Exception, match="Cannot change storage level"):
        rdd.persist(StorageLevel.DISK_ONLY)
    rdd.unpersist()
    assert not rdd.is_cached and rdd.getStorageLevel() == StorageLevel(False, False, False, False)
    assert rdd.persist(StorageLevel.DISK_ONLY).sum() == 6
    # A server may still have the rows, and need not compute them again.
    assert runs.value in (4, 8)


def test_checkpoints_cut_the_lineage(sc, tmp_path):
    runs = sc.accumulator(0)
    rdd = sc.parallelize(range(4), 2).map(lambda x: runs.add(1) or x)
    if sc.getCheckpointDir() is None:
        with pytest.raises(PySparkRuntimeError, match="Checkpoint directory has not been set"):
            rdd.checkpoint()
    sc.setCheckpointDir(str(tmp_path))
    rdd.checkpoint()
    assert not rdd.isCheckpointed() and rdd.getCheckpointFile() is None
    assert rdd.map(lambda x: x).sum() == 6
    assert rdd.isCheckpointed() and rdd.getCheckpointFile().startswith(f"file:{tmp_path}")
    before = runs.value
    assert rdd.sum() == 6 and runs.value == before
    assert "ReliableCheckpointRDD" in rdd.toDebugString().decode()
    assert sc._checkpointFile(rdd.getCheckpointFile(), rdd._jrdd_deserializer).collect() == [0, 1, 2, 3]
    local = sc.parallelize(range(3), 1).map(lambda x: x)
    local.localCheckpoint()
    assert local.isLocallyCheckpointed() and not local.isCheckpointed()
    assert local.count() == 3 and str(local.getStorageLevel()) == "Disk Memory Deserialized 1x Replicated"
    local.persist(StorageLevel.MEMORY_ONLY)
    assert str(local.getStorageLevel()) == "Disk Memory Serialized 1x Replicated"


def test_lineage_is_printed_as_in_spark(sc):
    rdd = sc.parallelize([1, 2, 3, 4], 2)
    first = rdd.id()
    counted = rdd.map(lambda x: (x, 1)).reduceByKey(lambda a, b: a + b)
    lines = counted.toDebugString().decode().splitlines()
    assert lines[0] == f"(2) PythonRDD[{first + 5}] at RDD at PythonRDD.scala:59 []"
    assert lines[1] == f" |  MapPartitionsRDD[{first + 4}] at mapPartitions at PythonRDD.scala:197 []"
    assert lines[2] == f" |  ShuffledRDD[{first + 3}] at partitionBy at NativeMethodAccessorImpl.java:0 []"
    assert lines[3].startswith(f" +-(2) PairwiseRDD[{first + 2}] at reduceByKey at {__file__}:")
    assert lines[4].startswith(f"    |  PythonRDD[{first + 1}] at reduceByKey at {__file__}:")
    assert lines[5] == f"    |  ParallelCollectionRDD[{first}] at readRDDFromFile at PythonRDD.scala:326 []"
    assert repr(rdd.setName("mine")).startswith("mine ParallelCollectionRDD[") and rdd.name() == "mine"
    repartitioned = rdd.repartition(3).toDebugString().decode().splitlines()
    kinds = [line.split("[")[0].split()[-1] for line in repartitioned]
    assert kinds[:5] == ["MapPartitionsRDD", "CoalescedRDD", "ShuffledRDD", "MapPartitionsRDD", "PythonRDD"]


def test_barriers(sc):
    rdd = sc.parallelize(range(4), 2).barrier().mapPartitions(lambda it: [sum(it)])
    assert rdd._is_barrier() and sorted(rdd.collect()) == [1, 5]
    for refused in (lambda: rdd.coalesce(1), lambda: rdd.union(rdd), lambda: rdd.take(1)):
        with pytest.raises(PySparkRuntimeError, match="Barrier execution mode does not allow"):
            refused()


@pytest.mark.parametrize("name", ["saveAsSequenceFile", "saveAsHadoopDataset", "saveAsNewAPIHadoopDataset"])
def test_what_needs_hadoop_is_refused_by_name(sc, name):
    with pytest.raises(PySparkNotImplementedError, match=name):
        getattr(sc.parallelize([(1, 2)]), name)({})
