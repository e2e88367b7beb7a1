"""Table statements, session variables, `EXECUTE IMMEDIATE`, recursive queries, and the positions of errors in SQL text."""

import pytest
from checks import fails, plain
from pyspark.errors import AnalysisException, IllegalArgumentException, ParseException


def rows(frame):
    return [plain(row) for row in frame.collect()]


@pytest.fixture
def table(spark):
    spark.sql("DROP TABLE IF EXISTS altered")
    spark.sql("CREATE TABLE altered (a INT, b STRING) TBLPROPERTIES ('k' = 'v')")
    spark.sql("INSERT INTO altered VALUES (1, 'x')")
    yield spark
    spark.sql("DROP TABLE IF EXISTS altered")


def test_properties_are_set_shown_and_unset(table):
    table.sql("ALTER TABLE altered SET TBLPROPERTIES ('k' = 'w', 'l' = '1')")
    assert rows(table.sql("SHOW TBLPROPERTIES altered")) == [("k", "w"), ("l", "1")]
    assert table.catalog.getTableProperties("altered") == {"k": "w", "l": "1"}
    table.sql("ALTER TABLE altered UNSET TBLPROPERTIES ('k')")
    assert rows(table.sql("SHOW TBLPROPERTIES altered ('l')")) == [("l", "1")]
    for absent in ["", "IF EXISTS"]:  # Spark accepts both
        table.sql(f"ALTER TABLE altered UNSET TBLPROPERTIES {absent} ('k')")


def test_columns_are_added_and_other_changes_refused_as_in_spark(table):
    table.sql("ALTER TABLE altered ADD COLUMNS (c DOUBLE)")
    assert rows(table.table("altered")) == [(1, "x", None)]
    table.sql("INSERT INTO altered VALUES (2, 'y', 0.5)")
    assert rows(table.table("altered").orderBy("a")) == [(1, "x", None), (2, "y", 0.5)]
    fails(lambda: table.sql("ALTER TABLE altered ADD COLUMN A INT"), AnalysisException, "COLUMN_ALREADY_EXISTS")
    fails(lambda: table.sql("ALTER TABLE altered DROP COLUMN a"), AnalysisException, "UNSUPPORTED_FEATURE.TABLE_OPERATION", operation="DROP COLUMN")


def test_tables_and_views_are_renamed(table):
    table.sql("ALTER TABLE altered RENAME TO renamed")
    assert rows(table.table("renamed")) == [(1, "x")] and not table.catalog.tableExists("altered")
    table.sql("ALTER TABLE renamed RENAME TO altered")
    table.range(3).createOrReplaceTempView("before")
    table.sql("ALTER VIEW before RENAME TO after")
    table.sql("ALTER VIEW after AS SELECT 7 AS x")
    assert rows(table.table("after")) == [(7,)]
    fails(lambda: table.sql("ALTER VIEW altered RENAME TO x"), AnalysisException, "EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE")


def test_a_table_is_made_like_another_and_filled_by_name(table):
    table.sql("CREATE TABLE alike LIKE altered")
    table.sql("INSERT INTO alike BY NAME SELECT 'z' AS b, 5 AS a")
    table.sql("INSERT INTO alike BY NAME SELECT 6 AS a")
    assert rows(table.table("alike").orderBy("a")) == [(5, "z"), (6, None)]
    table.sql("DROP TABLE alike")


def test_partitions_are_listed(spark):
    spark.sql("CREATE TABLE parted (v INT, p INT, q STRING) PARTITIONED BY (p, q)")
    spark.sql("INSERT INTO parted PARTITION (p = 2, q = 'y') SELECT 1")
    spark.sql("INSERT INTO parted VALUES (2, 1, 'x'), (3, 1, 'x')")
    expected = ["p=1/q=x", "p=2/q=y"]
    assert rows(spark.sql("SHOW PARTITIONS parted")) == [(name,) for name in expected]
    assert [part.partition for part in spark.catalog.listPartitions("parted")] == expected
    spark.sql("ANALYZE TABLE parted COMPUTE STATISTICS")
    spark.sql("DROP TABLE parted")


def test_views_are_listed(spark):
    spark.sql("CREATE VIEW listed_view AS SELECT 1 AS c")
    assert "listed_view" in [view.name for view in spark.catalog.listViews()]
    assert [view.name for view in spark.catalog.listViews(pattern="listed_*")] == ["listed_view"]
    spark.sql("DROP VIEW listed_view")


