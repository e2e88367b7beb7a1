//! Mathematical functions.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray, StringArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int32Type, Int64Type,
};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion_spark::function::{bitwise as native_bits, math as native_math};

use super::arithmetic::overflowed;
use crate::FunctionError;
use crate::cast::{parse_decimal, rescale};
use crate::function::{Call, Function, kernel, native, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::types::is_integral;

macro_rules! unary {
    ($name:literal, $of:expr) => {
        kernel(
            $name,
            "d",
            Kernel::new(concat!("spark_", $name), returns::double, |args| {
                let of: fn(f64) -> f64 = $of;
                Ok(Arc::new(args.values::<Float64Type>(0)?.unary::<_, Float64Type>(of)))
            }),
        )
    };
}

/// A function that returns null outside its domain, like Spark's logarithms.
macro_rules! partial {
    ($name:literal, $inside:expr, $of:expr) => {
        kernel(
            $name,
            "d",
            Kernel::new(concat!("spark_", $name), returns::double, |args| {
                let (inside, of): (fn(f64) -> bool, fn(f64) -> f64) = ($inside, $of);
                let values = args.values::<Float64Type>(0)?;
                Ok(Arc::new(values.unary_opt::<_, Float64Type>(|v| inside(v).then(|| of(v)))))
            })
            .nulls(Nulls::Possible),
        )
    };
}

macro_rules! binary {
    ($name:literal, $of:expr) => {
        kernel(
            $name,
            "dd",
            Kernel::new(concat!("spark_", $name), returns::double, |args| {
                let of: fn(f64, f64) -> f64 = $of;
                let (left, right) =
                    (args.values::<Float64Type>(0)?, args.values::<Float64Type>(1)?);
                let result: PrimitiveArray<Float64Type> = compute::binary(left, right, of)?;
                Ok(Arc::new(result))
            }),
        )
    };
}

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    unary!("sqrt", f64::sqrt),
    unary!("cbrt", f64::cbrt),
    unary!("exp", f64::exp),
    native("expm1", "d", native_math::expm1),
    unary!("sin", f64::sin),
    unary!("cos", f64::cos),
    unary!("tan", f64::tan),
    unary!("asin", f64::asin),
    unary!("acos", f64::acos),
    unary!("atan", f64::atan),
    unary!("sinh", f64::sinh),
    unary!("cosh", f64::cosh),
    unary!("tanh", f64::tanh),
    unary!("asinh", f64::asinh),
    unary!("acosh", f64::acosh),
    unary!("atanh", f64::atanh),
    unary!("cot", |v| 1.0 / v.tan()),
    native("sec", "d", native_math::sec),
    native("csc", "d", native_math::csc),
    unary!("degrees", f64::to_degrees),
    unary!("radians", f64::to_radians),
    native("rint", "d", native_math::rint),
    unary!("signum", |v| if v == 0.0 || v.is_nan() { v } else { v.signum() }),
    unary!("sign", |v| if v == 0.0 || v.is_nan() { v } else { v.signum() }),
    partial!("ln", |v| v > 0.0 || v.is_nan(), f64::ln),
    partial!("log10", |v| v > 0.0 || v.is_nan(), f64::log10),
    partial!("log2", |v| v > 0.0 || v.is_nan(), f64::log2),
    partial!("log1p", |v| v > -1.0 || v.is_nan(), f64::ln_1p),
    binary!("pow", f64::powf),
    binary!("power", f64::powf),
    binary!("atan2", |y, x| (y + 0.0).atan2(x + 0.0)),
    native("hypot", "dd", native_math::hypot),
    with("log", "d?d", log),
    with("pi", "", |_| Ok(constant(std::f64::consts::PI))),
    with("e", "", |_| Ok(constant(std::f64::consts::E))),
    with("ceil", "n?i", |call| whole(call, Rounding::Up)),
    with("ceiling", "n?i", |call| whole(call, Rounding::Up)),
    with("floor", "n?i", |call| whole(call, Rounding::Down)),
    with("round", "n?i", |call| round(call, Rounding::HalfUp)),
    with("bround", "n?i", |call| round(call, Rounding::HalfEven)),
    native("factorial", "i", native_math::factorial),
    native("bin", "l", native_math::bin),
    kernel("conv", "sii", Kernel::new("spark_conv", returns::string, conv).nulls(Nulls::Possible)),
    with("shiftleft", "zi", |call| shift(call, native_bits::shiftleft)),
    with("<<", "zi", |call| shift(call, native_bits::shiftleft)),
    with("shiftright", "zi", |call| shift(call, native_bits::shiftright)),
    with(">>", "zi", |call| shift(call, native_bits::shiftright)),
    with("shiftrightunsigned", "zi", |call| shift(call, native_bits::shiftrightunsigned)),
    with(">>>", "zi", |call| shift(call, native_bits::shiftrightunsigned)),
    with("bit_count", "a", bit_count),
    kernel("getbit", "zi", Kernel::new("spark_getbit", returns::byte, get_bit)),
    kernel("bit_get", "zi", Kernel::new("spark_getbit", returns::byte, get_bit)),
    kernel(
        "width_bucket",
        "dddl",
        Kernel::new("spark_width_bucket", returns::long, width_bucket).nulls(Nulls::Possible),
    ),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[LOG, CEIL, FLOOR, ROUND, ROUND_EVEN];

const LOG: Kernel = Kernel::new("spark_log_of_base", returns::double, |args| {
    let (bases, values) = (args.values::<Float64Type>(0)?, args.values::<Float64Type>(1)?);
    let of = |(base, value): (Option<f64>, Option<f64>)| {
        let (base, value) = (base?, value?);
        (base > 0.0 && value > 0.0).then(|| value.ln() / base.ln())
    };
    Ok(Arc::new(bases.iter().zip(values).map(of).collect::<PrimitiveArray<Float64Type>>()))
})
.nulls(Nulls::Possible);

const CEIL: Kernel = Kernel::new("spark_ceil", rounded_type, |args| rounded(args, Rounding::Up));
const FLOOR: Kernel =
    Kernel::new("spark_floor", rounded_type, |args| rounded(args, Rounding::Down));
const ROUND: Kernel =
    Kernel::new("spark_round", rounded_type, |args| rounded(args, Rounding::HalfUp));
const ROUND_EVEN: Kernel =
    Kernel::new("spark_bround", rounded_type, |args| rounded(args, Rounding::HalfEven));
fn constant(value: f64) -> Expr {
    Expr::Literal(ScalarValue::from(value), None)
}

/// `log(x)` (natural) or `log(base, x)`.
fn log(call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.len() == 1 {
        return crate::Registry::new().scalar("ln", call.args, &call.types, call.ctx);
    }
    Ok(call.apply(LOG))
}

/// Rounding mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Up,
    Down,
    HalfUp,
    HalfEven,
}

