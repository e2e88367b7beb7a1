//! Number formats of `9`, `0`, `G`, `D`, `$`, `S`, `MI` and `PR`: `to_number` and `to_char`.

use errors::{Condition, condition};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use crate::function::{Call, Function, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::types::decimal_of;
use crate::{FunctionError, Registry, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("to_number", "ss", |call| to_number(call, TO_NUMBER)),
    with("try_to_number", "ss", |call| to_number(call, TRY_TO_NUMBER)),
    with("to_char", "as", to_char),
    with("to_varchar", "as", to_char),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[TO_NUMBER, TRY_TO_NUMBER, NUMBER_TEXT];

/// Arguments: text, format, null of the type that the format determines.
const TO_NUMBER: Kernel =
    Kernel::new("spark_to_number", |types, _| Ok(types[2].clone()), |args| numbers(args, true))
        .nulls(Nulls::Possible);
const TRY_TO_NUMBER: Kernel = Kernel::new(
    "spark_try_to_number",
    |types, _| Ok(types[2].clone()),
    |args| numbers(args, false),
)
.nulls(Nulls::Possible);
/// Arguments: decimal, format.
const NUMBER_TEXT: Kernel = Kernel::new("spark_number_text", returns::string, texts);

fn to_number(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    let Some(text) = call.string(1) else { return Err(not_constant(call.name)) };
    let pattern = NumberPattern::parse(text).map_err(|flaw| flaw.complaint(text))?;
    let (precision, scale) = (pattern.whole_digits() + pattern.fraction, pattern.fraction);
    let sized = u8::try_from(precision).ok().filter(|p| *p <= 38).zip(i8::try_from(scale).ok());
    let Some((precision, scale)) = sized else {
        return Err(FunctionError::Invalid {
            condition: condition::DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION,
            message: format!("Decimal precision {precision} exceeds max precision 38."),
            parameters: vec![
                ("precision", precision.to_string()),
                ("maxPrecision", "38".to_owned()),
            ],
        });
    };
    call.push(ScalarValue::Decimal128(None, precision, scale));
    Ok(call.apply(kernel))
}

/// Formats numbers, dates and timestamps by a pattern, and binary values by an encoding's name.
fn to_char(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let registry = Registry::new();
    match &call.types[0] {
        DataType::Date32 | DataType::Timestamp(..) => {
            return registry.scalar("date_format", call.args, &call.types, call.ctx);
        }
        DataType::Binary => {
            let function = match call.string(1).map(str::to_lowercase).as_deref() {
                Some("base64") => "base64",
                Some("hex") => "hex",
                Some("utf-8") => "decode",
                _ => {
                    return Err(FunctionError::Invalid {
                        condition: condition::INVALID_PARAMETER_VALUE_BINARY_FORMAT,
                        message: format!(
                            "The value of parameter(s) `format` in `{}` is invalid: expects one of binary formats 'base64', 'hex', 'utf-8'.",
                            call.name
                        ),
                        parameters: vec![("parameter", "`format`".to_owned())],
                    });
                }
            };
            let kept = if function == "decode" { 2 } else { 1 };
            call.args.truncate(kept);
            call.types.truncate(kept);
            return registry.scalar(function, call.args, &call.types, call.ctx);
        }
        _ => {}
    }
    let decimal = match &call.types[0] {
        DataType::Float64 => (30, 15),
        DataType::Float32 => (14, 7),
        DataType::Utf8 | DataType::Null => (38, 18),
        other => decimal_of(other).ok_or_else(|| call.mismatch(0, "\"NUMERIC\""))?,
    };
    if let Some(text) = call.string(1) {
        NumberPattern::parse(text).map_err(|flaw| flaw.complaint(text))?;
    }
    call.cast(0, &DataType::Decimal128(decimal.0, decimal.1))?;
    Ok(call.apply(NUMBER_TEXT))
}

fn not_constant(function: &str) -> FunctionError {
    FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_NON_FOLDABLE_INPUT,
        message: format!(
            "Cannot resolve \"{function}\" due to data type mismatch: the input `format` should be a foldable \"STRING\" expression."
        ),
        parameters: vec![
            ("inputName", "`format`".to_owned()),
            ("inputType", "\"STRING\"".to_owned()),
        ],
    }
}

fn numbers(args: &Args<'_>, fail: bool) -> Result<ArrayRef> {
    let (texts, patterns) = (args.strings(0)?, args.strings(1)?);
    let scale = if let DataType::Decimal128(_, scale) = args.returns { *scale } else { 0 };
    let mut parsed = Parsed::default();
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if texts.is_null(row) || patterns.is_null(row) {
            out.push(None);
            continue;
        }
        let (text, pattern) = (texts.value(row), parsed.of(patterns.value(row))?);
        match pattern.read(text, usize::try_from(scale).unwrap_or_default()) {
            None if fail => {
                return Err(run_time_error(
                    condition::INVALID_FORMAT_MISMATCH_INPUT,
                    format!(
                        "The format is invalid: '{}'. The input \"STRING\" '{text}' does not match the format.",
                        patterns.value(row)
                    ),
                ));
            }
            number => out.push(number),
        }
    }
    let array = PrimitiveArray::<Decimal128Type>::from(out);
    Ok(Arc::new(array.with_data_type(args.returns.clone())))
}

