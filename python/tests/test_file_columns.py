"""What is known of the file of a row: input_file_name() and its like, and the column _metadata.

The expected values are those of Spark 4.2.
"""

import datetime
import json
import os
import pathlib

import pytest
from checks import fails
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

ONE, TWO = "one.csv", "two.csv"
NAMES = [(1, ONE), (2, ONE), (3, TWO), (4, TWO)]
NONE = [(1, ""), (2, ""), (3, ""), (4, "")]
BLOCK = "input_file_block_start() s, input_file_block_length() l"


@pytest.fixture
def csv(spark, tmp_path):
    """Two files of two numbers each."""
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / ONE).write_text("1\n2\n")
    (tmp_path / "csv" / TWO).write_text("3\n4\n")
    return spark.read.schema("a int").csv(f"{tmp_path}/csv")


@pytest.fixture
def numbers(spark):
    return spark.range(5).selectExpr("cast(id as int) a")


def named(df):
    """Numbers and the last part of the name, in order of the numbers."""
    rows = df.select("a", F.input_file_name().alias("name")).collect()
    return sorted((row.a, row.name.rpartition("/")[2]) for row in rows)


def rows(df):
    return sorted(tuple(row) for row in df.collect())


# Functions.


def test_all_formats_name_the_file_of_a_row(spark, tmp_path):
    for name in ("parquet", "csv", "json", "text"):
        path = f"{tmp_path}/{name}"
        source = spark.range(0, 40, 1, 4).selectExpr("cast(id as string) value")
        source.write.format(name).save(path)
        files = {file.resolve().as_uri(): file for file in pathlib.Path(path).glob("part-*")}
        read = spark.read.format(name).schema("value string").load(path)
        found = read.selectExpr("value", "input_file_name() n", BLOCK.split(", ")[0], BLOCK.split(", ")[1]).collect()
        assert {row.n for row in found} == set(files), name
        assert all((row.s, row.l) == (0, files[row.n].stat().st_size) for row in found), name
        if name != "parquet":
            for row in found:
                assert row.value in files[row.n].read_text(), name
        per_file = read.groupBy(F.input_file_name()).count().collect()
        assert [row[1] for row in per_file] == [10] * 4, name


def test_names_are_escaped_like_uris(spark, tmp_path):
    (tmp_path / "t x").mkdir()
    for name in ("a b", "c+d", "e%20f", "g#h", "ö", "q\"<>", "k&k=(x),;'!~@$]^|`"):
        (tmp_path / "t x" / f"{name}.txt").write_text("line\n")
    text = spark.read.text(f"{tmp_path}/t x")
    names = ["a%20b", "c+d", "e%2520f", "g%23h", "k&k=(x),;'!~@$%5D%5E%7C%60", "q%22%3C%3E", "ö"]
    folder = f"{tmp_path}/t%20x"
    found = text.select(F.input_file_name(), "_metadata.file_path", "_metadata.file_name").collect()
    expected = [(f"file://{folder}/{name}.txt", f"file:{folder}/{name}.txt", f"{name}.txt") for name in names]
    assert sorted(map(tuple, found)) == sorted(expected)
    assert sorted(text.inputFiles()) == sorted(uri for uri, _, _ in expected)


def test_parts_of_a_file_have_their_own_blocks(spark, tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"{n:09}\n" for n in range(1000)))
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4000")
    spark.conf.set("spark.sql.files.openCostInBytes", "4000")
    text = spark.read.text(f"{tmp_path}/a.txt")
    expected = [(0, 4000), (4000, 4000), (8000, 2000)]
    blocks = text.groupBy(F.expr("input_file_block_start()").alias("s"), F.expr("input_file_block_length()").alias("l"))
    counted = rows(blocks.count())
    assert [row[:2] for row in counted] == expected
    assert sum(row[2] for row in counted) == 1000
    fields = text.groupBy("_metadata.file_block_start", "_metadata.file_block_length").count()
    assert rows(fields) == counted
    assert text.select(F.input_file_name()).distinct().count() == 1