/// `ceil` and `floor`: integers are unchanged, doubles become `bigint`, decimals lose their
/// fraction; with a scale, like `round`.
fn whole(mut call: Call<'_>, rounding: Rounding) -> Result<Expr, FunctionError> {
    let kernel = if rounding == Rounding::Up { CEIL } else { FLOOR };
    if call.args.len() == 2 {
        // With a scale, the computation is exact, in decimals.
        let decimal = crate::types::decimal_of(&call.types[0]).unwrap_or((30, 15));
        call.cast(0, &DataType::Decimal128(decimal.0, decimal.1))?;
        constant_scale(&call)?;
        return Ok(call.apply(kernel));
    }
    if is_integral(&call.types[0]) {
        call.cast(0, &DataType::Int64)?;
        return Ok(call.only());
    }
    let is_float = matches!(call.types[0], DataType::Float32 | DataType::Float64);
    if is_float {
        call.cast(0, &DataType::Float64)?;
    }
    call.push(ScalarValue::from(0_i32));
    let ctx = call.ctx;
    let result = call.apply(kernel);
    if is_float {
        let mode = crate::CastMode::session(ctx);
        return crate::cast(result, &DataType::Float64, &DataType::Int64, mode, ctx);
    }
    Ok(result)
}

fn constant_scale(call: &Call<'_>) -> Result<(), FunctionError> {
    if call.integer(1).is_some() {
        return Ok(());
    }
    Err(FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_NON_FOLDABLE_INPUT,
        message: format!(
            "Cannot resolve \"{}\" due to data type mismatch: the input `scale` should be a foldable \"INT\" expression.",
            call.name
        ),
        parameters: vec![("inputName", "`scale`".into()), ("inputType", "\"INT\"".into())],
    })
}

fn round(mut call: Call<'_>, rounding: Rounding) -> Result<Expr, FunctionError> {
    call.default(2, ScalarValue::from(0_i32));
    constant_scale(&call)?;
    Ok(call.apply(if rounding == Rounding::HalfUp { ROUND } else { ROUND_EVEN }))
}

fn scale_of(constant: Option<&ScalarValue>) -> i32 {
    match constant {
        Some(ScalarValue::Int32(Some(scale))) => *scale,
        _ => 0,
    }
}

fn rounded_type(types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    let Some(DataType::Decimal128(precision, scale)) = types.first() else {
        return returns::first(types, constants);
    };
    let (precision, scale) = (i32::from(*precision), i32::from(*scale));
    let target = scale_of(constants.get(1).copied().flatten());
    let least = precision - scale + 1;
    let (precision, scale) = if target < 0 {
        (least.max(-target + 1), 0)
    } else {
        (least + scale.min(target), scale.min(target))
    };
    let precision = u8::try_from(precision.min(38)).unwrap_or(38);
    Ok(DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(38)))
}

