"""Reading and writing files as Spark does: malformed records, options, compression, file selection."""

import datetime
import decimal
import gzip
import os
import pathlib

import pyarrow.parquet
import pytest
from checks import check, fails
from pyspark.errors import AnalysisException, PySparkException, UnsupportedOperationException
from pyspark.sql import functions as F


@pytest.fixture(autouse=True)
def few_partitions(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def written(path):
    """The content of the only data file in a directory."""
    (file,) = pathlib.Path(path).glob("part-*")
    return file.read_text()


# Text.


def test_lines_are_rows(spark, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\n\ntwo\r\nth\xc3\xa9\n")
    check(spark.read.text(f"{tmp_path}/a.txt"), "value: string", [("one",), ("",), ("two",), ("thé",)])
    check(spark.read.text(f"{tmp_path}/a.txt", wholetext=True), "value: string", [("one\n\ntwo\r\nthé\n",)])
    check(spark.read.text(f"{tmp_path}/a.txt", lineSep="o"), "value: string", [("",), ("ne\n\ntw",), ("\r\nthé\n",)])
    check(spark.sql(f"select count(*) n from text.`{tmp_path}/a.txt`"), "n: bigint!", [(4,)])
    fails(lambda: spark.read.schema("a int").text(f"{tmp_path}/a.txt").collect(), AnalysisException, "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE")


def test_text_has_partition_columns(spark, tmp_path):
    for day in (1, 2):
        (tmp_path / f"day={day}").mkdir()
        (tmp_path / f"day={day}" / "a.txt").write_text(f"line {day}\n")
    check(spark.read.text(str(tmp_path)), "value: string; day: int", [("line 1", 1), ("line 2", 2)])
    check(spark.read.text(str(tmp_path)).where("day = 2").select("value"), "value: string", [("line 2",)])


def test_a_large_file_is_read_by_several_tasks(spark, tmp_path):
    lines = [f"{number},{'x' * (number % 50)}" for number in range(20000)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "20000")
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    text = spark.read.text(f"{tmp_path}/a.csv")
    assert text.select(F.spark_partition_id().alias("p")).distinct().count() > 10
    assert sorted(row.value for row in text.collect()) == sorted(lines)
    numbers = spark.read.schema("n int, s string").csv(f"{tmp_path}/a.csv")
    assert numbers.selectExpr("sum(n)", "sum(length(s))").first() == (sum(range(20000)), sum(n % 50 for n in range(20000)))


# JSON.

MIXED = '{"a": 1, "s": "x"}\n{"a": "one", "s": 7}\n{"a": 2.5, "s": {"k": [1, true]}}\n{"a": null, "s": false}\nnonsense\n'


def test_json_that_does_not_fit_is_null_or_text(spark, tmp_path):
    (tmp_path / "a.json").write_text(MIXED)
    reader = spark.read.schema("a int, s string")
    path = f"{tmp_path}/a.json"
    rows = [(1, "x"), (None, "7"), (None, '{"k": [1, true]}'), (None, "false"), (None, None)]
    check(reader.json(path), "a: int; s: string", rows)
    lines = MIXED.splitlines()
    corrupt = spark.read.schema("a int, s string, _corrupt_record string").json(path)
    check(corrupt, "a: int; s: string; _corrupt_record: string", [(*row, lines[i] if i in (1, 2, 4) else None) for i, row in enumerate(rows)])
    named = spark.read.schema("a int, bad string").option("columnNameOfCorruptRecord", "bad").json(path)
    assert [row.bad for row in named.where("bad is not null").select("a", "bad").collect()] == [lines[1], lines[2], lines[4]]
    check(reader.option("mode", "DROPMALFORMED").json(path), "a: int; s: string", [rows[0], rows[3]])
    failing = spark.read.schema("a int, s string").option("mode", "FAILFAST").json(path)
    error = fails(failing.collect, PySparkException, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "22023")
    assert "PERMISSIVE" in str(error)
    only = spark.read.schema("a int, _corrupt_record string").json(path).select("_corrupt_record")
    fails(only.collect, AnalysisException, "UNSUPPORTED_FEATURE.QUERY_ONLY_CORRUPT_RECORD_COLUMN")


JSON = [
    ("mixed types", '{"a": 1}\n{"a": "x"}\n', {}, "a: string", [("1",), ("x",)]),
    ("whole and broken numbers", '{"a": 1}\n{"a": 2.5}\n', {}, "a: double", [(1.0,), (2.5,)]),
    ("only null", '{"a": null, "b": 1}\n', {}, "a: string; b: bigint", [(None, 1)]),
    ("structs that differ", '{"s": {"x": 1}}\n{"s": {"y": [1.5]}}\n', {}, "s: struct<x:bigint,y:array<double>>", [((1, None),), ((None, [1.5]),)]),
    ("dates stay text", '{"d": "2024-01-02"}\n', {}, "d: string", [("2024-01-02",)]),
    ("large numbers", '{"n": 12345678901234567890}\n', {}, "n: decimal(20,0)", [(decimal.Decimal(12345678901234567890),)]),
    ("not well formed", '{"a": 1}\n{"a": \n', {}, "_corrupt_record: string; a: bigint", [(None, 1), ('{"a": ', None)]),
    ("arrays of objects", '[{"a": 1}, {"a": 2}]\n', {}, "a: bigint", [(1,), (2,)]),
    ("many lines", '[\n {"a": 1},\n {"a": 2}\n]\n', {"multiLine": True}, "a: bigint", [(1,), (2,)]),
    ("primitives as text", '{"a": 1, "b": true}\n', {"primitivesAsString": True}, "a: string; b: string", [("1", "true")]),
    ("decimals", '{"a": 1.25}\n', {"prefersDecimal": True}, "a: decimal(3,2)", [(decimal.Decimal("1.25"),)]),
    ("blank lines", '\n{"a": 1}\n  \n', {}, "a: bigint", [(1,)]),
    ("single quotes and escapes", "{'a': 'x\\u00e9\\n'}\n", {}, "a: string", [("xé\n",)]),
    ("separator", '{"a": 1};{"a": 2}', {"lineSep": ";"}, "a: bigint", [(1,), (2,)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in JSON])
def test_json_schemas_are_found_as_spark_finds_them(spark, tmp_path, text, options, schema, rows):
    (tmp_path / "in.json").write_text(text)
    check(spark.read.options(**options).json(f"{tmp_path}/in.json"), schema, rows)


def test_json_values_by_type(spark, tmp_path):
    schema = "l array<int>, m map<string,int>, s struct<x:int,y:string>, d date, t timestamp, n decimal(5,2), f double, b binary"
    lines = [
        '{"l": [1, 2], "m": {"k": 1}, "s": {"x": 1, "y": "a"}, "d": "2024-02-29", "t": "2024-01-01T10:00:00+01:00", "n": 1.255, "f": "NaN", "b": "aGk="}',
        '{"l": [1, "x"], "m": {"k": "x"}, "s": {"x": "no", "y": "b"}, "d": "x", "t": 5, "n": 12345, "f": 1e3, "b": 1}',
        '{"l": [3]}',
    ]
    (tmp_path / "a.json").write_text("\n".join(lines))
    frame = spark.read.schema(schema).json(f"{tmp_path}/a.json").select("l", "m", "s", "d", F.col("t").cast("string").alias("t"), "n", "f", "b")
    rows = [
        ([1, 2], {"k": 1}, (1, "a"), datetime.date(2024, 2, 29), "2024-01-01 09:00:00", decimal.Decimal("1.26"), "NaN", b"hi"),
        (None, None, (None, "b"), None, "1970-01-01 00:00:05", None, 1000.0, None),
        ([3], None, None, None, None, None, None, None),
    ]
    names = "l: array<int>; m: map<string,int>; s: struct<x:int,y:string>; d: date; t: string; n: decimal(5,2); f: double; b: binary"
    check(frame, names, rows)


def test_json_dates_by_pattern(spark, tmp_path):
    (tmp_path / "a.json").write_text('{"d": "29.02.2024", "t": "2024/01/02 03"}\n{"d": "2024-02-29", "t": "2024-01-02"}\n')
    reader = spark.read.schema("d date, t timestamp_ntz").option("dateFormat", "dd.MM.yyyy").option("timestampNTZFormat", "yyyy/MM/dd HH")
    rows = [(datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 2, 3)), (None, None)]
    check(reader.json(f"{tmp_path}/a.json"), "d: date; t: timestamp_ntz", rows)


def test_json_is_written_in_sparks_form(spark, tmp_path):
    query = "select 1 a, null n, timestamp'2024-01-02 03:04:05.678' t, timestamp_ntz'2024-01-02 03:04:05' u, 1e10D f, double('NaN') x, X'6869' b, map('k', 1.50) m, 'q\"\\t' s"
    frame = spark.sql(query)
    frame.write.json(f"{tmp_path}/a")
    tail = '"t":"2024-01-02T03:04:05.678Z","u":"2024-01-02T03:04:05.000","f":1.0E10,"x":"NaN","b":"aGk=","m":{"k":1.50},"s":"q\\"\\t"}\n'
    assert written(tmp_path / "a") == '{"a":1,' + tail
    frame.write.option("ignoreNullFields", False).json(f"{tmp_path}/b")
    assert written(tmp_path / "b") == '{"a":1,"n":null,' + tail
    frame.select("t").write.option("timestampFormat", "dd/MM/yyyy").json(f"{tmp_path}/c")
    assert written(tmp_path / "c") == '{"t":"02/01/2024"}\n'


# CSV.

BAD = "1,a\nx,b\n3\n4,d,more\n"


def test_csv_modes(spark, tmp_path):
    (tmp_path / "a.csv").write_text(BAD)
    path = f"{tmp_path}/a.csv"
    rows = [(1, "a"), (None, "b"), (3, None), (4, "d")]
    check(spark.read.schema("n int, s string").csv(path), "n: int; s: string", rows)
    corrupt = spark.read.schema("n int, s string, _corrupt_record string").csv(path)
    kept = [(*row, line if i else None) for i, (row, line) in enumerate(zip(rows, BAD.splitlines()))]
    check(corrupt, "n: int; s: string; _corrupt_record: string", kept)
    # Unselected values are not parsed, but the number of fields is still checked.
    check(corrupt.select("s", "_corrupt_record"), "s: string; _corrupt_record: string", [("a", None), ("b", None), (None, "3"), ("d", "4,d,more")])
    check(spark.read.schema("n int, s string").option("mode", "DROPMALFORMED").csv(path), "n: int; s: string", rows[:1])
    failing = spark.read.schema("n int, s string").option("mode", "FAILFAST").csv(path)
    fails(failing.collect, PySparkException, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "22023")
    # The number of fields is not checked if only some columns are selected.
    assert spark.read.schema("n int, s string").option("mode", "DROPMALFORMED").csv(path).select("s").count() == 4


CSV = [
    ("blanks", " a , b \n", {"ignoreLeadingWhiteSpace": True, "ignoreTrailingWhiteSpace": True}, "_c0: string; _c1: string", [("a", "b")]),
    ("blanks stay", " a , b \n", {}, "_c0: string; _c1: string", [(" a ", " b ")]),
    ("empty is null", '"",x\n', {}, "_c0: string; _c1: string", [(None, "x")]),
    ("empty is empty if null is another text", '"",-\n', {"nullValue": "-"}, "_c0: string; _c1: string", [("", None)]),
    ("empty has a text", '"",x\n', {"emptyValue": "nil"}, "_c0: string; _c1: string", [("nil", "x")]),
    ("long separator", "a||b|c\n", {"sep": "||"}, "_c0: string; _c1: string", [("a", "b|c")]),
    ("doubled quotes", '"say ""hi""",1\n', {"escape": '"'}, "_c0: string; _c1: string", [('say "hi"', "1")]),
    ("a quote that closes nothing", '"a"b,1\n', {}, "_c0: string; _c1: string", [('"a"b', "1")]),
    ("lines end anywhere", "a,1;b,2", {"lineSep": ";"}, "_c0: string; _c1: string", [("a", "1"), ("b", "2")]),
    ("quotes end with their line", '1,"a\nb",2\n', {}, "_c0: string; _c1: string", [("1", "a"), ('b"', "2")]),
    ("blank lines", "a,1\n\n  \nb,2\n", {}, "_c0: string; _c1: string", [("a", "1"), ("b", "2")]),
    ("words for numbers", "nix,viel,1.5\n", {"inferSchema": True, "nanValue": "nix", "positiveInf": "viel"}, "_c0: double; _c1: double; _c2: double", [("NaN", float("inf"), 1.5)]),
    ("dates by pattern", "29.02.2024,2024/01/02 03:04\n", {"inferSchema": True, "dateFormat": "dd.MM.yyyy", "timestampFormat": "yyyy/MM/dd HH:mm"}, "_c0: date; _c1: timestamp",
     [(datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 2, 3, 4))]),
    ("large numbers", "12345678901234567890\n", {"inferSchema": True}, "_c0: decimal(20,0)", [(decimal.Decimal(12345678901234567890),)]),
    ("dates with times", "2024-01-02\n2024-01-02 03:04:05\n", {"inferSchema": True}, "_c0: string", [("2024-01-02",), ("2024-01-02 03:04:05",)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in CSV])
def test_csv_is_read_as_spark_reads_it(spark, tmp_path, text, options, schema, rows):
    (tmp_path / "in.csv").write_text(text)
    check(spark.read.options(**options).csv(f"{tmp_path}/in.csv"), schema, rows)


def test_csv_is_written_as_spark_writes_it(spark, tmp_path):
    frame = spark.createDataFrame([("", None, " x ", 'a"b', "c,d"), ("y", "", "\n", "\\", "1")], "a string, b string, c string, d string, e string").coalesce(1)
    frame.write.csv(f"{tmp_path}/a")
    assert written(tmp_path / "a") == '"",,x,"a\\"b","c,d"\ny,"","",\\,1\n'
    frame.write.options(quoteAll=True, header=True).csv(f"{tmp_path}/b")
    assert written(tmp_path / "b").splitlines()[:2] == ['"a","b","c","d","e"', '"","","x","a\\"b","c,d"']
    frame.write.options(escapeQuotes=False, nullValue="-", emptyValue="nil", sep="||").csv(f"{tmp_path}/c")
    assert written(tmp_path / "c").splitlines()[0] == 'nil||-||x||a"b||c,d'
    times = spark.sql("select date'2024-01-02' d, timestamp'2024-01-02 03:04:05.6' t, 1e10D f")
    times.write.csv(f"{tmp_path}/d")
    assert written(tmp_path / "d") == "2024-01-02,2024-01-02T03:04:05.600Z,1.0E10\n"
    times.write.options(dateFormat="dd.MM.yy", timestampFormat="HH:mm").csv(f"{tmp_path}/e")
    assert written(tmp_path / "e") == "02.01.24,03:04,1.0E10\n"


def test_an_empty_text_comes_back_where_null_is_another_text(spark, tmp_path):
    frame = spark.createDataFrame([(1, ""), (2, None), (3, "-")], "n int, s string")
    frame.write.option("nullValue", "-").csv(f"{tmp_path}/a")
    reader = spark.read.schema("n int, s string")
    check(reader.option("nullValue", "-").csv(f"{tmp_path}/a"), "n: int; s: string", [(1, ""), (2, None), (3, None)])
    frame.write.csv(f"{tmp_path}/b")
    check(spark.read.schema("n int, s string").csv(f"{tmp_path}/b"), "n: int; s: string", [(1, None), (2, None), (3, "-")])


@pytest.mark.parametrize(("kind", "option", "value"), [("csv", "encoding", "UTF-16"), ("csv", "enforceSchema", "false"), ("csv", "maxCharsPerColumn", "5"), ("json", "singleVariantColumn", "v"), ("text", "encoding", "latin1")])
def test_options_that_are_not_served_are_refused_by_name(spark, tmp_path, kind, option, value):
    (tmp_path / "in").write_text("x\n")
    with pytest.raises(UnsupportedOperationException, match=option):
        spark.read.format(kind).option(option, value).load(f"{tmp_path}/in").collect()


# Compression.


@pytest.mark.parametrize(("codec", "end", "begins"), [("gzip", ".gz", b"\x1f\x8b"), ("zstd", ".zst", b"\x28\xb5\x2f\xfd")])
@pytest.mark.parametrize("kind", ["csv", "json", "text"])
def test_compressed_text_is_written_and_read(spark, tmp_path, kind, codec, end, begins):
    frame = spark.range(1000).selectExpr("'row ' || id as value")
    frame.write.format(kind).option("compression", codec).save(f"{tmp_path}/out")
    files = sorted((tmp_path / "out").glob("part-*"))
    assert files and all(file.name.endswith(end) for file in files)
    assert all(file.read_bytes().startswith(begins) for file in files)
    again = spark.read.format(kind).load(f"{tmp_path}/out").toDF("value")
    assert sorted(again.collect()) == sorted(frame.collect())
    with pytest.raises(UnsupportedOperationException, match="bzip2"):
        frame.write.format(kind).option("compression", "bzip2").save(f"{tmp_path}/x")
    assert not (tmp_path / "x").exists()
    (tmp_path / "a.bz2").write_bytes(b"BZh")
    with pytest.raises(UnsupportedOperationException, match="a.bz2"):
        spark.read.format(kind).load(f"{tmp_path}/a.bz2").collect()


def test_a_damaged_file_fails_the_job_with_its_name(spark, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 1000)[:40])
    error = fails(spark.read.schema("a int, b int").csv(f"{tmp_path}/a.csv.gz").collect, PySparkException, "FAILED_READ_FILE.NO_HINT", "KD001")
    assert "a.csv.gz" in str(error)


# File selection.


def test_files_are_chosen_by_name_and_time(spark, tmp_path):
    for name, age in [("a.csv", 2000), ("b.csv", 1000), ("c.txt", 0)]:
        (tmp_path / name).write_text(f"{name}\n")
        os.utime(tmp_path / name, (1_700_000_000 - age, 1_700_000_000 - age))
    def names(**options):
        return sorted(row._c0 for row in spark.read.options(**options).csv(str(tmp_path)).collect())
    assert names() == ["a.csv", "b.csv", "c.txt"]
    assert names(pathGlobFilter="*.csv") == ["a.csv", "b.csv"]
    assert names(pathGlobFilter="{a,c}.*") == ["a.csv", "c.txt"]
    # 1700000000 is 2023-11-14T22:13:20 in UTC.
    assert names(modifiedAfter="2023-11-14T21:50:00") == ["b.csv", "c.txt"]
    assert names(modifiedBefore="2023-11-14 22:00:00", modifiedAfter="2023-11-14T21:00:00") == ["a.csv", "b.csv"]


def test_directories_are_columns_below_the_base(spark, tmp_path):
    spark.range(4).withColumn("k", F.col("id") % 2).write.partitionBy("k").parquet(f"{tmp_path}/t")
    check(spark.read.parquet(f"{tmp_path}/t/k=1"), "id: bigint", [(1,), (3,)])
    check(spark.read.option("basePath", f"{tmp_path}/t").parquet(f"{tmp_path}/t/k=1"), "id: bigint; k: int", [(1, 1), (3, 1)])
    check(spark.read.option("recursiveFileLookup", True).parquet(f"{tmp_path}/t"), "id: bigint", [(0,), (1,), (2,), (3,)])
    with pytest.raises(PySparkException, match="basePath"):
        spark.read.option("basePath", f"{tmp_path}/other").parquet(f"{tmp_path}/t").collect()


def test_hidden_and_empty_files(spark, tmp_path):
    (tmp_path / "in").mkdir()
    for kind in ["csv", "json", "parquet"]:
        fails(lambda kind=kind: spark.read.format(kind).load(f"{tmp_path}/in").collect(), AnalysisException, "UNABLE_TO_INFER_SCHEMA", "42KD9")
    for name in ["_hidden.csv", ".hidden.csv"]:
        (tmp_path / "in" / name).write_text("no\n")
    (tmp_path / "in" / "empty.csv").write_text("")
    check(spark.read.csv(f"{tmp_path}/in"), "", [])
    check(spark.read.schema("a int").csv(f"{tmp_path}/in"), "a: int", [])
    check(spark.read.text(f"{tmp_path}/in"), "value: string", [])
    (tmp_path / "in" / "full.csv").write_text("a,b\n")
    check(spark.read.csv(f"{tmp_path}/in"), "_c0: string; _c1: string", [("a", "b")])


# Parquet.


def test_parquet_files_that_differ(spark, tmp_path):
    path = f"{tmp_path}/t"
    spark.sql("select 1 id, 'a' name").coalesce(1).write.parquet(path)
    spark.sql("select 'b' name, 2 id").coalesce(1).write.mode("append").parquet(path)
    spark.sql("select 3 ID, true more").coalesce(1).write.mode("append").parquet(path)
    given = spark.read.schema("name string, id int, more boolean").parquet(path)
    rows = [("a", 1, None), ("b", 2, None), (None, 3, True)]
    check(given, "name: string; id: int; more: boolean", rows)
    check(given.where("id > 2"), "name: string; id: int; more: boolean", rows[2:])
    merged = spark.read.option("mergeSchema", True).parquet(path)
    assert sorted(name.lower() for name in merged.columns) == ["id", "more", "name"]
    assert sorted(merged.select("name", "id", "more").collect(), key=lambda row: row[1]) == rows
    spark.sql("select 'x' id").write.mode("append").parquet(path)
    fails(lambda: spark.read.option("mergeSchema", True).parquet(path).collect(), PySparkException, "CANNOT_MERGE_SCHEMAS", "42KD9")


def test_files_have_so_many_rows_at_most(spark, tmp_path):
    spark.range(25).coalesce(1).write.option("maxRecordsPerFile", 10).parquet(f"{tmp_path}/a")
    assert sorted(spark.read.parquet(str(file)).count() for file in (tmp_path / "a").glob("part-*")) == [5, 10, 10]
    spark.conf.set("spark.sql.files.maxRecordsPerFile", "20")
    spark.range(25).selectExpr("id", "id % 2 k").coalesce(1).write.partitionBy("k").json(f"{tmp_path}/b")
    assert len(list((tmp_path / "b").glob("k=*/part-*"))) == 2
    assert spark.read.json(f"{tmp_path}/b").count() == 25


# Reading and writing the same data.


def test_what_is_read_is_not_overwritten(spark, tmp_path):
    path = f"{tmp_path}/t"
    spark.range(3).write.parquet(path)
    frame = spark.read.parquet(path)
    fails(lambda: frame.write.mode("overwrite").parquet(path), AnalysisException, "UNSUPPORTED_OVERWRITE.PATH", "42902", path=f"file:{path}")
    frame.write.mode("append").parquet(path)
    assert spark.read.parquet(path).count() == 6
    spark.range(3).write.mode("overwrite").saveAsTable("t_files")
    try:
        fails(lambda: spark.sql("insert overwrite t_files select id + 1 from t_files"), AnalysisException, "UNSUPPORTED_OVERWRITE.TABLE", "42902", table="`spark_catalog`.`default`.`t_files`")
        fails(lambda: spark.table("t_files").write.mode("overwrite").saveAsTable("t_files"), AnalysisException, "UNSUPPORTED_OVERWRITE.TABLE")
        assert spark.table("t_files").count() == 3
    finally:
        spark.sql("drop table t_files")


def test_buckets_are_refused(spark, tmp_path):
    with pytest.raises(PySparkException, match="bucketBy"):
        spark.range(3).write.bucketBy(2, "id").saveAsTable("t_buckets")


def test_intervals_are_numbers_in_parquet(spark, tmp_path):
    path = str(tmp_path / "intervals")
    query = "SELECT INTERVAL '3' MONTH m, INTERVAL '1 02:03:04.5' DAY TO SECOND d, array(INTERVAL '1-2' YEAR TO MONTH) a, named_struct('d', INTERVAL '5' SECOND) s"
    spark.sql(query).write.parquet(path)
    kinds = {str(field.type) for field in pyarrow.parquet.read_schema(next((tmp_path / "intervals").glob("*.parquet")))}
    assert {"int32", "int64"} <= kinds, kinds
    again = spark.read.parquet(path)
    assert again.schema.simpleString() == spark.sql(query).schema.simpleString()
    text = "CAST(m AS STRING), CAST(d AS STRING), CAST(a[0] AS STRING), CAST(s.d AS STRING)"
    assert again.selectExpr(*text.split(", ")).collect() == spark.sql(query).selectExpr(*text.split(", ")).collect()


@pytest.mark.parametrize("written, read", [("bigint", "int"), ("string", "int"), ("double", "float"), ("timestamp", "date"), ("int", "string")])
def test_a_parquet_column_is_not_read_as_a_type_that_spark_does_not_convert_to(spark, tmp_path, written, read):
    path = str(tmp_path / "t")
    value = "now()" if written == "timestamp" else "1"
    spark.sql(f"SELECT CAST({value} AS {written}) c, 1 AS other").write.parquet(path)
    given = spark.read.schema(f"c {read}, other long").parquet(path)
    # A column that is not selected is not checked; widening conversions are supported.
    assert given.select("other").collect() == [(1,)]
    fails(lambda: given.select("c").collect(), PySparkException, "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH")
