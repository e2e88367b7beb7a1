//! Expressions.

use super::short;
use crate::SparkParser;
use plan::TextParser;

fn check(cases: &[(&str, &str)]) {
    short::check(cases, |text| Ok(short::expr(&SparkParser.expression(text)?)));
}

#[test]
fn operators_bind_as_in_spark() {
    check(&[
        ("a + b * c - 1", "-(+(a, *(b, c)), 1)"),
        ("10 div 3 + 1", "+(div(10, 3), 1)"),
        ("a || b + c", "+(||(a, b), c)"),
        ("a & b | c ^ d", "|(&(a, b), ^(c, d))"),
        ("1 << 2 + 3", "shiftleft(1, +(2, 3))"),
        ("not a = b and c or d", "or(and(not(==(a, b)), c), d)"),
        ("!a", "not(a)"),
        ("a == b", "==(a, b)"),
        ("a <=> b", "<=>(a, b)"),
        ("a != b or a <> c", "or(not(==(a, b)), not(==(a, c)))"),
        ("a % 2 < 1", "<(%(a, 2), 1)"),
        ("-a", "negative(a)"),
        ("- 5", "-5"),
        ("-2147483648", "-2147483648"),
        ("a - 5", "-(a, 5)"),
        ("a -5", "-(a, 5)"),
        ("~a", "~(a)"),
        ("+a", "positive(a)"),
        ("a is distinct from b and c", "and(not(<=>(a, b)), c)"),
        ("a is not distinct from b", "<=>(a, b)"),
        ("a = b is null", "isnull(==(a, b))"),
        ("a is not null", "isnotnull(a)"),
        ("a is true", "<=>(a, true)"),
        ("a is not false", "not(<=>(a, false))"),
        ("a is unknown", "isnull(a)"),
        ("a and b and c and d", "and(and(a, b), and(c, d))"),
        ("a between 1 and 2 and b", "and(between(a, 1, 2), b)"),
        ("a not between 1 and 2", "not(between(a, 1, 2))"),
        ("a in (1, 2)", "in(a, 1, 2)"),
        ("a not in ('x')", "not(in(a, 'x'))"),
        ("a in (select b from t)", "(a) in {Project(Table(t), [b])}"),
        ("(a, b) not in (select 1, 2)", "not((a, b) in {Project(OneRow, [1, 2])})"),
        ("exists (select 1)", "exists{Project(OneRow, [1])}"),
        ("not exists (select 1)", "not(exists{Project(OneRow, [1])})"),
        ("(select max(a) from t) + 1", "+(scalar{Project(Table(t), [max(a)])}, 1)"),
        ("a like 'x%' escape '!'", "like(a, 'x%', '!')"),
        ("a not ilike b", "not(ilike(a, b))"),
        ("a rlike 'x' and b", "and(rlike(a, 'x'), b)"),
        ("a regexp 'x'", "rlike(a, 'x')"),
        ("a like any ('x', 'y')", "or(like(a, 'x'), like(a, 'y'))"),
        ("a not like all ('x', 'y')", "and(not(like(a, 'x')), not(like(a, 'y')))"),
        ("a like concat(b, '%') || 'c'", "like(a, ||(concat(b, '%'), 'c'))"),
    ]);
}

#[test]
fn literals_have_spark_s_types() {
    check(&[
        ("1", "1"),
        ("2147483648", "2147483648L"),
        ("9223372036854775808", "9223372036854775808e-0/19"),
        ("1L", "1L"),
        ("1l", "1L"),
        ("2S", "2S"),
        ("3y", "3Y"),
        ("1.50", "150e-2/3"),
        ("0.06", "6e-2/2"),
        (".5", "5e-1/1"),
        ("1.5BD", "15e-1/2"),
        ("2.0D", "2D"),
        ("1F", "1F"),
        ("1e3", "1000D"),
        ("-1.5", "-15e-1/2"),
        ("'a' 'b'", "'ab'"),
        ("\"a\\tb\"", "'a\tb'"),
        ("'it''s'", "'it's'"),
        ("'it\\'s \\u0041 \\101 \\%'", "'it's A A \\%'"),
        ("r'a\\n'", "'a\\n'"),
        ("X'1F'", "Binary([31])"),
        ("x'abc'", "Binary([10, 188])"),
        ("true and null", "and(true, null)"),
        ("date '1970-01-02'", "date 1"),
        ("DATE '1998-12-01'", "date 10561"),
        ("date '1969-12-31'", "date -1"),
        ("date '2000-02-29'", "date 11016"),
        ("timestamp '2020-01-01 00:00:00'", "timestamp 2020-01-01 00:00:00"),
        ("timestamp_ntz '1970-01-01 00:00:01.5'", "TimestampNtz(1500000)"),
        ("time '00:00:01'", "Time(1000000000)"),
        ("interval '1' day", "86400000000 us"),
        ("interval 3 months", "3 months"),
        ("interval 1 year -2 months", "10 months"),
        ("interval '1-2' year to month", "14 months"),
        ("interval -'1-2' year to month", "-14 months"),
        ("interval '1 02:03:04.5' day to second", "93784500000 us"),
        ("interval '02:03' hour to minute", "7380000000 us"),
        ("interval '1.5' second", "1500000 us"),
        ("interval 1 week", "604800000000 us"),
        ("interval 3 months 2 days", "CalendarInterval { months: 3, days: 2, microseconds: 0 }"),
        (
            "interval '3 months -2 days'",
            "CalendarInterval { months: 3, days: -2, microseconds: 0 }",
        ),
        ("interval '1 hour'", "3600000000 us"),
        ("d + interval 1 day + x", "+(+(d, 86400000000 us), x)"),
        ("interval", "interval"),
        ("date + 1", "+(date, 1)"),
    ]);
}