fn texts(args: &Args<'_>) -> Result<ArrayRef> {
    let (values, patterns) = (args.values::<Decimal128Type>(0)?, args.strings(1)?);
    let scale = values.scale();
    let mut parsed = Parsed::default();
    args.string_rows(|row| {
        let pattern = parsed.of(patterns.value(row))?;
        Ok(Some(pattern.write(values.value(row), scale)))
    })
}

/// The format of the previous row, which is usually that of the current one.
#[derive(Default)]
struct Parsed(Option<(String, NumberPattern)>);

impl Parsed {
    fn of(&mut self, text: &str) -> Result<&NumberPattern> {
        if self.0.as_ref().is_none_or(|(known, _)| known != text) {
            let pattern = NumberPattern::parse(text)
                .map_err(|flaw| run_time_error(flaw.0, flaw.message(text)))?;
            self.0 = Some((text.to_owned(), pattern));
        }
        self.0.as_ref().map(|(_, pattern)| pattern).ok_or_else(|| {
            datafusion::common::DataFusionError::Internal("a pattern is not there".to_owned())
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// `S`: plus or minus.
    Either,
    /// `MI`: minus or a blank.
    Minus,
}

/// A group of integer digits, delimited by commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    digits: usize,
    /// Whether it begins with `0`: the number of digits must then match exactly.
    exact: bool,
}

/// A parsed number format.
#[derive(Debug, Default, PartialEq, Eq)]
struct NumberPattern {
    before: Option<Sign>,
    dollar: bool,
    groups: Vec<Group>,
    point: bool,
    /// Number of digits after the decimal point.
    fraction: usize,
    after: Option<Sign>,
    /// `PR`: negative numbers are enclosed in angle brackets.
    brackets: bool,
}

/// The reason why a text is not a number format: condition and message.
#[derive(Debug, PartialEq, Eq)]
struct Flaw(&'static Condition, &'static str);

impl Flaw {
    fn message(&self, text: &str) -> String {
        format!("The format is invalid: '{text}'. {}", self.1)
    }

    fn complaint(&self, text: &str) -> FunctionError {
        let parameters = vec![("format", format!("'{text}'"))];
        FunctionError::Invalid { condition: self.0, message: self.message(text), parameters }
    }
}

const UNEXPECTED: Flaw = Flaw(
    condition::INVALID_FORMAT_UNEXPECTED_TOKEN,
    "A token of the format stands where none of its kind may.",
);

impl NumberPattern {
    /// `[MI | S] [$] [digits and commas] [point] [digits] [PR | MI | S]`.
    fn parse(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw(
                condition::INVALID_FORMAT_EMPTY,
                "The number format string cannot be empty.",
            ));
        }
        let is_digit = |c: char| c == '0' || c == '9';
        let digits = text.find(is_digit);
        if digits.is_none() {
            let message = "The format string requires at least one number digit.";
            return Err(Flaw(condition::INVALID_FORMAT_WRONG_NUM_DIGIT, message));
        }
        if text.find('$') > digits {
            let message = "Currency characters must appear before digits in the number format.";
            return Err(Flaw(condition::INVALID_FORMAT_CUR_MUST_BEFORE_DIGIT, message));
        }
        let mut pattern = Self::default();
        let (sign, rest) = Self::sign(text);
        pattern.before = sign;
        let rest = rest.strip_prefix('$').inspect(|_| pattern.dollar = true).unwrap_or(rest);
        let end = rest.find(|c| !is_digit(c) && c != ',' && c != 'G').unwrap_or(rest.len());
        let (whole, rest) = rest.split_at(end);
        if !whole.is_empty() {
            for group in whole.split([',', 'G']) {
                if group.is_empty() {
                    let message = "Thousands separators (, or G) must have digits in between them in the number format.";
                    return Err(Flaw(condition::INVALID_FORMAT_CONT_THOUSANDS_SEPS, message));
                }
                pattern.groups.push(Group { digits: group.len(), exact: group.starts_with('0') });
            }
        }
        let mut rest = rest;
        if let Some(after) = rest.strip_prefix(['.', 'D']) {
            pattern.point = true;
            pattern.fraction = after.find(|c| !is_digit(c)).unwrap_or(after.len());
            rest = &after[pattern.fraction..];
            if rest.starts_with([',', 'G']) {
                let message = "Thousands separators (, or G) may not appear after the decimal point in the number format.";
                return Err(Flaw(
                    condition::INVALID_FORMAT_THOUSANDS_SEPS_MUST_BEFORE_DEC,
                    message,
                ));
            }
        }
        if let Some(after) = rest.strip_prefix("PR") {
            pattern.brackets = true;
            rest = after;
        } else {
            (pattern.after, rest) = Self::sign(rest);
        }
        let twice = pattern.before.is_some() && pattern.before == pattern.after;
        if rest.is_empty() && !twice { Ok(pattern) } else { Err(UNEXPECTED) }
    }