fn rounded(args: &Args<'_>, rounding: Rounding) -> Result<ArrayRef> {
    let scales = args.values::<Int32Type>(1)?;
    let scale = if scales.is_empty() || scales.is_null(0) { 0 } else { scales.value(0) };
    match args.array(0)?.data_type() {
        DataType::Float64 => {
            let values = args.values::<Float64Type>(0)?;
            Ok(Arc::new(values.unary::<_, Float64Type>(|v| round_double(v, scale, rounding) + 0.0)))
        }
        DataType::Float32 => {
            let values = args.values::<Float32Type>(0)?;
            #[expect(clippy::cast_possible_truncation, reason = "a float rounded stays a float")]
            Ok(Arc::new(values.unary::<_, Float32Type>(|v| {
                (round_double(decimal_value(v), scale, rounding) + 0.0) as f32
            })))
        }
        DataType::Decimal128(_, from) => round_decimals(args, i32::from(*from), (scale, rounding)),
        data_type if is_integral(data_type) => {
            if scale >= 0 {
                return Ok(Arc::clone(args.array(0)?));
            }
            let longs = compute::cast(args.array(0)?, &DataType::Int64)?;
            let longs = arrow::array::AsArray::as_primitive::<Int64Type>(&longs);
            let mut out = Vec::with_capacity(longs.len());
            for value in longs {
                let rounded = value.map(|v| round_digits(v.into(), scale.unsigned_abs(), rounding));
                let fits = rounded
                    .map(|v| i64::try_from(v).map_err(|_| overflowed("Overflow", "")))
                    .transpose()?;
                out.push(fits);
            }
            let out = PrimitiveArray::<Int64Type>::from(out);
            let options = compute::CastOptions { safe: false, ..Default::default() };
            compute::cast_with_options(&out, data_type, &options)
                .map_err(|_| overflowed("Overflow", ""))
        }
        other => not_impl_err!("rounding {other}"),
    }
}

/// Converts a float through its shortest decimal text, so that the displayed digits are rounded.
fn decimal_value(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

/// Rounds the shortest decimal text of a double, as Spark does with `BigDecimal`, which has no
/// negative zero.
fn round_double(value: f64, scale: i32, rounding: Rounding) -> f64 {
    if !value.is_finite() || scale > 300 {
        return value;
    }
    if scale == 0 {
        match rounding {
            Rounding::Up => return value.ceil(),
            Rounding::Down => return value.floor(),
            Rounding::HalfEven => return value.round_ties_even(),
            Rounding::HalfUp => return value.round(),
        }
    }
    let Some((unscaled, digits)) = parse_decimal(&format!("{value:e}")) else { return value };
    if digits <= scale {
        return value;
    }
    let rounded = round_digits(unscaled, (digits - scale).unsigned_abs(), rounding);
    format!("{rounded}e{}", -digits).parse().unwrap_or(value)
}

/// Rounds to a multiple of `10^digits`.
fn round_digits(value: i128, digits: u32, rounding: Rounding) -> i128 {
    let Some(unit) = 10_i128.checked_pow(digits) else { return 0 };
    let (quotient, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    let up = match rounding {
        Rounding::Up => rest != 0,
        Rounding::Down => false,
        // Ties are rounded away from zero: up if positive, down if negative.
        Rounding::HalfUp => rest * 2 > unit || (rest * 2 == unit && value >= 0),
        Rounding::HalfEven => rest * 2 > unit || (rest * 2 == unit && quotient % 2 != 0),
    };
    (quotient + i128::from(up)) * unit
}

fn round_decimals(
    args: &Args<'_>,
    from: i32,
    (scale, rounding): (i32, Rounding),
) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, target) = *args.returns else {
        return not_impl_err!("rounding to {}", args.returns);
    };
    let mut out = Vec::with_capacity(args.rows);
    for value in args.values::<Decimal128Type>(0)? {
        let Some(value) = value else {
            out.push(None);
            continue;
        };
        let value = if scale < from {
            round_digits(value, (from - scale).unsigned_abs(), rounding)
        } else {
            value
        };
        match rescale(value, from, (precision, target)) {
            Some(value) => out.push(Some(value)),
            None => return Err(overflowed("Overflow", "")),
        }
    }
    let out: PrimitiveArray<Decimal128Type> = out.into_iter().collect();
    Ok(Arc::new(out.with_data_type(args.returns.clone())))
}

