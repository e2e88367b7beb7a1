"""Relations beyond plain queries: lateral, as-of and nearest-by joins, pivot, unpivot and transpose, samples, observed metrics."""

import pytest
from checks import plain
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.sql import Observation, Row
from pyspark.sql import functions as F
from pyspark.sql.types import StructType


def rows(frame):
    """The rows in sorted order, nulls first."""
    return sorted((plain(row) for row in frame.collect()), key=lambda row: [(value is not None, value) for value in row])


@pytest.fixture
def tables(spark):
    spark.sql("CREATE OR REPLACE TEMP VIEW t AS SELECT * FROM VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', NULL) AS v(id, k, n)")
    spark.sql("CREATE OR REPLACE TEMP VIEW u AS SELECT * FROM VALUES (1, 'x'), (3, 'y'), (4, 'z') AS v(id, w)")
    return spark


@pytest.mark.parametrize(
    "text, expected",
    [
        ("SELECT t.id, s.w FROM t, LATERAL (SELECT w FROM u WHERE u.id = t.id) s", [(1, "x"), (3, "y")]),
        (
            "SELECT t.id, s.w FROM t LEFT JOIN LATERAL (SELECT w FROM u WHERE u.id > t.id ORDER BY u.id LIMIT 1) s",
            [(1, "y"), (2, "y"), (3, "z")],
        ),
        (
            "SELECT t.id, s.c, s.m FROM t, LATERAL (SELECT count(*) AS c, max(w) AS m FROM u WHERE u.id > t.id + 1) s",
            [(1, 2, "z"), (2, 1, "z"), (3, 0, None)],
        ),
        (
            "SELECT t.id, s.k, s.c FROM t, LATERAL (SELECT w > 'x' AS k, count(*) AS c FROM u WHERE u.id >= t.id GROUP BY 1) s",
            [(1, False, 1), (1, True, 2), (2, True, 2), (3, True, 2)],
        ),
        ("SELECT id, e FROM t, LATERAL explode(array(id, n)) AS x(e) WHERE id < 3", [(1, 1), (1, 10), (2, 2), (2, 20)]),
        ("SELECT t.id, s.x FROM t JOIN LATERAL (SELECT t.id + 1 AS x) s ON s.x > 2", [(2, 3), (3, 4)]),
        ("SELECT t.id, s.x FROM t, LATERAL (SELECT t.n AS x UNION ALL SELECT t.id) s WHERE t.id = 3", [(3, None), (3, 3)]),
        ("SELECT t.id, s.c FROM t, LATERAL (SELECT count(*) AS c FROM u) s", [(1, 3), (2, 3), (3, 3)]),
        (
            "SELECT t.id, s.a, s.b FROM t, LATERAL (SELECT a.w AS a, b.w AS b FROM u a JOIN u b ON a.id = b.id WHERE a.id = t.id) s",
            [(1, "x", "x"), (3, "y", "y")],
        ),
        (
            "SELECT n, c FROM t, LATERAL (SELECT count(*) AS c FROM u WHERE u.id < coalesce(t.n, 2)) s",
            [(None, 1), (10, 3), (20, 3)],
        ),
    ],
)
def test_a_lateral_subquery_sees_the_row_beside_it(tables, text, expected):
    assert rows(tables.sql(text)) == expected


def test_a_lateral_join_of_frames_binds_outer_columns(spark):
    customers = spark.createDataFrame([(1, "A"), (2, "B"), (3, "C")], ["cid", "name"])
    orders = spark.createDataFrame([(10, 1, 5), (11, 1, 7), (12, 2, 3)], ["oid", "cid", "amount"])
    mine = orders.where(orders.cid == customers.cid.outer())
    latest = mine.select("oid").orderBy(F.col("amount").desc()).limit(1)
    assert rows(customers.lateralJoin(latest).select("name", "oid")) == [("A", 11), ("B", 12)]
    assert rows(customers.lateralJoin(latest, how="left").select("name", "oid")) == [("A", 11), ("B", 12), ("C", None)]
    assert rows(customers.where(mine.exists()).select("cid")) == [(1,), (2,)]
    total = mine.agg(F.sum("amount")).scalar()
    assert rows(customers.select("name", total.alias("s"))) == [("A", 12), ("B", 3), ("C", None)]


