//! Spark's default names for columns that result from calls.

use std::fmt::Write;

/// The SQL text of a call, from the texts of its arguments: `sum(x)`, `(a + b)`,
/// `CASE WHEN c THEN x END`.
pub fn sql_name(name: &str, args: &[String]) -> String {
    let lower = name.to_lowercase();
    match (lower.as_str(), args) {
        (
            "+" | "-" | "*" | "/" | "%" | "<=>" | "<" | "<=" | ">" | ">=" | "&" | "|" | "^" | "div",
            [l, r],
        ) => {
            format!("({l} {lower} {r})")
        }
        ("==" | "=", [l, r]) => format!("({l} = {r})"),
        ("!=" | "<>", [l, r]) => format!("(NOT ({l} = {r}))"),
        ("and" | "or", [l, r]) => format!("({l} {} {r})", lower.to_uppercase()),
        ("mod", [l, r]) => format!("({l} % {r})"),
        ("||", parts) => format!("concat({})", parts.join(", ")),
        ("not" | "!", [only]) => format!("(NOT {only})"),
        ("-", [only]) => format!("(- {only})"),
        ("+" | "positive", [only]) => format!("(+ {only})"),
        ("~", [only]) => format!("~{only}"),
        ("in", [value, list @ ..]) => format!("({value} IN ({}))", list.join(", ")),
        ("like", [value, pattern]) => format!("{value} LIKE {pattern}"),
        ("like", [value, pattern, escape]) => format!("{value} LIKE {pattern} ESCAPE '{escape}'"),
        ("ilike", [value, pattern]) => format!("ilike({value}, {pattern})"),
        ("rlike" | "regexp" | "regexp_like", [value, pattern]) => {
            format!("{}({value}, {pattern})", lower.to_uppercase())
        }
        ("between", [value, low, high]) => format!("between({value}, {low}, {high})"),
        ("isnull", [only]) => format!("({only} IS NULL)"),
        ("isnotnull", [only]) => format!("({only} IS NOT NULL)"),
        ("when", branches) => case(branches),
        ("if", [condition, then, otherwise]) => format!("(IF({condition}, {then}, {otherwise}))"),
        _ => function_name(&lower, args),
    }
}

