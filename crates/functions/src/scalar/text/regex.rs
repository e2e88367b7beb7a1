//! Pattern matching: `LIKE` and regular expressions.

use errors::{Condition, condition};
use std::collections::HashMap;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Like;
use regex::Regex;

use super::pattern::{Cache, Groups, Pattern, Replacement, malformed_replacement};
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, returns};
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("like", "ss?s", |call| like(call, false)),
    with("ilike", "ss?s", |call| like(call, true)),
    kernel("rlike", "ss", RLIKE),
    kernel("regexp", "ss", RLIKE),
    kernel("regexp_like", "ss", RLIKE),
    with("regexp_replace", "sss?i", replace_call),
    with("regexp_extract", "ss?i", extract),
    with("regexp_extract_all", "ss?i", extract_all),
    kernel(
        "regexp_substr",
        "ss",
        Kernel::new("spark_regexp_substr", returns::string, |args| {
            let mut cache = Cache::new("regexp_extract");
            let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
            args.string_rows(|row| {
                let text = texts.value(row);
                let found = cache.get(patterns.value(row))?.find(text)?;
                Ok(found.filter(|range| !range.is_empty()).map(|range| text[range].to_owned()))
            })
        })
        .nulls(crate::kernel::Nulls::Possible),
    ),
    kernel(
        "regexp_count",
        "ss",
        Kernel::new("spark_regexp_count", returns::int, |args| {
            let mut cache = Cache::new("regexp_extract_all");
            let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
            args.number_rows::<Int32Type>(|row| {
                let found = cache.get(patterns.value(row))?.count(texts.value(row))?;
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
                let found = cache.get(patterns.value(row))?.find(text)?;
                Ok(Some(found.map_or(0, |range| {
                    i32::try_from(text[..range.start].chars().count()).unwrap_or(i32::MAX - 1) + 1
                })))
            })
        }),
    ),
    with("split", "ss?i", split),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[EXTRACT, EXTRACT_ALL, REPLACE, SPLIT, LIKE];

/// Arguments: text, pattern, escape character, whether to ignore case.
const LIKE: Kernel = Kernel::new("spark_like", returns::boolean, like_rows);

const RLIKE: Kernel = Kernel::new("spark_rlike", returns::boolean, |args| {
    let mut cache = Cache::new("rlike");
    let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
    args.boolean_rows(|row| cache.get(patterns.value(row))?.is_match(texts.value(row)).map(Some))
});
const EXTRACT: Kernel = Kernel::new("spark_regexp_extract", returns::string, |args| {
    let mut cache = Cache::new("regexp_extract");
    let (texts, patterns, groups) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.string_rows(|row| {
        let (pattern, text) = (cache.get(patterns.value(row))?, texts.value(row));
        let Some(found) = pattern.groups_at(text, 0)? else { return Ok(Some(String::new())) };
        let group = group(pattern, groups.value(row), "regexp_extract")?;
        Ok(Some(part(text, &found, group)))
    })
});
const EXTRACT_ALL: Kernel = Kernel::new("spark_regexp_extract_all", returns::strings, |args| {
    let mut cache = Cache::new("regexp_extract_all");
    let (texts, patterns, groups) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.list_of_strings(|row| {
        let (pattern, text) = (cache.get(patterns.value(row))?, texts.value(row));
        let mut parts = Vec::new();
        pattern.each(text, |found| {
            let group = group(pattern, groups.value(row), "regexp_extract_all")?;
            parts.push(part(text, &found, group));
            Ok(true)
        })?;
        Ok(parts)
    })
});
const REPLACE: Kernel = Kernel::new("spark_regexp_replace", returns::string, replace);
const SPLIT: Kernel = Kernel::new("spark_split", returns::strings, |args| {
    let mut cache = Cache::new("split");
    let (texts, patterns, limits) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.list_of_strings(|row| {
        let pattern = cache.get(patterns.value(row))?;
        let parts = pattern.split(texts.value(row), limits.value(row))?;
        Ok(parts.into_iter().map(str::to_owned).collect())
    })
});

