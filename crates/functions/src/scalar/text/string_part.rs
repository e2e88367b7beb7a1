//! Parts of strings: by position, between delimiters, without leading or trailing characters.

use errors::condition;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion_spark::function::string as native_string;

use super::string::size;
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, returns};
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
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

pub(in crate::scalar) const KERNELS: &[Kernel] = &[LTRIM, RTRIM];

fn substring(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    for index in 1..call.args.len() {
        call.cast(index, &DataType::Int64)?;
    }
    Ok(native_string::substring().call(call.args))
}

fn left(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let length = call.args.remove(1);
    call.types.truncate(1);
    call.push(ScalarValue::from(1_i32));
    call.args.push(length);
    call.types.push(DataType::Int32);
    substring(call)
}

/// The second argument, if any, contains the characters to remove; the default is spaces. With two
/// arguments, Spark passes the characters first and the text second; `btrim` the other way round.
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
