"""Writes: save modes, partitions, formats and their options; everything written is read back."""

import datetime
import decimal
import pathlib

import pyarrow.parquet
import pytest
from checks import check, fails, people
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F

PEOPLE = [(2, "Alice"), (5, "Bob"), (None, "Tom")]


@pytest.fixture(autouse=True)
def few_partitions(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def files(path, ending=""):
    return sorted(file.name for file in pathlib.Path(path).rglob("part-*") if file.name.endswith(ending))


@pytest.mark.parametrize(
    ("kind", "schema"),
    [("parquet", "age: bigint; name: string"), ("json", "age: bigint; name: string"), ("csv", "age: int; name: string")],
)
def test_what_is_written_is_read_again(spark, tmp_path, kind, schema):
    path = f"{tmp_path}/out"
    people(spark).write.format(kind).option("header", "true").save(path)
    assert (tmp_path / "out" / "_SUCCESS").exists()
    again = spark.read.format(kind).options(header=True, inferSchema=True).load(path)
    check(again, schema, PEOPLE)


def test_modes(spark, tmp_path):
    path = f"{tmp_path}/out"
    one, two = spark.range(1), spark.range(1, 3)
    one.write.parquet(path)
    fails(lambda: two.write.parquet(path), AnalysisException, "PATH_ALREADY_EXISTS", "42K04", outputPath=f"file:{path}")
    fails(lambda: two.write.mode("error").parquet(path), AnalysisException, "PATH_ALREADY_EXISTS")
    two.write.mode("ignore").parquet(path)
    assert spark.read.parquet(path).count() == 1
    two.write.mode("append").parquet(path)
    assert sorted(row.id for row in spark.read.parquet(path).collect()) == [0, 1, 2]
    two.write.mode("overwrite").parquet(path)
    assert sorted(row.id for row in spark.read.parquet(path).collect()) == [1, 2]


def test_every_partition_is_a_file(spark, tmp_path):
    spark.range(10, numPartitions=3).write.parquet(f"{tmp_path}/three")
    assert len(files(tmp_path / "three", ".parquet")) == 3
    spark.range(10, numPartitions=3).coalesce(1).write.json(f"{tmp_path}/one")
    assert len(files(tmp_path / "one", ".json")) == 1
    spark.range(0).write.parquet(f"{tmp_path}/none")
    check(spark.read.parquet(f"{tmp_path}/none"), "id: bigint", [])


@pytest.mark.parametrize(("codec", "ending"), [("snappy", ".snappy.parquet"), ("gzip", ".gz.parquet"), ("zstd", ".zstd.parquet"), ("none", ".parquet")])
def test_parquet_codecs(spark, tmp_path, codec, ending):
    spark.range(1000).write.option("compression", codec).parquet(f"{tmp_path}/out")
    names = files(tmp_path / "out")
    assert names and all(name.endswith(ending) for name in names)
    found = pyarrow.parquet.ParquetFile(next((tmp_path / "out").glob("part-*"))).metadata.row_group(0).column(0).compression
    assert found == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())


def test_partitions_are_directories(spark, tmp_path):
    path = f"{tmp_path}/out"
    rows = [(1, "a", 1), (2, "b/c=d", 1), (3, None, 2), (4, "", 2)]
    spark.createDataFrame(rows, "v int, k string, n int").write.partitionBy("n", "k").parquet(path)
    found = sorted(str(file.relative_to(path)) for file in pathlib.Path(path).glob("*/*"))
    assert found == ["n=1/k=a", "n=1/k=b%2Fc%3Dd", "n=2/k=__HIVE_DEFAULT_PARTITION__"]
    check(spark.read.parquet(path), "v: int; n: int; k: string", [(1, 1, "a"), (2, 1, "b/c=d"), (3, 2, None), (4, 2, None)])
    check(spark.read.parquet(path).where("n = 2 and k is null").select("v"), "v: int", [(3,), (4,)])


def test_only_the_partitions_written_are_overwritten_where_asked(spark, tmp_path):
    path = f"{tmp_path}/out"
    spark.range(4).withColumn("k", F.col("id") % 2).write.partitionBy("k").parquet(path)
    new = spark.createDataFrame([(9, 1)], "id long, k long")
    new.write.mode("overwrite").option("partitionOverwriteMode", "dynamic").partitionBy("k").parquet(path)
    check(spark.read.parquet(path), "id: bigint; k: int", [(0, 0), (2, 0), (9, 1)])
    new.write.mode("overwrite").partitionBy("k").parquet(path)
    check(spark.read.parquet(path), "id: bigint; k: int", [(9, 1)])


