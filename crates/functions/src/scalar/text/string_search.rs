//! Comparison of strings: containment, position, replacement, and edit distance.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::Result;
use datafusion::functions::string as native_string;
use datafusion::logical_expr::Expr;

use super::string::{count, size};
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, returns};
use crate::{FunctionError, Stop};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("startswith", "xx", |call| compare(call, STARTS)),
    with("endswith", "xx", |call| compare(call, ENDS)),
    with("contains", "xx", |call| {
        if call.types[..2] == [DataType::Utf8, DataType::Utf8] {
            return Ok(native_string::contains().call(call.args));
        }
        compare(call, CONTAINS)
    }),
    kernel(
        "instr",
        "ss",
        Kernel::new("spark_instr", returns::int, |args| locate(args, (1, 0), false)),
    ),
    kernel("locate", "ss?i", LOCATE),
    kernel("position", "ss?i", LOCATE),
    kernel("find_in_set", "ss", Kernel::new("spark_find_in_set", returns::int, find_in_set)),
    kernel("replace", "ss?s", Kernel::new("spark_replace", returns::string, replace)),
    kernel("translate", "sss", Kernel::new("spark_translate", returns::string, translate)),
    kernel("levenshtein", "ss?i", Kernel::new("spark_levenshtein", returns::int, levenshtein)),
];

const STARTS: Kernel =
    Kernel::new("spark_startswith", returns::boolean, |args| compared(args, <[u8]>::starts_with));
const ENDS: Kernel =
    Kernel::new("spark_endswith", returns::boolean, |args| compared(args, <[u8]>::ends_with));
const CONTAINS: Kernel = Kernel::new("spark_contains", returns::boolean, |args| {
    compared(args, |text, part| part.is_empty() || text.windows(part.len()).any(|at| at == part))
});
const LOCATE: Kernel =
    Kernel::new("spark_locate", returns::int, |args| locate(args, (0, 1), args.len() == 3));

pub(in crate::scalar) const KERNELS: &[Kernel] = &[STARTS, ENDS, CONTAINS];

/// A comparison of two strings or two binary values.
fn compare(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    if call.types[0] != call.types[1] {
        call.cast(0, &DataType::Utf8)?;
        call.cast(1, &DataType::Utf8)?;
    }
    Ok(call.apply(kernel))
}

fn compared(args: &Args<'_>, of: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef> {
    if *args.array(0)?.data_type() == DataType::Binary {
        let (left, right) = (args.binaries(0)?, args.binaries(1)?);
        return args.boolean_rows(|row| Ok(Some(of(left.value(row), right.value(row)))));
    }
    let (left, right) = (args.strings(0)?, args.strings(1)?);
    args.boolean_rows(|row| Ok(Some(of(left.value(row).as_bytes(), right.value(row).as_bytes()))))
}

/// One-based position of a text in another; 0 if not found. `places`: argument indices of the text
/// sought and the text searched.
fn locate(args: &Args<'_>, places: (usize, usize), has_start: bool) -> Result<ArrayRef> {
    let (needles, texts) = (args.strings(places.0)?, args.strings(places.1)?);
    let starts = if has_start { Some(args.values::<Int32Type>(2)?) } else { None };
    args.number_rows::<Int32Type>(|row| {
        let (needle, text) = (needles.value(row), texts.value(row));
        let start = starts.map_or(1, |s| s.value(row));
        if start < 1 {
            return Ok(Some(0));
        }
        let skipped = size(start - 1);
        let Some(from) = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skipped)
        else {
            return Ok(Some(0));
        };
        let found = text[from..].find(needle);
        Ok(Some(found.map_or(0, |at| count(text[..from + at].chars().count()) + 1)))
    })
}

fn find_in_set(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, sets) = (args.strings(0)?, args.strings(1)?);
    args.number_rows::<Int32Type>(|row| {
        let text = texts.value(row);
        let found = if text.contains(',') {
            None
        } else {
            sets.value(row).split(',').position(|p| p == text)
        };
        Ok(Some(found.map_or(0, |at| count(at) + 1)))
    })
}

fn replace(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, searches) = (args.strings(0)?, args.strings(1)?);
    let replacements = if args.len() > 2 { Some(args.strings(2)?) } else { None };
    args.string_rows(|row| {
        let (text, search) = (texts.value(row), searches.value(row));
        if search.is_empty() {
            return Ok(Some(text.to_owned()));
        }
        Ok(Some(text.replace(search, replacements.map_or("", |r| r.value(row)))))
    })
}

fn translate(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (args.strings(0)?, args.strings(1)?, args.strings(2)?);
    args.string_rows(|row| {
        let (from, to): (Vec<char>, Vec<char>) =
            (from.value(row).chars().collect(), to.value(row).chars().collect());
        let of = |c: char| match from.iter().position(|f| *f == c) {
            Some(at) => to.get(at).copied(),
            None => Some(c),
        };
        Ok(Some(texts.value(row).chars().filter_map(of).collect()))
    })
}

fn levenshtein(args: &Args<'_>) -> Result<ArrayRef> {
    let (left, right) = (args.strings(0)?, args.strings(1)?);
    let limits = if args.len() > 2 { Some(args.values::<Int32Type>(2)?) } else { None };
    args.number_rows::<Int32Type>(|row| {
        Stop::check_current()?;
        let distance = count(distance(left.value(row), right.value(row)));
        Ok(Some(if limits.is_some_and(|l| distance > l.value(row)) { -1 } else { distance }))
    })
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