def test_operators_that_do_not_move_rows_keep_the_name(spark, csv, numbers):
    assert named(csv) == NAMES
    assert named(csv.select("a").where("a > 1").withColumn("b", F.col("a") + 1)) == NAMES[1:]
    assert rows(csv.where(F.input_file_name().endswith(ONE))) == [(1,), (2,)]
    assert named(csv.coalesce(1)) == NAMES
    assert named(csv.coalesce(1).limit(3)) == NAMES[:3]
    assert named(csv.sample(1.0, 1)) == NAMES
    exploded = csv.select("a", F.explode(F.array(F.lit(1), F.lit(2))))
    assert named(exploded) == sorted(NAMES * 2)
    assert named(csv.union(numbers.where("a = 0"))) == [(0, ""), *NAMES]
    assert named(csv.union(csv)) == sorted(NAMES * 2)
    assert named(csv.join(F.broadcast(numbers), "a")) == NAMES
    assert named(csv.join(numbers, "a", "left")) == NAMES
    assert named(csv.join(numbers, "a", "semi")) == NAMES
    csv.createOrReplaceTempView("v")
    query = spark.sql("select a, input_file_name() n from v where input_file_name() like '%two%' order by n, a")
    assert [(row.a, row.n.rpartition("/")[2]) for row in query.collect()] == NAMES[2:]
    one_of = spark.sql("select a, input_file_name() n from (select * from v) where a in (select id from range(3))")
    assert [row.n.rpartition("/")[2] for row in one_of.collect()] == [ONE, ONE]
    ranked = spark.sql("select a, row_number() over (partition by input_file_name() order by a) r from v")
    assert rows(ranked) == [(1, 1), (2, 2), (3, 1), (4, 2)]
    assert [row.a for row in csv.orderBy(F.input_file_name().desc(), "a").collect()] == [3, 4, 1, 2]
    per_file = csv.groupBy(F.input_file_name().substr(-7, 7)).agg(F.sum("a"))
    assert rows(per_file) == [(ONE, 3), (TWO, 7)]


def test_rows_that_were_moved_have_no_name(spark, csv, numbers):
    assert named(csv.repartition(2)) == NONE
    assert named(csv.orderBy("a")) == NONE
    assert named(csv.sortWithinPartitions("a")) == NONE
    assert named(csv.distinct()) == NONE
    assert named(csv.groupBy("a").count()) == NONE
    assert named(numbers.join(csv, "a", "left")) == [(0, ""), *NONE]
    assert csv.agg(F.max("a").alias("a")).select(F.input_file_name()).first()[0] == ""


def test_rows_of_no_file_have_no_name(spark):
    found = spark.range(1).selectExpr("input_file_name()", "input_file_block_start()", "input_file_block_length()")
    assert found.first() == ("", -1, -1)
    assert [field.nullable for field in found.schema] == [False] * 3
    assert found.columns == ["input_file_name()", "input_file_block_start()", "input_file_block_length()"]


def test_several_sources_are_refused(spark, csv):
    cause = "MULTI_SOURCES_UNSUPPORTED_FOR_EXPRESSION"
    joined = csv.join(csv, "a")
    fails(lambda: joined.select(F.input_file_name()).collect(), AnalysisException, cause)
    fails(lambda: joined.selectExpr("input_file_block_start()").schema, AnalysisException, cause)
    fails(lambda: csv.union(csv).join(csv, "a").select(F.input_file_name()).schema, AnalysisException, cause)
    left, right = (csv.select("a", F.input_file_name().alias(name)) for name in "lr")
    assert {row.l == row.r for row in left.join(right, "a").collect()} == {True}
    csv.createOrReplaceTempView("v")
    within = spark.sql("select a, input_file_name() n from v where a in (select a from v)")
    assert named(within.select("a")) == NAMES


