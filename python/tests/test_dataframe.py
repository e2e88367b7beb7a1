"""DataFrame operations: columns, types, nullability and rows, as in Spark."""

import datetime
import decimal

import pytest
from checks import check, people, plain, schema_of
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StructField, StructType


@pytest.fixture(autouse=True)
def few_partitions(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")


def nulls(spark):
    rows = [(10, 80.5, "Alice", None), (5, None, "Bob", None), (None, None, "Tom", None), (None, None, None, True)]
    return spark.createDataFrame(rows, ["age", "height", "name", "bool"])


def pairs(spark):
    return spark.createDataFrame([("a", 1), ("a", 1), ("a", 2), ("b", 3), ("c", 4)], ["c1", "c2"])


def other_pairs(spark):
    return spark.createDataFrame([("a", 1), ("a", 1), ("b", 3)], ["c1", "c2"])


AGES = "age: bigint; name: string"
ALL = [(2, "Alice"), (5, "Bob"), (None, "Tom")]
PAIRS = "c1: string; c2: bigint"

COLUMNS = [
    ("range", lambda s: s.range(3), "id: bigint!", [(0,), (1,), (2,)]),
    ("range with a step", lambda s: s.range(1, 7, 2), "id: bigint!", [(1,), (3,), (5,)]),
    ("range downwards", lambda s: s.range(5, 0, -2, 2), "id: bigint!", [(5,), (3,), (1,)]),
    ("empty range", lambda s: s.range(0), "id: bigint!", []),
    ("local rows", people, AGES, ALL),
    ("local rows with a schema", lambda s: s.createDataFrame([(1, None)], "a int, b string"), "a: int; b: string", [(1, None)]),
    ("no rows", lambda s: s.createDataFrame([], "a array<int>, b map<string,int>"), "a: array<int>; b: map<string,int>", []),
    (
        "a schema that forbids nulls",
        lambda s: s.createDataFrame([(1,)], StructType([StructField("a", IntegerType(), False)])),
        "a: int!",
        [(1,)],
    ),
    (
        "nested rows",
        lambda s: s.createDataFrame([Row(a=[1, 2], m={"k": 1}, s=Row(x=1, y="z"))]),
        "a: array<bigint>; m: map<string,bigint>; s: struct<x:bigint,y:string>",
        [([1, 2], {"k": 1}, (1, "z"))],
    ),
    ("star and more", lambda s: people(s).select("*", (F.col("age") + 10).alias("x")), AGES + "; x: bigint", [r + (r[0] and r[0] + 10,) for r in ALL]),
    ("the same column twice", lambda s: people(s).select("age", "AGE"), "age: bigint; AGE: bigint", [(2, 2), (5, 5), (None, None)]),
    ("no column at all", lambda s: s.range(2).select(), "", [(), ()]),
    ("expressions as text", lambda s: people(s).selectExpr("age * 2", "abs(age)"), "(age * 2): bigint; abs(age): bigint", [(4, 2), (10, 5), (None, None)]),
    ("filter by text", lambda s: people(s).where("AGE > 3"), AGES, [(5, "Bob")]),
    ("filter by column", lambda s: people(s).filter(F.col("age").isNull()), AGES, [(None, "Tom")]),
    ("filter by frame column", lambda s: (p := people(s)).filter(p.age == 2), AGES, [(2, "Alice")]),
    ("drop by name", lambda s: people(s).drop("AGE", "nothing"), "name: string", [("Alice",), ("Bob",), ("Tom",)]),
    ("drop by column", lambda s: (p := people(s)).drop(p.name), "age: bigint", [(2,), (5,), (None,)]),
    ("drop everything", lambda s: people(s).drop("age", "name"), "", [(), (), ()]),
    ("a new column", lambda s: people(s).withColumn("k", F.lit(1)), AGES + "; k: int!", [r + (1,) for r in ALL]),
    ("a replaced column", lambda s: people(s).withColumn("AGE", F.lit("x")), "AGE: string!; name: string", [("x", r[1]) for r in ALL]),
    (
        "several new columns",
        lambda s: s.range(2).withColumns({"a": F.col("id") + 1, "b": F.lit(None)}),
        "id: bigint!; a: bigint!; b: void",
        [(0, 1, None), (1, 2, None)],
    ),
    ("a renamed column", lambda s: people(s).withColumnRenamed("AGE", "a"), "a: bigint; name: string", ALL),
    ("a renamed column that is not there", lambda s: people(s).withColumnRenamed("x", "a"), AGES, ALL),
    ("several renamed columns", lambda s: people(s).withColumnsRenamed({"age": "a", "name": "n"}), "a: bigint; n: string", ALL),
    ("new names for all", lambda s: people(s).toDF("x", "y"), "x: bigint; y: string", ALL),
    ("a name with a dot", lambda s: s.range(1).toDF("a.b").select("`a.b`"), "a.b: bigint!", [(0,)]),
    ("columns by pattern", lambda s: (p := people(s)).select(p.colRegex("`^n.*`")), "name: string", [("Alice",), ("Bob",), ("Tom",)]),
    ("an aliased frame", lambda s: people(s).alias("p").select("p.age", "p.*"), "age: bigint; " + AGES, [(r[0],) + r for r in ALL]),
    (
        "a schema to fit",
        lambda s: people(s).to(StructType().add("name", "string").add("age", "integer").add("more", "string")),
        "name: string; age: int; more: string",
        [("Alice", 2, None), ("Bob", 5, None), ("Tom", None, None)],
    ),
    ("a function of a frame", lambda s: people(s).transform(lambda f, n: f.limit(n), 0), AGES, []),
    ("union keeps repeats", lambda s: s.range(2).union(s.range(1)), "id: bigint!", [(0,), (1,), (0,)]),
    ("union widens", lambda s: s.range(1).union(s.sql("select 1.5D x")), "id: double!", [(0.0,), (1.5,)]),
    ("union of nullable", lambda s: s.range(1).union(people(s).select("age")), "id: bigint", [(0,), (2,), (5,), (None,)]),
    (
        "union by name",
        lambda s: s.sql("select 1 a, 2 b").unionByName(s.sql("select 3 B, 4 A")),
        "a: int!; b: int!",
        [(1, 2), (4, 3)],
    ),
    (
        "union by name with holes",
        lambda s: s.sql("select 1 a, 2 b").unionByName(s.sql("select 3 b, 4 c"), allowMissingColumns=True),
        "a: int; b: int!; c: int",
        [(1, 2, None), (None, 3, 4)],
    ),
    ("intersect", lambda s: pairs(s).intersect(other_pairs(s)), PAIRS, [("a", 1), ("b", 3)]),
    ("intersect all", lambda s: pairs(s).intersectAll(other_pairs(s)), PAIRS, [("a", 1), ("a", 1), ("b", 3)]),
    ("except", lambda s: pairs(s).subtract(other_pairs(s)), PAIRS, [("a", 2), ("c", 4)]),
    ("except all", lambda s: pairs(s).exceptAll(pairs(s).limit(1)), PAIRS, [("a", 1), ("a", 2), ("b", 3), ("c", 4)]),
    ("set operations take nulls as equal", lambda s: people(s).select("age").intersect(people(s).select("age")), "age: bigint", [(2,), (5,), (None,)]),
    ("distinct", lambda s: pairs(s).distinct(), PAIRS, [("a", 1), ("a", 2), ("b", 3), ("c", 4)]),
    ("drop duplicates", lambda s: pairs(s).where("c2 <> 2").dropDuplicates(["C1"]), PAIRS, [("a", 1), ("b", 3), ("c", 4)]),
    ("drop all duplicates", lambda s: pairs(s).drop_duplicates(), PAIRS, [("a", 1), ("a", 2), ("b", 3), ("c", 4)]),
    ("sample of all", lambda s: s.range(10).sample(1.0), "id: bigint!", [(i,) for i in range(10)]),
    ("sample of none", lambda s: s.range(10).sample(0.0, 3), "id: bigint!", []),
    ("broadcast hint", lambda s: people(s).hint("broadcast"), AGES, ALL),
    ("an unknown hint", lambda s: people(s).hint("nothing_like_it", 3), AGES, ALL),
    ("coalesce hint", lambda s: s.range(4).hint("coalesce", 1).select(F.spark_partition_id().alias("p")).distinct(), "p: int!", [(0,)]),
    (
        "unpivot",
        lambda s: s.createDataFrame([(1, 11, 1.1), (2, 12, 1.2)], ["id", "int", "double"]).unpivot("id", ["int", "double"], "var", "val"),
        "id: bigint; var: string!; val: double",
        [(1, "int", 11.0), (1, "double", 1.1), (2, "int", 12.0), (2, "double", 1.2)],
    ),
    (
        "melt of all others",
        lambda s: s.createDataFrame([(1, 11, 12)], ["id", "a", "b"]).melt("id", None, "k", "v"),
        "id: bigint; k: string!; v: bigint",
        [(1, "a", 11), (1, "b", 12)],
    ),
    ("fill with a number", lambda s: nulls(s).na.fill(50), "age: bigint!; height: double!; name: string; bool: boolean", [(10, 80.5, "Alice", None), (5, 50.0, "Bob", None), (50, 50.0, "Tom", None), (50, 50.0, None, True)]),
    ("fill with a flag", lambda s: nulls(s).select("age", "bool").na.fill(False), "age: bigint; bool: boolean!", [(10, False), (5, False), (None, False), (None, True)]),
    (
        "fill by column",
        lambda s: nulls(s).fillna({"age": 1, "NAME": "unknown"}),
        "age: bigint!; height: double; name: string!; bool: boolean",
        [(10, 80.5, "Alice", None), (5, None, "Bob", None), (1, None, "Tom", None), (1, None, "unknown", True)],
    ),
    ("fill in some columns", lambda s: nulls(s).select("age", "height").fillna(0, ["age"]), "age: bigint!; height: double", [(10, 80.5), (5, None), (0, None), (0, None)]),
    ("drop rows with a null", lambda s: nulls(s).drop("bool").na.drop(), "age: bigint; height: double; name: string", [(10, 80.5, "Alice")]),
    ("drop rows of nulls", lambda s: nulls(s).select("age", "name").dropna("all"), "age: bigint; name: string", [(10, "Alice"), (5, "Bob"), (None, "Tom")]),
    ("drop rows below a threshold", lambda s: nulls(s).select("age", "height", "name").dropna(thresh=2), "age: bigint; height: double; name: string", [(10, 80.5, "Alice"), (5, None, "Bob")]),
    ("drop rows by a subset", lambda s: nulls(s).select("age", "name").dropna(subset=["name"]), "age: bigint; name: string", [(10, "Alice"), (5, "Bob"), (None, "Tom")]),
    ("replace a number", lambda s: nulls(s).select("age", "name").replace(10, 20), "age: bigint; name: string", [(20, "Alice"), (5, "Bob"), (None, "Tom"), (None, None)]),
    ("replace by null", lambda s: nulls(s).select("name").na.replace("Alice", None), "name: string", [(None,), ("Bob",), ("Tom",), (None,)]),
    ("replace a list", lambda s: nulls(s).select("name").na.replace(["Alice", "Bob"], ["A", "B"], "name"), "name: string", [("A",), ("B",), ("Tom",), (None,)]),
    ("replace by a dict", lambda s: nulls(s).select("age", "height").replace({10: 11, 80.5: 81}), "age: bigint; height: double", [(11, 81.0), (5, None), (None, None), (None, None)]),
]


@pytest.mark.parametrize(("make", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in COLUMNS])
def test_a_relation_gives_spark_s_columns_and_rows(spark, make, schema, rows):
    check(make(spark), schema, rows)


ORDERED = [
    ("ascending: nulls first", lambda s: people(s).sort("age"), [None, 2, 5]),
    ("descending: nulls last", lambda s: people(s).orderBy(F.col("age").desc()), [5, 2, None]),
    ("nulls last", lambda s: people(s).sort(F.asc_nulls_last("age")), [2, 5, None]),
    ("nulls first", lambda s: people(s).sort(F.desc_nulls_first("age")), [None, 5, 2]),
    ("by name, downwards", lambda s: people(s).sort("name", ascending=False), [None, 5, 2]),
    ("by position", lambda s: people(s).sort(2), [2, 5, None]),
    ("by a column that is not selected", lambda s: people(s).select("age").sort(F.reverse("name")), [5, 2, None]),
    ("limit", lambda s: s.range(100, numPartitions=4).sort(F.desc("id")).limit(2), [99, 98]),
    ("offset", lambda s: s.range(10, numPartitions=4).sort("id").offset(8), [8, 9]),
    ("offset and limit", lambda s: s.range(10, numPartitions=4).sort("id").offset(3).limit(2), [3, 4]),
    ("limit nothing", lambda s: s.range(10).limit(0), []),
    ("a range is in order", lambda s: s.range(6, numPartitions=4), [0, 1, 2, 3, 4, 5]),
]


@pytest.mark.parametrize(("make", "rows"), [pytest.param(*case[1:], id=case[0]) for case in ORDERED])
def test_rows_come_in_spark_s_order(spark, make, rows):
    assert [row[0] for row in make(spark).collect()] == rows


def test_actions_give_rows(spark):
    frame = spark.range(10, numPartitions=4)
    assert frame.count() == 10
    assert frame.first() == Row(id=0)
    assert frame.head() == Row(id=0)
    assert frame.head(2) == frame.take(2) == [Row(id=0), Row(id=1)]
    assert frame.tail(2) == [Row(id=8), Row(id=9)]
    assert spark.range(0).first() is None
    assert spark.range(0).isEmpty() and not frame.isEmpty()
    assert [row.id for row in frame.toLocalIterator()] == list(range(10))
    assert frame.toPandas()["id"].tolist() == list(range(10))
    assert frame.toArrow().column("id").to_pylist() == list(range(10))


def test_values_of_all_types_arrive_as_python_values(spark):
    row = spark.sql(
        "select 1Y, 2S, 3, 4L, 1.5F, 2.5D, 1.50BD, true, 'x', X'6162', date'2024-02-29', timestamp_ntz'2024-01-01 00:00:01.5', "
        "array(1, null), map('a', 1), named_struct('a', 1), null, interval '1 02:03:04' day to second"
    )
    names = "tinyint smallint int bigint float double decimal(3,2) boolean string binary date timestamp_ntz array<int> map<string,int> struct<a:int> void"
    assert [column.split(": ")[1].rstrip("!") for column in schema_of(row)] == names.split() + ["interval day to second"]
    assert plain(row.first()) == (
        1, 2, 3, 4, 1.5, 2.5, decimal.Decimal("1.50"), True, "x", b"ab", datetime.date(2024, 2, 29),
        datetime.datetime(2024, 1, 1, 0, 0, 1, 500000), [1, None], {"a": 1}, (1,), None,
        datetime.timedelta(days=1, hours=2, minutes=3, seconds=4),
    )  # fmt: skip


def test_what_goes_out_comes_back(spark):
    rows = [
        (True, 1, 1.5, "ü", decimal.Decimal("1.25"), datetime.date(1969, 12, 31), datetime.datetime(2001, 2, 3, 4, 5, 6, 7), b"\0\1", [1], {"k": None}),
        (None,) * 10,
    ]
    schema = "a boolean, b int, c double, d string, e decimal(10,2), f date, g timestamp, h binary, i array<int>, j map<string,int>"
    assert [plain(row) for row in spark.createDataFrame(rows, schema).collect()] == rows


PARTITIONS = [
    ("by number", lambda s: s.range(100).repartition(4), {0, 1, 2, 3}),
    ("one", lambda s: s.range(100, numPartitions=4).repartition(1), {0}),
    ("coalesce", lambda s: s.range(100, numPartitions=4).coalesce(2), {0, 1}),
    ("coalesce does not make more", lambda s: s.range(100, numPartitions=2).coalesce(8), {0, 1}),
    ("a range's own", lambda s: s.range(0, 100, 1, 5), {0, 1, 2, 3, 4}),
    ("by range", lambda s: s.range(100, numPartitions=2).repartitionByRange(3, "id"), {0, 1, 2}),
]


@pytest.mark.parametrize(("make", "wanted"), [pytest.param(*case[1:], id=case[0]) for case in PARTITIONS])
def test_rows_lie_in_as_many_partitions_as_asked(spark, make, wanted):
    rows = make(spark).select("id", F.spark_partition_id().alias("p")).collect()
    assert {row.p for row in rows} == wanted
    assert sorted(row.id for row in rows) == list(range(100))


def test_equal_keys_lie_together_and_ranges_do_not_overlap(spark):
    frame = spark.range(100, numPartitions=4)
    by_key = frame.withColumn("k", F.col("id") % 10).repartition(3, "k").select("k", F.spark_partition_id().alias("p")).distinct()
    assert by_key.count() == 10
    ranges = frame.repartitionByRange(4, F.desc("id")).groupBy(F.spark_partition_id().alias("p")).agg(F.min("id"), F.max("id")).sort("p")
    bounds = [(row[1], row[2]) for row in ranges.collect()]
    assert all(after[1] < before[0] for before, after in zip(bounds, bounds[1:]))


def test_sorting_within_partitions_leaves_the_partitions_alone(spark):
    frame = spark.range(20, numPartitions=2).sortWithinPartitions(F.desc("id"))
    assert [row.id for row in frame.collect()] == [*range(9, -1, -1), *range(19, 9, -1)]


def test_a_limit_below_an_aggregate_counts(spark, tmp_path):
    local = spark.createDataFrame([(number,) for number in range(10)], "id long")
    local.write.parquet(f"{tmp_path}/p")
    local.write.csv(f"{tmp_path}/c")
    frames = [local, local.union(local), spark.range(10, numPartitions=3), spark.read.parquet(f"{tmp_path}/p"), spark.read.csv(f"{tmp_path}/c")]
    for frame in frames:
        assert frame.limit(4).count() == 4
        assert frame.offset(3).limit(2).count() == 2
        assert len(frame.limit(4).distinct().collect()) <= 4
        assert len(frame.limit(4).collect()) == len(frame.select("*").limit(4).cache().collect()) == 4


def test_samples_repeat_with_their_seed_and_splits_cover_everything(spark):
    frame = spark.range(1000)
    first, again = (frame.sample(fraction=0.3, seed=7).collect() for _ in range(2))
    assert first == again and 200 < len(first) < 400
    parts = frame.randomSplit([1.0, 2.0], seed=24)
    assert sorted(row.id for part in parts for row in part.collect()) == list(range(1000))
    by_key = frame.withColumn("k", F.col("id") % 3).sampleBy("k", {0: 0.0, 1: 1.0}, seed=0)
    assert by_key.groupBy("k").count().collect() == [Row(k=1, count=333)]


def bob(spark):
    return spark.createDataFrame([("Bob", 13, 40.3), ("Alice", 12, 37.8), ("Tom", 11, 44.1)], ["name", "age", "weight"])


STATISTICS = [
    ("describe", lambda s: bob(s).describe(["age"]), "summary: string?; age: string", [("count", "3"), ("mean", "12.0"), ("stddev", "1.0"), ("min", "11"), ("max", "13")]),
    (
        "describe text",
        lambda s: bob(s).describe("name"),
        "summary: string?; name: string",
        [("count", "3"), ("mean", None), ("stddev", None), ("min", "Alice"), ("max", "Tom")],
    ),
    (
        "summary",
        lambda s: bob(s).select("age").summary(),
        "summary: string?; age: string",
        [("count", "3"), ("mean", "12.0"), ("stddev", "1.0"), ("min", "11"), ("25%", "11"), ("50%", "12"), ("75%", "13"), ("max", "13")],
    ),
    ("summary of some", lambda s: bob(s).select("age").summary("count", "max"), "summary: string?; age: string", [("count", "3"), ("max", "13")]),
]


@pytest.mark.parametrize(("make", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in STATISTICS])
def test_statistics_are_given_as_text(spark, make, schema, rows):
    check(make(spark), schema, rows, ordered=True)


def test_statistics_that_are_numbers(spark):
    small = spark.createDataFrame([(1, 12), (10, 1), (19, 8)], ["c1", "c2"])
    assert small.cov("c1", "c2") == -18.0
    assert small.corr("c1", "c2") == pytest.approx(-0.3592106040535498)
    assert spark.range(1, 6).approxQuantile("id", [0.0, 0.5, 1.0], 0.05) == [1.0, 3.0, 5.0]
    frame = spark.createDataFrame([(1, 11), (1, 11), (3, 10), (4, 8), (4, 8)], ["c1", "c2"])
    check(frame.crosstab("c1", "c2"), "c1_c2: string?; 10: bigint!; 11: bigint!; 8: bigint!", [("4", 0, 0, 2), ("1", 0, 2, 0), ("3", 1, 0, 0)])


def test_what_a_frame_says_about_itself(spark, capsys):
    frame = spark.createDataFrame([(1, [("x", 2)])], "a int, b array<struct<c:string,d:int>>")
    assert frame.columns == ["a", "b"]
    assert frame.dtypes == [("a", "int"), ("b", "array<struct<c:string,d:int>>")]
    frame.printSchema()
    tree = "root\n |-- a: integer (nullable = true)\n |-- b: array (nullable = true)\n |    |-- element: struct (containsNull = true)\n |    |    |-- c: string (nullable = true)\n |    |    |-- d: integer (nullable = true)\n\n"
    assert capsys.readouterr().out == tree
    frame.printSchema(1)
    assert capsys.readouterr().out == "root\n |-- a: integer (nullable = true)\n |-- b: array (nullable = true)\n\n"
    spark.range(1).printSchema()
    assert capsys.readouterr().out == "root\n |-- id: long (nullable = false)\n\n"
    assert not frame.isStreaming
    assert frame.sameSemantics(frame) and not frame.sameSemantics(spark.range(1))
    assert spark.range(3).semanticHash() == spark.range(3).semanticHash()


SHOWN = [
    ("text is cut", "'abcdefghijklmnopqrstuvwxyz' x", {}, "+--------------------+\n|                   x|\n+--------------------+\n|abcdefghijklmnopq...|\n+--------------------+\n\n"),
    ("text is not cut", "'abcdefghijklmnopqrstuvwxyz' x", {"truncate": False}, "+--------------------------+\n|x                         |\n+--------------------------+\n|abcdefghijklmnopqrstuvwxyz|\n+--------------------------+\n\n"),
    ("text is cut short", "'abcdef' x", {"truncate": 4}, "+----+\n|   x|\n+----+\n|a...|\n+----+\n\n"),
    (
        "values within values",
        "null a, array(1, null) b, map('k', 1.50) c, named_struct('x', true, 'y', null) d, 1e10 e, 1.0D f",
        {"truncate": False},
        "+----+---------+-----------+------------+------+---+\n|a   |b        |c          |d           |e     |f  |\n+----+---------+-----------+------------+------+---+\n"
        "|NULL|[1, NULL]|{k -> 1.50}|{true, NULL}|1.0E10|1.0|\n+----+---------+-----------+------------+------+---+\n\n",
    ),
    ("vertically", "1 a, 'x' bcd", {"vertical": True}, "-RECORD 0--\n a   | 1   \n bcd | x   \n\n"),
    ("times", "date'2024-01-02' d, timestamp_ntz'2024-01-02 03:04:05.600' t, X'4142' b", {"truncate": False}, "+----------+---------------------+-------+\n|d         |t                    |b      |\n+----------+---------------------+-------+\n|2024-01-02|2024-01-02 03:04:05.6|[41 42]|\n+----------+---------------------+-------+\n\n"),
]


@pytest.mark.parametrize(("text", "options", "wanted"), [pytest.param(*case[1:], id=case[0]) for case in SHOWN])
def test_show_prints_what_spark_prints(spark, capsys, text, options, wanted):
    spark.sql(f"select {text}").show(**options)
    assert capsys.readouterr().out == wanted


def test_show_says_that_there_is_more(spark, capsys):
    spark.range(3).show(1)
    assert capsys.readouterr().out == "+---+\n| id|\n+---+\n|  0|\n+---+\nonly showing top 1 row\n\n"
    spark.range(30).show(2)
    assert capsys.readouterr().out.endswith("only showing top 2 rows\n\n")
    spark.range(0).show()
    assert capsys.readouterr().out == "+---+\n| id|\n+---+\n+---+\n\n"


@pytest.mark.parametrize(("mode", "titles"), [("simple", ["Physical"]), ("extended", ["Parsed Logical", "Analyzed Logical", "Optimized Logical", "Physical"]), ("formatted", ["Physical"]), ("cost", ["Optimized Logical", "Physical"])])
def test_explain_has_the_parts_of_its_mode(spark, capsys, mode, titles):
    spark.range(3).where("id > 1").groupBy("id").count().explain(mode=mode)
    text = capsys.readouterr().out
    assert [line[3:-8] for line in text.splitlines() if line.startswith("== ") and line.endswith(" Plan ==")] == titles


def test_a_long_chain_of_columns_resolves(spark):
    frame = spark.range(1)
    for number in range(60):
        frame = frame.withColumn(f"c{number}", F.col("id") + number)
    assert frame.first()[60] == 59


def test_cached_frames_give_the_same_answer(spark):
    frame = spark.range(10).cache()
    assert frame.count() == 10 and frame.count() == 10
    frame.unpersist()
    assert frame.count() == 10


def test_coalesce_keeps_the_order_of_a_sort(spark):
    frame = spark.range(0, 10000, 1, 4).selectExpr("id", "hash(id) as h")
    found = [row.h for row in frame.sort("h").coalesce(1).collect()]
    assert len(found) == 10000 and found == sorted(found)
    one = frame.repartition(3).sortWithinPartitions("h").coalesce(3).selectExpr("h", "spark_partition_id() as p").collect()
    for partition in range(3):
        part = [row.h for row in one if row.p == partition]
        assert part and part == sorted(part)