@pytest.mark.parametrize(
    "condition, expected",
    [
        ("(id, k) IN (SELECT id, 'a' FROM u)", [1, 3]),
        ("(id, n) IN (SELECT 3, CAST(NULL AS INT))", []),
        ("(id, n) NOT IN (SELECT 3, 30)", [1, 2]),
        ("(id, n) NOT IN (SELECT 1, 11)", [1, 2, 3]),
        ("(id, n) NOT IN (SELECT id, CAST(NULL AS INT) FROM u)", [2]),
        ("id > 100 OR (id, n) IN (SELECT 1, 10)", [1]),
        ("NOT (id > 100 OR (id, n) IN (SELECT 3, 5))", [1, 2]),
        ("id > 100 OR n IN (SELECT 10)", [1]),
        ("NOT (id > 100 OR n IN (SELECT 10))", [2]),
        ("NOT (id > 100 OR n IN (SELECT CAST(NULL AS INT)))", []),
        ("NOT (id > 100 OR n IN (SELECT 1 WHERE false))", [1, 2, 3]),
        ("id > 100 OR n NOT IN (SELECT 10 UNION ALL SELECT NULL)", []),
    ],
)
def test_several_values_may_be_looked_for_in_a_subquery(tables, condition, expected):
    assert rows(tables.sql(f"SELECT id FROM t WHERE {condition}")) == [(n,) for n in expected]


def test_columns_become_rows_in_sql(spark):
    source = "(SELECT 1 AS id, 2 AS a, 3 AS b, CAST(NULL AS INT) AS c, 5 AS d)"
    one = spark.sql(f"SELECT * FROM {source} UNPIVOT (v FOR name IN (a, b AS bb, c))")
    assert one.columns == ["id", "d", "name", "v"]
    assert rows(one) == [(1, 5, "a", 2), (1, 5, "bb", 3)]
    nulls = spark.sql(f"SELECT name, v FROM {source} UNPIVOT INCLUDE NULLS (v FOR name IN (a, c))")
    assert rows(nulls) == [("a", 2), ("c", None)]
    two = spark.sql(f"SELECT * FROM {source} UNPIVOT ((x, y) FOR name IN ((a, b) AS ab, (c, d))) AS p")
    assert rows(two) == [(1, "ab", 2, 3), (1, "c_d", None, 5)]
    with pytest.raises(AnalysisException, match="UNPIVOT_VALUE_SIZE_MISMATCH"):
        spark.sql(f"SELECT * FROM {source} UNPIVOT ((x, y) FOR name IN ((a, b), (c)))")


def test_a_pivot_over_several_columns_has_a_column_for_each_tuple(spark):
    text = """
        SELECT * FROM (SELECT * FROM VALUES (2012, 'java', 1), (2013, 'java', 2), (2012, 'net', 3) AS v(y, c, e))
        PIVOT (sum(e) FOR (y, c) IN ((2012, 'java') AS j, (2013, 'java'), (2013, 'net')))"""
    assert spark.sql(text).columns == ["j", "{2013, java}", "{2013, net}"]
    assert rows(spark.sql(text)) == [(1, 2, None)]


def test_a_frame_can_be_transposed(spark):
    frame = spark.createDataFrame([("B", 3, 4.0), ("A", 1, 2.5), (None, 7, 7.0)], ["id", "x", "y"])
    turned = frame.transpose()
    assert turned.columns == ["key", "A", "B"]
    assert rows(turned) == [("x", 1.0, 3.0), ("y", 2.5, 4.0)]
    with pytest.raises(AnalysisException, match="TRANSPOSE_NO_LEAST_COMMON_TYPE"):
        spark.range(1).select("id", F.array("id"), F.lit(True)).transpose().collect()


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [(1, 1), (5, 3), (10, 7)]),
        ({"tolerance": F.lit(1)}, [(1, 1)]),
        ({"how": "left", "tolerance": F.lit(1)}, [(1, 1), (5, None), (10, None)]),
        ({"allowExactMatches": False}, [(5, 3), (10, 7)]),
        ({"direction": "forward"}, [(1, 1), (5, 6)]),
        ({"direction": "nearest"}, [(1, 1), (5, 6), (10, 7)]),
    ],
)
def test_an_as_of_join_takes_the_nearest_key(spark, options, expected):
    left = spark.createDataFrame([(1,), (5,), (10,)], ["a"])
    right = spark.createDataFrame([(1, 1), (2, 2), (3, 3), (6, 6), (7, 7)], ["a", "v"])
    joined = left._joinAsOf(right, leftAsOfColumn="a", rightAsOfColumn="a", **options)
    assert rows(joined.select(left.a, "v")) == expected


