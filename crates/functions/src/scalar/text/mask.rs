//! Masking, quoting, splitting into sentences, and validation of UTF-8.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion_spark::function::string as native_string;

use crate::function::{Call, Function, kernel, native, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::types::list;
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("mask", "s?ssss", mask),
    native("quote", "s", native_string::quote),
    kernel(
        "sentences",
        "s?ss",
        Kernel::new("spark_sentences", |_, _| Ok(list(list(DataType::Utf8))), sentences),
    ),
    native("is_valid_utf8", "x", native_string::is_valid_utf8),
    native("make_valid_utf8", "x", native_string::make_valid_utf8),
    kernel(
        "validate_utf8",
        "x",
        Kernel::new("spark_validate_utf8", returns::string, |args| {
            let texts = Bytes::of(args)?;
            args.string_rows(|row| {
                valid(texts.value(row)).map(Some).ok_or_else(|| broken(texts.value(row)))
            })
        }),
    ),
    kernel(
        "try_validate_utf8",
        "x",
        Kernel::new("spark_try_validate_utf8", returns::string, |args| {
            let texts = Bytes::of(args)?;
            args.string_rows(|row| Ok(valid(texts.value(row))))
        })
        .nulls(Nulls::Possible),
    ),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[MASK];

const MASK: Kernel = Kernel::new("spark_mask", returns::string, masked).nulls(Nulls::Possible);

/// Replacement characters for upper-case letters, lower-case letters, digits and others; null keeps
/// the character.
fn mask(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    for (count, letter) in [(2, Some("X")), (3, Some("x")), (4, Some("n")), (5, None)] {
        call.default(count, ScalarValue::from(letter));
    }
    for index in 1..5 {
        let length = call.string(index).map(|text| text.chars().count());
        if length.is_some_and(|length| length != 1) {
            return Err(FunctionError::Invalid {
                condition: condition::DATATYPE_MISMATCH_INPUT_SIZE_NOT_ONE,
                message: format!(
                    "Cannot resolve \"mask\" due to data type mismatch: Length of {} should be 1.",
                    ["", "upperChar", "lowerChar", "digitChar", "otherChar"][index]
                ),
                parameters: vec![("exprName", "mask".to_owned())],
            });
        }
    }
    Ok(call.apply(MASK))
}

fn masked(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let masks = (1..5).map(|index| args.strings(index)).collect::<Result<Vec<_>>>()?;
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if texts.is_null(row) {
            out.append_null();
            continue;
        }
        let of = |index: usize| {
            masks[index].is_valid(row).then(|| masks[index].value(row).chars().next()).flatten()
        };
        let (upper, lower, digit, other) = (of(0), of(1), of(2), of(3));
        let hidden = texts.value(row).chars().map(|c| {
            let by = match c {
                c if c.is_uppercase() => upper,
                c if c.is_lowercase() => lower,
                c if c.is_numeric() => digit,
                _ => other,
            };
            by.unwrap_or(c)
        });
        out.append_value(hidden.collect::<String>());
    }
    Ok(Arc::new(out.finish()))
}

/// Sentences end at `.`, `!` and `?`; words consist of letters and digits, including punctuation
/// inside them.
fn sentences(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let mut out = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    for row in 0..args.rows {
        // Language and country may be unknown: the default locale then applies, which has the same
        // punctuation marks.
        if texts.is_null(row) {
            out.append_null();
            continue;
        }
        for sentence in texts.value(row).split_inclusive(['.', '!', '?']) {
            let words: Vec<&str> = sentence
                .split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’' | '_')))
                .map(|word| word.trim_matches(['\'', '’']))
                .filter(|word| !word.is_empty())
                .collect();
            if !words.is_empty() {
                out.values().append_value(words.into_iter().map(Some));
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

/// Bytes of a string or a binary array.
enum Bytes<'a> {
    Text(&'a arrow::array::StringArray),
    Binary(&'a arrow::array::BinaryArray),
}

impl<'a> Bytes<'a> {
    fn of(args: &'a Args<'_>) -> Result<Self> {
        if *args.array(0)?.data_type() == DataType::Binary {
            return Ok(Self::Binary(args.binaries(0)?));
        }
        Ok(Self::Text(args.strings(0)?))
    }

    fn value(&self, row: usize) -> &[u8] {
        match self {
            Self::Text(texts) => texts.value(row).as_bytes(),
            Self::Binary(values) => values.value(row),
        }
    }
}

fn valid(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn broken(bytes: &[u8]) -> datafusion::error::DataFusionError {
    let shown: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02X}")).collect();
    let shown = shown.concat();
    run_time_error(
        condition::INVALID_UTF8_STRING,
        format!("Invalid UTF8 byte sequence found in string: {shown}."),
    )
}
