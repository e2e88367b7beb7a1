"""Expressions and functions: column name, type and value, as in Spark."""

import datetime
import decimal
import math

import pytest
from checks import check, people, plain, schema_of
from pyspark.sql import Row, Window
from pyspark.sql import functions as F

D = decimal.Decimal
date = datetime.date
time = datetime.datetime


@pytest.fixture(autouse=True)
def a_fixed_zone(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def row(spark):
    """One row with a value of each common type."""
    return spark.sql(
        "select a, b, x, s, t, flag, l, m, st, d, ts, n from values (7, 2L, 2.5D, 'Alice', 'a,b', true, array(3, 1, 2), map('k', 1, 'j', 2), "
        "named_struct('p', 1, 'q', 'z'), date'2024-02-29', timestamp_ntz'2024-02-29 13:14:15', cast(null as int)) "
        "as t(a, b, x, s, t, flag, l, m, st, d, ts, n)"
    )


a, b, x, s, flag = map(F.col, ["a", "b", "x", "s", "flag"])

# Column, name, type, value.
OPERATORS = [
    (a + b, "(a + b)", "bigint", 9),
    (a - 1, "(a - 1)", "int", 6),
    (1 - a, "(1 - a)", "int", -6),
    (a * x, "(a * x)", "double", 17.5),
    (a / b, "(a / b)", "double", 3.5),
    (a % 4, "(a % 4)", "int", 3),
    (-a, "negative(a)", "int", -7),
    (a**2, "POWER(a, 2)", "double", 49.0),
    (a == 7, "(a = 7)", "boolean", True),
    (a != 7, "(NOT (a = 7))", "boolean", False),
    (a > b, "(a > b)", "boolean", True),
    (a <= x, "(a <= x)", "boolean", False),
    ((a > 1) & ~flag, "((a > 1) AND (NOT flag))", "boolean", False),
    ((a > 10) | flag, "((a > 10) OR flag)", "boolean", True),
    (F.col("n").isNull(), "(n IS NULL)", "boolean", True),
    (a.isNotNull(), "(a IS NOT NULL)", "boolean", True),
    (F.col("n").eqNullSafe(None), "(n <=> NULL)", "boolean", True),
    (a.isin(1, 7), "(a IN (1, 7))", "boolean", True),
    (a.between(1, b), "((a >= 1) AND (a <= b))", "boolean", False),
    (a.bitwiseAND(3), "(a & 3)", "int", 3),
    (a.bitwiseOR(8), "(a | 8)", "int", 15),
    (a.bitwiseXOR(1), "(a ^ 1)", "int", 6),
    (s.like("A%"), "s LIKE A%", "boolean", True),
    (s.ilike("a%E"), "ilike(s, a%E)", "boolean", True),
    (s.rlike("^A.*e$"), "RLIKE(s, ^A.*e$)", "boolean", True),
    (s.startswith("Al"), "startswith(s, Al)", "boolean", True),
    (s.endswith("Al"), "endswith(s, Al)", "boolean", False),
    (s.contains("lic"), "contains(s, lic)", "boolean", True),
    (s.substr(1, 2), "substr(s, 1, 2)", "string", "Al"),
    (a.cast("string"), "a", "string", "7"),
    (F.lit("12").cast("int"), "CAST(12 AS INT)", "int", 12),
    (F.lit("x").try_cast("int"), "TRY_CAST(x AS INT)", "int", None),
    (F.lit(1), "1", "int", 1),
    (F.lit(None), "NULL", "void", None),
    (F.lit(True), "true", "boolean", True),
    (F.lit(1.5), "1.5", "double", 1.5),
    (F.lit(D("1.50")), "1.50", "decimal(10,2)", D("1.50")),
    (F.lit([1, 2]), "array(1, 2)", "array<int>", [1, 2]),
    (F.lit(date(2024, 1, 2)), "DATE '2024-01-02'", "date", date(2024, 1, 2)),
    (F.when(a > 1, "x").otherwise(s), "CASE WHEN (a > 1) THEN x ELSE s END", "string", "x"),
    (F.when(a > 10, 1), "CASE WHEN (a > 10) THEN 1 END", "int", None),
    (F.col("l")[0], "l[0]", "int", 3),
    (F.col("m")["k"], "m[k]", "int", 1),
    (F.col("st.p"), "p", "int", 1),
    (F.col("st").getField("q"), "st.q", "string", "z"),
    (F.col("st").withField("r", F.lit(1.5)), None, "struct<p:int,q:string,r:double>", (1, "z", 1.5)),
    (F.col("st").dropFields("p"), None, "struct<q:string>", ("z",)),
    (F.expr("a + 1 as z"), "z", "int", 8),
    (F.expr("a div b"), "(a div b)", "bigint", 3),
    (F.expr("s || '!'"), "concat(s, !)", "string", "Alice!"),
]

FUNCTIONS = [
    (F.upper("s"), "upper(s)", "string", "ALICE"),
    (F.length("s"), "length(s)", "int", 5),
    (F.concat("s", F.lit("-"), "a"), "concat(s, -, a)", "string", "Alice-7"),
    (F.concat_ws("/", "s", "t", F.lit(None)), "concat_ws(/, s, t, NULL)", "string", "Alice/a,b"),
    (F.substring("s", 2, 3), "substring(s, 2, 3)", "string", "lic"),
    (F.substring_index(F.lit("a.b.c"), ".", -2), "substring_index(a.b.c, ., -2)", "string", "b.c"),
    (F.trim(F.lit("  x ")), "trim(  x )", "string", "x"),
    (F.lpad("s", 7, "*"), "lpad(s, 7, *)", "string", "**Alice"),
    (F.initcap(F.lit("hello wORLD")), "initcap(hello wORLD)", "string", "Hello World"),
    (F.reverse("s"), "reverse(s)", "string", "ecilA"),
    (F.reverse("l"), "reverse(l)", "array<int>", [2, 1, 3]),
    (F.repeat("t", "b"), "repeat(t, b)", "string", "a,ba,b"),
    (F.btrim(F.lit("xxayx"), F.lit("x")), "btrim(xxayx, x)", "string", "ay"),
    (F.log10(F.lit(float("nan"))), None, "double", "NaN"),
    (F.ltrim(F.lit("xxay"), F.lit("x")), "TRIM(LEADING x FROM xxay)", "string", "ay"),
    (F.hypot("a", "b"), "HYPOT(a, b)", "double", 53**0.5),
    (F.ceil("x", 0), "ceil(x, 0)", "decimal(16,0)", D(3)),
    (F.pi(), "PI()", "double", math.pi),
    (F.repeat("t", 2), "repeat(t, 2)", "string", "a,ba,b"),
    (F.split("t", ","), "split(t, ,, -1)", "array<string>", ["a", "b"]),
    (F.instr("s", "i"), "instr(s, i)", "int", 3),
    (F.locate("c", "s"), "locate(c, s, 1)", "int", 4),
    (F.translate("s", "Ae", "1"), "translate(s, Ae, 1)", "string", "1lic"),
    (F.regexp_replace("s", "[a-z]+", "_"), "regexp_replace(s, [a-z]+, _, 1)", "string", "A_"),
    (F.regexp_extract("s", "(l)(i)", 2), "regexp_extract(s, (l)(i), 2)", "string", "i"),
    (F.levenshtein("s", F.lit("Alicia")), "levenshtein(s, Alicia)", "int", 2),
    (F.format_number("x", 3), "format_number(x, 3)", "string", "2.500"),
    (F.format_string("%d:%s", "a", "s"), "format_string(%d:%s, a, s)", "string", "7:Alice"),
    (F.md5("s"), "md5(s)", "string", "64489c85dc2fe0787b85cd87214b3810"),
    (F.crc32(F.lit("ABC")), "crc32(ABC)", "bigint", 2743272264),
    (F.hash(F.lit("ABC")), "hash(ABC)", "int", -757602832),
    (F.xxhash64(F.lit("ABC")), "xxhash64(ABC)", "bigint", 4105715581806190027),
    (F.base64("s"), "base64(s)", "string", "QWxpY2U="),
    (F.hex("a"), "hex(a)", "string", "7"),
    (F.ascii("s"), "ascii(s)", "int", 65),
    (F.abs(-a), "abs(negative(a))", "int", 7),
    (F.round("x"), "round(x, 0)", "double", 3.0),
    (F.bround("x"), "bround(x, 0)", "double", 2.0),
    (F.ceil("x"), "CEIL(x)", "bigint", 3),
    (F.floor("x"), "FLOOR(x)", "bigint", 2),
    (F.sqrt(F.lit(4)), "SQRT(4)", "double", 2.0),
    (F.exp(F.lit(0)), "EXP(0)", "double", 1.0),
    (F.log("x"), "ln(x)", "double", math.log(2.5)),
    (F.log(2.0, F.lit(8)), "LOG(2.0, 8)", "double", 3.0),
    (F.log10(F.lit(100)), "LOG10(100)", "double", 2.0),
    (F.signum("x"), "SIGNUM(x)", "double", 1.0),
    (F.greatest("a", "b"), "greatest(a, b)", "bigint", 7),
    (F.least("a", "n"), "least(a, n)", "int", 7),
    (F.shiftleft("a", 1), "shiftleft(a, 1)", "int", 14),
    (F.pmod(F.lit(-7), F.lit(3)), "pmod(-7, 3)", "int", 2),
    (F.coalesce("n", "a"), "coalesce(n, a)", "int", 7),
    (F.nvl("n", F.lit(0)), "nvl(n, 0)", "int", 0),
    (F.nullif("a", F.lit(7)), "nullif(a, 7)", "int", None),
    (F.isnull("n"), "(n IS NULL)", "boolean", True),
    (F.isnan("x"), "isnan(x)", "boolean", False),
    (F.year("d"), "year(d)", "int", 2024),
    (F.month("d"), "month(d)", "int", 2),
    (F.dayofweek("d"), "dayofweek(d)", "int", 5),
    (F.dayofyear("d"), "dayofyear(d)", "int", 60),
    (F.quarter("d"), "quarter(d)", "int", 1),
    (F.weekofyear("d"), "weekofyear(d)", "int", 9),
    (F.hour("ts"), "hour(ts)", "int", 13),
    (F.last_day("d"), "last_day(d)", "date", date(2024, 2, 29)),
    (F.date_add("d", 1), "date_add(d, 1)", "date", date(2024, 3, 1)),
    (F.date_sub("d", 29), "date_sub(d, 29)", "date", date(2024, 1, 31)),
    (F.datediff(F.lit("2024-03-01"), "d"), "datediff(2024-03-01, d)", "int", 1),
    (F.add_months("d", 12), "add_months(d, 12)", "date", date(2025, 2, 28)),
    (F.months_between("d", F.lit("2024-01-31")), "months_between(d, 2024-01-31, true)", "double", 1.0),
    (F.trunc("d", "year"), "trunc(d, year)", "date", date(2024, 1, 1)),
    (F.next_day("d", "Mon"), "next_day(d, Mon)", "date", date(2024, 3, 4)),
    (F.to_date(F.lit("29.02.2024"), "dd.MM.yyyy"), "to_date(29.02.2024, dd.MM.yyyy)", "date", date(2024, 2, 29)),
    (F.to_date(F.lit("2024-02-29")), "to_date(2024-02-29)", "date", date(2024, 2, 29)),
    (F.date_format("d", "yyyy/MM EEE"), "date_format(d, yyyy/MM EEE)", "string", "2024/02 Thu"),
    (F.make_date(F.lit(2024), F.lit(2), F.lit(1)), "make_date(2024, 2, 1)", "date", date(2024, 2, 1)),
    (F.unix_timestamp(F.lit("1970-01-02 00:00:00")), "unix_timestamp(1970-01-02 00:00:00, yyyy-MM-dd HH:mm:ss)", "bigint", 86400),
    (F.from_unixtime(F.lit(86400)), "from_unixtime(86400, yyyy-MM-dd HH:mm:ss)", "string", "1970-01-02 00:00:00"),
    (F.array("a", "n"), "array(a, n)", "array<int>", [7, None]),
    (F.array_contains("l", 2), "array_contains(l, 2)", "boolean", True),
    (F.array_sort("l"), None, "array<int>", [1, 2, 3]),
    (F.sort_array("l", False), "sort_array(l, false)", "array<int>", [3, 2, 1]),
    (F.array_max("l"), "array_max(l)", "int", 3),
    (F.array_join("l", "-"), "array_join(l, -)", "string", "3-1-2"),
    (F.array_distinct(F.array(a, a)), "array_distinct(array(a, a))", "array<int>", [7]),
    (F.array_union("l", F.array(a)), "array_union(l, array(a))", "array<int>", [3, 1, 2, 7]),
    (F.array_except("l", F.array(F.lit(1))), "array_except(l, array(1))", "array<int>", [3, 2]),
    (F.array_position("l", 2), "array_position(l, 2)", "bigint", 3),
    (F.array_repeat("a", 2), "array_repeat(a, 2)", "array<int>", [7, 7]),
    (F.slice("l", 2, 2), "slice(l, 2, 2)", "array<int>", [1, 2]),
    (F.element_at("l", -1), "element_at(l, -1)", "int", 2),
    (F.get("l", 9), "get(l, 9)", "int", None),
    (F.size("l"), "size(l)", "int", 3),
    (F.sequence(F.lit(1), F.lit(5), F.lit(2)), "sequence(1, 5, 2)", "array<int>", [1, 3, 5]),
    (F.flatten(F.array("l", "l")), "flatten(array(l, l))", "array<int>", [3, 1, 2, 3, 1, 2]),
    (F.arrays_zip("l", F.array(a)), None, None, [(3, 7), (1, None), (2, None)]),
    (F.struct("a", F.col("s").alias("z")), None, "struct<a:int,z:string>", (7, "Alice")),
    (F.create_map("s", "a"), "map(s, a)", "map<string,int>", {"Alice": 7}),
    (F.map_keys("m"), "map_keys(m)", "array<string>", ["k", "j"]),
    (F.map_values("m"), "map_values(m)", "array<int>", [1, 2]),
    (F.map_from_arrays(F.array(s), F.array(a)), "map_from_arrays(array(s), array(a))", "map<string,int>", {"Alice": 7}),
    (F.transform("l", lambda e: e + a), None, "array<int>", [10, 8, 9]),
    (F.filter("l", lambda e: e > 1), None, "array<int>", [3, 2]),
    (F.exists("l", lambda e: e > 2), None, "boolean", True),
    (F.forall("l", lambda e: e > 2), None, "boolean", False),
    (F.to_json("st"), "to_json(st)", "string", '{"p":1,"q":"z"}'),
    (F.get_json_object(F.lit('{"p": {"q": [1, 2]}}'), "$.p.q[1]"), 'get_json_object({"p": {"q": [1, 2]}}, $.p.q[1])', "string", "2"),
    (F.typeof("m"), "typeof(m)", "string", "map<string,int>"),
    (F.try_divide("a", F.lit(0)), "try_divide(a, 0)", "double", None),
    (F.call_function("upper", F.col("s")), "upper(s)", "string", "ALICE"),
]


@pytest.mark.parametrize(("column", "name", "kind", "value"), [pytest.param(*case, id=str(case[0])[8:-2]) for case in OPERATORS + FUNCTIONS])
def test_a_column_has_spark_s_name_type_and_value(spark, column, name, kind, value):
    frame = row(spark).select(column)
    found = schema_of(frame)[0].rstrip("!").rsplit(": ", 1)
    assert name is None or frame.columns == [name]
    assert kind is None or found[1] == kind
    got = plain(frame.first()[0])
    assert (got == pytest.approx(value)) if isinstance(value, float) else (got == value)


# Results of ANSI type rules for literals in SQL text: expression, type, value.
TYPED = [
    ("1 + 1.5", "decimal(3,1)", D("2.5")),
    ("1.10 * 2.5", "decimal(6,3)", D("2.750")),
    ("1.00 / 3", "decimal(7,6)", D("0.333333")),
    ("cast(1 as decimal(10,2)) + cast(1 as decimal(5,4))", "decimal(13,4)", D("2.0000")),
    ("1Y + 1S", "smallint", 2),
    ("1F + 1L", "double", 2.0),
    ("1 + '2'", "bigint", 3),
    ("'1.5' = 1.5D", "boolean", True),
    ("5 / 2", "double", 2.5),
    ("-5 div 2", "bigint", -2),
    ("-5 % 3", "int", -2),
    ("null and false", "boolean", False),
    ("null = null", "boolean", None),
    ("if(true, 1, 2.5)", "decimal(11,1)", D("1.0")),
    ("coalesce(null, 1, 2L)", "bigint", 1),
    ("array(1, 2.5D)", "array<double>", [1.0, 2.5]),
    ("date'2024-01-31' + interval 1 month", "date", date(2024, 2, 29)),
    ("timestamp_ntz'2024-01-01 00:00:00' + interval '1 2' day to hour", "timestamp_ntz", time(2024, 1, 2, 2)),
    ("cast('2024-1-5' as date)", "date", date(2024, 1, 5)),
    ("cast(1.99 as int)", "int", 1),
    ("cast('  12 ' as int)", "int", 12),
    ("cast('t' as boolean)", "boolean", True),
    ("cast(1e20 as string)", "string", "1.0E20"),
    ("cast(0.1F as string)", "string", "0.1"),
    ("cast(date'2024-01-01' as timestamp_ntz)", "timestamp_ntz", time(2024, 1, 1)),
    ("cast(array(1, null) as string)", "string", "[1, null]"),
    ("cast(2 as boolean)", "boolean", True),
    ("round(2.675, 2)", "decimal(4,2)", D("2.68")),
    ("'a' in ('a', null)", "boolean", True),
    ("'b' in ('a', null)", "boolean", None),
    ("case 3 when 1 then 'x' when 3 then 'y' end", "string", "y"),
    ("extract(year from date'2024-05-06')", "int", 2024),
    ("double('nan') = double('nan')", "boolean", True),
    ("sum(1.5)", "decimal(12,1)", D("1.5")),
    ("avg(1.50)", "decimal(7,6)", D("1.500000")),
    ("sum(1Y)", "bigint", 1),
]


@pytest.mark.parametrize(("text", "kind", "value"), [pytest.param(*case, id=case[0]) for case in TYPED])
def test_text_has_spark_s_type_and_value(spark, text, kind, value):
    frame = spark.sql(f"select {text} as v")
    assert schema_of(frame)[0].rstrip("!") == f"v: {kind}"
    if value is not None or "null" in text:
        assert plain(frame.first()[0]) == value


NULLABLE = [
    ("id", "bigint!"),
    ("id + 1", "bigint!"),
    ("id / 2", "double"),
    ("id % 2", "bigint"),
    ("cast(id as string)", "string!"),
    ("try_cast('1' as int)", "int"),
    ("nullif(id, 1)", "bigint"),
    ("coalesce(null, id)", "bigint!"),
    ("if(id > 1, 1, null)", "int"),
    ("case when id > 1 then 1 end", "int"),
    ("case when id > 1 then 1 else 2 end", "int!"),
    ("array(id)", "array<bigint>!"),
    ("named_struct('a', id)", "struct<a:bigint>!"),
    ("isnull(null)", "boolean!"),
    ("null <=> id", "boolean!"),
    ("upper('x')", "string!"),
]


@pytest.mark.parametrize(("text", "kind"), [pytest.param(*case, id=case[0]) for case in NULLABLE])
def test_text_is_nullable_where_spark_s_is(spark, text, kind):
    assert schema_of(spark.range(1).selectExpr(f"{text} as v")) == [f"v: {kind}"]


def test_generators_make_rows(spark):
    frame = row(spark)
    check(frame.select("a", F.explode("l")), "a: int!; col: int?", [(7, 3), (7, 1), (7, 2)], ordered=True)
    check(frame.select(F.explode("m")), "key: string?; value: int?", [("k", 1), ("j", 2)], ordered=True)
    check(frame.select(F.posexplode("l").alias("i", "v")), "i: int!; v: int?", [(0, 3), (1, 1), (2, 2)], ordered=True)
    empty = spark.sql("select array() as l, 1 as a")
    check(empty.select("a", F.explode_outer("l")), "a: int!; col: void", [(1, None)])
    assert empty.select(F.explode("l")).collect() == []
    check(spark.sql("select inline(array(struct(1, 'x'), struct(2, 'y')))"), "col1: int?; col2: string?", [(1, "x"), (2, "y")])
    check(spark.sql("select stack(2, 1, 'a', 2, 'b') as (n, t)"), "n: int?; t: string?", [(1, "a"), (2, "b")])


def test_windows_number_rank_and_sum(spark):
    frame = spark.createDataFrame([("a", 1), ("a", 2), ("a", 2), ("b", 5)], "k string, v int")
    window = Window.partitionBy("k").orderBy("v")
    ranked = frame.select(
        "k", "v",
        F.row_number().over(window).alias("n"), F.rank().over(window).alias("r"), F.dense_rank().over(window).alias("d"),
        F.lag("v").over(window).alias("lag"), F.lead("v", 1, 0).over(window).alias("lead"),
        F.sum("v").over(window).alias("upto"), F.sum("v").over(Window.partitionBy("k")).alias("all"),
        F.sum("v").over(window.rowsBetween(-1, 0)).alias("two"), F.ntile(2).over(window).alias("half"),
        F.first("v").over(window).alias("first"), F.percent_rank().over(window).alias("p"),
    )  # fmt: skip
    check(
        ranked,
        "k: string; v: int; n: int?; r: int?; d: int?; lag: int; lead: int; upto: bigint; all: bigint; two: bigint; half: int?; first: int; p: double?",
        [
            ("a", 1, 1, 1, 1, None, 2, 1, 5, 1, 1, 1, 0.0),
            ("a", 2, 2, 2, 2, 1, 2, 5, 5, 3, 1, 1, 0.5),
            ("a", 2, 3, 2, 2, 2, 0, 5, 5, 4, 2, 1, 0.5),
            ("b", 5, 1, 1, 1, None, 0, 5, 5, 5, 1, 5, 0.0),
        ],
    )


def test_a_window_by_values_looks_at_a_range(spark):
    window = Window.orderBy("id").rangeBetween(-1, 1)
    frame = spark.range(0, 10, 3).union(spark.range(1, 2)).select("id", F.count("*").over(window).alias("n"))
    check(frame, "id: bigint!; n: bigint!", [(0, 2), (1, 2), (3, 1), (6, 1), (9, 1)])


def test_a_window_function_sees_the_rows_of_its_frame_alone(spark):
    frame = spark.createDataFrame([(1, None, 1e20), (2, "b", 1.0), (3, None, float("nan")), (4, "d", 2.0), (5, None, 3.0)], "i int, s string, d double")
    upto, near = Window.orderBy("i").rowsBetween(Window.unboundedPreceding, 0), Window.orderBy("i").rowsBetween(-1, 0)
    found = frame.select(
        F.last("s", ignorenulls=True).over(upto), F.nth_value("s", 2, ignoreNulls=True).over(upto), F.lead("i", 1, -1).over(Window.orderBy("i")),
        F.collect_list("s").over(near), F.sum("d").over(near), F.expr("sum(i) filter (where i <> 2) over (order by i rows between 1 preceding and current row)"),
    )  # fmt: skip
    assert [plain(row) for row in found.collect()] == [
        (None, None, 2, [], 1e20, 1),
        ("b", None, 3, ["b"], 1e20, 1),
        ("b", None, 4, ["b"], "NaN", 3),
        ("d", "d", 5, ["d"], "NaN", 7),
        ("d", "d", -1, ["d"], 5.0, 9),
    ]


def test_timestamps_follow_the_session_s_zone(spark):
    frame = spark.sql("select timestamp'2024-07-01 12:00:00 UTC' as t")
    text = frame.selectExpr("cast(t as string) as s", "hour(t) as h", "date_format(t, 'HH:mm') as f", "date_trunc('day', t) = t as d")
    assert text.first() == Row(s="2024-07-01 12:00:00", h=12, f="12:00", d=False)
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    assert text.first() == Row(s="2024-07-01 08:00:00", h=8, f="08:00", d=False)
    assert dict(frame.dtypes) == {"t": "timestamp"}


def test_now_is_the_same_for_all_rows_of_an_action(spark):
    times = spark.range(4, numPartitions=4).select(F.current_timestamp().alias("t"), F.current_date().alias("d")).distinct()
    assert times.count() == 1
    now = spark.sql("select current_timestamp() t, current_date() d")
    assert schema_of(now) == ["t: timestamp!", "d: date!"]


def test_a_limit_takes_rows_that_were_numbered_where_they_lay(spark):
    numbered = spark.range(0, 100, 1, 4).select(F.monotonically_increasing_id().alias("i"), F.spark_partition_id().alias("p"), "id").where("id > 40")
    assert sorted(numbered.limit(50).collect())[0] == ((1 << 33) + 16, 1, 41)
    assert numbered.where("p = 3").limit(1).collect()[0].i >> 33 == 3


def test_generated_values_are_what_they_say(spark):
    frame = spark.range(0, 100, 1, 4).select(F.rand(1).alias("r"), F.randn(1).alias("g"), F.expr("uuid()").alias("u"), F.monotonically_increasing_id().alias("i"))
    assert schema_of(frame) == ["r: double!", "g: double!", "u: string!", "i: bigint!"]
    rows = frame.collect()
    assert all(0 <= row.r < 1 for row in rows) and len({row.r for row in rows}) == 100
    assert len({row.u for row in rows}) == 100 and all(len(row.u) == 36 for row in rows)
    assert [row.i for row in rows] == sorted({row.i for row in rows}) and rows[25].i == 1 << 33


def test_star_expands_in_functions_and_structs(spark):
    check(people(spark).select(F.struct("*").alias("s")), "s: struct<age:bigint,name:string>!", [((2, "Alice"),), ((5, "Bob"),), ((None, "Tom"),)])
    check(row(spark).select("st.*"), "p: int?; q: string?", [(1, "z")])