def test_a_nearest_by_join_takes_the_best_of_a_ranking(spark):
    users = spark.createDataFrame([(1, 10.0), (2, 20.0)], ["uid", "score"])
    products = spark.createDataFrame([("x", 11.0), ("y", 22.0), ("z", 5.0)], ["product", "price"])
    gap = F.abs(users.score - products.price)
    one = users.nearestByJoin(products, gap, 1, mode="exact", direction="distance").select("uid", "product")
    assert rows(one) == [(1, "x"), (2, "y")]
    two = users.nearestByJoin(products, -gap, 2, mode="exact", direction="similarity").select("uid", "product")
    assert rows(two) == [(1, "x"), (1, "z"), (2, "x"), (2, "y")]


def test_a_sample_with_replacement_repeats_rows_and_depends_on_its_seed(spark):
    frame = spark.range(10_000)
    sample = rows(frame.sample(True, 0.5, 7))
    assert 4_700 < len(sample) < 5_300 and len(set(sample)) < len(sample)
    assert rows(frame.sample(True, 0.5, 7)) == sample != rows(frame.sample(True, 0.5, 8))
    assert 19_500 < frame.sample(True, 2.0, 3).count() < 20_500
    assert frame.sample(True, 0.0, 3).count() == 0


def test_frequent_items_are_found(spark):
    frame = spark.createDataFrame([(1, "a"), (1, "b"), (1, "c"), (4, "d")], ["x", "y"])
    found = frame.freqItems(["x", "y"], support=0.5).collect()[0]
    assert sorted(found.x_freqItems) == [1, 4] and found.y_freqItems == []
    assert sorted(frame.freqItems(["y"]).collect()[0].y_freqItems) == ["a", "b", "c", "d"]


def test_observed_metrics_come_with_the_action(spark):
    seen = Observation("seen")
    observed = spark.range(10).observe(seen, F.count(F.lit(1)).alias("rows"), F.max("id"), F.collect_list("id").alias("all"))
    assert observed.filter("id > 5").count() == 4
    assert seen.get == {"rows": 10, "max(id)": 9, "all": list(range(10))}

    written = Observation()
    spark.range(5).observe(written, F.sum("id").alias("sum")).write.format("noop").mode("overwrite").save()
    assert written.get == {"sum": 10}

    nested = Observation("nested")
    spark.range(1).observe(nested, F.struct(F.max("id").alias("m"), F.lit(None)).alias("s"), F.avg("id").alias("a")).collect()
    assert nested.get["a"] == 0.0 and nested.get["s"]["m"] == 0
    with pytest.raises(AnalysisException, match="INVALID_OBSERVED_METRICS"):
        spark.range(1).observe("bad", F.col("id")).collect()


def test_a_watermark_changes_no_rows(spark):
    frame = spark.sql("SELECT 1 AS a, TIMESTAMP '2020-01-01 00:00:00' AS t")
    assert frame.withWatermark("t", "1 minute").columns == ["a", "t"]
    assert frame.withWatermark("t", "1 minute").select("a").collect() == [(1,)]
    with pytest.raises(AnalysisException, match="EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE"):
        frame.withWatermark("a", "1 minute").collect()


def test_rows_are_numbered_over_all_partitions(spark):
    frame = spark.range(0, 100, 1, 7).zipWithIndex("n")
    assert rows(frame) == [(n, n) for n in range(100)]


