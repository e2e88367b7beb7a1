//! Errors and their messages.

use super::short;
use crate::SparkParser;
use plan::TextParser;

#[expect(clippy::unnecessary_wraps, reason = "`short::check` takes it so")]
fn refusal(text: &str) -> Result<String, plan::ParseError> {
    match SparkParser.statement(text) {
        Ok(statement) => Ok(format!("parsed: {}", short::statement(&statement))),
        Err(error) => Ok(error.to_string()),
    }
}

fn near(what: &str, line: u32, position: u32) -> String {
    format!("[PARSE_SYNTAX_ERROR] Syntax error at or near {what}. (line {line}, pos {position})")
}

#[test]
fn a_syntax_error_names_the_token_and_its_place() {
    let cases = [
        ("selec 1", near("'selec'", 1, 0)),
        ("select 'x' as 'y' from t", near("'y'", 0, 0).replace(" (line 0, pos 0)", "")),
        ("select a from t whre x", near("'x'", 1, 21)),
        ("select a\nfrom t where", near("end of input", 2, 12)),
        ("select a, from t", near("'from'", 1, 10)),
        ("select (1 + ", near("end of input", 1, 11)),
        ("select * from (select a from (select b from t where) x) y", near("')'", 1, 51)),
        ("select 1 2", near("'2'", 1, 9)),
        ("select case when a then 1", near("end of input", 1, 25)),
        ("select 'abc", near("''abc'", 1, 7)),
        ("create temp view v select 1", near("'select'", 1, 19)),
        ("select cast(a as int", near("end of input", 1, 20)),
        ("select 1; select 2", near("'select'", 1, 10)),
        ("drop table t x", near("'x'", 1, 13)),
        ("select * from f(table(t) order by x)", near("'order'", 1, 25)),
    ];
    let cases: Vec<(&str, &str)> =
        cases.iter().map(|(text, error)| (*text, error.as_str())).collect();
    short::check(&cases, refusal);
}

#[test]
fn other_errors_have_spark_s_classes() {
    let class = |text: &str| {
        Ok(SparkParser.statement(text).map_or_else(|e| e.condition.class, |_| "parsed").to_owned())
    };
    let cases = [
        ("", "PARSE_EMPTY_STATEMENT"),
        ("  -- nothing\n;", "PARSE_EMPTY_STATEMENT"),
        ("select /* a", "UNCLOSED_BRACKETED_COMMENT"),
        ("select date '2020-13-01'", "INVALID_TYPED_LITERAL"),
        ("select 300Y", "INVALID_NUMERIC_LITERAL_RANGE"),
        ("select cast(a as foo)", "UNSUPPORTED_DATATYPE"),
        ("select interval 'x'", "INVALID_INTERVAL_FORMAT"),
        ("select top 3 a from t", "UNSUPPORTED_FEATURE"),
        ("select a from t sort by a union select 1", "INVALID_SQL_SYNTAX"),
        ("select sum(a) over w from t", "INVALID_SQL_SYNTAX"),
    ];
    short::check(&cases, class);
}

#[test]
fn an_unsupported_statement_is_named() {
    let named = |what: &str| {
        format!("[UNSUPPORTED_FEATURE] The feature is not supported: {what} is not served yet.")
    };
    let cases = [
        ("alter table t recover partitions", named("ALTER TABLE … RECOVER")),
        ("merge into t using s on a when matched then delete", named("MERGE INTO")),
        ("create function f as 'x'", named("CREATE FUNCTION")),
        ("show partitions t partition (a = 1)", named("SHOW PARTITIONS … PARTITION")),
        ("delete from t", named("DELETE FROM")),
        ("select * from t pivot (sum(a) for b in (any))", named("PIVOT without a list of values")),
    ];
    let cases: Vec<(&str, &str)> =
        cases.iter().map(|(text, error)| (*text, error.as_str())).collect();
    short::check(&cases, refusal);
}

/// Any result will do, but it must come soon.
fn attempt(text: &str) {
    let start = std::time::Instant::now();
    let _ = SparkParser.statement(text);
    let took = start.elapsed();
    assert!(took.as_secs() < 20, "{took:?} for {}", &text[..text.len().min(60)]);
}

#[test]
fn depth_is_bounded_and_never_overflows_the_stack() {
    let deep = 5_000;
    let nested = [
        ("(", "1", ")"),
        ("- ", "1", ""),
        ("not ", "a", ""),
        ("case when ", "1", " then 1 end"),
        ("f(", "1", ")"),
        ("cast(", "1", " as int)"),
        ("array(", "1", ")"),
        ("a in (", "1", ")"),
        ("(select ", "1", ")"),
        ("x -> ", "1", ""),
        ("a[", "1", "]"),
    ];
    for (open, middle, close) in nested {
        for depth in [30, 150, 300, deep] {
            let text = format!("select {}{middle}{}", open.repeat(depth), close.repeat(depth));
            attempt(&text);
            // Not closed.
            attempt(&format!("select {}{middle}", open.repeat(depth)));
        }
    }
    for link in [
        " + 1",
        " || 'a'",
        "::int",
        "[1]",
        ".a",
        " is null",
        " in (1)",
        " between 1 and 2",
        " like 'a'",
        " div 2",
    ] {
        attempt(&format!("select a{}", link.repeat(deep)));
        attempt(&format!("select a{} from where", link.repeat(2_000)));
    }
    for link in [
        " union all select 1",
        ", (select 1",
        " join (select 1",
        " lateral view f(a) b",
        ", t",
        " join t",
    ] {
        attempt(&format!("select 1 from t{}", link.repeat(3_000)));
    }
    for open in ["(", "((select 1 from ", "(select 1 from ", "(select * from a join (", "lateral ("]
    {
        attempt(&format!("select 1 from {}t", open.repeat(2_000)));
        attempt(&format!("select 1 from {}t", open.repeat(40)));
    }
    attempt(&"explain ".repeat(deep));
}

#[test]
fn long_chains_of_conditions_are_fine() {
    let text = format!("select a from t where {}", vec!["a = 1"; 20_000].join(" or "));
    assert!(SparkParser.statement(&text).is_ok());
    let text = format!("select a from t where a in ({})", vec!["1"; 20_000].join(", "));
    assert!(SparkParser.statement(&text).is_ok());
    let text = format!("values {}", vec!["(1, 'a')"; 20_000].join(", "));
    assert!(SparkParser.statement(&text).is_ok());
}
