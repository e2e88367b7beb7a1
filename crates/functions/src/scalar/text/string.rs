//! Strings as a whole: length, case, characters, concatenation.

use errors::{Exception, SparkError, condition};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::string as native_string;
use datafusion::logical_expr::Expr;
use datafusion_spark::function::string as spark_string;

use crate::FunctionError;
use crate::error::IntoExternal;
use crate::function::{Call, Function, kernel, native, with};
use crate::kernel::{Args, Kernel, Nulls, returns};

/// Defines a function from one string to one string.
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

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    native("upper", "s", native_string::upper),
    native("ucase", "s", native_string::upper),
    native("lower", "s", native_string::lower),
    native("lcase", "s", native_string::lower),
    map!("initcap", initcap),
    native("soundex", "s", spark_string::soundex),
    with("reverse", "a", reverse),
    native("length", "x", spark_string::length),
    native("char_length", "x", spark_string::length),
    native("character_length", "x", spark_string::length),
    native("len", "x", spark_string::length),
    kernel(
        "octet_length",
        "x",
        Kernel::new("spark_octet_length", returns::int, |args| bytes(args, 1)),
    ),
    kernel("bit_length", "x", Kernel::new("spark_bit_length", returns::int, |args| bytes(args, 8))),
    native("ascii", "s", spark_string::ascii),
    kernel("chr", "l", CHR),
    kernel("char", "l", CHR),
    with("concat", "a*", concat),
    with("||", "a*", concat),
    with("concat_ws", "sa*", concat_ws),
    with("lpad", "xi?x", |call| pad(call, LPAD)),
    with("rpad", "xi?x", |call| pad(call, RPAD)),
    kernel(
        "repeat",
        "si",
        Kernel::new("spark_repeat", returns::string, |args| {
            let (texts, times) = (args.strings(0)?, args.values::<Int32Type>(1)?);
            args.string_rows(|row| {
                let (text, times) = (texts.value(row), size(times.value(row)));
                let length =
                    text.len().checked_mul(times).filter(|all| i32::try_from(*all).is_ok());
                if length.is_none() {
                    let error = SparkError::plain(Exception::Arithmetic, "integer overflow");
                    return Err(error.into_external());
                }
                Ok(Some(text.repeat(times)))
            })
        }),
    ),
    native("space", "i", spark_string::space),
    with("elt", "ia*", elt),
    native("luhn_check", "s", spark_string::luhn_check),
];

const CHR: Kernel = Kernel::new("spark_chr", returns::string, |args| {
    let codes = args.values::<Int64Type>(0)?;
    args.string_rows(|row| {
        let code = codes.value(row);
        let byte = u8::try_from(code.rem_euclid(256)).unwrap_or_default();
        Ok(Some(if code < 0 { String::new() } else { char::from(byte).to_string() }))
    })
});
const LPAD: Kernel = Kernel::new("spark_lpad", returns::first, |args| padded(args, true));
const RPAD: Kernel = Kernel::new("spark_rpad", returns::first, |args| padded(args, false));
const CONCAT: Kernel = Kernel::new("spark_concat", returns::first, concatenated);
const CONCAT_WS: Kernel =
    Kernel::new("spark_concat_ws", returns::string, joined).nulls(Nulls::Possible);
const REVERSE: Kernel = Kernel::new("spark_reverse", returns::first, |args| {
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
    |args| chosen(args, true),
)
.nulls(Nulls::Possible);
const ELT_OR_NULL: Kernel =
    Kernel { name: "spark_elt_or_null", run: |args| chosen(args, false), ..ELT };

pub(in crate::scalar) const KERNELS: &[Kernel] =
    &[LPAD, RPAD, CONCAT, CONCAT_WS, REVERSE, ELT, ELT_OR_NULL];

/// A count from a number that may be negative, which counts as 0.
pub(in crate::scalar) fn size(count: i32) -> usize {
    usize::try_from(count).unwrap_or_default()
}

/// A length as Spark's `int`.
pub(in crate::scalar) fn count(length: usize) -> i32 {
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

fn reverse(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if matches!(call.types[0], DataType::List(_)) {
        return Ok(datafusion::functions_nested::reverse::array_reverse_udf().call(call.args));
    }
    if call.types[0] != DataType::Binary {
        call.cast(0, &DataType::Utf8)?;
    }
    Ok(call.apply(REVERSE))
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

/// Concatenates strings, binaries or arrays.
fn concat(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.is_empty() {
        return Ok(Expr::Literal(ScalarValue::from(""), None));
    }
    if call.types.iter().any(|t| matches!(t, DataType::List(_))) {
        call.unify(0)?;
        return crate::scalar::collection::array::concat(call);
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

/// Arguments are strings or arrays of strings; nulls are skipped.
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

fn pad(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    let filler = match call.types[0] {
        DataType::Binary => ScalarValue::Binary(Some(vec![0])),
        _ => ScalarValue::from(" "),
    };
    call.default(3, filler);
    // A string and a binary together are treated as strings.
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

fn elt(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let all_binary = call.types[1..].iter().all(|t| *t == DataType::Binary);
    for index in 1..call.args.len() {
        call.cast(index, &if all_binary { DataType::Binary } else { DataType::Utf8 })?;
    }
    let kernel = if call.ctx.ansi { ELT } else { ELT_OR_NULL };
    Ok(call.apply(kernel))
}

fn chosen(args: &Args<'_>, fails: bool) -> Result<ArrayRef> {
    let numbers = args.values::<Int32Type>(0)?;
    let choices: Vec<&dyn Array> = args.arrays[1..].iter().map(AsRef::as_ref).collect();
    let null = arrow::array::new_null_array(args.returns, 1);
    let mut sources = choices.clone();
    sources.push(null.as_ref());
    let mut places = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let number = if numbers.is_null(row) { 0 } else { numbers.value(row) };
        match usize::try_from(i64::from(number) - 1).ok().filter(|at| *at < choices.len()) {
            Some(at) => places.push((at, row)),
            None if numbers.is_null(row) || !fails => places.push((choices.len(), 0)),
            None => {
                return Err(crate::run_time_error(
                    condition::INVALID_ARRAY_INDEX,
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