def test_fields_of_rows_sent_by_the_client_can_be_selected(spark):
    frame = spark.createDataFrame([((1, "b"), 2)], "r struct<a: int, b: string>, n int")
    assert rows(frame.select(frame.r.getField("b"), frame.r.a, "n")) == [("b", 1, 2)]
    assert rows(frame.withColumn("r", frame.r.dropFields("b")).select("r.a")) == [(1,)]


def test_a_table_without_rows_can_be_read(spark):
    spark.sql("CREATE TABLE without_rows (a INT, b STRING)")
    assert rows(spark.table("without_rows")) == []
    spark.sql("INSERT INTO without_rows VALUES (1, 'x')")
    assert rows(spark.table("without_rows")) == [(1, "x")]
    spark.sql("TRUNCATE TABLE without_rows")
    assert spark.table("without_rows").count() == 0
    spark.sql("DROP TABLE without_rows")


def named(spark, text):
    return spark.sql(f"select {text}")


@pytest.mark.parametrize(
    "left, right, missing, schema, expected",
    [
        ("1 id, named_struct('a', 1, 'b', 'x') s", "2 id, named_struct('b', 'y', 'a', 2) s", False,
         "struct<id:int,s:struct<a:int,b:string>>", [(1, (1, "x")), (2, (2, "y"))]),
        ("1 id, named_struct('a', 1, 'b', 'x') s", "named_struct('c', 2.5D, 'a', 3) s, 3 id, true e", True,
         "struct<id:int,s:struct<a:int,b:string,c:double>,e:boolean>", [(1, (1, "x", None), None), (3, (3, None, 2.5), True)]),
        ("array(named_struct('a', 1)) r", "array(named_struct('b', 20, 'a', 10)) r", True,
         "struct<r:array<struct<a:int,b:int>>>", [([(1, None)],), ([(10, 20)],)]),
        ("map('k', named_struct('a', 1, 'b', 2)) m", "map('k', named_struct('b', 20, 'a', 10)) m", False,
         "struct<m:map<string,struct<a:int,b:int>>>", [({"k": (1, 2)},), ({"k": (10, 20)},)]),
        ("named_struct('n', named_struct('p', 1, 'q', 2)) s", "named_struct('N', named_struct('q', 20, 'r', 30)) s", True,
         "struct<s:struct<n:struct<p:int,q:int,r:int>>>", [(((1, 2, None),),), (((None, 20, 30),),)]),
        ("cast(null as struct<a:int>) s", "named_struct('a', 1L, 'b', 2) s", True,
         "struct<s:struct<a:bigint,b:int>>", [(None,), ((1, 2),)]),
    ],
)  # fmt: skip
def test_a_union_by_name_finds_fields_by_name(spark, left, right, missing, schema, expected):
    frame = named(spark, left).unionByName(named(spark, right), allowMissingColumns=missing)
    assert (frame.schema.simpleString(), [plain(row) for row in frame.collect()]) == (schema, expected)


def test_a_union_by_name_refuses_other_fields(spark):
    with pytest.raises(AnalysisException) as error:
        named(spark, "named_struct('a', 1) s").unionByName(named(spark, "named_struct('a', 1, 'b', 2) s")).collect()
    assert error.value.getCondition() == "INCOMPATIBLE_COLUMN_TYPE"


SOURCE = "1 a, 'x' b, named_struct('p', 1, 'q', 'z') s, array(named_struct('u', 1)) l, map('k', 1) m, cast(null as int) n"