    fn sign(text: &str) -> (Option<Sign>, &str) {
        if let Some(rest) = text.strip_prefix('S') {
            (Some(Sign::Either), rest)
        } else if let Some(rest) = text.strip_prefix("MI") {
            (Some(Sign::Minus), rest)
        } else {
            (None, text)
        }
    }

    fn whole_digits(&self) -> usize {
        self.groups.iter().map(|group| group.digits).sum()
    }

    /// Parses a text as a number; returns its unscaled value with `scale` fraction digits.
    fn read(&self, text: &str, scale: usize) -> Option<i128> {
        let mut negative = false;
        let (text, open) = match text.strip_prefix('<') {
            Some(rest) if self.brackets => (rest, true),
            _ => (text, false),
        };
        let text = signed(self.before, text, &mut negative);
        let text = match text.strip_prefix('$') {
            Some(rest) if self.dollar => rest,
            _ if self.dollar && !text.is_empty() => return None,
            _ => text,
        };
        let (whole, text) = digits(text, self.groups.is_empty());
        if !self.fits(&whole) {
            return None;
        }
        let mut fraction = Vec::new();
        let mut text = text;
        if let Some(rest) = text.strip_prefix('.').filter(|_| self.point) {
            (fraction, text) = digits(rest, self.fraction == 0);
        }
        let fraction: String = fraction.concat();
        let text = signed(self.after, text, &mut negative);
        let (text, closed) = match text.strip_prefix('>') {
            Some(rest) if open => (rest, true),
            _ => (text, false),
        };
        let all = whole.concat() + &fraction;
        if !text.is_empty() || open != closed || all.is_empty() || fraction.len() > scale {
            return None;
        }
        let missing = u32::try_from(scale - fraction.len()).ok()?;
        let number = all.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(missing)?)?;
        Some(if negative == open { number } else { -number })
    }

    /// Whether the digit groups match the format in number and length, aligned to the right.
    fn fits(&self, found: &[String]) -> bool {
        let missing = [String::new()];
        found.len() <= self.groups.len().max(1)
            && self.groups.iter().rev().enumerate().all(|(at, group)| {
                let count = found.iter().rev().chain(missing.iter().cycle()).nth(at);
                let count = count.map_or(0, String::len);
                if group.exact { count == group.digits } else { count <= group.digits }
            })
    }

    /// Formats a number; `#` replaces its digits if there are more than the format allows.
    fn write(&self, value: i128, scale: i8) -> String {
        let negative = value < 0;
        let scale = usize::try_from(scale).unwrap_or_default();
        let all = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = all.split_at(all.len() - scale);
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let (before, after) = (self.whole_digits(), self.fraction);
        let (whole, fraction) = if whole.len() > before || fraction.len() > after {
            ("#".repeat(before), "#".repeat(after))
        } else {
            (format!("{whole:>before$}"), format!("{fraction:0<after$}"))
        };
        let mut out = Written(String::new());
        if self.brackets && negative {
            out.0.push('<');
        }
        out.sign(self.before, negative);
        if self.dollar {
            out.0.push('$');
        }
        let mut chars = whole.chars();
        for (at, group) in self.groups.iter().enumerate() {
            match out.0.ends_with(|c: char| c.is_ascii_digit()) {
                true if at > 0 => out.0.push(','),
                false if at > 0 => out.blank(),
                _ => {}
            }
            for c in chars.by_ref().take(group.digits) {
                match c {
                    ' ' if group.exact => out.0.push('0'),
                    ' ' => out.blank(),
                    c => out.0.push(c),
                }
            }
        }
        if self.point {
            if out.0.ends_with(' ') {
                out.0.pop();
                out.0.push('0');
            }
            out.0.push('.');
            out.0.push_str(&fraction);
        }
        out.sign(self.after, negative);
        if self.brackets {
            out.strip_lone_point();
            if negative {
                out.mark('>');
            } else {
                out.0.push_str("  ");
            }
        }
        out.strip_lone_point();
        if matches!(out.0.as_str(), "" | "+" | "-") { "0".to_owned() } else { out.0 }
    }
}

