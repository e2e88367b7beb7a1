//! Hash functions and encodings.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs};
use datafusion_spark::function::{hash as native_hash, math as native_math};

use crate::function::{Call, Function, kernel, native, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::normal::Zeros;
use crate::types::is_integral;
use crate::{FunctionError, run_time_error};

pub(super) const FUNCTIONS: &[Function] = &[
    with("md5", "b", |call| {
        Ok(datafusion::logical_expr::cast(
            datafusion::functions::crypto::md5().call(call.args),
            DataType::Utf8,
        ))
    }),
    native("sha", "b", native_hash::sha1),
    native("sha1", "b", native_hash::sha1),
    native("sha2", "bi", native_hash::sha2),
    native("crc32", "b", native_hash::crc32),
    with("xxhash64", "aa*", |call| hashed(call, XXHASH)),
    with("hash", "aa*", |call| hashed(call, HASH)),
    kernel(
        "base64",
        "b",
        Kernel::new("spark_base64", returns::string, |args| {
            let values = args.binaries(0)?;
            args.string_rows(|row| Ok(Some(formats::base64::encode(values.value(row)))))
        }),
    ),
    kernel(
        "unbase64",
        "s",
        Kernel::new("spark_unbase64", returns::binary, |args| {
            let texts = args.strings(0)?;
            args.binary_rows(|row| unbase64(texts.value(row)).map(Some).ok_or_else(|| {
            run_time_error(condition::CONVERSION_INVALID_INPUT, format!("The value '{}' (\"STRING\") cannot be converted to \"BINARY\" because it is malformed. Correct the value as per the syntax, or change its format.", texts.value(row)))
        }))
        }),
    ),
    with("hex", "a", hex),
    native("unhex", "s", native_math::unhex),
    kernel(
        "encode",
        "ss",
        Kernel::new("spark_encode", returns::binary, |args| {
            let (texts, charsets) = (args.strings(0)?, args.strings(1)?);
            args.binary_rows(|row| encode(texts.value(row), charsets.value(row)).map(Some))
        }),
    ),
    with("decode", "aa*", decode),
];

pub(super) const KERNELS: &[Kernel] = &[DECODE, HASH, XXHASH];

const HASH: Kernel = Kernel::new("spark_hash", returns::int, hash).nulls(Nulls::Never);
const XXHASH: Kernel = Kernel::new("spark_xxhash64", returns::long, xxhash64).nulls(Nulls::Never);

/// Rejects maps: equal maps might have different hashes.
fn hashed(call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    if call.types.iter().all(crate::normal::is_orderable) {
        return Ok(call.apply(kernel));
    }
    Err(FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_HASH_MAP_TYPE,
        message: format!(
            "Input to the function `{}` cannot contain elements of the \"MAP\" type. In Spark, same maps may have different hashcode, thus hash expressions are prohibited on \"MAP\" elements. To restore previous behavior set \"spark.sql.legacy.allowHashOnMapType\" to \"true\".",
            call.name
        ),
        parameters: vec![("functionName", format!("`{}`", call.name))],
    })
}

const DECODE: Kernel = Kernel::new("spark_decode", returns::string, |args| {
    let (values, charsets) = (args.binaries(0)?, args.strings(1)?);
    args.string_rows(|row| decoded(values.value(row), charsets.value(row)).map(Some))
});