@pytest.mark.parametrize(
    "schema, expected",
    [
        ("b string, a bigint", [("x", 1)]),
        ("a tinyint", [(1,)]),
        ("s struct<q:string,w:int,p:bigint>", [(("z", None, 1),)]),
        ("l array<struct<u:bigint,v:int>>", [([(1, None)],)]),
        ("m map<string,bigint>", [({"k": 1},)]),
        ("zz int", [(None,)]),
        ("b int", "INVALID_COLUMN_OR_FIELD_DATA_TYPE"),
        ("a date", "INVALID_COLUMN_OR_FIELD_DATA_TYPE"),
        ("a boolean", "INVALID_COLUMN_OR_FIELD_DATA_TYPE"),
        ("s string", "INVALID_COLUMN_OR_FIELD_DATA_TYPE"),
        ("n int not null", "NULLABLE_COLUMN_OR_FIELD"),
        ("zz int not null", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("s struct<w:int not null>", "UNRESOLVED_FIELD.WITH_SUGGESTION"),
    ],
)
def test_a_frame_is_brought_to_a_schema_as_far_as_spark_does(spark, schema, expected):
    def result():
        return [plain(row) for row in named(spark, SOURCE).to(StructType.fromDDL(schema)).collect()]

    if isinstance(expected, list):
        assert result() == expected
    else:
        with pytest.raises(AnalysisException) as error:
            result()
        assert error.value.getCondition() == expected


def test_columns_become_rows_in_the_order_of_the_rows(spark):
    frame = spark.createDataFrame([(i, i * 10, i * 100) for i in range(20)], "id int, a int, b int").coalesce(1)
    wanted = [(i, name, value) for i in range(20) for name, value in (("a", i * 10), ("b", i * 100))]
    assert [tuple(row) for row in frame.unpivot("id", ["a", "b"], "name", "value").collect()] == wanted


def test_the_view_of_a_frame_keeps_its_plan(spark):
    spark.createDataFrame([(1,)], "x int").createOrReplaceTempView("kept_base")
    spark.table("kept_base").filter("x > 0").createOrReplaceTempView("kept")
    spark.sql("CREATE OR REPLACE TEMP VIEW by_name AS SELECT * FROM kept_base")
    spark.createDataFrame([(5,)], "x int").createOrReplaceTempView("kept_base")
    assert [spark.table(name).collect()[0].x for name in ("kept", "by_name")] == [1, 5]
    spark.table("kept").selectExpr("x + 1 as x").createOrReplaceTempView("kept")
    assert spark.table("kept").collect() == [Row(x=2)]
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        spark.sql("select 1 / 0 as a").createOrReplaceTempView("lax")
    finally:
        spark.conf.unset("spark.sql.ansi.enabled")
    assert spark.table("lax").collect() == [Row(a=None)]


def test_a_field_is_asked_of_every_struct_of_an_array(spark):
    spark.sql(
        """CREATE OR REPLACE TEMP VIEW nested AS SELECT * FROM VALUES
        (1, array(named_struct('f', 1, 'g', 'x'), named_struct('f', null, 'g', 'y'), null)), (2, array()), (3, null) AS n(i, a)"""
    )
    frame = spark.table("nested").select("i", "a.f", F.col("a")["g"].alias("g"), F.col("a").getField("F").alias("h")).orderBy("i")
    assert [tuple(row) for row in frame.collect()] == [(1, [1, None, None], ["x", "y", None], [1, None, None]), (2, [], [], []), (3, None, None, None)]
    spark.sql("CREATE OR REPLACE TEMP VIEW parents AS SELECT i, if(i = 1, named_struct('inner', named_struct('v', i * 10)), null) s FROM VALUES (1), (2) AS t(i)")
    frame = spark.sql("select s.inner.v, s.inner['v'], s.inner.v + 1, s.inner is null from parents order by i")
    assert frame.columns == ["v", "s.inner.v", "(s.inner.v + 1)", "(s.inner IS NULL)"]
    assert [tuple(row) for row in frame.collect()] == [(10, 10, 11, False), (None, None, None, True)]
    assert spark.sql("select struct(s.inner.v), sum(s.inner.v) over () from parents").schema[0].dataType.names == ["v"]


@pytest.mark.parametrize(
    "sample, message",
    [
        (lambda frame: frame.sample(1.5), "Sampling fraction (1.5) must be on interval [0, 1] without replacement"),
        (lambda frame: frame.sample(-0.1), "Sampling fraction (-0.1) must be on interval [0, 1] without replacement"),
        (lambda frame: frame.sample(True, -1.0), "Sampling fraction (-1.0) must be nonnegative with replacement"),
        (lambda frame: frame.sampleBy("id", {1: 1.5}), "Fractions must be in [0, 1], but got Map(1 -> 1.5)."),
    ],
)
def test_a_fraction_that_means_nothing_is_refused(spark, sample, message):
    with pytest.raises(IllegalArgumentException) as error:
        sample(spark.range(5)).collect()
    assert f"requirement failed: {message}" in str(error.value)
