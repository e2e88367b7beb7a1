"""Join hints: they choose how a join is computed, never what it yields."""

import pytest
from pyspark.sql import functions as F

HINTS = {
    "BROADCAST": "mode=CollectLeft",
    "MERGE": "SortMergeJoinExec",
    "SHUFFLE_HASH": "mode=Partitioned",
    "SHUFFLE_REPLICATE_NL": "NestedLoopJoinExec",
}
JOINS = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"]


@pytest.fixture
def sql(spark):
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    rows = [(k, v, f"t{k % 3}" if k else None) for k, v in zip([1, 2, 2, None, 3, 5, 7, 7], range(8))]
    spark.createDataFrame(rows, "k int, v int, t string").repartition(2).createOrReplaceTempView("a")
    rows = [(k, v, f"t{k % 3}" if k else None) for k, v in zip([2, 2, 3, 4, None, 7], range(10, 16))]
    spark.createDataFrame(rows, "k int, w int, t string").repartition(2).createOrReplaceTempView("b")
    return spark.sql


def plan(sql, text):
    return sql(f"EXPLAIN {text}").first()[0]


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("hint", HINTS)
def test_every_join_yields_the_same(sql, hint, side, join):
    for condition in ("a.k = b.k", "a.k = b.k AND a.t = b.t AND a.v < b.w - 9", "a.k <=> b.k"):
        tables = f"FROM a {join} b ON {condition}"
        expected = sorted(map(tuple, sql(f"SELECT * {tables}").collect()), key=str)
        found = sql(f"SELECT /*+ {hint}({side}) */ * {tables}")
        assert sorted(map(tuple, found.collect()), key=str) == expected, condition


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_is_seen_in_the_plan(spark, sql, hint):
    text = "SELECT {} * FROM a JOIN b ON a.k = b.k"
    assert HINTS[hint] in plan(sql, text.format(f"/*+ {hint}(b) */"))
    assert HINTS[hint] in plan(sql, text.format(f"/*+ {hint.lower()}(a) */"))
    # Names that the query does not have, or has only below an alias, have no effect.
    for tables in ("a JOIN b AS x ON a.k = x.k", "a JOIN c ON a.k = c.k"):
        spark.table("b").createOrReplaceTempView("c")
        assert plan(sql, f"SELECT /*+ {hint}(b) */ * FROM {tables}") == plan(sql, f"SELECT * FROM {tables}")
    aliased = f"SELECT /*+ {hint}(x) */ * FROM a JOIN (SELECT * FROM b WHERE w > 0) AS x ON a.k = x.k"
    assert HINTS[hint] in plan(sql, aliased)
    named = spark.sql("SELECT * FROM a JOIN b ON a.k = b.k").hint(hint, "b")
    assert named.count() == 7
    frame = spark.table("a").join(spark.table("b").hint(hint), "k")
    assert frame.count() == 7
    assert HINTS[hint] in frame._explain_string()


def test_broadcast_has_precedence_and_needs_a_side_that_may_be_in_every_task(sql):
    text = "SELECT /*+ {} */ * FROM a {} b ON a.k = b.k"
    assert "mode=CollectLeft" in plan(sql, text.format("MERGE(a), BROADCAST(b)", "JOIN"))
    # Each row of the left side appears once: it cannot be in every task.
    assert "mode=Partitioned" in plan(sql, text.format("BROADCAST(a)", "LEFT JOIN"))
    assert "mode=CollectLeft" in plan(sql, text.format("BROADCAST(b)", "LEFT JOIN"))
    # A hint is for the nearest join.
    two = "SELECT /*+ BROADCAST(b) */ * FROM a JOIN b ON a.k = b.k JOIN a AS c ON c.k = a.k"
    assert plan(sql, two).count("mode=CollectLeft") == 1


def test_filters_and_columns_pass_a_hint(sql):
    text = "SELECT /*+ BROADCAST(b) */ a.v FROM a JOIN b ON a.k = b.k WHERE b.w > 11 AND a.v < 7"
    assert sorted(row.v for row in sql(text).collect()) == [4, 6]
    assert sql("SELECT /*+ BROADCAST(a) */ count(*) n FROM a").first().n == 8
    frame = sql("SELECT * FROM a").hint("broadcast").filter("k = 2").select("v")
    assert sorted(row.v for row in frame.collect()) == [1, 2]
    assert frame.join(F.broadcast(sql("SELECT * FROM b").limit(2)), F.col("v") < F.col("w")).count() == 4
