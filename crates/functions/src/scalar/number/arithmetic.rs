//! Kernels of the arithmetic operators: integer arithmetic with overflow checks, division with
//! checks for zero.

use errors::condition;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use datafusion::arrow::compute::{try_binary, try_unary};
use datafusion::arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, not_impl_err};

use crate::kernel::Args;
use crate::run_time_error;

/// Behaviour on overflow and on division by zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scalar) enum Overflow {
    /// An error (ANSI).
    Fail,
    /// The low bits; null on division by zero.
    Wrap,
    /// Null (`try_add`).
    Null,
}

/// The operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scalar) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// Integer quotient.
    Div,
    Remainder,
    /// Remainder that is never negative if the divisor is positive.
    Pmod,
}

/// Applies an operator to two arrays of the same type.
pub(in crate::scalar) fn run(
    args: &Args<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<ArrayRef> {
    match args.array(0)?.data_type() {
        DataType::Int8 => whole::<Int8Type>(args, operator, overflow),
        DataType::Int16 => whole::<Int16Type>(args, operator, overflow),
        DataType::Int32 => whole::<Int32Type>(args, operator, overflow),
        DataType::Int64 => whole::<Int64Type>(args, operator, overflow),
        DataType::Float32 => floating::<Float32Type>(args, operator, overflow),
        DataType::Float64 => floating::<Float64Type>(args, operator, overflow),
        DataType::Decimal128(..) => super::decimal::operate(args, operator, overflow),
        DataType::Duration(_) => whole::<DurationMicrosecondType>(args, operator, overflow),
        DataType::Interval(_) => whole::<IntervalYearMonthType>(args, operator, overflow),
        other => not_impl_err!("arithmetic on {other}"),
    }
}

fn whole<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>>(
    args: &Args<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<ArrayRef> {
    let (left, right) = (args.values::<T>(0)?, args.values::<T>(1)?);
    let divides =
        matches!(operator, Operator::Divide | Operator::Div | Operator::Remainder | Operator::Pmod);
    let checked = |l: T::Native, r: T::Native| match operator {
        Operator::Add => l.add_checked(r),
        Operator::Subtract => l.sub_checked(r),
        Operator::Multiply => l.mul_checked(r),
        Operator::Divide | Operator::Div => l.div_checked(r),
        // The minimum value has the remainder 0, not an overflow.
        Operator::Remainder if r.is_zero() => l.mod_checked(r),
        Operator::Remainder => Ok(l.mod_wrapping(r)),
        Operator::Pmod if r.is_zero() => l.mod_checked(r),
        Operator::Pmod => {
            let rest = l.mod_wrapping(r);
            Ok(if rest.is_lt(T::Native::ZERO) {
                rest.add_wrapping(r).mod_wrapping(r)
            } else {
                rest
            })
        }
    };
    let wrapping = |l: T::Native, r: T::Native| match operator {
        Operator::Add => Some(l.add_wrapping(r)),
        Operator::Subtract => Some(l.sub_wrapping(r)),
        Operator::Multiply => Some(l.mul_wrapping(r)),
        _ if r.is_zero() => None,
        Operator::Divide | Operator::Div => Some(l.div_wrapping(r)),
        _ => checked(l, r).ok(),
    };
    let result: PrimitiveArray<T> = match overflow {
        Overflow::Fail => try_binary(left, right, checked).map_err(|error| {
            let pair = left.iter().zip(right).filter_map(|(l, r)| Some((l?, r?)));
            let pair = pair.into_iter().find(|(l, r)| checked(*l, *r).is_err());
            match pair {
                Some((l, r)) if !matches!(error, ArrowError::DivideByZero) => {
                    pair_too_large((&l, &r), operator, &T::DATA_TYPE)
                }
                _ => failure(&error, operator, T::DATA_TYPE),
            }
        })?,
        Overflow::Wrap if !divides => {
            try_binary(left, right, |l, r| wrapping(l, r).ok_or(ArrowError::DivideByZero))?
        }
        Overflow::Wrap => pairs(left, right, wrapping),
        Overflow::Null => pairs(left, right, |l, r| checked(l, r).ok()),
    };
    Ok(Arc::new(result.with_data_type(args.array(0)?.data_type().clone())))
}

fn pairs<T: ArrowPrimitiveType>(
    left: &PrimitiveArray<T>,
    right: &PrimitiveArray<T>,
    of: impl Fn(T::Native, T::Native) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    left.iter().zip(right).map(|(l, r)| of(l?, r?)).collect()
}

fn floating<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>>(
    args: &Args<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<ArrayRef> {
    let (left, right) = (args.values::<T>(0)?, args.values::<T>(1)?);
    let of = |l: T::Native, r: T::Native| match operator {
        Operator::Add => Ok(l.add_wrapping(r)),
        Operator::Subtract => Ok(l.sub_wrapping(r)),
        Operator::Multiply => Ok(l.mul_wrapping(r)),
        _ if r.is_zero() => Err(ArrowError::DivideByZero),
        Operator::Divide | Operator::Div => Ok(l.div_wrapping(r)),
        Operator::Remainder => Ok(l.mod_wrapping(r)),
        Operator::Pmod => {
            let rest = l.mod_wrapping(r);
            Ok(if rest.is_lt(T::Native::ZERO) {
                rest.add_wrapping(r).mod_wrapping(r)
            } else {
                rest
            })
        }
    };
    let result: PrimitiveArray<T> = match overflow {
        Overflow::Fail => {
            try_binary(left, right, of).map_err(|e| failure(&e, operator, T::DATA_TYPE))?
        }
        Overflow::Wrap | Overflow::Null => pairs(left, right, |l, r| of(l, r).ok()),
    };
    Ok(Arc::new(result))
}

/// The error of an operator with Spark's message.
fn failure(error: &ArrowError, operator: Operator, data_type: DataType) -> DataFusionError {
    match error {
        ArrowError::DivideByZero => zero(operator),
        _ => too_large(operator, &data_type),
    }
}

/// The error for a division by zero.
pub(in crate::scalar) fn zero(operator: Operator) -> DataFusionError {
    let (class, what, alternative) = match operator {
        Operator::Remainder | Operator::Pmod => {
            (condition::REMAINDER_BY_ZERO, "Remainder", "try_mod")
        }
        _ => (condition::DIVIDE_BY_ZERO, "Division", "try_divide"),
    };
    run_time_error(
        class,
        format!(
            "{what} by zero. Use `{alternative}` to tolerate divisor being 0 and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
        ),
    )
}

/// The error for an overflow of two values. For small types, Spark's message contains them, as
/// short integers.
fn pair_too_large(
    (left, right): (&dyn Debug, &dyn Debug),
    operator: Operator,
    data_type: &DataType,
) -> DataFusionError {
    let (sign, alternative) = match (data_type, operator) {
        (DataType::Int8 | DataType::Int16, Operator::Add) => ("+", "try_add"),
        (DataType::Int8 | DataType::Int16, Operator::Subtract) => ("-", "try_subtract"),
        (DataType::Int8 | DataType::Int16, Operator::Multiply) => ("*", "try_multiply"),
        _ => return too_large(operator, data_type),
    };
    run_time_error(
        condition::BINARY_ARITHMETIC_OVERFLOW,
        format!(
            "{left:?}S {sign} {right:?}S caused overflow. Use `{alternative}` to ignore overflow problem and return NULL."
        ),
    )
}

fn too_large(operator: Operator, data_type: &DataType) -> DataFusionError {
    let alternative = match operator {
        Operator::Add => " Use 'try_add' to tolerate overflow and return NULL instead.",
        Operator::Subtract => " Use 'try_subtract' to tolerate overflow and return NULL instead.",
        Operator::Multiply => " Use 'try_multiply' to tolerate overflow and return NULL instead.",
        Operator::Div => " Use 'try_divide' to tolerate overflow and return NULL instead.",
        _ => "",
    };
    let kind = match data_type {
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Duration(_) | DataType::Interval(_) => "interval",
        _ => "",
    };
    overflowed(
        &if kind.is_empty() { "Overflow".to_owned() } else { format!("{kind} overflow") },
        alternative,
    )
}

/// The error for an overflow; `alternative` is a sentence with a leading space, or empty.
pub(in crate::scalar) fn overflowed(what: &str, alternative: &str) -> DataFusionError {
    run_time_error(
        condition::ARITHMETIC_OVERFLOW,
        format!(
            "{what}.{alternative} If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
        ),
    )
}

/// `-x` and `abs(x)`: only the minimum value overflows.
pub(in crate::scalar) fn unary(
    args: &Args<'_>,
    absolute: bool,
    overflow: Overflow,
) -> Result<ArrayRef> {
    fn each<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>>(
        args: &Args<'_>,
        absolute: bool,
        overflow: Overflow,
    ) -> Result<ArrayRef> {
        let values = args.values::<T>(0)?;
        let result: PrimitiveArray<T> = try_unary(values, |v: T::Native| {
            if absolute && !v.is_lt(T::Native::ZERO) {
                return Ok(v);
            }
            match overflow {
                Overflow::Fail => v.neg_checked(),
                _ => Ok(v.neg_wrapping()),
            }
        })
        .map_err(|e: ArrowError| failure(&e, Operator::Remainder, T::DATA_TYPE))?;
        Ok(Arc::new(result.with_data_type(values.data_type().clone())))
    }
    match args.array(0)?.data_type() {
        DataType::Int8 => each::<Int8Type>(args, absolute, overflow),
        DataType::Int16 => each::<Int16Type>(args, absolute, overflow),
        DataType::Int32 => each::<Int32Type>(args, absolute, overflow),
        DataType::Int64 => each::<Int64Type>(args, absolute, overflow),
        DataType::Float32 => {
            let values = args.values::<Float32Type>(0)?;
            Ok(Arc::new(values.unary::<_, Float32Type>(|v| if absolute { v.abs() } else { -v })))
        }
        DataType::Float64 => {
            let values = args.values::<Float64Type>(0)?;
            Ok(Arc::new(values.unary::<_, Float64Type>(|v| if absolute { v.abs() } else { -v })))
        }
        DataType::Decimal128(..) => {
            let values = args.values::<Decimal128Type>(0)?;
            let result = values.unary::<_, Decimal128Type>(|v| if absolute { v.abs() } else { -v });
            Ok(Arc::new(result.with_data_type(values.data_type().clone())))
        }
        DataType::Duration(_) => each::<DurationMicrosecondType>(args, absolute, overflow),
        DataType::Interval(_) => each::<IntervalYearMonthType>(args, absolute, overflow),
        DataType::Null => Ok(Arc::clone(args.array(0)?)),
        other => not_impl_err!("arithmetic on {other}"),
    }
}