/// The text matched by a group; empty if the group did not participate.
fn part(text: &str, found: &Groups, group: usize) -> String {
    let range = found.get(group).cloned().flatten();
    range.map_or_else(String::new, |range| text[range].to_owned())
}

fn group(pattern: &Pattern, group: i32, function: &str) -> Result<usize> {
    let count = pattern.groups();
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
    if let Some((condition, message)) =
        like_problem(&pattern, escape.chars().next().unwrap_or('\\'))
    {
        return Err(FunctionError::Invalid {
            condition,
            message,
            parameters: vec![("format", format!("'{pattern}'"))],
        });
    }
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

/// The error in a pattern of `LIKE`: condition and message.
fn like_problem(pattern: &str, escape: char) -> Option<(&'static Condition, String)> {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != escape {
            continue;
        }
        match chars.next() {
            Some(next) if next == escape || matches!(next, '%' | '_') => {}
            Some(next) => {
                return Some((
                    condition::INVALID_FORMAT_ESC_IN_THE_MIDDLE,
                    format!(
                        "The format is invalid: '{pattern}'. The escape character is not allowed to precede '{next}'."
                    ),
                ));
            }
            None => {
                return Some((
                    condition::INVALID_FORMAT_ESC_AT_THE_END,
                    format!(
                        "The format is invalid: '{pattern}'. The escape character is not allowed to end with."
                    ),
                ));
            }
        }
    }
    None
}

/// Translates a pattern of `LIKE` to a regular expression.
fn like_pattern(pattern: &str, escape: char, case_insensitive: bool) -> Result<Regex> {
    if let Some((condition, message)) = like_problem(pattern, escape) {
        return Err(run_time_error(condition, message));
    }
    let mut out = String::from(if case_insensitive { "(?is)^" } else { "(?s)^" });
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            c if c == escape => chars.next().unwrap_or(c),
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
    Regex::new(&out).map_err(|error| {
        run_time_error(
            condition::INTERNAL_ERROR,
            format!("The pattern '{pattern}' is too large: {error}."),
        )
    })
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

/// Rewrites a pattern with another escape character to use the backslash.
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

/// The position must be at least 1 if it is a constant.
fn replace_call(call: Call<'_>) -> Result<Expr, FunctionError> {
    if let Some(position) = call.integer(3).filter(|position| *position < 1) {
        return Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_VALUE_OUT_OF_RANGE,
            message: format!(
                "The position must be between (0, {}] (current value = {position}).",
                i32::MAX
            ),
            parameters: vec![
                ("exprName", "position".to_owned()),
                ("valueRange", format!("(0, {}]", i32::MAX)),
                ("currentValue", position.to_string()),
            ],
        });
    }
    Ok(call.apply(REPLACE))
}

fn replace(args: &Args<'_>) -> Result<ArrayRef> {
    let mut cache = Cache::new("regexp_replace");
    let (texts, patterns, replacements) = (args.strings(0)?, args.strings(1)?, args.strings(2)?);
    let positions = if args.len() > 3 { Some(args.values::<Int32Type>(3)?) } else { None };
    args.string_rows(|row| {
        let text = texts.value(row);
        let position = positions.map_or(1, |p| p.value(row));
        let skipped = usize::try_from(position - 1).unwrap_or_default();
        let from = text.char_indices().map(|(at, _)| at).nth(skipped);
        let (before, rest) = match from {
            Some(from) => text.split_at(from),
            None if skipped == 0 => ("", text),
            None => return Ok(Some(text.to_owned())),
        };
        let (pattern, with) = (patterns.value(row), replacements.value(row));
        let replaced = Replacement::new(cache.get(pattern)?, with).apply(rest)?;
        match replaced {
            Some(replaced) if before.is_empty() => Ok(Some(replaced)),
            Some(replaced) => Ok(Some(format!("{before}{replaced}"))),
            None => Err(malformed_replacement(text, pattern, with, position)),
        }
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
