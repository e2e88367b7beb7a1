//! Patterns: `LIKE` and regular expressions.

use errors::condition;
use std::collections::HashMap;
use std::fmt::Write;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Like;
use regex::Regex;

use crate::kernel::{Args, Kernel, returns};
use crate::registry::{Call, Function, kernel, with};
use crate::{FunctionError, run_time_error};

pub(super) const FUNCTIONS: &[Function] = &[
    with("like", "ss?s", |call| like(call, false)),
    with("ilike", "ss?s", |call| like(call, true)),
    kernel("rlike", "ss", RLIKE),
    kernel("regexp", "ss", RLIKE),
    kernel("regexp_like", "ss", RLIKE),
    kernel(
        "regexp_replace",
        "sss?i",
        Kernel::new("spark_regexp_replace", returns::string, replace),
    ),
    with("regexp_extract", "ss?i", extract),
    with("regexp_extract_all", "ss?i", extract_all),
    kernel(
        "regexp_substr",
        "ss",
        Kernel::new("spark_regexp_substr", returns::string, |args| {
            let mut cache = Cache::new("regexp_substr");
            let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
            args.string_rows(|row| {
                Ok(cache
                    .get(patterns.value(row))?
                    .find(texts.value(row))
                    .map(|m| m.as_str().to_owned()))
            })
        })
        .nulls(crate::kernel::Nulls::Possible),
    ),
    kernel(
        "regexp_count",
        "ss",
        Kernel::new("spark_regexp_count", returns::int, |args| {
            let mut cache = Cache::new("regexp_count");
            let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
            args.number_rows::<Int32Type>(|row| {
                let found = cache.get(patterns.value(row))?.find_iter(texts.value(row)).count();
                Ok(Some(i32::try_from(found).unwrap_or(i32::MAX)))
            })
        }),
    ),
    kernel(
        "regexp_instr",
        "ss?i",
        Kernel::new("spark_regexp_instr", returns::int, |args| {
            let mut cache = Cache::new("regexp_instr");
            let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
            args.number_rows::<Int32Type>(|row| {
                let text = texts.value(row);
                let found = cache.get(patterns.value(row))?.find(text);
                Ok(Some(found.map_or(0, |m| {
                    i32::try_from(text[..m.start()].chars().count()).unwrap_or(i32::MAX) + 1
                })))
            })
        }),
    ),
    with("split", "ss?i", split),
];

pub(super) const KERNELS: &[Kernel] = &[EXTRACT, EXTRACT_ALL, SPLIT, LIKE];

/// Text, pattern, escape character, whether case counts not.
const LIKE: Kernel = Kernel::new("spark_like", returns::boolean, like_rows);

const RLIKE: Kernel = Kernel::new("spark_rlike", returns::boolean, |args| {
    let mut cache = Cache::new("rlike");
    let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
    args.boolean_rows(|row| Ok(Some(cache.get(patterns.value(row))?.is_match(texts.value(row)))))
});
const EXTRACT: Kernel = Kernel::new("spark_regexp_extract", returns::string, |args| {
    let mut cache = Cache::new("regexp_extract");
    let (texts, patterns, groups) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.string_rows(|row| {
        let pattern = cache.get(patterns.value(row))?;
        let group = group(pattern, groups.value(row), "regexp_extract")?;
        let found = pattern.captures(texts.value(row)).and_then(|c| c.get(group));
        Ok(Some(found.map_or_else(String::new, |m| m.as_str().to_owned())))
    })
});
const EXTRACT_ALL: Kernel = Kernel::new("spark_regexp_extract_all", returns::strings, |args| {
    let mut cache = Cache::new("regexp_extract_all");
    let (texts, patterns, groups) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.list_of_strings(|row| {
        let pattern = cache.get(patterns.value(row))?;
        let group = group(pattern, groups.value(row), "regexp_extract_all")?;
        let of = |c: regex::Captures<'_>| {
            c.get(group).map_or_else(String::new, |m| m.as_str().to_owned())
        };
        Ok(pattern.captures_iter(texts.value(row)).map(of).collect())
    })
});
const SPLIT: Kernel = Kernel::new("spark_split", returns::strings, |args| {
    let mut cache = Cache::new("split");
    let (texts, patterns, limits) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.list_of_strings(|row| {
        Ok(split_one(cache.get(patterns.value(row))?, texts.value(row), limits.value(row)))
    })
});

/// Compiled patterns of a batch: mostly one.
struct Cache {
    function: &'static str,
    patterns: HashMap<String, Regex>,
}