def test_functions_take_no_part_in_aggregates(spark, csv):
    cause = "AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION"
    fails(lambda: csv.agg(F.max(F.input_file_name())).collect(), AnalysisException, cause)
    fails(lambda: spark.sql("select input_file_name(1)").collect(), AnalysisException, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION")


def test_python_functions_see_the_name(spark, csv):
    last = F.udf(lambda path: path.rpartition("/")[2], "string")
    assert rows(csv.select("a", last(F.input_file_name()))) == NAMES
    assert named(csv.where(last(F.input_file_name()) == ONE)) == NAMES[:2]
    below = csv.select(F.udf(lambda a: a, "int")("a").alias("a"))
    assert named(below) == NAMES


# The hidden column.


def test_metadata_has_spark_s_fields(spark, csv, tmp_path):
    schema = csv.select("_metadata").schema
    assert [(f.name, f.dataType.typeName(), f.nullable) for f in schema[0].dataType] == [
        ("file_path", "string", False),
        ("file_name", "string", False),
        ("file_size", "long", False),
        ("file_block_start", "long", False),
        ("file_block_length", "long", False),
        ("file_modification_time", "timestamp", False),
    ]
    assert json.loads(schema.json())["fields"][0]["metadata"] == {
        "__file_source_metadata_col": True,
        "__metadata_col": "_metadata",
    }
    assert not schema[0].nullable
    path = tmp_path / "csv" / ONE
    os.utime(path, (1_600_000_000.125, 1_600_000_000.125))
    fresh = spark.read.schema("a int").csv(f"{tmp_path}/csv")
    found = fresh.where("a = 1").select("_metadata").first()[0]
    changed = datetime.datetime.fromtimestamp(1_600_000_000.125)
    assert tuple(found) == (f"file:{path}", ONE, 4, 0, 4, changed)


def test_metadata_is_found_below_select_lists(spark, csv):
    name = "_metadata.file_name"
    assert csv.columns == ["a"] and csv.select("*").columns == ["a"]
    assert csv.select(name).columns == ["file_name"]
    for df in (
        csv,
        csv.select("a").where("a > 0"),
        csv.withColumn("b", F.lit(1)),
        csv.drop("_metadata"),
        csv.orderBy("a"),
        csv.limit(4),
        csv.repartition(3),
        csv.sample(1.0, 1),
        csv.toDF("a"),
    ):
        assert rows(df.select("a", name)) == NAMES
    assert rows(csv.withColumnRenamed("a", "b").select("b", "_metadata.file_name")) == NAMES
    assert rows(csv.withColumn("f", F.col(name))) == NAMES
    assert rows(csv.select("a", csv["_metadata"]["file_name"])) == NAMES
    assert rows(csv.select("a", csv.metadataColumn("_metadata").getField("file_name"))) == NAMES
    assert rows(csv.alias("x").select("a", "x._metadata.file_name")) == NAMES
    assert [row.a for row in csv.orderBy(F.desc(name), "a").select("a").limit(2).collect()] == [3, 4]
    assert rows(csv.groupBy(name).count()) == [(ONE, 2), (TWO, 2)]
    assert rows(csv.agg(F.max(name))) == [(TWO,)]
    windowed = csv.selectExpr("a", "row_number() over (partition by _metadata.file_name order by a) r")
    assert rows(windowed) == [(1, 1), (2, 2), (3, 1), (4, 2)]
    exploded = csv.select("a", F.explode(F.array(F.lit(1), F.lit(2))))
    assert rows(exploded.select("a", name)) == sorted(NAMES * 2)
    assert rows(csv.select("a", F.udf(lambda name: name, "string")(name))) == NAMES
    other = csv.select("a")
    joined = csv.alias("x").join(other.alias("y"), F.col("x.a") == F.col("y.a"))
    assert rows(joined.select("x.a", "x._metadata.file_name")) == NAMES
    by_file = csv.alias("x").join(other, F.col("x._metadata.file_name") == ONE)
    assert by_file.count() == 8


def test_metadata_in_sql(spark, csv, tmp_path):
    spark.sql("create table t using csv as select 1 x union all select 2 x")
    assert {row.s for row in spark.sql("select t._metadata.file_block_start s from t").collect()} == {0}
    assert spark.sql("select x from t where _metadata.file_size > 100").collect() == []
    assert spark.sql("select count(distinct _METADATA.File_Name) from t").first()[0] >= 1
    assert rows(spark.sql(f"select _c0, _metadata.file_name from csv.`{tmp_path}/csv`")) == [(str(a), n) for a, n in NAMES]
    assert spark.sql(f"select _metadata.* from csv.`{tmp_path}/csv`").columns[0] == "file_path"
    spark.sql("drop table t")


def test_filters_over_metadata_choose_files(spark, csv, tmp_path):
    one = csv.where("_metadata.file_name = 'one.csv'")
    (tmp_path / "csv" / TWO).unlink()
    assert rows(one) == [(1,), (2,)]


def test_metadata_is_hidden_by_other_columns_and_lost_in_new_rows(spark, csv, numbers):
    assert csv.withColumn("_metadata", F.lit(1)).select("_metadata").first()[0] == 1
    cause = "INVALID_EXTRACT_BASE_FIELD_TYPE"
    fails(lambda: csv.withColumn("_metadata", F.lit(1)).select("_metadata.file_name").schema, AnalysisException, cause)
    csv.createOrReplaceTempView("v")
    cause = "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    name = "_metadata.file_name"
    for df in (
        numbers,
        csv.groupBy("a").count(),
        csv.union(csv),
        csv.intersect(csv),
        csv.join(numbers, "a"),
        spark.table("v"),
        spark.sql("select a from v"),
    ):
        fails(lambda: df.select(name).schema, AnalysisException, cause)  # noqa: B023
    fails(lambda: csv.alias("x").select("y._metadata.file_name").schema, AnalysisException, cause)
    fails(lambda: csv.select(csv.metadataColumn("foo")).schema, AnalysisException, cause)
    both = csv.alias("x").join(csv.alias("y"), F.col("x.a") == F.col("y.a"))
    fails(lambda: both.select(name).schema, AnalysisException, "AMBIGUOUS_REFERENCE")
    fails(lambda: csv.select("_metadata.row_index").schema, AnalysisException, "FIELD_NOT_FOUND")
    fails(lambda: csv.groupBy("a").agg(F.col(name)).schema, AnalysisException, "MISSING_AGGREGATION")