#[test]
fn calls_keep_their_clauses() {
    check(&[
        ("count(*)", "count(1)"),
        ("count(distinct a, b)", "count(distinct a, b)"),
        ("count(t.*)", "count(t.*)"),
        ("sum(a) filter (where b > 1)", "sum(a) filter >(b, 1)"),
        ("first(a ignore nulls)", "first(a) ignore nulls"),
        ("lag(a) ignore nulls over (order by b)", "lag(a) ignore nulls over [|b]"),
        (
            "percentile_cont(0.5) within group (order by a desc)",
            "percentile_cont(5e-1/1) within [a desc]",
        ),
        (
            "row_number() over (partition by a order by b desc nulls last)",
            "row_number() over [a|b desc nulls last]",
        ),
        (
            "sum(a) over (order by b rows between 2 preceding and current row)",
            "sum(a) over [|b rows negative(2)..CurrentRow]",
        ),
        (
            "sum(a) over (order by b range unbounded preceding)",
            "sum(a) over [|b range UnboundedPreceding..CurrentRow]",
        ),
        (
            "sum(a) over (order by d range between interval 1 day preceding and unbounded following)",
            "sum(a) over [|d range negative(86400000000 us)..UnboundedFollowing]",
        ),
        ("f(x => 1, 2)", "f(x => 1, 2)"),
        ("db.f(1)", "db.f(1)"),
        ("if(a, 1, 2)", "if(a, 1, 2)"),
        ("struct(a, b as c)", "struct(a, b as c)"),
        ("map('a', 1)", "map('a', 1)"),
        ("array(1, 2)[0]", "array(1, 2)[0]"),
        ("left('abc', 1)", "left('abc', 1)"),
        ("transform(a, x -> x + 1)", "transform(a, (x -> +($x, 1)))"),
        (
            "aggregate(a, 0, (acc, x) -> acc + x.f, acc -> acc)",
            "aggregate(a, 0, (acc x -> +($acc, $x['f'])), (acc -> $acc))",
        ),
        ("filter(a, x -> exists(b, y -> y = x))", "filter(a, (x -> exists(b, (y -> ==($y, $x)))))"),
        ("case when a then 1 when b then 2 else 3 end", "when(a, 1, b, 2, 3)"),
        ("case a when 1 then 'x' end", "when(==(a, 1), 'x')"),
        ("cast(a as decimal(10, 2))", "(a to decimal(10,2))"),
        ("try_cast(a as array<array<int>>)", "(a to try array<array<int>>)"),
        ("a::int + 1", "+((a to int), 1)"),
        ("extract(year from d)", "extract('year', d)"),
        ("substring(a from 2 for 3)", "substring(a, 2, 3)"),
        ("substring(a, 2)", "substring(a, 2)"),
        ("substr(a from 2)", "substr(a, 2)"),
        ("trim(a)", "trim(a)"),
        ("trim(both 'x' from a)", "trim('x', a)"),
        ("trim(leading from a)", "ltrim(a)"),
        ("trim('x' from a)", "trim('x', a)"),
        ("trim(trailing 'x' from a)", "rtrim('x', a)"),
        ("position('a' in b)", "position('a', b)"),
        ("position('a', b, 2)", "position('a', b, 2)"),
        ("overlay(a placing 'x' from 2 for 1)", "overlay(a, 'x', 2, 1)"),
        ("current_date", "current_date()"),
        ("current_timestamp()", "current_timestamp()"),
        ("timestampadd(DAY, 1, t)", "timestampadd('DAY', 1, t)"),
        ("date_add(d, 1)", "date_add(d, 1)"),
        ("ceil(a)", "ceil(a)"),
        ("floor(a, 2)", "floor(a, 2)"),
        ("grouping(a)", "grouping(a)"),
    ]);
}

#[test]
fn names_aliases_and_parameters_are_kept() {
    check(&[
        ("a.b.c", "a.b.c"),
        ("`a.b`.`c``d`", "a.b.c`d"),
        ("a.b[0].c", "a.b[0]['c']"),
        ("f(a).b", "f(a)['b']"),
        ("(a).b", "a['b']"),
        ("m['k']", "m['k']"),
        ("*", "*"),
        ("t.*", "t.*"),
        ("* except (a, b)", "* except a b"),
        ("id * 5 as id", "*(id, 5) as id"),
        ("a b", "a as b"),
        ("explode(m) as (k, v)", "explode(m) as k v"),
        (":p + ?", "+(:p, :0)"),
        ("? + ?", "+(:0, :1)"),
        ("1a", "1a"),
        ("t.order", "t.order"),
        ("user", "user"),
    ]);
}