/// Converts a number to another base; text after the last digit is ignored; overflow saturates.
fn conv(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, from, to) =
        (args.strings(0)?, args.values::<Int32Type>(1)?, args.values::<Int32Type>(2)?);
    let one = |text: &str, from: u32, to: i32| -> Option<String> {
        if !(2..=36).contains(&from) || !(2..=36).contains(&to.abs()) {
            return None;
        }
        let text = text.trim();
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        if digits.is_empty() {
            return None;
        }
        let mut value: u64 = 0;
        for digit in digits.chars().map_while(|c| c.to_digit(from)) {
            value = value
                .checked_mul(from.into())
                .and_then(|v| v.checked_add(digit.into()))
                .unwrap_or(u64::MAX);
        }
        let value = if negative && value != u64::MAX { value.wrapping_neg() } else { value };
        let signed = to < 0 && value.cast_signed() < 0;
        let magnitude = if signed { value.wrapping_neg() } else { value };
        let text = in_base(magnitude, to.unsigned_abs());
        Some(if signed { format!("-{text}") } else { text })
    };
    let result: StringArray = (0..args.rows)
        .map(|row| {
            if texts.is_null(row) || from.is_null(row) || to.is_null(row) {
                return None;
            }
            one(texts.value(row), u32::try_from(from.value(row)).ok()?, to.value(row))
        })
        .collect();
    Ok(Arc::new(result))
}

fn in_base(mut value: u64, base: u32) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(value % u64::from(base)).unwrap_or_default();
        digits.push(char::from_digit(digit, base).unwrap_or('0').to_ascii_uppercase());
        value /= u64::from(base);
        if value == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Values narrower than `int` are shifted as `int`.
fn shift(mut call: Call<'_>, udf: fn() -> Arc<ScalarUDF>) -> Result<Expr, FunctionError> {
    if call.types[0] != DataType::Int64 {
        call.cast(0, &DataType::Int32)?;
    }
    Ok(udf().call(call.args))
}

/// Integers or booleans as sign-extended 64-bit integers.
fn as_longs(array: &ArrayRef) -> Result<ArrayRef> {
    let whole = if *array.data_type() == DataType::Boolean {
        compute::cast(array, &DataType::Int8)?
    } else {
        Arc::clone(array)
    };
    Ok(compute::cast(&whole, &DataType::Int64)?)
}

fn bit_count(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    match &call.types[0] {
        DataType::Boolean => {}
        DataType::Null => call.cast(0, &DataType::Int64)?,
        data_type if is_integral(data_type) => {}
        _ => return Err(call.mismatch(0, "(\"INTEGRAL\" or \"BOOLEAN\")")),
    }
    Ok(native_bits::bit_count().call(call.args))
}

fn get_bit(args: &Args<'_>) -> Result<ArrayRef> {
    let longs = as_longs(args.array(0)?)?;
    let longs = arrow::array::AsArray::as_primitive::<Int64Type>(&longs);
    let width = match args.array(0)?.data_type() {
        DataType::Int8 => 8,
        DataType::Int16 => 16,
        DataType::Int32 => 32,
        _ => 64,
    };
    let positions = args.values::<Int32Type>(1)?;
    let mut out = Vec::with_capacity(args.rows);
    for pair in longs.iter().zip(positions) {
        out.push(match pair {
            (Some(value), Some(at)) if (0..width).contains(&at) => Some(i8::from(value >> at & 1 == 1)),
            (Some(_), Some(at)) => {
                return Err(crate::run_time_error(
                    condition::INVALID_PARAMETER_VALUE_BIT_POSITION_RANGE,
                    format!("The value of parameter(s) `pos` in `getbit` is invalid: expects an integer value in [0, {width}), but got {at}."),
                ));
            }
            _ => None,
        });
    }
    Ok(Arc::new(PrimitiveArray::<Int8Type>::from(out)))
}

fn width_bucket(args: &Args<'_>) -> Result<ArrayRef> {
    let (value, low) = (args.values::<Float64Type>(0)?, args.values::<Float64Type>(1)?);
    let (high, buckets) = (args.values::<Float64Type>(2)?, args.values::<Int64Type>(3)?);
    let of = |row: usize| {
        if [value, low, high].iter().any(|a| a.is_null(row)) || buckets.is_null(row) {
            return None;
        }
        let (value, low, high, count) =
            (value.value(row), low.value(row), high.value(row), buckets.value(row));
        if count <= 0
            || count == i64::MAX
            || value.is_nan()
            || low.total_cmp(&high).is_eq()
            || !low.is_finite()
            || !high.is_finite()
        {
            return None;
        }
        let (from, to) = (low.min(high), low.max(high));
        let beyond =
            if low < high { (value < low, value >= high) } else { (value > low, value <= high) };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "the quotient lies between 0 and count"
        )]
        match beyond {
            (true, _) => Some(0),
            (_, true) => Some(count + 1),
            _ => Some(((value - low).abs() / (to - from) * count as f64) as i64 + 1),
        }
    };
    Ok(Arc::new((0..args.rows).map(of).collect::<PrimitiveArray<Int64Type>>()))
}