def test_variables_hold_values_of_the_session(spark):
    spark.sql("DECLARE VARIABLE low INT DEFAULT 2")
    spark.sql("DECLARE OR REPLACE high = 4")
    assert rows(spark.sql("SELECT id FROM range(10) WHERE id BETWEEN low AND session.high ORDER BY id")) == [(2,), (3,), (4,)]
    spark.sql("SET VAR low = high + 1, high = 9")
    assert rows(spark.sql("SELECT low, high")) == [(5, 9)]
    spark.sql("SET VARIABLE (low, high) = (SELECT min(id), max(id) FROM range(8))")
    assert rows(spark.sql("SELECT low, high, low AS id FROM range(1)")) == [(0, 7, 0)]
    fails(lambda: spark.sql("DECLARE low = 1"), AnalysisException, "VARIABLE_ALREADY_EXISTS")
    spark.sql("DROP TEMPORARY VARIABLE low")
    fails(lambda: spark.sql("SET VAR low = 1"), AnalysisException, "UNRESOLVED_VARIABLE", variableName="`low`")


def test_text_is_run_at_run_time(spark):
    spark.sql("DECLARE OR REPLACE found INT")
    run = "EXECUTE IMMEDIATE 'SELECT max(id) FROM range(:n)' {} USING 3 + 2 AS n"
    assert rows(spark.sql(run.format(""))) == [(4,)]
    spark.sql(run.format("INTO found"))
    assert rows(spark.sql("SELECT found")) == [(4,)]
    spark.range(3).createOrReplaceTempView("three")
    assert rows(spark.sql("SELECT count(*) FROM IDENTIFIER(:name)", args={"name": "three"})) == [(3,)]
    assert rows(spark.sql("SELECT max(IDENTIFIER('id')) FROM three")) == [(2,)]


def test_a_query_may_name_itself(spark):
    count = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}) SELECT sum(n), count(*) FROM r"
    assert rows(spark.sql(count.format(5))) == [(15, 5)]
    fails(lambda: spark.sql(count.format(1000)).collect(), AnalysisException, "RECURSION_LEVEL_LIMIT_EXCEEDED")
    spark.createDataFrame([(1, 2), (2, 3), (3, 4), (9, 10)], "a int, b int").createOrReplaceTempView("edges")
    reached = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT b FROM r JOIN edges ON n = a) SELECT n FROM r ORDER BY n"
    assert rows(spark.sql(reached)) == [(1,), (2,), (3,), (4,)]


def test_a_query_that_only_speaks_of_its_name_is_none_that_names_itself(spark):
    query = """WITH RECURSIVE r AS (SELECT 'table { name: ["r"]' AS text), s AS (SELECT text FROM r) SELECT * FROM s"""
    assert rows(spark.sql(query)) == [('table { name: ["r"]',)]


def test_a_cross_join_may_have_a_condition(spark):
    tables = "VALUES (1),(2) a(x) CROSS JOIN VALUES (1),(3) b(x)"
    assert rows(spark.sql(f"SELECT * FROM {tables} ON a.x = b.x")) == [(1, 1)]
    assert rows(spark.sql(f"SELECT * FROM {tables} USING (x)")) == [(1,)]


def test_values_of_a_pivot_are_constants_of_any_form(spark):
    table = "VALUES (1,'a',2),(2,'b',3) t(n,c,d)"
    found = spark.sql(f"SELECT * FROM (SELECT n, c FROM {table}) PIVOT (sum(n) FOR c IN (lower('A') AS x, concat('b','')))")
    assert (found.columns, rows(found)) == (["x", "b"], [(1, 2)])
    found = spark.sql("SELECT * FROM VALUES (1,'a'),(2,'b') t(n,c) PIVOT (sum(n) FOR n IN (1+1, 3-2))")
    assert (found.columns, sorted(rows(found))) == (["c", "2", "1"], [("a", None, 1), ("b", 2, None)])
    found = spark.sql(f"SELECT * FROM {table} PIVOT (sum(n) FOR (c,d) IN ((lower('A'),1+1) AS x, ('b',3)))")
    assert (found.columns, rows(found)) == (["x", "{b, 3}"], [(1, 2)])
    pivot = "SELECT * FROM VALUES (1,'a') t(n,c) PIVOT ({} FOR c IN ({}))"
    fails(lambda: spark.sql(pivot.format("sum(n)", "c")).collect(), AnalysisException, "NON_LITERAL_PIVOT_VALUES")
    fails(lambda: spark.sql(pivot.format("n", "'a'")).collect(), AnalysisException, "_LEGACY_ERROR_TEMP_1006")


