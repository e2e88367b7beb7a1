//! Parts of strings: by their place, between delimiters, without what stands at an end.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use super::string::size;
use crate::kernel::{Args, Kernel, returns};
use crate::registry::{Call, Function, kernel, with};
use crate::{FunctionError, run_time_error};

pub(super) const FUNCTIONS: &[Function] = &[
    with("substring", "xi?i", substring),
    with("substr", "xi?i", substring),
    with("left", "xi", left),
    kernel("right", "si", RIGHT),
    with("trim", "s?s", |call| Ok(trimmed(call, TRIM))),
    kernel("btrim", "s?s", TRIM),
    with("ltrim", "s?s", |call| Ok(trimmed(call, LTRIM))),
    with("rtrim", "s?s", |call| Ok(trimmed(call, RTRIM))),
    kernel("overlay", "ssi?i", Kernel::new("spark_overlay", returns::string, overlay)),
    kernel(
        "substring_index",
        "ssi",
        Kernel::new("spark_substring_index", returns::string, substring_index),
    ),
    kernel("split_part", "ssi", Kernel::new("spark_split_part", returns::string, split_part)),
];

const TRIM: Kernel = Kernel::new("spark_trim", returns::string, |args| trim(args, (true, true)));
const LTRIM: Kernel = Kernel::new("spark_ltrim", returns::string, |args| trim(args, (true, false)));
const RTRIM: Kernel = Kernel::new("spark_rtrim", returns::string, |args| trim(args, (false, true)));
const RIGHT: Kernel = Kernel::new("spark_right", returns::string, |args| {
    let (texts, counts) = (args.strings(0)?, args.values::<Int32Type>(1)?);
    args.string_rows(|row| {
        let text = texts.value(row);
        let skipped = text.chars().count().saturating_sub(size(counts.value(row)));
        Ok(Some(text.chars().skip(skipped).collect()))
    })
});
const SUBSTRING: Kernel = Kernel::new("spark_substring", returns::first, substrings);

pub(super) const KERNELS: &[Kernel] = &[SUBSTRING, LTRIM, RTRIM];

fn substring(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(3, ScalarValue::from(i32::MAX));
    Ok(call.apply(SUBSTRING))
}

fn left(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let length = call.args.remove(1);
    call.types.truncate(1);
    call.push(ScalarValue::from(1_i32));
    call.args.push(length);
    Ok(call.apply(SUBSTRING))
}

/// From where to where, counted from 1, from the end if negative; zero means one.
fn span(length: usize, position: i32, wanted: i32) -> (usize, usize) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let start = match position {
        1.. => i64::from(position) - 1,
        0 => 0,
        _ => length + i64::from(position),
    };
    let end = start.saturating_add(i64::from(wanted)).clamp(0, length);
    let start = start.clamp(0, end);
    (usize::try_from(start).unwrap_or_default(), usize::try_from(end).unwrap_or_default())
}

fn substrings(args: &Args<'_>) -> Result<ArrayRef> {
    let (positions, lengths) = (args.values::<Int32Type>(1)?, args.values::<Int32Type>(2)?);
    if *args.returns == DataType::Binary {
        let values = args.binaries(0)?;
        return args.binary_rows(|row| {
            let value = values.value(row);
            let (start, end) = span(value.len(), positions.value(row), lengths.value(row));
            Ok(Some(value[start..end].to_vec()))
        });
    }
    let texts = args.strings(0)?;
    let mut out = StringBuilder::with_capacity(args.rows, args.rows * 8);
    for row in args.valid_rows() {
        let Some(row) = row else {
            out.append_null();
            continue;
        };
        let (text, position, length) = (texts.value(row), positions.value(row), lengths.value(row));
        if text.is_ascii() {
            let (start, end) = span(text.len(), position, length);
            out.append_value(&text[start..end]);
            continue;
        }
        let (start, end) = span(text.chars().count(), position, length);
        out.append_value(text.chars().skip(start).take(end - start).collect::<String>());
    }
    Ok(Arc::new(out.finish()))
}

/// The second argument, if any, holds the characters to remove; otherwise spaces go.
/// With two arguments Spark has the letters first and the text second; `btrim` has it the other way round.
fn trimmed(mut call: Call<'_>, kernel: Kernel) -> Expr {
    call.args.reverse();
    call.types.reverse();
    call.apply(kernel)
}

fn trim(args: &Args<'_>, (start, end): (bool, bool)) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let sets = if args.len() > 1 { Some(args.strings(1)?) } else { None };
    args.string_rows(|row| {
        let set = sets.map_or(" ", |s| s.value(row));
        let goes = |c: char| set.contains(c);
        let mut text = texts.value(row);
        if start {
            text = text.trim_start_matches(goes);
        }
        if end {
            text = text.trim_end_matches(goes);
        }
        Ok(Some(text.to_owned()))
    })
}

fn overlay(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, parts, positions) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    let lengths = if args.len() > 3 { Some(args.values::<Int32Type>(3)?) } else { None };
    args.string_rows(|row| {
        let (text, part) = (texts.value(row), parts.value(row));
        let length = lengths.map_or(-1, |l| l.value(row));
        let covered = if length >= 0 { size(length) } else { part.chars().count() };
        let before = size(positions.value(row).saturating_sub(1));
        let head: String = text.chars().take(before).collect();
        let tail: String = text.chars().skip(before + covered).collect();
        Ok(Some(format!("{head}{part}{tail}")))
    })
}

fn substring_index(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, delimiters, counts) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.string_rows(|row| {
        let (text, delimiter, wanted) =
            (texts.value(row), delimiters.value(row), counts.value(row));
        if delimiter.is_empty() || wanted == 0 {
            return Ok(Some(String::new()));
        }
        let nth = size(wanted.saturating_abs() - 1);
        Ok(Some(if wanted > 0 {
            text.match_indices(delimiter).nth(nth).map_or(text, |(at, _)| &text[..at]).to_owned()
        } else {
            let found = text.rmatch_indices(delimiter).nth(nth);
            found.map_or(text, |(at, _)| &text[at + delimiter.len()..]).to_owned()
        }))
    })
}

fn split_part(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, delimiters, numbers) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    args.string_rows(|row| {
        let (text, delimiter, number) =
            (texts.value(row), delimiters.value(row), numbers.value(row));
        if number == 0 {
            return Err(run_time_error(
                condition::INVALID_INDEX_OF_ZERO,
                "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).",
            ));
        }
        let parts: Vec<&str> =
            if delimiter.is_empty() { vec![text] } else { text.split(delimiter).collect() };
        let at = match number {
            1.. => Some(size(number - 1)),
            _ => parts.len().checked_sub(size(number.saturating_neg())),
        };
        Ok(Some(at.and_then(|at| parts.get(at)).copied().unwrap_or_default().to_owned()))
    })
}