impl Cache {
    fn new(function: &'static str) -> Self {
        Self { function, patterns: HashMap::new() }
    }

    fn get(&mut self, pattern: &str) -> Result<&Regex> {
        if !self.patterns.contains_key(pattern) {
            let compiled = Regex::new(&translated(pattern)).map_err(|_| {
                run_time_error(
                    condition::INVALID_PARAMETER_VALUE_PATTERN,
                    format!(
                        "The value of parameter(s) `regexp` in `{}` is invalid: '{pattern}'.",
                        self.function
                    ),
                )
            })?;
            self.patterns.insert(pattern.to_owned(), compiled);
        }
        Ok(&self.patterns[pattern])
    }
}

/// Java's syntax in Rust's: in Java `\d`, `\w`, `\s` and `\b` know ASCII only, `\Z` stands before a last line break, and quantifiers may be possessive.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut in_class = 0_u32;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[A-Za-z0-9_]"),
                Some('W') => out.push_str("[^A-Za-z0-9_]"),
                Some('s') => out.push_str("[ \\t\\n\\x0B\\f\\r]"),
                Some('S') => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
                Some('h') => out.push_str("[ \\t\\x{A0}]"),
                Some('Z') => out.push_str("(?:\\n?\\z)"),
                Some('Q') => {
                    // Quoted up to \E.
                    let mut quoted = String::new();
                    while let Some(c) = chars.next() {
                        if c == '\\' && chars.peek() == Some(&'E') {
                            chars.next();
                            break;
                        }
                        quoted.push(c);
                    }
                    out.push_str(&regex::escape(&quoted));
                }
                Some('p') if chars.peek() == Some(&'{') => {
                    let name: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    out.push_str(&posix(&name));
                }
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            },
            '[' if in_class > 0 && chars.peek() != Some(&'^') && !out.ends_with("&&") => {
                out.push_str("\\[");
            }
            '[' => {
                in_class += 1;
                out.push('[');
            }
            ']' => {
                in_class = in_class.saturating_sub(1);
                out.push(']');
            }
            '+' if in_class == 0
                && out.ends_with(['*', '+', '?', '}'])
                && !out.ends_with("\\+") => {}
            other => out.push(other),
        }
    }
    out
}

fn posix(name: &str) -> String {
    match name {
        "Alpha" | "IsAlphabetic" => "[A-Za-z]".to_owned(),
        "Digit" => "[0-9]".to_owned(),
        "Alnum" => "[A-Za-z0-9]".to_owned(),
        "Upper" => "[A-Z]".to_owned(),
        "Lower" => "[a-z]".to_owned(),
        "Punct" => "[!-/:-@\\[-`{-~]".to_owned(),
        "Space" => "[ \\t\\n\\x0B\\f\\r]".to_owned(),
        "ASCII" => "[\\x00-\\x7F]".to_owned(),
        other => format!("\\p{{{other}}}"),
    }
}

fn group(pattern: &Regex, group: i32, function: &str) -> Result<usize> {
    let count = pattern.captures_len() - 1;
    usize::try_from(group).ok().filter(|g| *g <= count).ok_or_else(|| {
        run_time_error(
            condition::INVALID_PARAMETER_VALUE_REGEX_GROUP_INDEX,
            format!("The value of parameter(s) `idx` in `{function}` is invalid: Expects group index between 0 and {count}, but got {group}."),
        )
    })
}

fn like(mut call: Call<'_>, case_insensitive: bool) -> Result<Expr, FunctionError> {
    let escape = match call.args.len() {
        2 => "\\".to_owned(),
        _ => call.string(2).map(str::to_owned).ok_or_else(|| escape_error(""))?,
    };
    let Some(pattern) = call.string(1).map(str::to_owned) else {
        let mut chars = escape.chars();
        if !(chars.next().is_some() && chars.next().is_none()) {
            return Err(escape_error(&escape));
        }
        call.args.truncate(2);
        call.types.truncate(2);
        call.push(ScalarValue::from(escape));
        call.push(ScalarValue::from(case_insensitive));
        return Ok(call.apply(LIKE));
    };
    if call.args.len() == 3 {
        call.args.truncate(1);
        call.types.truncate(1);
        call.push(ScalarValue::from(with_backslash(&pattern, &escape)?));
    }
    let mut args = call.args.into_iter().map(Box::new);
    let mut next = || args.next().unwrap_or_default();
    Ok(Expr::Like(Like::new(false, next(), next(), None, case_insensitive)))
}