def test_all_types_go_through_parquet(spark, tmp_path):
    schema = "a boolean, b byte, c short, d int, e long, f float, g double, h string, i binary, j date, k timestamp, l timestamp_ntz, m decimal(20,3), n array<int>, o map<string,double>, p struct<x:int,y:array<string>>"
    moment = datetime.datetime(2024, 2, 29, 1, 2, 3, 456789)
    row = (True, 1, 2, 3, 4, 0.5, 0.1, "ü", bytearray(b"\0"), datetime.date(1950, 1, 1), moment, moment, decimal.Decimal("12345678901234567.125"), [1, None], {"k": 0.5}, (1, ["z", None]))
    frame = spark.createDataFrame([row, (None,) * 16], schema)
    frame.write.parquet(f"{tmp_path}/out")
    again = spark.read.parquet(f"{tmp_path}/out")
    assert again.schema == frame.schema
    assert sorted(map(repr, again.collect())) == sorted(map(repr, frame.collect()))


CSV = [
    ("no header", "1,a\n2,b\n", {}, "_c0: string; _c1: string", [("1", "a"), ("2", "b")]),
    ("header", "n,s\n1,a\n", {"header": True}, "n: string; s: string", [("1", "a")]),
    ("inferred", "i,l,d,b,t,s\n1,3000000000,1.5,true,2024-01-01,x\n2,1,2,false,2024-01-02,\n", {"header": True, "inferSchema": True}, "i: int; l: bigint; d: double; b: boolean; t: date; s: string",
     [(1, 3000000000, 1.5, True, datetime.date(2024, 1, 1), "x"), (2, 1, 2.0, False, datetime.date(2024, 1, 2), None)]),
    ("separator", "1;a\n", {"sep": ";"}, "_c0: string; _c1: string", [("1", "a")]),
    ("quotes", '"a,b","say \\"hi\\""\n', {}, "_c0: string; _c1: string", [("a,b", 'say "hi"')]),
    ("null value", "NA,x\n", {"nullValue": "NA"}, "_c0: string; _c1: string", [(None, "x")]),
    ("comments", "# no\n1,2\n", {"comment": "#"}, "_c0: string; _c1: string", [("1", "2")]),
    ("many lines in a value", '1,"a\nb"\n', {"multiLine": True}, "_c0: string; _c1: string", [("1", "a\nb")]),
    ("empty values", "1,\n", {}, "_c0: string; _c1: string", [("1", None)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in CSV])
def test_csv_is_read_by_its_options(spark, tmp_path, text, options, schema, rows):
    (tmp_path / "in.csv").write_text(text)
    check(spark.read.options(**options).csv(f"{tmp_path}/in.csv"), schema, rows)


def test_csv_that_does_not_fit_its_schema(spark, tmp_path):
    (tmp_path / "in.csv").write_text("1,a\nx,b\n3\n")
    reader = spark.read.schema("n int, s string")
    check(reader.csv(f"{tmp_path}/in.csv"), "n: int; s: string", [(1, "a"), (None, "b"), (3, None)])


def test_csv_is_written_by_its_options(spark, tmp_path):
    frame = spark.createDataFrame([(1, "a,b", None), (2, 'say "hi"', "x|y")], "n int, s string, e string").coalesce(1)
    frame.write.option("header", True).option("sep", "|").csv(f"{tmp_path}/out")
    text = next((tmp_path / "out").glob("part-*")).read_text()
    assert text.splitlines() == ["n|s|e", "1|a,b|", '2|"say \\"hi\\""|"x|y"']


JSON = [
    ("inferred", '{"b": 1, "a": "x"}\n{"b": 2.5, "c": [1]}\n', {}, "a: string; b: double; c: array<bigint>", [("x", 1.0, None), (None, 2.5, [1])]),
    ("nested", '{"s": {"y": true, "x": null}}\n', {}, "s: struct<x:string,y:boolean>", [((None, True),)]),
]


@pytest.mark.parametrize(("text", "options", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in JSON])
def test_json_is_read(spark, tmp_path, text, options, schema, rows):
    (tmp_path / "in.json").write_text(text)
    check(spark.read.options(**options).json(f"{tmp_path}/in.json"), schema, rows)


def test_json_is_written_without_nulls(spark, tmp_path):
    spark.sql("select 1 a, null b, array(1, null) c, named_struct('x', 1.50) d, date'2024-01-02' e").write.json(f"{tmp_path}/out")
    text = next((tmp_path / "out").glob("part-*")).read_text()
    assert text == '{"a":1,"c":[1,null],"d":{"x":1.50},"e":"2024-01-02"}\n'


def test_text(spark, tmp_path):
    spark.createDataFrame([("one",), ("two words",)], "value string").coalesce(1).write.text(f"{tmp_path}/out")
    assert next((tmp_path / "out").glob("part-*")).read_text() == "one\ntwo words\n"
    with pytest.raises(AnalysisException):
        people(spark).write.text(f"{tmp_path}/wrong")


def test_several_paths_and_patterns(spark, tmp_path):
    for number in range(3):
        spark.range(number, number + 1).write.parquet(f"{tmp_path}/p{number}")
    assert spark.read.parquet(f"{tmp_path}/p0", f"{tmp_path}/p2").count() == 2
    assert spark.read.parquet(f"{tmp_path}/p*").count() == 3
    assert spark.read.load([f"{tmp_path}/p1"]).count() == 1
    assert spark.read.load(f"file://{tmp_path}/p1").count() == 1
    assert len(spark.read.parquet(f"{tmp_path}/p0").inputFiles()) == 1


def test_columns_are_picked_from_a_file_by_name(spark, tmp_path):
    people(spark).write.parquet(f"{tmp_path}/out")
    check(spark.read.parquet(f"{tmp_path}/out").select("NAME").where("age = 5"), "NAME: string", [("Bob",)])
    check(spark.read.schema("name string, more int").parquet(f"{tmp_path}/out"), "name: string; more: int", [("Alice", None), ("Bob", None), ("Tom", None)])


def test_tables_are_written_and_read(spark):
    frame = people(spark)
    frame.write.mode("overwrite").saveAsTable("t_writes")
    try:
        check(spark.table("t_writes"), "age: bigint; name: string", PEOPLE)
        fails(lambda: frame.write.saveAsTable("t_writes"), AnalysisException, "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07")
        frame.select("name", "age").write.mode("append").saveAsTable("t_writes")
        check(spark.table("t_writes"), "age: bigint; name: string", PEOPLE + PEOPLE)
        frame.limit(1).write.insertInto("t_writes")
        assert spark.read.table("t_writes").count() == 7
        fails(lambda: frame.toDF("age", "nickname").write.mode("append").saveAsTable("t_writes"), AnalysisException, "UNRESOLVED_COLUMN.WITH_SUGGESTION", objectName="`nickname`")
    finally:
        spark.sql("drop table t_writes")


def test_what_cannot_be_written_is_refused(spark, tmp_path):
    fails(lambda: spark.sql("select 1 a, 2 A").write.parquet(f"{tmp_path}/x"), AnalysisException, "COLUMN_ALREADY_EXISTS", "42711", columnName="`a`")
    with pytest.raises(AnalysisException):
        spark.sql("select map('a', 1) m").write.csv(f"{tmp_path}/x")
    with pytest.raises(AnalysisException):
        spark.range(1).write.partitionBy("id").parquet(f"{tmp_path}/x")
    assert not (tmp_path / "x").exists()


def test_of_several_tries_of_a_task_one_is_written_and_of_a_failed_job_nothing(spark, tmp_path):
    def fails(tries):
        def rows(batches):
            from pyspark import TaskContext

            yield from batches
            if TaskContext.get().partitionId() == 1 and TaskContext.get().attemptNumber() < tries:
                raise ValueError("after its last row")

        return spark.range(0, 100000, 1, 2).mapInArrow(rows, "id long").write

    fails(2).parquet(f"{tmp_path}/tries")
    assert len(files(tmp_path / "tries", ".parquet")) == 2
    assert spark.read.parquet(f"{tmp_path}/tries").selectExpr("count(*)", "sum(id)").first()[:] == (100000, 4999950000)
    with pytest.raises(PySparkException, match="after its last row"):
        fails(9).parquet(f"{tmp_path}/fails")
    assert [path for path in (tmp_path / "fails").rglob("*") if path.is_file()] == []
