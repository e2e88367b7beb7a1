//! Java's format strings (`%s`, `%05d`, `%,.2f`, `%x`), and numbers with thousands separators.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int32Type, Int64Type};
use datafusion::common::{DataFusionError, Result, not_impl_err};
use datafusion::logical_expr::Expr;

use crate::cast::{Style, parse_decimal, rescale, write_decimal, write_value};
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::types::{is_integral, is_numeric};
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    kernel("format_string", "sa*", FORMAT),
    kernel("printf", "sa*", FORMAT),
    with("format_number", "na", format_number),
];

const FORMAT: Kernel =
    Kernel::new("spark_format_string", returns::string, format_rows).nulls(Nulls::Possible);
const FORMAT_NUMBER: Kernel =
    Kernel::new("spark_format_number", returns::string, grouped).nulls(Nulls::Possible);

pub(in crate::scalar) const KERNELS: &[Kernel] = &[FORMAT_NUMBER];

/// `format_number(x, digits)`; a pattern instead of digits is not supported.
fn format_number(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.types[1] == DataType::Utf8 {
        return Err(FunctionError::Unsupported { what: "format_number with a pattern".into() });
    }
    call.cast(1, &DataType::Int32)?;
    if !matches!(call.types[0], DataType::Decimal128(..)) {
        let is_whole = is_integral(&call.types[0]);
        call.cast(0, &if is_whole { DataType::Decimal128(20, 0) } else { DataType::Float64 })?;
    }
    Ok(call.apply(FORMAT_NUMBER))
}

