"""Transformations, and the partitions that they make."""

import operator

import pytest


def glom(rdd):
    return rdd.glom().collect()


def test_collections_are_cut_as_spark_cuts_them(sc):
    assert glom(sc.parallelize(range(5), 3)) == [[0], [1, 2], [3, 4]]
    assert glom(sc.parallelize("abcdefg", 3)) == [["a", "b"], ["c", "d"], ["e", "f", "g"]]
    assert glom(sc.range(0, 20, 3, 4)) == [[0], [3, 6], [9, 12], [15, 18]]
    assert glom(sc.parallelize(range(7, 0, -2), 2)) == [[7, 5], [3, 1]]
    assert glom(sc.parallelize([], 2)) == [[], []]
    assert sc.emptyRDD().collect() == [] and sc.emptyRDD().getNumPartitions() == 0
    assert sc.parallelize(iter([1, 2]), 1).collect() == [1, 2]


def test_what_is_too_large_for_a_plan_comes_as_blobs(sc):
    rows = ["x" * 1000 + str(n) for n in range(5000)]
    assert sc.parallelize(rows, 3).collect() == rows
    large = list(range(1_000_000))
    assert sc.parallelize(range(3), 3).map(lambda n: large[n]).collect() == [0, 1, 2]


def test_functions_of_partitions_get_their_number(sc):
    rdd = sc.parallelize(range(6), 3)
    numbered = rdd.mapPartitionsWithIndex(lambda split, it: [(split, sum(it))])
    assert numbered.collect() == [(0, 1), (1, 5), (2, 9)]
    assert rdd.union(rdd).mapPartitionsWithIndex(lambda split, it: [split]).collect() == list(range(6))
    both = numbered.union(numbered)
    assert both.collect() == numbered.collect() * 2
    assert sc.runJob(numbered, lambda it: it, [2, 0]) == [(2, 9), (0, 1)]


def test_coalesce_joins_neighbours_and_repartition_deals_batches_out(sc):
    rdd = sc.parallelize(range(40), 3)
    assert glom(sc.parallelize(range(10), 5).coalesce(2)) == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]
    assert rdd.coalesce(9).getNumPartitions() == 3
    # What Spark 4.2 answers.
    first = [[*range(10, 13), *range(23, 36)], [*range(10), *range(13, 23), *range(36, 40)]]
    assert [sorted(part) for part in glom(rdd.repartition(2))] == first
    sizes = [sorted(part) for part in glom(rdd.repartition(5))]
    assert sizes[:4] == [[10, 11, 12, 23, 24, 25, 36, 37, 38, 39], [], [], []]
    with pytest.raises(ValueError, match="must be positive"):
        rdd.coalesce(0)


def test_zip_takes_any_batches_but_equal_lengths(sc):
    left = sc.parallelize(range(100), 2)
    right = sc.parallelize(range(100), 2).map(str)
    assert left.zip(right).collect() == [(n, str(n)) for n in range(100)]
    assert left.zip(right).zip(left).count() == 100
    with pytest.raises(ValueError, match="same number of partitions"):
        left.zip(sc.parallelize(range(100), 3))
    a, b = sc.parallelize([2, 3], 2).flatMap(range), sc.parallelize([3, 2], 2).flatMap(range)
    with pytest.raises(Exception, match="same number of elements in each partition"):
        a.zip(b).count()


def test_cartesian_products(sc):
    a, b = sc.parallelize([1, 2, 3], 2), sc.parallelize(["x", "y"], 2)
    assert sorted(a.cartesian(b).collect()) == [(n, c) for n in (1, 2, 3) for c in ("x", "y")]
    assert a.cartesian(b).getNumPartitions() == 4
    assert a.cartesian(a).cartesian(b.cartesian(b)).count() == 36


def test_shuffles_keep_equal_keys_together(sc):
    pairs = sc.parallelize([(n % 5, n) for n in range(100)], 4)
    assert dict(pairs.reduceByKey(operator.add).collect()) == {k: sum(range(k, 100, 5)) for k in range(5)}
    grouped = pairs.groupByKey(2)
    assert {k: sorted(v) for k, v in grouped.collect()} == {k: list(range(k, 100, 5)) for k in range(5)}
    assert grouped.getNumPartitions() == 2
    assert dict(pairs.aggregateByKey((0, 0), lambda a, v: (a[0] + v, a[1] + 1), lambda a, b: (a[0] + b[0], a[1] + b[1])).mapValues(lambda v: v[1]).collect()) == dict.fromkeys(range(5), 20)
    assert dict(pairs.foldByKey(0, operator.add).collect())[0] == sum(range(0, 100, 5))
    assert sorted(sc.parallelize([None, (1, None), "a", 2.5], 2).map(lambda k: (k, 1)).groupByKey().mapValues(len).values().collect()) == [1] * 4


