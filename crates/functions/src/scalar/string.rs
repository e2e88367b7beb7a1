//! Strings.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::functions::string as native_string;
use datafusion::logical_expr::Expr;

use super::format;
use crate::FunctionError;
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::registry::{Call, Function, kernel, native, with};

/// A function from one string to one string.
macro_rules! map {
    ($name:literal, $of:expr) => {
        kernel(
            $name,
            "s",
            Kernel::new(concat!("spark_", $name), returns::string, |args| {
                let of: fn(&str) -> String = $of;
                let texts = args.strings(0)?;
                args.string_rows(|row| Ok(Some(of(texts.value(row)))))
            }),
        )
    };
}

const fn renamed(function: Function, name: &'static str) -> Function {
    Function { name, ..function }
}

const fn pure(
    name: &'static str,
    returns: crate::kernel::Returns,
    run: fn(&Args<'_>) -> Result<ArrayRef>,
) -> Kernel {
    Kernel::new(name, returns, run)
}

pub(super) const FUNCTIONS: &[Function] = &[
    native("upper", "s", native_string::upper),
    native("ucase", "s", native_string::upper),
    native("lower", "s", native_string::lower),
    native("lcase", "s", native_string::lower),
    map!("initcap", initcap),
    map!("soundex", soundex),
    with("reverse", "a", reverse),
    LENGTH,
    renamed(LENGTH, "char_length"),
    renamed(LENGTH, "character_length"),
    renamed(LENGTH, "len"),
    kernel("octet_length", "x", pure("spark_octet_length", returns::int, |args| bytes(args, 1))),
    kernel("bit_length", "x", pure("spark_bit_length", returns::int, |args| bytes(args, 8))),
    kernel(
        "ascii",
        "s",
        pure("spark_ascii", returns::int, |args| {
            let texts = args.strings(0)?;
            args.number_rows::<Int32Type>(|row| {
                Ok(Some(texts.value(row).chars().next().map_or(0, |c| u32::from(c).cast_signed())))
            })
        }),
    ),
    kernel("chr", "l", CHR),
    kernel("char", "l", CHR),
    with("concat", "a*", concat),
    with("||", "a*", concat),
    with("concat_ws", "sa*", concat_ws),
    with("substring", "xi?i", substring),
    with("substr", "xi?i", substring),
    with("left", "xi", left),
    kernel("right", "si", RIGHT),
    with("trim", "s?s", |call| Ok(trimmed(call, TRIM))),
    kernel("btrim", "s?s", TRIM),
    with("ltrim", "s?s", |call| Ok(trimmed(call, LTRIM))),
    with("rtrim", "s?s", |call| Ok(trimmed(call, RTRIM))),
    with("lpad", "xi?x", |call| pad(call, LPAD)),
    with("rpad", "xi?x", |call| pad(call, RPAD)),
    kernel(
        "repeat",
        "si",
        pure("spark_repeat", returns::string, |args| {
            let (texts, times) = (args.strings(0)?, args.values::<Int32Type>(1)?);
            args.string_rows(|row| Ok(Some(texts.value(row).repeat(size(times.value(row))))))
        }),
    ),
    kernel(
        "space",
        "i",
        pure("spark_space", returns::string, |args| {
            let counts = args.values::<Int32Type>(0)?;
            args.string_rows(|row| Ok(Some(" ".repeat(size(counts.value(row))))))
        }),
    ),
    kernel("instr", "ss", pure("spark_instr", returns::int, |args| locate(args, (1, 0), false))),
    kernel(
        "locate",
        "ss?i",
        pure("spark_locate", returns::int, |args| locate(args, (0, 1), args.len() == 3)),
    ),
    kernel(
        "position",
        "ss?i",
        pure("spark_locate", returns::int, |args| locate(args, (0, 1), args.len() == 3)),
    ),
    kernel(
        "charindex",
        "ss?i",
        pure("spark_locate", returns::int, |args| locate(args, (0, 1), args.len() == 3)),
    ),
    kernel("replace", "ss?s", pure("spark_replace", returns::string, replace)),
    kernel("translate", "sss", pure("spark_translate", returns::string, translate)),
    kernel("overlay", "ssi?i", pure("spark_overlay", returns::string, overlay)),
    kernel(
        "substring_index",
        "ssi",
        pure("spark_substring_index", returns::string, substring_index),
    ),
    kernel("split_part", "ssi", pure("spark_split_part", returns::string, split_part)),
    kernel("find_in_set", "ss", pure("spark_find_in_set", returns::int, find_in_set)),
    kernel("levenshtein", "ss?i", pure("spark_levenshtein", returns::int, levenshtein)),
    with("startswith", "xx", |call| compare(call, STARTS)),
    with("endswith", "xx", |call| compare(call, ENDS)),
    with("contains", "xx", |call| {
        if call.types[..2] == [DataType::Utf8, DataType::Utf8] {
            return Ok(crate::registry::apply(&native_string::contains(), call.args));
        }
        compare(call, CONTAINS)
    }),
    with("elt", "ia*", elt),
    with("format_string", "sa*", format_string),
    with("printf", "sa*", format_string),
    with("format_number", "na", format_number),
    kernel(
        "luhn_check",
        "s",
        pure("spark_luhn_check", returns::boolean, |args| {
            let texts = args.strings(0)?;
            args.boolean_rows(|row| Ok(Some(luhn(texts.value(row)))))
        }),
    ),
];

const STARTS: Kernel =
    pure("spark_startswith", returns::boolean, |args| compared(args, <[u8]>::starts_with));
const ENDS: Kernel =
    pure("spark_endswith", returns::boolean, |args| compared(args, <[u8]>::ends_with));
const CONTAINS: Kernel = pure("spark_contains", returns::boolean, |args| {
    compared(args, |text, part| part.is_empty() || text.windows(part.len()).any(|at| at == part))
});
const LENGTH: Function = kernel("length", "x", pure("spark_length", returns::int, length));
const CHR: Kernel = pure("spark_chr", returns::string, |args| {
    let codes = args.values::<Int64Type>(0)?;
    args.string_rows(|row| {
        let code = codes.value(row);
        let byte = u8::try_from(code.rem_euclid(256)).unwrap_or_default();
        Ok(Some(if code < 0 { String::new() } else { char::from(byte).to_string() }))
    })
});
const TRIM: Kernel = pure("spark_trim", returns::string, |args| trim(args, (true, true)));
const LTRIM: Kernel = pure("spark_ltrim", returns::string, |args| trim(args, (true, false)));
const RTRIM: Kernel = pure("spark_rtrim", returns::string, |args| trim(args, (false, true)));
const RIGHT: Kernel = pure("spark_right", returns::string, |args| {
    let (texts, counts) = (args.strings(0)?, args.values::<Int32Type>(1)?);
    args.string_rows(|row| {
        let text = texts.value(row);
        let skipped = text.chars().count().saturating_sub(size(counts.value(row)));
        Ok(Some(text.chars().skip(skipped).collect()))
    })
});
const LPAD: Kernel = pure("spark_lpad", returns::first, |args| padded(args, true));
const RPAD: Kernel = pure("spark_rpad", returns::first, |args| padded(args, false));
const CONCAT: Kernel = pure("spark_concat", returns::first, concatenated);
const CONCAT_WS: Kernel =
    Kernel::new("spark_concat_ws", returns::string, joined).nulls(Nulls::Possible);
const SUBSTRING: Kernel = pure("spark_substring", returns::first, substrings);
const FORMAT: Kernel =
    Kernel::new("spark_format_string", returns::string, format::format_rows).nulls(Nulls::Possible);
const FORMAT_NUMBER: Kernel =
    Kernel::new("spark_format_number", returns::string, grouped).nulls(Nulls::Possible);
const REVERSE: Kernel = pure("spark_reverse", returns::first, |args| {
    if *args.returns == DataType::Binary {
        let values = args.binaries(0)?;
        return args.binary_rows(|row| Ok(Some(values.value(row).iter().rev().copied().collect())));
    }
    let texts = args.strings(0)?;
    args.string_rows(|row| Ok(Some(texts.value(row).chars().rev().collect())))
});
const ELT: Kernel = Kernel::new(
    "spark_elt",
    |types, _| Ok(types.get(1).cloned().unwrap_or(DataType::Utf8)),
    chosen,
)
.nulls(Nulls::Possible);

pub(super) const KERNELS: &[Kernel] = &[
    LPAD,
    RPAD,
    CONCAT,
    CONCAT_WS,
    SUBSTRING,
    FORMAT,
    FORMAT_NUMBER,
    REVERSE,
    ELT,
    LTRIM,
    RTRIM,
    STARTS,
    ENDS,
    CONTAINS,
];

/// A count from a number that may be negative.
fn size(count: i32) -> usize {
    usize::try_from(count).unwrap_or_default()
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn initcap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut starts = true;
    for c in text.chars() {
        if starts {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        starts = c == ' ';
    }
    out
}

fn soundex(text: &str) -> String {
    let code = |c: char| match c.to_ascii_uppercase() {
        'B' | 'F' | 'P' | 'V' => Some('1'),
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => Some('2'),
        'D' | 'T' => Some('3'),
        'L' => Some('4'),
        'M' | 'N' => Some('5'),
        'R' => Some('6'),
        _ => None,
    };
    let Some(first) = text.chars().next().filter(char::is_ascii_alphabetic) else {
        return text.to_owned();
    };
    let mut out = String::from(first.to_ascii_uppercase());
    let mut last = code(first);
    for c in text.chars().skip(1) {
        let digit = code(c);
        if let Some(digit) = digit
            && Some(digit) != last
        {
            out.push(digit);
        }
        // H and W do not part equal sounds; vowels do.
        if !matches!(c.to_ascii_uppercase(), 'H' | 'W') {
            last = digit;
        }
        if out.len() == 4 {
            break;
        }
    }
    format!("{out:0<4}")
}

fn reverse(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if matches!(call.types[0], DataType::List(_)) {
        return Ok(crate::registry::apply(
            &datafusion::functions_nested::reverse::array_reverse_udf(),
            call.args,
        ));
    }
    if call.types[0] != DataType::Binary {
        call.cast(0, &DataType::Utf8)?;
    }
    Ok(call.apply(REVERSE))
}

fn length(args: &Args<'_>) -> Result<ArrayRef> {
    if *args.array(0)?.data_type() == DataType::Binary {
        return bytes(args, 1);
    }
    let texts = args.strings(0)?;
    args.number_rows::<Int32Type>(|row| {
        let text = texts.value(row);
        Ok(Some(count(if text.is_ascii() { text.len() } else { text.chars().count() })))
    })
}

fn bytes(args: &Args<'_>, factor: i32) -> Result<ArrayRef> {
    let array = args.array(0)?;
    args.number_rows::<Int32Type>(|row| {
        let length = match array.data_type() {
            DataType::Binary => array.as_binary::<i32>().value_length(row),
            _ => array.as_string::<i32>().value_length(row),
        };
        Ok(Some(length * factor))
    })
}

/// Two texts, or two binary values.
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

/// Strings, binaries or arrays one after the other.
fn concat(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.is_empty() {
        return Ok(Expr::Literal(ScalarValue::from(""), None));
    }
    if call.types.iter().any(|t| matches!(t, DataType::List(_))) {
        call.unify(0)?;
        return super::collection::concat(call);
    }
    let all_binary = call.types.iter().all(|t| *t == DataType::Binary);
    if !all_binary {
        for index in 0..call.args.len() {
            call.cast(index, &DataType::Utf8)?;
        }
    }
    Ok(call.apply(CONCAT))
}

fn concatenated(args: &Args<'_>) -> Result<ArrayRef> {
    if *args.returns == DataType::Binary {
        let parts = (0..args.len()).map(|i| args.binaries(i)).collect::<Result<Vec<_>>>()?;
        return args.binary_rows(|row| {
            Ok(Some(parts.iter().flat_map(|p| p.value(row)).copied().collect()))
        });
    }
    let parts = (0..args.len()).map(|i| args.strings(i)).collect::<Result<Vec<_>>>()?;
    args.string_rows(|row| Ok(Some(parts.iter().map(|p| p.value(row)).collect())))
}

/// Arguments are strings or arrays of strings; nulls are left out.
fn concat_ws(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    for index in 1..call.args.len() {
        let target = match call.types[index] {
            DataType::List(_) => crate::types::list(DataType::Utf8),
            _ => DataType::Utf8,
        };
        call.cast(index, &target)?;
    }
    Ok(call.apply(CONCAT_WS))
}

fn joined(args: &Args<'_>) -> Result<ArrayRef> {
    let separators = args.strings(0)?;
    let mut out = arrow::array::StringBuilder::new();
    for row in 0..args.rows {
        if separators.is_null(row) {
            out.append_null();
            continue;
        }
        let mut parts: Vec<String> = Vec::new();
        for array in args.arrays.iter().skip(1).filter(|a| a.is_valid(row)) {
            match array.data_type() {
                DataType::List(_) => {
                    let values = array.as_list::<i32>().value(row);
                    parts.extend(values.as_string::<i32>().iter().flatten().map(str::to_owned));
                }
                _ => parts.push(array.as_string::<i32>().value(row).to_owned()),
            }
        }
        out.append_value(parts.join(separators.value(row)));
    }
    Ok(Arc::new(out.finish()))
}

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
    let mut out = arrow::array::StringBuilder::with_capacity(args.rows, args.rows * 8);
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

fn pad(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    let filler = match call.types[0] {
        DataType::Binary => ScalarValue::Binary(Some(vec![0])),
        _ => ScalarValue::from(" "),
    };
    call.default(3, filler);
    // Text and bytes together are text.
    if call.types[0] != call.types[2] {
        call.cast(0, &DataType::Utf8)?;
        call.cast(2, &DataType::Utf8)?;
    }
    Ok(call.apply(kernel))
}

fn padded(args: &Args<'_>, before: bool) -> Result<ArrayRef> {
    fn filled<T: Copy>(value: &[T], filler: &[T], length: usize, before: bool) -> Vec<T> {
        let missing = length.saturating_sub(value.len());
        let fill = filler.iter().copied().cycle().take(if filler.is_empty() { 0 } else { missing });
        let kept = value.iter().copied().take(length);
        if before { fill.chain(kept).collect() } else { kept.chain(fill).collect() }
    }
    let lengths = args.values::<Int32Type>(1)?;
    if *args.returns == DataType::Binary {
        let (values, fillers) = (args.binaries(0)?, args.binaries(2)?);
        return args.binary_rows(|row| {
            Ok(Some(filled(
                values.value(row),
                fillers.value(row),
                size(lengths.value(row)),
                before,
            )))
        });
    }
    let (texts, fillers) = (args.strings(0)?, args.strings(2)?);
    args.string_rows(|row| {
        let text: Vec<char> = texts.value(row).chars().collect();
        let filler: Vec<char> = fillers.value(row).chars().collect();
        Ok(Some(filled(&text, &filler, size(lengths.value(row)), before).into_iter().collect()))
    })
}

/// Where a text stands in another, from 1; 0 is nowhere. `places` are the arguments: text sought, text searched.
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

fn overlay(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, parts, positions) =
        (args.strings(0)?, args.strings(1)?, args.values::<Int32Type>(2)?);
    let lengths = if args.len() > 3 { Some(args.values::<Int32Type>(3)?) } else { None };
    args.string_rows(|row| {
        let (text, part) = (texts.value(row), parts.value(row));
        let length = lengths.map_or(-1, |l| l.value(row));
        let covered = if length >= 0 { size(length) } else { part.chars().count() };
        let before = size(positions.value(row) - 1);
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
        let nth = size(wanted.abs() - 1);
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
        let (text, delimiter, number) = (texts.value(row), delimiters.value(row), numbers.value(row));
        if number == 0 {
            return Err(crate::run_time_error("INVALID_INDEX_OF_ZERO", "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1)."));
        }
        let parts: Vec<&str> = if delimiter.is_empty() { vec![text] } else { text.split(delimiter).collect() };
        let at = if number > 0 { size(number - 1) } else { parts.len().wrapping_sub(size(-number)) };
        Ok(Some(parts.get(at).copied().unwrap_or_default().to_owned()))
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

fn levenshtein(args: &Args<'_>) -> Result<ArrayRef> {
    let (left, right) = (args.strings(0)?, args.strings(1)?);
    let limits = if args.len() > 2 { Some(args.values::<Int32Type>(2)?) } else { None };
    args.number_rows::<Int32Type>(|row| {
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

fn elt(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let all_binary = call.types[1..].iter().all(|t| *t == DataType::Binary);
    for index in 1..call.args.len() {
        call.cast(index, &if all_binary { DataType::Binary } else { DataType::Utf8 })?;
    }
    Ok(call.apply(ELT))
}

fn chosen(args: &Args<'_>) -> Result<ArrayRef> {
    let numbers = args.values::<Int32Type>(0)?;
    let choices: Vec<&dyn Array> = args.arrays[1..].iter().map(AsRef::as_ref).collect();
    let null = arrow::array::new_null_array(args.returns, 1);
    let mut sources = choices.clone();
    sources.push(null.as_ref());
    let mut places = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let number = if numbers.is_null(row) { 0 } else { numbers.value(row) };
        match usize::try_from(number - 1).ok().filter(|at| *at < choices.len()) {
            Some(at) => places.push((at, row)),
            None if numbers.is_null(row) => places.push((choices.len(), 0)),
            None => {
                return Err(crate::run_time_error(
                    "INVALID_ARRAY_INDEX",
                    format!(
                        "The index {number} is out of bounds. The array has {} elements. Use the SQL function `get()` to tolerate accessing element at invalid index and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
                        choices.len()
                    ),
                ));
            }
        }
    }
    Ok(arrow::compute::interleave(&sources, &places)?)
}

fn format_string(call: Call<'_>) -> Result<Expr, FunctionError> {
    Ok(call.apply(FORMAT))
}

/// `format_number(x, digits)`; a format as text is refused.
fn format_number(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.types[1] == DataType::Utf8 {
        return Err(FunctionError::Unsupported { what: "format_number with a pattern".into() });
    }
    call.cast(1, &DataType::Int32)?;
    if !matches!(call.types[0], DataType::Decimal128(..)) {
        let is_whole = crate::types::is_integral(&call.types[0]);
        call.cast(0, &if is_whole { DataType::Decimal128(20, 0) } else { DataType::Float64 })?;
    }
    Ok(call.apply(FORMAT_NUMBER))
}

/// Thousands are set apart by commas.
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
                crate::cast::write_decimal(rounded, target, &mut text);
                text
            }
            other => return not_impl_err!("format_number of {other}"),
        };
        Ok(Some(format::with_commas(&text)))
    })
}

/// Another scale, a half going to the even neighbour.
fn half_even(value: i128, from: i8, to: i8) -> i128 {
    if to >= from {
        return value.saturating_mul(10_i128.saturating_pow((to - from).unsigned_abs().into()));
    }
    let unit = 10_i128.pow((from - to).unsigned_abs().into());
    let (quotient, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    quotient + i128::from(rest * 2 > unit || (rest * 2 == unit && quotient % 2 != 0))
}

fn luhn(text: &str) -> bool {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = text
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, b)| {
            let digit = u32::from(b - b'0');
            match digit * 2 {
                _ if at % 2 == 0 => digit,
                doubled @ 0..=9 => doubled,
                doubled => doubled - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
