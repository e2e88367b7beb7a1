"""Joins: rows, columns and names of all join types; columns bound to their DataFrame; ambiguous references are rejected."""

import time

import pytest
from checks import check, fails
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F


@pytest.fixture(autouse=True)
def few_partitions(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")


def left(spark):
    return spark.createDataFrame([(1, "a"), (2, "b"), (2, "B"), (None, "n")], "k int, l string")


def right(spark):
    return spark.createDataFrame([(2, "x"), (2, "y"), (3, "z"), (None, "N")], "k int, r string")


BOTH = [(2, "b", "x"), (2, "b", "y"), (2, "B", "x"), (2, "B", "y")]
LEFT_ONLY = [(1, "a", None), (None, "n", None)]
RIGHT_ONLY = [(3, None, "z"), (None, None, "N")]
USING = "k: int; l: string; r: string"

TYPES = [
    (["inner"], USING, BOTH),
    (["left", "leftouter", "left_outer"], USING, BOTH + LEFT_ONLY),
    (["right", "rightouter", "right_outer"], USING, BOTH + RIGHT_ONLY),
    (["outer", "full", "fullouter", "full_outer"], USING, BOTH + LEFT_ONLY + RIGHT_ONLY),
    (["semi", "leftsemi", "left_semi"], "k: int; l: string", [(2, "b"), (2, "B")]),
    (["anti", "leftanti", "left_anti"], "k: int; l: string", [(1, "a"), (None, "n")]),
]


@pytest.mark.parametrize("threshold", ["-1", "10485760"])
@pytest.mark.parametrize(("kind", "schema", "rows"), [(kind, *case[1:]) for case in TYPES for kind in case[0]])
def test_a_join_by_name_has_the_key_once(spark, threshold, kind, schema, rows):
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", threshold)
    check(left(spark).join(right(spark), "k", kind), schema, rows)
    check(left(spark).join(right(spark), ["K"], kind), schema, rows)


CONDITIONS = [
    ("inner", [(2, "b", 2, "x"), (2, "b", 2, "y"), (2, "B", 2, "x"), (2, "B", 2, "y")]),
    ("left", [(2, "b", 2, "x"), (2, "b", 2, "y"), (2, "B", 2, "x"), (2, "B", 2, "y"), (1, "a", None, None), (None, "n", None, None)]),
    ("full", [(2, "b", 2, "x"), (2, "b", 2, "y"), (2, "B", 2, "x"), (2, "B", 2, "y"), (1, "a", None, None), (None, "n", None, None), (None, None, 3, "z"), (None, None, None, "N")]),
    ("semi", [(2, "b"), (2, "B")]),
    ("anti", [(1, "a"), (None, "n")]),
]


@pytest.mark.parametrize(("kind", "rows"), CONDITIONS)
def test_a_join_by_condition_keeps_both_keys(spark, kind, rows):
    one, two = left(spark), right(spark)
    schema = "k: int; l: string" + ("" if kind in ("semi", "anti") else "; k: int; r: string")
    check(one.join(two, one["k"] == two["k"], kind), schema, rows)


def test_nulls_join_only_where_asked(spark):
    one, two = left(spark), right(spark)
    joined = one.join(two, one.k.eqNullSafe(two.k)).select("l", "r")
    check(joined, "l: string; r: string", [row[1:] for row in BOTH] + [("n", "N")])


def test_conditions_that_are_no_equality(spark):
    one, two = left(spark), right(spark)
    check(one.join(two, one.k < two.k).select("l", "r"), "l: string; r: string", [("a", "x"), ("a", "y"), ("a", "z"), ("b", "z"), ("B", "z")])
    check(one.join(two, (one.k == two.k) & (F.col("r") != "x"), "left").select("l", "r"), "l: string; r: string", [("b", "y"), ("B", "y"), ("a", None), ("n", None)])
    check(one.join(two, one.k < two.k, "left_anti"), "k: int; l: string", [(None, "n")])
    check(one.join(two, [one.k == two.k, two.r == "x"]).select("l"), "l: string", [("b",), ("B",)])


def test_cross_joins(spark):
    assert left(spark).crossJoin(right(spark)).count() == 16
    assert left(spark).join(right(spark)).count() == 16
    check(spark.range(2).crossJoin(spark.range(1)), "id: bigint!; id: bigint!", [(0, 0), (1, 0)])


def test_keys_of_different_types_are_compared_as_spark_compares(spark):
    one, two = spark.range(3), spark.createDataFrame([("1",), ("2",), ("7",)], "t string")
    check(one.join(two, one.id == two.t), "id: bigint!; t: string", [(1, "1"), (2, "2")])
    three = spark.sql("select cast(1 as decimal(5,2)) as d")
    check(one.join(three, one.id == three.d).select("id"), "id: bigint!", [(1,)])


def test_outer_joins_make_columns_nullable(spark):
    one, two = spark.range(2), spark.range(1, 3)
    check(one.join(two.toDF("x"), F.col("id") == F.col("x"), "left"), "id: bigint!; x: bigint", [(0, None), (1, 1)])
    check(one.join(two, "id", "full"), "id: bigint", [(0,), (1,), (2,)])
    check(one.join(two, "id"), "id: bigint!", [(1,)])


def test_a_column_belongs_to_its_frame(spark):
    one, two = left(spark), right(spark)
    joined = one.join(two, one.k == two.k)
    assert joined.columns == ["k", "l", "k", "r"]
    check(joined.select(two["k"], one["l"], two.r).drop("k").distinct(), "l: string; r: string", [row[1:] for row in BOTH])
    check(joined.drop(one.k), "l: string; k: int; r: string", [(row[1], 2, row[2]) for row in BOTH])
    check(joined.where(one.k == 2).select(one.k).distinct(), "k: int", [(2,)])


def test_a_frame_is_joined_with_itself_by_alias(spark):
    frame = spark.createDataFrame([(1, None), (2, 1), (3, 1)], "id int, boss int")
    staff, boss = frame.alias("staff"), frame.alias("boss")
    joined = staff.join(boss, F.col("staff.boss") == F.col("boss.id")).select("staff.id", F.col("boss.id").alias("b"))
    check(joined, "id: int; b: int", [(2, 1), (3, 1)])
    derived = frame.select("id").where("id > 1")
    check(frame.join(derived, frame.id == derived.id).select(derived.id), "id: int", [(2,), (3,)])


def test_ambiguous_and_foreign_columns_are_refused(spark):
    one, two = left(spark), right(spark)
    joined = one.join(two, one.k == two.k)
    fails(lambda: joined.select("k").collect(), AnalysisException, "AMBIGUOUS_REFERENCE", "42704", name="`k`", referenceNames="[`k`, `k`]")
    fails(lambda: one.select(two["r"]).collect(), AnalysisException, "CANNOT_RESOLVE_DATAFRAME_COLUMN", name="`r`")
    fails(lambda: one.join(one, one.k == one.k).collect(), AnalysisException, "AMBIGUOUS_COLUMN_REFERENCE")
    fails(lambda: one.join(two, "nothing").collect(), AnalysisException, "UNRESOLVED_USING_COLUMN_FOR_JOIN", colName="`nothing`", side="left")


TEXTS = [
    ("select * from l natural join r", BOTH),
    ("select l.k, l, r from l join r on l.k = r.k", BOTH),
    ("select l.k, l, r from l, r where l.k = r.k", BOTH),
    ("select * from l join r using (k) where r = 'x'", [BOTH[0], BOTH[2]]),
    ("select k, l, null from l where exists (select 1 from r where r.k = l.k)", [(2, "b", None), (2, "B", None)]),
    ("select k, l, null from l where k in (select k from r)", [(2, "b", None), (2, "B", None)]),
    ("select k, l, null from l where not exists (select 1 from r where r.k = l.k)", [(1, "a", None), (None, "n", None)]),
    ("select k, l, (select max(r) from r where r.k = l.k) from l", [(1, "a", None), (2, "b", "y"), (2, "B", "y"), (None, "n", None)]),
    ("select k, l, null from l where k not in (select k from r where k is not null)", [(1, "a", None)]),
    ("select /*+ broadcast(r) */ l.k, l, r from l join r on l.k = r.k", BOTH),
]


@pytest.mark.parametrize(("text", "rows"), TEXTS)
def test_joins_in_text(spark, text, rows):
    left(spark).createOrReplaceTempView("l")
    right(spark).createOrReplaceTempView("r")
    assert sorted(map(tuple, spark.sql(text).collect()), key=repr) == sorted(rows, key=repr)


def test_a_join_of_many_rows_is_right_however_it_is_done(spark):
    for hint in ["broadcast", "merge", "shuffle_hash"]:
        joined = spark.range(0, 20000, 1, 4).join(spark.range(0, 20000, 3, 3).hint(hint), "id")
        assert joined.selectExpr("count(*)", "sum(id)").first()[:] == (6667, sum(range(0, 20000, 3)))


def test_a_broadcast_may_be_limited_in_time_where_plans_do_not_adapt(spark):
    def joined(seconds):
        """A join with a side that takes this long, and that no other join has computed."""
        slow = F.udf(lambda key: (time.sleep(seconds), key)[1], "bigint")
        side = spark.range(2).repartition(2).select(slow("id").alias("id"))
        return spark.range(4).join(F.broadcast(side), "id")

    spark.conf.set("spark.sql.broadcastTimeout", "1")
    # As in Spark, the limit is another one's business as long as plans adapt.
    assert joined(2).count() == 2
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    with pytest.raises(PySparkException, match="Could not execute broadcast in 1 secs"):
        joined(3).count()
    spark.conf.set("spark.sql.broadcastTimeout", "-1")
    assert joined(2.5).count() == 2


def test_what_is_drawn_by_row_does_not_depend_on_the_other_side_of_a_join(spark, tmp_path):
    """Joins prune the scans that they probe with, but not below random numbers."""
    spark.range(0, 200000, 1, 1).selectExpr("id", "id as k").write.option("parquet.block.size", 100000).parquet(str(tmp_path / "a"))
    frame = spark.read.parquet(str(tmp_path / "a"))
    few = F.broadcast(spark.range(150000, 150100).withColumnRenamed("id", "k"))
    for drawn in (
        frame.sample(0.5, seed=1),
        frame.where(F.rand(7) < 0.5),
        frame.withColumn("m", F.monotonically_increasing_id()).where("m % 2 = 0"),
    ):
        alone = {row.id for row in drawn.collect() if 150000 <= row.id < 150100}
        assert {row.id for row in drawn.join(few, "k").collect()} == alone