fn hex(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let target = if is_integral(&call.types[0]) { DataType::Int64 } else { DataType::Binary };
    if !matches!(call.types[0], DataType::Binary | DataType::Utf8 | DataType::Null)
        && target == DataType::Binary
    {
        call.cast(0, &DataType::Int64)?;
    } else {
        call.cast(0, &target)?;
    }
    Ok(native_math::hex().call(call.args))
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let even = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    let digits: Option<Vec<u32>> = even.chars().map(|c| c.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes base64 text.
pub(super) fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        if byte == b'=' {
            break;
        }
        let digit = ALPHABET.iter().position(|a| *a == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(out)
}

fn charset_error(charset: &str, function: &str) -> datafusion::common::DataFusionError {
    run_time_error(
        condition::INVALID_PARAMETER_VALUE_CHARSET,
        format!(
            "The value of parameter(s) `charset` in `{function}` is invalid: expects one of the iso-8859-1, us-ascii, utf-16, utf-16be, utf-16le, utf-32, utf-8, but got {charset}."
        ),
    )
}

fn encode(text: &str, charset: &str) -> Result<Vec<u8>> {
    let narrow = |limit: u32| {
        text.chars()
            .map(move |c| {
                u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) < limit).unwrap_or(b'?')
            })
            .collect()
    };
    Ok(match charset.to_ascii_lowercase().as_str() {
        "utf-8" => text.as_bytes().to_vec(),
        "us-ascii" => narrow(128),
        "iso-8859-1" => narrow(256),
        "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16" => {
            [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect()
        }
        "utf-32" => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        _ => return Err(charset_error(charset, "encode")),
    })
}

fn decoded(bytes: &[u8], charset: &str) -> Result<String> {
    let wide = |bytes: &[u8], of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    Ok(match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8_lossy(bytes).into_owned(),
        "us-ascii" => {
            bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '\u{fffd}' }).collect()
        }
        "iso-8859-1" => bytes.iter().copied().map(char::from).collect(),
        "utf-16be" => wide(bytes, u16::from_be_bytes),
        "utf-16le" => wide(bytes, u16::from_le_bytes),
        "utf-16" => match bytes {
            [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
            [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
            rest => wide(rest, u16::from_be_bytes),
        },
        _ => return Err(charset_error(charset, "decode")),
    })
}

/// `decode(binary, charset)`, or `decode(value, search, result, …, default)`.
fn decode(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.len() == 2 {
        call.cast(0, &DataType::Binary)?;
        call.cast(1, &DataType::Utf8)?;
        return Ok(call.apply(DECODE));
    }
    let registry = crate::Registry::new();
    let (mut args, mut types) = (Vec::new(), Vec::new());
    let mut index = 1;
    while index + 1 < call.args.len() {
        let pair = vec![call.args[0].clone(), call.args[index].clone()];
        let pair_types = [call.types[0].clone(), call.types[index].clone()];
        args.push(registry.scalar("<=>", pair, &pair_types, call.ctx)?);
        types.push(DataType::Boolean);
        args.push(call.args[index + 1].clone());
        types.push(call.types[index + 1].clone());
        index += 2;
    }
    if index < call.args.len() {
        args.push(call.args[index].clone());
        types.push(call.types[index].clone());
    } else {
        args.push(Expr::Literal(ScalarValue::Null, None));
        types.push(DataType::Null);
    }
    registry.scalar("when", args, &types, call.ctx)
}

/// `DataFusion`'s implementation of Spark's function, which accepts arrays only.
fn xxhash64(args: &Args<'_>) -> Result<ArrayRef> {
    let field = |data_type: &DataType| Arc::new(Field::new("", data_type.clone(), true));
    // It hashes bit patterns, so equal values must first be normalised.
    let arrays = args.arrays.iter().map(|array| crate::normal::normal(array, Zeros::One));
    native_hash::xxhash64()
        .invoke_with_args(ScalarFunctionArgs {
            args: arrays.map(|array| Ok(ColumnarValue::Array(array?))).collect::<Result<_>>()?,
            arg_fields: args.arrays.iter().map(|a| field(a.data_type())).collect(),
            number_rows: args.rows,
            return_field: field(args.returns),
            config_options: Arc::default(),
        })?
        .into_array(args.rows)
}

/// Murmur3 with Spark's seed, over all arguments in order; null leaves the hash unchanged.
fn hash(args: &Args<'_>) -> Result<ArrayRef> {
    let mut hashes = vec![42_u32; args.rows];
    for array in args.arrays {
        for (row, hash) in hashes.iter_mut().enumerate() {
            *hash = hash_value(array, row, *hash)?;
        }
    }
    let result: PrimitiveArray<Int32Type> =
        hashes.into_iter().map(|h| Some(h.cast_signed())).collect();
    Ok(Arc::new(result))
}