fn escape_error(escape: &str) -> FunctionError {
    FunctionError::Invalid {
        condition: condition::INVALID_ESCAPE_CHAR,
        message: format!(
            "`EscapeChar` should be a string literal of length one, but got \"{escape}\"."
        ),
        parameters: vec![("sqlExpr", format!("\"{escape}\""))],
    }
}

/// A pattern of `LIKE` as a regular expression.
fn like_pattern(pattern: &str, escape: char, case_insensitive: bool) -> Result<Regex> {
    let bad = || {
        run_time_error(
            condition::INVALID_FORMAT_ESC_IN_THE_MIDDLE,
            format!(
                "The format is invalid: '{pattern}'. The escape character is not allowed to precede what it precedes there."
            ),
        )
    };
    let mut out = String::from(if case_insensitive { "(?is)^" } else { "(?s)^" });
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            c if c == escape => chars
                .next()
                .filter(|next| *next == escape || matches!(next, '%' | '_'))
                .ok_or_else(bad)?,
            '%' => {
                out.push_str(".*");
                continue;
            }
            '_' => {
                out.push('.');
                continue;
            }
            c => c,
        };
        out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
    }
    out.push('$');
    Regex::new(&out).map_err(|_| bad())
}

fn like_rows(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
    let escape = args.constant_string(2)?.chars().next().unwrap_or('\\');
    let case_insensitive = args.booleans(3)?;
    let mut known: HashMap<String, Regex> = HashMap::new();
    args.boolean_rows(|row| {
        let pattern = patterns.value(row);
        if !known.contains_key(pattern) {
            let compiled = like_pattern(pattern, escape, case_insensitive.value(row))?;
            known.insert(pattern.to_owned(), compiled);
        }
        Ok(Some(known[pattern].is_match(texts.value(row))))
    })
}

/// A pattern with another escape character, written with the backslash.
fn with_backslash(pattern: &str, escape: &str) -> Result<String, FunctionError> {
    let mut chars = escape.chars();
    let (Some(escape), None) = (chars.next(), chars.next()) else {
        return Err(escape_error(escape));
    };
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c == escape {
            out.push('\\');
            out.extend(rest.next());
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// Java's `$1` and `\$`, as Rust writes them.
fn replacement(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => {}
            },
            '$' => {
                let mut name = String::new();
                let named = chars.next_if_eq(&'{').is_some();
                while let Some(c) =
                    chars.next_if(|c| if named { *c != '}' } else { c.is_ascii_digit() })
                {
                    name.push(c);
                }
                if named {
                    chars.next();
                }
                let _ = write!(out, "${{{name}}}");
            }
            other => out.push(other),
        }
    }
    out
}

fn replace(args: &Args<'_>) -> Result<ArrayRef> {
    let mut cache = Cache::new("regexp_replace");
    let (texts, patterns, replacements) = (args.strings(0)?, args.strings(1)?, args.strings(2)?);
    let positions = if args.len() > 3 { Some(args.values::<Int32Type>(3)?) } else { None };
    args.string_rows(|row| {
        let text = texts.value(row);
        let skipped =
            usize::try_from(positions.map_or(1, |p| p.value(row)) - 1).unwrap_or_default();
        let from = text.char_indices().map(|(at, _)| at).nth(skipped).unwrap_or(text.len());
        let pattern = cache.get(patterns.value(row))?;
        let with = replacement(replacements.value(row));
        Ok(Some(format!("{}{}", &text[..from], pattern.replace_all(&text[from..], with.as_str()))))
    })
}

fn extract(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(3, ScalarValue::from(1_i32));
    Ok(call.apply(EXTRACT))
}

fn extract_all(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(3, ScalarValue::from(1_i32));
    Ok(call.apply(EXTRACT_ALL))
}

fn split(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(3, ScalarValue::from(-1_i32));
    Ok(call.apply(SPLIT))
}

/// Java's split: an empty match at the start makes no part; with limit 0 or less all parts stay, also empty ones at the end.
fn split_one(pattern: &Regex, text: &str, limit: i32) -> Vec<String> {
    let limit = usize::try_from(limit).ok().filter(|l| *l > 0).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut from = 0;
    for found in pattern.find_iter(text) {
        if parts.len() + 1 >= limit {
            break;
        }
        let is_empty = found.start() == found.end();
        if (found.end() == 0) || (is_empty && found.start() >= text.len()) {
            continue;
        }
        parts.push(text[from..found.start()].to_owned());
        from = found.end();
    }
    parts.push(text[from..].to_owned());
    // An empty pattern splits between all characters and ends with an empty part in Java.
    if pattern.as_str().is_empty() && limit == usize::MAX && !text.is_empty() {
        parts.push(String::new());
    }
    parts
}