/// The text of a call in function notation, `name(arguments)`, with Spark's additions, omissions
/// and capitals.
fn function_name(lower: &str, args: &[String]) -> String {
    match (lower, args) {
        ("count", [star]) if star == "*" => "count(1)".to_owned(),
        ("mean", [only]) => format!("avg({only})"),
        ("lag" | "lead", [value]) => format!("{lower}({value}, 1, NULL)"),
        ("lag" | "lead", [value, rows]) => format!("{lower}({value}, {rows}, NULL)"),
        ("percentile_approx" | "approx_percentile", [value, part]) => {
            format!("{lower}({value}, {part}, 10000)")
        }
        ("string_agg", parts @ [_, _]) => format!("listagg({})", parts.join(", ")),
        ("extract", [field, source]) => format!("extract({field} FROM {source})"),
        ("substr" | "substring", [text, from]) => format!("{lower}({text}, {from}, 2147483647)"),
        ("power" | "pow", args) => {
            format!("{}({})", if lower == "pow" { "pow" } else { "POWER" }, args.join(", "))
        }
        ("round" | "bround", [value]) => format!("{lower}({value}, 0)"),
        ("signum", [value]) => format!("SIGNUM({value})"),
        ("regexp_replace", [text, pattern, with]) => {
            format!("regexp_replace({text}, {pattern}, {with}, 1)")
        }
        // Spark does not treat the flag for skipping nulls as an argument.
        ("first" | "first_value" | "last" | "last_value" | "any_value" | "mode", [value, flag])
            if flag == "true" || flag == "false" =>
        {
            format!("{lower}({value})")
        }
        (
            "boolean" | "tinyint" | "smallint" | "int" | "bigint" | "float" | "double" | "date"
            | "binary" | "string",
            [value],
        ) => format!("CAST({value} AS {})", lower.to_uppercase()),
        ("decimal", [value]) => format!("CAST({value} AS DECIMAL(10,0))"),
        ("ceil" | "floor" | "hypot", args) if (lower == "hypot") == (args.len() == 2) => {
            format!("{}({})", lower.to_uppercase(), args.join(", "))
        }
        ("to_unix_timestamp" | "unix_timestamp", [time]) => {
            format!("{lower}({time}, yyyy-MM-dd HH:mm:ss)")
        }
        ("try_make_timestamp" | "try_make_timestamp_ltz", [parts @ .., _]) if parts.len() == 6 => {
            format!("{lower}({})", parts.join(", "))
        }
        ("from_json" | "to_json", [value, ..]) => format!("{lower}({value})"),
        ("assert_true", [condition]) => {
            format!("assert_true({condition}, '{condition}' is not true!)")
        }
        ("e" | "pi" | "spark_partition_id", []) => format!("{}()", lower.to_uppercase()),
        ("current_database", []) => "current_schema()".to_owned(),
        ("dateadd", args) => format!("date_add({})", args.join(", ")),
        ("position", [part, text]) => format!("position({part}, {text}, 1)"),
        ("regexp_extract_all", [text, pattern]) => format!("{lower}({text}, {pattern}, 1)"),
        ("regexp_instr", [text, pattern]) => format!("{lower}({text}, {pattern}, 0)"),
        ("to_csv" | "from_csv" | "schema_of_json" | "schema_of_csv", [value, ..]) => {
            format!("{lower}({value})")
        }
        ("window" | "session_window", _) => lower.to_owned(),
        ("shuffle", [array, ..]) => format!("shuffle({array})"),
        ("listagg" | "string_agg", [value]) => format!("listagg({value}, NULL)"),
        ("trim", [what, text]) => format!("TRIM(BOTH {what} FROM {text})"),
        ("ltrim", [what, text]) => format!("TRIM(LEADING {what} FROM {text})"),
        ("rtrim", [what, text]) => format!("TRIM(TRAILING {what} FROM {text})"),
        (
            "ln" | "log10" | "log2" | "log1p" | "exp" | "sqrt" | "cbrt" | "sin" | "cos" | "tan"
            | "sinh" | "cosh" | "tanh" | "asin" | "acos" | "atan" | "asinh" | "acosh" | "atanh"
            | "expm1" | "cot" | "sec" | "csc" | "degrees" | "radians" | "atan2" | "log",
            args,
        ) => upper_where_spark_does(lower, args),
        (name, args) => format!("{name}({})", args.join(", ")),
    }
}

fn case(branches: &[String]) -> String {
    let mut out = String::from("CASE");
    let mut rest = branches;
    while let [condition, then, after @ ..] = rest {
        let _ = write!(out, " WHEN {condition} THEN {then}");
        rest = after;
    }
    if let [otherwise] = rest {
        let _ = write!(out, " ELSE {otherwise}");
    }
    out.push_str(" END");
    out
}

/// Spark capitalises the names of its unary mathematical functions.
fn upper_where_spark_does(name: &str, args: &[String]) -> String {
    let name = match name {
        "ln" => "ln".to_owned(),
        other => other.to_uppercase(),
    };
    format!("{name}({})", args.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_called_as_in_spark() {
        let cases: [(&str, &[&str], &str); 9] = [
            ("+", &["a", "b"], "(a + b)"),
            ("==", &["a", "1"], "(a = 1)"),
            ("NOT", &["(a = 1)"], "(NOT (a = 1))"),
            ("count", &["*"], "count(1)"),
            ("SUM", &["x"], "sum(x)"),
            ("when", &["c", "1", "2"], "CASE WHEN c THEN 1 ELSE 2 END"),
            ("in", &["a", "1", "2"], "(a IN (1, 2))"),
            ("isnull", &["a"], "(a IS NULL)"),
            ("substring", &["a", "1", "2"], "substring(a, 1, 2)"),
        ];
        for (name, args, expected) in cases {
            let args: Vec<_> = args.iter().map(|a| (*a).to_owned()).collect();
            assert_eq!(sql_name(name, &args), expected);
        }
    }
}
