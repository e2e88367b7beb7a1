"""Errors are raised as PySpark's exceptions, with Spark's error condition, SQL state and message parameters."""

import pytest
from checks import fails, people
from pyspark.errors import (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    IllegalArgumentException,
    NumberFormatException,
    ParseException,
    PySparkException,
    SparkNoSuchElementException,
    SparkRuntimeException,
    UnsupportedOperationException,
)
from pyspark.sql import functions as F

FRAMES = [
    ("a column that is not there", lambda s: people(s).select("agee"), "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", {"objectName": "`agee`", "proposal": "`age`, `name`"}),
    ("no column to suggest", lambda s: s.range(1).select().select("x"), "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", {"objectName": "`x`"}),
    ("a column in a condition", lambda s: people(s).where("ag > 1"), "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", {"objectName": "`ag`"}),
    ("a column to sort by", lambda s: people(s).sort("x"), "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", {"objectName": "`x`"}),
    ("a function that is not there", lambda s: s.range(1).selectExpr("no_such(id)"), "UNRESOLVED_ROUTINE", "42883", {"routineName": "`no_such`"}),
    ("too many arguments", lambda s: s.range(1).selectExpr("upper('a', 'b')"), "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", {"functionName": "`upper`", "expectedNum": "1", "actualNum": "2"}),
    ("a wrong argument", lambda s: s.range(1).selectExpr("array_max(id)"), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", {"sqlExpr": '"array_max(id)"', "inputType": '"BIGINT"'}),
    ("types that do not add", lambda s: s.range(1).selectExpr("id + true"), "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", {"left": '"BIGINT"', "right": '"BOOLEAN"'}),
    ("a condition that is a number", lambda s: s.range(1).where("id + 1"), "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09", {"sqlExpr": '"(id + 1)"'}),
    ("a cast that cannot be", lambda s: s.range(1).selectExpr("cast(array(id) as int)"), "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09", {"srcType": '"ARRAY<BIGINT>"', "targetType": '"INT"'}),
    ("a table that is not there", lambda s: s.table("no.such"), "TABLE_OR_VIEW_NOT_FOUND", "42P01", {"relationName": "`no`.`such`"}),
    ("a union of unequal width", lambda s: s.range(1).union(people(s)), "NUM_COLUMNS_MISMATCH", "42826", {"operator": "UNION", "firstNumColumns": "1", "invalidNumColumns": "2"}),
    ("a union of unlike types", lambda s: s.range(1).union(s.sql("select array(1)")), "INCOMPATIBLE_COLUMN_TYPE", "42825", {"operator": "UNION", "columnOrdinalNumber": "first"}),
    ("too few names", lambda s: people(s).toDF("x"), "ASSIGNMENT_ARITY_MISMATCH", "42802", {"numExpr": "1", "numTarget": "2"}),
    ("a struct field that is not there", lambda s: s.sql("select named_struct('a', 1) st").select("st.b"), "FIELD_NOT_FOUND", "42704", {"fieldName": "`b`", "fields": "`a`"}),
    ("a field of a number", lambda s: s.range(1).select("id.x"), "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", {"base": '"id"', "other": '"BIGINT"'}),
    ("a file that is not there", lambda s: s.read.parquet("/no/such/file"), "PATH_NOT_FOUND", "42K03", {"path": "file:/no/such/file"}),
    ("two generators", lambda s: s.sql("select explode(array(1)), explode(array(2))"), "UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "42K0E", {"num": "2"}),
    ("a window function without a window", lambda s: s.range(1).select(F.row_number()), "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", "42601", {"funcName": '"row_number()"'}),
    ("a subquery of two columns", lambda s: s.sql("select (select 1, 2)"), "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", "42823", {"number": "2"}),
]


@pytest.mark.parametrize(("make", "condition", "state", "parameters"), [pytest.param(*case[1:], id=case[0]) for case in FRAMES])
def test_a_frame_that_makes_no_sense(spark, make, condition, state, parameters):
    fails(lambda: make(spark).schema, AnalysisException, condition, state, **parameters)


VALUES = [
    ("1 / 0", ArithmeticException, "DIVIDE_BY_ZERO", "22012"),
    ("1 % 0", ArithmeticException, "REMAINDER_BY_ZERO", "22012"),
    ("2147483647 + 1", ArithmeticException, "ARITHMETIC_OVERFLOW", "22003"),
    ("9223372036854775807L + 1", ArithmeticException, "ARITHMETIC_OVERFLOW", "22003"),
    ("cast(300 as tinyint)", ArithmeticException, "CAST_OVERFLOW", "22003"),
    ("cast(99999.9 as decimal(4,1))", ArithmeticException, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003"),
    ("cast('x' as int)", NumberFormatException, "CAST_INVALID_INPUT", "22018"),
    ("cast('x' as date)", DateTimeException, "CAST_INVALID_INPUT", "22018"),
    ("cast('x' as boolean)", SparkRuntimeException, "CAST_INVALID_INPUT", "22018"),
    ("element_at(array(1), 0)", SparkRuntimeException, "INVALID_INDEX_OF_ZERO", "22003"),
    ("make_date(2020, 13, 1)", DateTimeException, "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", "22023"),
    ("url_decode('%%')", IllegalArgumentException, "CANNOT_DECODE_URL", "22546"),
    ("map(1, 2, 1, 3)", SparkRuntimeException, "DUPLICATED_MAP_KEY", "23505"),
    ("raise_error('it is [DIVIDE_BY_ZERO] or so SQLSTATE: 22012')", SparkRuntimeException, "USER_RAISED_EXCEPTION", "P0001"),
    ("to_binary('GG', 'hex')", IllegalArgumentException, "CONVERSION_INVALID_INPUT", "22018"),
    ("next_day('2020-01-01', 'xx')", IllegalArgumentException, "ILLEGAL_DAY_OF_WEEK", "22009"),
    ("array(1, 2)[5]", ArrayIndexOutOfBoundsException, "INVALID_ARRAY_INDEX", "22003"),
    ("element_at(array(1), 3)", ArrayIndexOutOfBoundsException, "INVALID_ARRAY_INDEX_IN_ELEMENT_AT", "22003"),
]


@pytest.mark.parametrize(("text", "kind", "condition", "state"), VALUES)
@pytest.mark.parametrize("over", ["", " from range(3)"])
def test_a_value_that_cannot_be(spark, text, kind, condition, state, over):
    fails(lambda: spark.sql(f"select {text}{over}").collect(), kind, condition, state)


@pytest.mark.parametrize(("text", "value"), [("1 / 0", None), ("2147483647 + 1", -2147483648), ("cast('x' as int)", None), ("array(1, 2)[5]", None)])
def test_without_ansi_it_is_null_or_wraps(spark, text, value):
    spark.conf.set("spark.sql.ansi.enabled", "false")
    assert spark.sql(f"select {text}").first()[0] == value


@pytest.mark.parametrize(
    ("text", "condition", "state"),
    [
        ("select from where", "PARSE_SYNTAX_ERROR", "42601"),
        ("selct 1", "PARSE_SYNTAX_ERROR", "42601"),
        ("", "PARSE_EMPTY_STATEMENT", "42617"),
        ("select 'abc", "PARSE_SYNTAX_ERROR", "42601"),
    ],
)
def test_text_that_is_not_sql(spark, text, condition, state):
    fails(lambda: spark.sql(text), ParseException, condition, state)


def test_a_name_of_a_setting_that_is_not_there(spark):
    fails(lambda: spark.conf.get("no.such.key"), SparkNoSuchElementException, "SQL_CONF_NOT_FOUND", "42K0I", sqlConf='"no.such.key"')


@pytest.mark.parametrize(
    ("key", "value", "subclass", "more"),
    [
        ("spark.sql.shuffle.partitions", "many", "TYPE_MISMATCH", {"confType": "int"}),
        ("spark.sql.shuffle.partitions", "-1", "REQUIREMENT", {}),
        ("spark.sql.ansi.enabled", "maybe", "TYPE_MISMATCH", {"confType": "boolean"}),
        ("spark.sql.mapKeyDedupPolicy", "x", "OUT_OF_RANGE_OF_OPTIONS", {"confOptions": "EXCEPTION, LAST_WIN"}),
        ("spark.sql.session.timeZone", "Mars", "TIME_ZONE", {}),
        # Valid in Spark; rejected because it would change results and is not supported.
        ("spark.sql.timestampType", "TIMESTAMP_NTZ", "OUT_OF_RANGE_OF_OPTIONS", {"confOptions": "TIMESTAMP_LTZ"}),
    ],
)
def test_a_bad_value_of_a_setting(spark, key, value, subclass, more):
    before = spark.conf.get(key)
    fails(lambda: spark.conf.set(key, value), IllegalArgumentException, f"INVALID_CONF_VALUE.{subclass}", "22022", confName=key, confValue=value, **more)
    assert spark.conf.get(key) == before


def test_a_format_that_is_not_there(spark):
    fails(lambda: spark.read.format("nonsense").load("/tmp").schema, PySparkException, "DATA_SOURCE_NOT_FOUND", "42K02", provider="nonsense")


def test_an_error_has_spark_s_message(spark):
    error = fails(lambda: people(spark).select("nam").collect(), AnalysisException, "UNRESOLVED_COLUMN.WITH_SUGGESTION")
    assert str(error).startswith(
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `nam` cannot be resolved. "
        "Did you mean one of the following? [`name`, `age`]. SQLSTATE: 42703"
    )


UNSERVED = [
    ("readStream", lambda s: s.readStream.format("rate").load()),
]


@pytest.mark.parametrize(("name", "make"), UNSERVED)
def test_what_is_not_served_is_refused_by_name(spark, name, make):
    with pytest.raises(UnsupportedOperationException) as raised:
        make(spark).collect()
    assert raised.value.getCondition() == "UNSUPPORTED_FEATURE"
    assert "is not served yet" in str(raised.value)