/// Strips a leading sign, if the format has one there.
fn signed<'a>(sign: Option<Sign>, text: &'a str, negative: &mut bool) -> &'a str {
    if sign.is_some()
        && let Some(rest) = text.strip_prefix('-')
    {
        *negative = true;
        return rest;
    }
    if sign == Some(Sign::Either) { text.strip_prefix('+').unwrap_or(text) } else { text }
}

/// Leading groups of digits, delimited by commas; blanks are ignored. `none`: the format has no
/// digits there.
fn digits(text: &str, none: bool) -> (Vec<String>, &str) {
    if none {
        return (vec![String::new()], text);
    }
    let belongs = |c: char| c.is_ascii_digit() || c == ',' || c.is_whitespace();
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    let groups = text[..end].split(',');
    let groups = groups.map(|group| group.chars().filter(char::is_ascii_digit).collect());
    (groups.collect(), &text[end..])
}

/// Output buffer for a formatted number.
struct Written(String);

impl Written {
    fn sign(&mut self, sign: Option<Sign>, negative: bool) {
        match sign {
            None => {}
            Some(Sign::Minus) if !negative => self.0.push(' '),
            Some(_) => {
                self.strip_lone_point();
                self.mark(if negative { '-' } else { '+' });
            }
        }
    }

    /// Inserts a character after the text written so far, before trailing blanks.
    fn mark(&mut self, mark: char) {
        let at = self.0.trim_end_matches(' ').len();
        self.0.insert(at, mark);
    }

    /// Inserts a blank before a trailing sign.
    fn blank(&mut self) {
        let at = self.0.trim_end_matches(['+', '-', '<']).len();
        self.0.insert(at, ' ');
    }

    /// Replaces a decimal point without fraction digits by a blank.
    fn strip_lone_point(&mut self) {
        if let Some(at) = self.0.find('.')
            && matches!(self.0[at + 1..].chars().next(), None | Some(' '))
        {
            self.0.replace_range(at..=at, " ");
        }
    }
}