/// Arguments: format, then its arguments.
fn format_rows(args: &Args<'_>) -> Result<ArrayRef> {
    let formats = args.strings(0)?;
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if formats.is_null(row) {
            out.append_null();
        } else {
            out.append_value(format_one(formats.value(row), &args.arrays[1..], row)?);
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The parts of a directive between `%` and the conversion letter.
#[derive(Debug, Default)]
struct Directive {
    argument: Option<usize>,
    flags: String,
    width: usize,
    precision: Option<usize>,
}

impl Directive {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }
}

fn bad(format: &str) -> DataFusionError {
    run_time_error(
        condition::INVALID_PARAMETER_VALUE_PATTERN,
        format!("The value of parameter(s) `strfmt` in `format_string` is invalid: '{format}'."),
    )
}

fn format_one(format: &str, values: &[ArrayRef], row: usize) -> Result<String> {
    let mut out = String::new();
    let mut rest = format;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (directive, letter, after) = directive(&rest[at + 1..]).ok_or_else(|| bad(format))?;
        rest = after;
        match letter {
            '%' => out.push('%'),
            'n' => out.push('\n'),
            _ => {
                let index = directive.argument.unwrap_or(next);
                if directive.argument.is_none() {
                    next += 1;
                }
                let value = values.get(index).ok_or_else(|| bad(format))?;
                let text = one(&directive, letter, value, row)?.ok_or_else(|| bad(format))?;
                out.push_str(&filled(text, &directive));
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn directive(text: &str) -> Option<(Directive, char, &str)> {
    let mut directive = Directive::default();
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text;
    let count = digits(rest);
    if count > 0 && rest[count..].starts_with('$') {
        directive.argument = rest[..count].parse::<usize>().ok()?.checked_sub(1);
        rest = &rest[count + 1..];
    }
    let flags = rest.bytes().take_while(|b| b"-#+ 0,(".contains(b)).count();
    rest[..flags].clone_into(&mut directive.flags);
    rest = &rest[flags..];
    let count = digits(rest);
    if count > 0 {
        directive.width = rest[..count].parse().ok().filter(|w| *w < 100_000)?;
        rest = &rest[count..];
    }
    if let Some(after) = rest.strip_prefix('.') {
        let count = digits(after);
        directive.precision = Some(after[..count].parse().ok().filter(|p| *p < 10_000)?);
        rest = &after[count..];
    }
    let letter = rest.chars().next()?;
    Some((directive, letter, &rest[letter.len_utf8()..]))
}

fn one(
    directive: &Directive,
    letter: char,
    value: &ArrayRef,
    row: usize,
) -> Result<Option<String>> {
    let is_null = value.is_null(row);
    let capital = letter.is_uppercase();
    let text = match letter.to_ascii_lowercase() {
        'b' if is_null => "false".to_owned(),
        _ if is_null => "null".to_owned(),
        's' => cut(plain(value, row)?, directive),
        'b' if *value.data_type() == DataType::Boolean => value.as_boolean().value(row).to_string(),
        'b' => "true".to_owned(),
        'c' if is_integral(value.data_type()) => {
            let code = long(value, row)?;
            u32::try_from(code).ok().and_then(char::from_u32).map_or_else(String::new, String::from)
        }
        'c' => plain(value, row)?,
        'd' if is_integral(value.data_type()) => signed(long(value, row)?.to_string(), directive),
        'x' if is_integral(value.data_type()) => {
            let number = long(value, row)?;
            if *value.data_type() == DataType::Int64 {
                format!("{number:x}")
            } else {
                format!("{:x}", low(number))
            }
        }
        'o' if is_integral(value.data_type()) => {
            let number = long(value, row)?;
            if *value.data_type() == DataType::Int64 {
                format!("{number:o}")
            } else {
                format!("{:o}", low(number))
            }
        }
        kind @ ('f' | 'e' | 'g') if is_numeric(value.data_type()) => {
            let doubles = compute::cast(&value.slice(row, 1), &DataType::Float64)?;
            signed(
                floating(doubles.as_primitive::<Float64Type>().value(0), kind, directive),
                directive,
            )
        }
        _ => return Ok(None),
    };
    Ok(Some(if capital { text.to_uppercase() } else { text }))
}

#[expect(clippy::cast_possible_truncation, reason = "the value came from 32 bits")]
fn low(number: i64) -> i32 {
    number as i32
}

fn long(value: &ArrayRef, row: usize) -> Result<i64> {
    Ok(compute::cast(&value.slice(row, 1), &DataType::Int64)?.as_primitive::<Int64Type>().value(0))
}

fn plain(value: &ArrayRef, row: usize) -> Result<String> {
    let zone = crate::calendar::Zone::Fixed(0);
    let mut out = String::new();
    write_value(value.as_ref(), row, &Style::of_casts(zone), &mut out)?;
    Ok(out)
}

fn cut(text: String, directive: &Directive) -> String {
    match directive.precision {
        Some(limit) => text.chars().take(limit).collect(),
        None => text,
    }
}

fn floating(value: f64, kind: char, directive: &Directive) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let precision = directive.precision.unwrap_or(6);
    match kind {
        'e' => {
            let text = format!("{value:.precision$e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        'g' if value != 0.0
            && (value.abs() < 1e-4
                || value.abs() >= 10_f64.powi(i32::try_from(precision.max(1)).unwrap_or(6))) =>
        {
            let inner = Directive { precision: Some(precision.max(1) - 1), ..Directive::default() };
            floating(value, 'e', &inner)
        }
        'g' => {
            #[expect(clippy::cast_possible_truncation, reason = "a small exponent")]
            let digits = if value == 0.0 { 1 } else { value.abs().log10().floor() as i32 + 1 };
            let places = usize::try_from(i32::try_from(precision.max(1)).unwrap_or(6) - digits)
                .unwrap_or_default();
            format!("{value:.places$}")
        }
        _ => rounded(value, precision).unwrap_or_else(|| format!("{value:.precision$}")),
    }
}

/// The shortest decimal text of a value, rounded half up as in Java; `None` if it has too many
/// digits for a decimal.
fn rounded(value: f64, precision: usize) -> Option<String> {
    let target = i8::try_from(precision).ok().filter(|p| *p < 38)?;
    let (unscaled, scale) = parse_decimal(&format!("{value:e}"))?;
    let mut out = String::new();
    write_decimal(rescale(unscaled, scale, (38, target))?, target, &mut out);
    Some(out)
}

/// Adds the sign and thousands separators.
fn signed(text: String, directive: &Directive) -> String {
    let negative = text.starts_with('-');
    let digits = text.trim_start_matches('-');
    let digits = if directive.has(',') { with_commas(digits) } else { digits.to_owned() };
    match negative {
        true if directive.has('(') => format!("({digits})"),
        true => format!("-{digits}"),
        false if directive.has('+') => format!("+{digits}"),
        false if directive.has(' ') => format!(" {digits}"),
        false => digits,
    }
}

/// Adds thousands separators: `1234567.8` becomes `1,234,567.8`.
fn with_commas(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Formats numbers with thousands separators.
fn grouped(args: &Args<'_>) -> Result<ArrayRef> {
    let digits = args.values::<Int32Type>(1)?;
    let numbers = args.array(0)?;
    args.string_rows(|row| {
        let Ok(places) = usize::try_from(digits.value(row)) else { return Ok(None) };
        let text = match numbers.data_type() {
            DataType::Float64 => {
                let value = numbers.as_primitive::<Float64Type>().value(row);
                if !value.is_finite() {
                    return Ok(Some(if value.is_nan() {
                        "NaN".into()
                    } else {
                        format!("{}∞", if value < 0.0 { "-" } else { "" })
                    }));
                }
                format!("{value:.places$}")
            }
            DataType::Decimal128(_, scale) => {
                let value = numbers.as_primitive::<Decimal128Type>().value(row);
                let target = i8::try_from(places.min(30)).unwrap_or_default();
                let rounded = half_even(value, *scale, target);
                let mut text = String::new();
                write_decimal(rounded, target, &mut text);
                text
            }
            other => return not_impl_err!("format_number of {other}"),
        };
        Ok(Some(with_commas(&text)))
    })
}

/// Changes the scale, rounding half to even.
fn half_even(value: i128, from: i8, to: i8) -> i128 {
    if to >= from {
        return value.saturating_mul(10_i128.saturating_pow((to - from).unsigned_abs().into()));
    }
    let unit = 10_i128.pow((from - to).unsigned_abs().into());
    let (quotient, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    quotient + i128::from(rest * 2 > unit || (rest * 2 == unit && quotient % 2 != 0))
}

fn filled(text: String, directive: &Directive) -> String {
    let missing = directive.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if directive.has('-') {
        return text + &" ".repeat(missing);
    }
    if directive.has('0') {
        let sign = text.len() - text.trim_start_matches(['-', '+', ' ']).len();
        return format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]);
    }
    " ".repeat(missing) + &text
}