def test_a_partitioned_rdd_is_not_shuffled_again(sc):
    pairs = sc.parallelize([(n, n) for n in range(20)], 4).partitionBy(3)
    assert pairs.partitionBy(3) is pairs
    assert pairs.mapValues(str).partitioner == pairs.partitioner
    assert pairs.map(lambda x: x).partitioner is None
    union = pairs.union(pairs.mapValues(str))
    assert union.getNumPartitions() == 3 and union.partitioner == pairs.partitioner
    assert [sorted({k % 3 for k, _ in part}) for part in glom(union)] == [[0], [1], [2]]
    assert pairs.lookup(4) == [4]


def test_joins(sc):
    left, right = sc.parallelize([(1, "a"), (2, "b"), (2, "c")], 2), sc.parallelize([(2, "x"), (3, "y")], 3)
    assert sorted(left.join(right).collect()) == [(2, ("b", "x")), (2, ("c", "x"))]
    assert sorted(left.leftOuterJoin(right).collect())[0] == (1, ("a", None))
    assert sorted(left.rightOuterJoin(right).collect())[-1] == (3, (None, "y"))
    assert left.fullOuterJoin(right).count() == 4
    assert {k: tuple(map(sorted, v)) for k, v in left.cogroup(right).collect()}[2] == (["b", "c"], ["x"])
    assert {k: len(v) for k, v in left.groupWith(right, left).collect()} == {1: 3, 2: 3, 3: 3}
    assert sorted(left.subtractByKey(right).collect()) == [(1, "a")]
    assert sorted(sc.parallelize([1, 2, 3]).subtract(sc.parallelize([2])).collect()) == [1, 3]
    assert sorted(sc.parallelize([1, 2, 2, 3]).intersection(sc.parallelize([2, 3, 4])).collect()) == [2, 3]


def test_sorting(sc):
    numbers = [(n * 7919) % 1009 for n in range(1000)]
    rdd = sc.parallelize(numbers, 4)
    assert rdd.sortBy(lambda x: x).collect() == sorted(numbers)
    assert rdd.sortBy(lambda x: -x, numPartitions=3).collect() == sorted(numbers, reverse=True)
    pairs = rdd.map(lambda x: (x, None))
    assert pairs.sortByKey(False).keys().collect() == sorted(numbers, reverse=True)
    assert pairs.sortByKey(numPartitions=1).keys().collect() == sorted(numbers)
    within = pairs.repartitionAndSortWithinPartitions(2, lambda k: k % 2)
    assert [[k for k, _ in part] for part in glom(within)] == [sorted(n for n in numbers if n % 2 == r) for r in (0, 1)]


def test_groups_larger_than_memory_are_spilled(sc):
    conf = sc._conf
    conf.set("spark.python.worker.memory", "1m")
    try:
        pairs = sc.parallelize(range(30000), 2).map(lambda n: (n % 3, "x" * 100))
        assert dict(pairs.groupByKey().mapValues(lambda values: sum(1 for _ in values)).collect()) == dict.fromkeys(range(3), 10000)
        assert pairs.sortByKey().map(lambda kv: kv[0]).distinct().count() == 3
    finally:
        conf.set("spark.python.worker.memory", "512m")


def test_samples(sc):
    rdd = sc.parallelize(range(1000), 4)
    assert rdd.sample(False, 0.1, 81).collect() == rdd.sample(False, 0.1, 81).collect()
    assert len(rdd.takeSample(False, 20, 3)) == 20 and len(set(rdd.takeSample(True, 5, 1))) <= 5
    assert sum(part.count() for part in rdd.randomSplit([1, 2, 3], 7)) == 1000
    assert rdd.map(lambda n: (n % 2, n)).sampleByKey(False, {0: 1.0, 1: 0.0}, 1).count() == 500


def test_numbers_of_elements(sc):
    rdd = sc.parallelize("abcd", 3)
    assert rdd.zipWithIndex().collect() == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    assert rdd.zipWithUniqueId().collect() == [("a", 0), ("b", 1), ("c", 2), ("d", 5)]


def test_lines_through_a_command(sc):
    assert sc.parallelize(["1", "2", "3"], 2).pipe("cat").collect() == ["1", "2", "3"]
    with pytest.raises(Exception, match="PIPE_FUNCTION_EXITED|error code"):
        sc.parallelize(["1"], 1).pipe("sh -c 'exit 3'", {"PATH": "/bin:/usr/bin"}, checkCode=True).collect()


def test_long_chains_of_steps(sc):
    rdd = sc.parallelize([0], 1)
    for _ in range(40):
        rdd = rdd.union(sc.parallelize([1], 1)).coalesce(1)
    assert rdd.sum() == 40
    mapped = sc.parallelize([0], 1)
    for _ in range(300):
        mapped = mapped.map(lambda x: x + 1)
    assert mapped.collect() == [300]
    united = sc.parallelize([1], 1)
    for _ in range(15):
        united = united.map(lambda x: x).union(sc.parallelize([1], 1))
    assert united.count() == 16