fn hash_value(array: &ArrayRef, row: usize, seed: u32) -> Result<u32> {
    if array.is_null(row) {
        return Ok(seed);
    }
    Ok(match array.data_type() {
        DataType::Null => seed,
        DataType::Boolean => hash_int(u32::from(array.as_boolean().value(row)), seed),
        DataType::Int8 => {
            hash_int(i32::from(array.as_primitive::<Int8Type>().value(row)).cast_unsigned(), seed)
        }
        DataType::Int16 => {
            hash_int(i32::from(array.as_primitive::<Int16Type>().value(row)).cast_unsigned(), seed)
        }
        DataType::Int32 => {
            hash_int(array.as_primitive::<Int32Type>().value(row).cast_unsigned(), seed)
        }
        DataType::Date32 => {
            hash_int(array.as_primitive::<Date32Type>().value(row).cast_unsigned(), seed)
        }
        DataType::Interval(arrow::datatypes::IntervalUnit::YearMonth) => {
            hash_int(array.as_primitive::<IntervalYearMonthType>().value(row).cast_unsigned(), seed)
        }
        DataType::Int64 => hash_long(array.as_primitive::<Int64Type>().value(row), seed),
        DataType::Timestamp(..) => {
            hash_long(array.as_primitive::<TimestampMicrosecondType>().value(row), seed)
        }
        DataType::Duration(_) => {
            hash_long(array.as_primitive::<DurationMicrosecondType>().value(row), seed)
        }
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            let value = if value.is_nan() { f32::NAN } else { value };
            hash_int(if value == 0.0 { 0 } else { value.to_bits() }, seed)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            let value = if value.is_nan() { f64::NAN } else { value };
            hash_long(if value == 0.0 { 0 } else { value.to_bits().cast_signed() }, seed)
        }
        DataType::Decimal128(precision, _) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            match i64::try_from(value) {
                Ok(value) if *precision <= 18 => hash_long(value, seed),
                _ => hash_bytes(minimal(&value.to_be_bytes()), seed),
            }
        }
        DataType::Utf8 => hash_bytes(array.as_string::<i32>().value(row).as_bytes(), seed),
        DataType::Binary => hash_bytes(array.as_binary::<i32>().value(row), seed),
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            (0..values.len()).try_fold(seed, |seed, index| hash_value(&values, index, seed))?
        }
        DataType::Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .try_fold(seed, |seed, column| hash_value(column, row, seed))?,
        other => return not_impl_err!("the hash of {other}"),
    })
}

/// The shortest two's complement representation of a big-endian number.
fn minimal(bytes: &[u8; 16]) -> &[u8] {
    let mut start = 0;
    while start < 15 {
        let redundant = match bytes[start] {
            0 => bytes[start + 1] < 128,
            255 => bytes[start + 1] >= 128,
            _ => false,
        };
        if !redundant {
            break;
        }
        start += 1;
    }
    &bytes[start..]
}

fn mix(k: u32) -> u32 {
    k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

fn step(hash: u32, k: u32) -> u32 {
    (hash ^ mix(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn finish(hash: u32, length: u32) -> u32 {
    let hash = hash ^ length;
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

fn hash_int(value: u32, seed: u32) -> u32 {
    finish(step(seed, value), 4)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of the number")]
fn hash_long(value: i64, seed: u32) -> u32 {
    let value = value.cast_unsigned();
    finish(step(step(seed, value as u32), (value >> 32) as u32), 8)
}

/// Whole words, then each remaining byte as a sign-extended word. This is specific to Spark's
/// Murmur3.
fn hash_bytes(bytes: &[u8], seed: u32) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let hash = words.iter().fold(seed, |hash, word| step(hash, u32::from_le_bytes(*word)));
    let hash = rest
        .iter()
        .fold(hash, |hash, byte| step(hash, i32::from(byte.cast_signed()).cast_unsigned()));
    finish(hash, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}
