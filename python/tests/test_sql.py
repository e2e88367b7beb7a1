"""SQL text passed to `spark.sql`: queries, statements and their results, arguments."""

import datetime

import pytest
from checks import check, fails, numbers, people, schema_of
from pyspark.errors import AnalysisException
from pyspark.sql import Row
from pyspark.sql import functions as F


@pytest.fixture(autouse=True)
def few_partitions(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")


QUERIES = [
    ("values", "values (1, 'a'), (2, null)", "col1: int!; col2: string", [(1, "a"), (2, None)]),
    ("values with names", "select * from values (1, 'a') as t(n, s)", "n: int!; s: string!", [(1, "a")]),
    ("without a table", "select 1, 'x' as y, null", "1: int!; y: string!; NULL: void", [(1, "x", None)]),
    ("range", "select id from range(1, 6, 2)", "id: bigint!", [(1,), (3,), (5,)]),
    ("with", "with a as (select 1 x), b(y) as (select x + 1 from a) select * from a, b", "x: int!; y: int!", [(1, 2)]),
    ("a query in from", "select t.x from (select id * 2 as x from range(2)) t where x > 0", "x: bigint!", [(2,)]),
    ("lateral alias", "select id + 1 as a, a * 2 as b from range(1)", "a: bigint!; b: bigint!", [(1, 2)]),
    ("order, limit, offset", "select id from range(10) order by id desc limit 2 offset 1", "id: bigint!", [(8,), (7,)]),
    ("order by position", "select id, -id as m from range(3) order by 2", "id: bigint!; m: bigint!", [(2, -2), (1, -1), (0, 0)]),
    ("order by what is not selected", "select s from values (2, 'b'), (1, 'a') t(n, s) order by n", "s: string!", [("a",), ("b",)]),
    ("union all", "select 1 a union all select 1", "a: int!", [(1,), (1,)]),
    ("union", "select 1 a union select 1", "a: int!", [(1,)]),
    ("except", "select id from range(3) except select id from range(2)", "id: bigint!", [(2,)]),
    ("minus all", "select * from values 1, 1, 2 minus all values 1", "col1: int!", [(1,), (2,)]),
    ("intersect before union", "select 1 a union select 2 intersect select 3", "a: int!", [(1,)]),
    ("lateral view", "select n, e from values (1, array(5, 6)) t(n, l) lateral view explode(l) x as e", "n: int!; e: int?", [(1, 5), (1, 6)]),
    ("lateral view outer", "select e from values (array()) t(l) lateral view outer explode(l) x as e", "e: void", [(None,)]),
    ("generator as a table", "select * from explode(array(1, 2))", "col: int?", [(1,), (2,)]),
    ("case", "select case when id = 0 then 'none' when id < 2 then 'few' else 'many' end as c from range(3)", "c: string!", [("none",), ("few",), ("many",)]),
    ("like, in, between", "select id from range(20) where cast(id as string) like '1%' and id between 10 and 12 and id in (10, 12, 99)", "id: bigint!", [(10,), (12,)]),
    ("window", "select id, sum(id) over (order by id rows between 1 preceding and current row) s from range(3)", "id: bigint!; s: bigint", [(0, 0), (1, 1), (2, 3)]),
    ("named window", "select id, rank() over w r from range(2) window w as (order by id desc)", "id: bigint!; r: int?", [(1, 1), (0, 2)]),
    ("qualify by subquery", "select * from (select id, row_number() over (partition by id % 2 order by id desc) n from range(4)) where n = 1", "id: bigint!; n: int?", [(2, 1), (3, 1)]),
    ("distinct on expressions", "select distinct id % 2 as m from range(5)", "m: bigint", [(0,), (1,)]),
    ("scalar subquery", "select (select max(id) from range(4)) as m", "m: bigint", [(3,)]),
    ("struct and map", "select st.a, mp['k'], arr[1] from (select named_struct('a', 1) st, map('k', 2) mp, array(3, 4) arr)", "a: int?; mp[k]: int?; arr[1]: int?", [(1, 2, 4)]),
    ("comments and case", "SeLeCt /* c */ 1 -- end\n as `odd name`", "odd name: int!", [(1,)]),
    ("date arithmetic", "select date'2024-03-31' - interval 1 month as d", "d: date!", [(datetime.date(2024, 2, 29),)]),
    ("set of hints", "select /*+ repartition(2) */ count(*) as c from range(5)", "c: bigint!", [(5,)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "schema", "rows"), [pytest.param(*case[1:], id=case[0]) for case in QUERIES])
def test_a_query(spark, text, schema, rows):
    check(spark.sql(text), schema, rows, ordered="order by" in text and "over" not in text)


def test_arguments_by_name_by_position_and_by_frame(spark):
    assert spark.sql("select :a + :b as s", {"a": 1, "b": 2}).first() == Row(s=3)
    assert spark.sql("select ? || ? as s", ["x", "'; drop"]).first() == Row(s="x'; drop")
    assert spark.sql("select * from {frame} where id > {least}", frame=spark.range(5), least=3).collect() == [Row(id=4)]
    fails(lambda: spark.sql("select :missing").collect(), AnalysisException, "UNBOUND_SQL_PARAMETER", "42P02", name="missing")


def test_a_statement_runs_when_it_is_sent_and_once(spark):
    done = spark.sql("create temporary view once as select 1 as a")
    assert done.collect() == []
    assert done.collect() == []
    assert spark.table("once").collect() == [Row(a=1)]


def test_settings_by_text(spark):
    check(spark.sql("set spark.sql.shuffle.partitions = 7"), "key: string!; value: string!", [("spark.sql.shuffle.partitions", "7")])
    assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
    assert spark.sql("set spark.sql.shuffle.partitions").collect() == [Row(key="spark.sql.shuffle.partitions", value="7")]
    spark.sql("reset spark.sql.shuffle.partitions")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "200"
    spark.sql("set time zone 'Asia/Tokyo'")
    assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"


def test_views_by_text(spark):
    spark.sql("create temp view v as select 1 as a, 'x' as b")
    check(spark.sql("describe v"), "col_name: string!; data_type: string!; comment: string", [("a", "int", None), ("b", "string", None)])
    fails(lambda: spark.sql("create temp view v as select 2"), AnalysisException, "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", relationName="`v`")
    spark.sql("create or replace temp view v(z) as select 2")
    assert spark.table("v").collect() == [Row(z=2)]
    spark.sql("create global temp view g as select 3 as c")
    assert spark.table("global_temp.g").collect() == [Row(c=3)]
    spark.sql("drop view global_temp.g")
    spark.sql("drop view v")
    fails(lambda: spark.sql("select * from v").collect(), AnalysisException, "TABLE_OR_VIEW_NOT_FOUND", "42P01", relationName="`v`")
    spark.sql("drop view if exists v")
    fails(lambda: spark.sql("drop view v"), AnalysisException, "TABLE_OR_VIEW_NOT_FOUND")


def test_a_view_sees_what_stood_there_when_it_was_made(spark):
    people(spark).createOrReplaceTempView("base")
    spark.sql("create temp view derived as select name from base where age > 3")
    people(spark).limit(0).createOrReplaceTempView("other")
    assert spark.table("derived").collect() == [Row(name="Bob")]


def test_tables_by_text(spark, tmp_path):
    spark.sql(f"create table t_text (a int, b string) using parquet location '{tmp_path}/t'")
    try:
        spark.sql("insert into t_text values (1, 'x'), (2, null)")
        spark.sql("insert into t_text (b, a) select 'y', 3")
        check(spark.table("t_text"), "a: int; b: string", [(1, "x"), (2, None), (3, "y")])
        spark.sql("insert overwrite t_text select 9, 'z'")
        check(spark.sql("select * from t_text"), "a: int; b: string", [(9, "z")])
        assert ("default", "t_text", False) in [tuple(row) for row in spark.sql("show tables").collect()]
        assert schema_of(spark.sql("show tables")) == ["namespace: string!", "tableName: string!", "isTemporary: boolean!"]
        fails(lambda: spark.sql("create table t_text (a int)"), AnalysisException, "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07")
    finally:
        spark.sql("drop table t_text")
    fails(lambda: spark.table("t_text").schema, AnalysisException, "TABLE_OR_VIEW_NOT_FOUND")


def test_a_table_of_a_query(spark, tmp_path):
    spark.sql(f"create table t_query using json location '{tmp_path}/t' as select id, id % 2 as k from range(4)")
    try:
        assert spark.sql("select k, count(*) from t_query group by k order by k").collect() == [(0, 2), (1, 2)]
    finally:
        spark.sql("drop table t_query")


def test_files_are_tables(spark, tmp_path):
    spark.range(3).write.parquet(f"{tmp_path}/p")
    assert spark.sql(f"select sum(id) from parquet.`{tmp_path}/p`").first()[0] == 3


def test_explain_by_text(spark):
    rows = spark.sql("explain select * from range(3) where id > 1")
    assert schema_of(rows) == ["plan: string!"]
    assert rows.first().plan.startswith("== Physical Plan ==")


def test_functions_are_listed(spark):
    names = {row[0] for row in spark.sql("show functions").collect()}
    assert {"abs", "count", "row_number", "transform"} <= names
    assert schema_of(spark.sql("show functions like 'up*'")) == ["function: string!"]


def test_databases_by_text(spark):
    assert spark.sql("select current_database(), current_catalog()").first()[:] == ("default", "spark_catalog")
    spark.sql("create database if not exists d_text")
    try:
        assert ("d_text",) in [tuple(row) for row in spark.sql("show databases").collect()]
        spark.sql("use d_text")
        assert spark.catalog.currentDatabase() == "d_text"
        spark.sql("use default")
    finally:
        spark.sql("drop database d_text")
    fails(lambda: spark.sql("use d_text"), AnalysisException, "SCHEMA_NOT_FOUND", "42704", schemaName="`d_text`")


def test_frames_and_text_mix(spark):
    numbers(spark).createOrReplaceTempView("mixed")
    frame = spark.sql("select k, n from mixed").where("n is not null").groupBy("k").agg(F.max("n").alias("m"))
    frame.createOrReplaceTempView("grouped")
    check(spark.sql("select m from grouped where k = 'a'"), "m: int", [(2,)])


def test_calls_of_rand_without_a_seed_draw_different_numbers(spark):
    pairs = "select rand() = rand() a, randn() = randn() b, rand(7) = rand(7) c from range(50)"
    text = f"select count_if(a), count_if(b), count_if(c) from ({pairs})"
    assert spark.sql(text).collect() == [(0, 0, 50)]