def test_a_percentile_counts_values_by_their_frequency(spark):
    table = "VALUES (1,1),(2,3),(10,1),(null,4),(3,0),(5,null) t(n,f)"
    found = spark.sql(f"SELECT percentile(n, 0.5, f), percentile(n, array(0.25, 0.9), f) FROM {table}")
    assert rows(found) == [(2.0, [2.0, pytest.approx(6.8)])]
    assert rows(spark.sql("SELECT percentile(n, 0.5, 0), percentile(n, array(0.5), 0) FROM VALUES (1) t(n)")) == [(None, None)]
    negative = "SELECT percentile(n, 0.5, -1) FROM VALUES (1),(2) t(n)"
    fails(lambda: spark.sql(negative).collect(), IllegalArgumentException, "NEGATIVE_VALUES_IN_FREQUENCY_EXPRESSION")
    flag = "SELECT first(n, b) FROM VALUES (1,true) t(n,b)"
    fails(lambda: spark.sql(flag).collect(), AnalysisException, "_LEGACY_ERROR_TEMP_1210")


def test_a_view_keeps_the_settings_of_its_creation(spark):
    query = "SELECT cast('x' AS int) a, from_json('{x', 'a int, bad string').bad b, timestamp'1970-01-01 00:00:00' t"
    before = {"spark.sql.ansi.enabled": "false", "spark.sql.columnNameOfCorruptRecord": "bad", "spark.sql.session.timeZone": "UTC"}
    after = {"spark.sql.ansi.enabled": "true", "spark.sql.columnNameOfCorruptRecord": "other", "spark.sql.session.timeZone": "Asia/Tokyo"}
    for key, value in before.items():
        spark.conf.set(key, value)
    spark.sql(f"CREATE VIEW lasting AS {query}")
    spark.sql(f"CREATE TEMPORARY VIEW passing AS {query}")
    for key, value in after.items():
        spark.conf.set(key, value)
    for view in ("lasting", "passing"):
        assert rows(spark.sql(f"SELECT a, b, unix_micros(t) FROM {view}")) == [(None, "{x", 0)], view
    spark.sql("DROP VIEW lasting")


def test_tuples_are_looked_for_in_a_list(spark):
    query = "SELECT id FROM range(4) WHERE (id, id * 2) IN ((1, 2), (2, 5), (3, 6)) ORDER BY id"
    assert rows(spark.sql(query)) == [(1,), (3,)]


def test_a_parse_error_shows_where_it_is(spark):
    with pytest.raises(ParseException) as raised:
        spark.sql("SELECT *\n  FORM t")
    text = str(raised.value)
    assert "== SQL ==" in text and "(line 2, pos 2)" in text and "\n--^^^" in text, text
    assert raised.value.getCondition() == "PARSE_SYNTAX_ERROR" and raised.value.getSqlState() == "42601"


@pytest.mark.parametrize(
    "text, condition, fragment",
    [
        ("SELECT id,\n  nmae FROM range(3)", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "nmae"),
        ("SELECT * FROM no_such_table", "TABLE_OR_VIEW_NOT_FOUND", "no_such_table"),
        ("SELECT 1 + no_such(2, 'a)')", "UNRESOLVED_ROUTINE", "no_such(2, 'a)')"),
    ],
)
def test_an_analysis_error_knows_the_piece_of_the_text(spark, text, condition, fragment):
    with pytest.raises(AnalysisException) as raised:
        spark.sql(text)
    error = raised.value
    assert error.getCondition() == condition
    [context] = error.getQueryContext()
    assert context.fragment() == fragment
    assert text[context.startIndex() : context.stopIndex() + 1] == fragment
    assert "; line " in str(error)


def test_what_stands_in_the_text_twice_has_no_place(spark):
    with pytest.raises(AnalysisException) as raised:
        spark.sql("SELECT nope FROM range(1) WHERE nope > 1")
    assert raised.value.getQueryContext() == []
