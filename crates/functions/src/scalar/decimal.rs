//! Decimal arithmetic whose result has another scale than Arrow's, with 256-bit intermediates.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, DataType, Decimal128Type, i256};
use datafusion::common::{Result, not_impl_err};

use super::arithmetic::{Operator, Overflow, zero};
use crate::kernel::Args;
use crate::run_time_error;

/// Runs an operator over decimals; the result's type says where its point is.
pub(super) fn operate(args: &Args<'_>, operator: Operator, overflow: Overflow) -> Result<ArrayRef> {
    let (left, right) = (args.values::<Decimal128Type>(0)?, args.values::<Decimal128Type>(1)?);
    let (
        DataType::Decimal128(_, s1),
        DataType::Decimal128(_, s2),
        DataType::Decimal128(precision, scale),
    ) = (left.data_type(), right.data_type(), args.returns)
    else {
        return not_impl_err!("decimal arithmetic to {}", args.returns);
    };
    let scales = (i32::from(*s1), i32::from(*s2), i32::from(*scale));
    let limit = power(i32::from(*precision));
    let mut out = Vec::with_capacity(args.rows);
    for pair in left.iter().zip(right) {
        let (Some(l), Some(r)) = pair else {
            out.push(None);
            continue;
        };
        if r == 0 && !matches!(operator, Operator::Add | Operator::Subtract | Operator::Multiply) {
            if overflow == Overflow::Fail {
                return Err(zero(operator));
            }
            out.push(None);
            continue;
        }
        let value = exact(i256::from_i128(l), i256::from_i128(r), operator, scales);
        match value.filter(|v| *v < limit && *v > limit.neg_wrapping()).and_then(i256::to_i128) {
            Some(value) => out.push(Some(value)),
            None if overflow == Overflow::Fail => return Err(too_large(*precision, *scale)),
            None => out.push(None),
        }
    }
    let array: PrimitiveArray<Decimal128Type> = out.into_iter().collect();
    Ok(Arc::new(array.with_data_type(args.returns.clone())))
}

fn too_large(precision: u8, scale: i8) -> datafusion::common::DataFusionError {
    run_time_error(
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
        format!(
            "The value cannot be represented as Decimal({precision}, {scale}). If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error, and return NULL instead."
        ),
    )
}

fn power(exponent: i32) -> i256 {
    i256::from_i128(10).pow_wrapping(exponent.unsigned_abs().min(76))
}

/// `value * 10^shift`, rounded half up when digits go.
fn shifted(value: i256, shift: i32) -> Option<i256> {
    if shift >= 0 {
        return if shift > 76 { None } else { value.mul_checked(power(shift)).ok() };
    }
    if shift < -76 {
        return Some(i256::ZERO);
    }
    divided(value, power(-shift))
}

/// A quotient rounded half up.
fn divided(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.div_checked(divisor).ok()?;
    let rest = value.mod_checked(divisor).ok()?;
    let magnitude = |v: i256| if v.is_negative() { v.neg_wrapping() } else { v };
    if magnitude(rest).mul_checked(i256::from_i128(2)).ok()? >= magnitude(divisor) {
        let one = i256::ONE;
        let down = value.is_negative() != divisor.is_negative();
        return if down { quotient.sub_checked(one).ok() } else { quotient.add_checked(one).ok() };
    }
    Some(quotient)
}

fn exact(l: i256, r: i256, operator: Operator, (s1, s2, scale): (i32, i32, i32)) -> Option<i256> {
    let common = s1.max(s2);
    let aligned = || Some((shifted(l, common - s1)?, shifted(r, common - s2)?));
    match operator {
        Operator::Add | Operator::Subtract => {
            let (l, r) = aligned()?;
            let sum = if operator == Operator::Add { l.add_checked(r) } else { l.sub_checked(r) };
            shifted(sum.ok()?, scale - common)
        }
        Operator::Multiply => shifted(l.mul_checked(r).ok()?, scale - s1 - s2),
        Operator::Divide => {
            let shift = scale - s1 + s2;
            if shift >= 0 {
                divided(shifted(l, shift)?, r)
            } else {
                divided(l, r.mul_checked(power(-shift)).ok()?)
            }
        }
        Operator::Div => {
            let (l, r) = aligned()?;
            l.div_checked(r).ok()
        }
        Operator::Remainder => {
            let (l, r) = aligned()?;
            shifted(l.mod_checked(r).ok()?, scale - common)
        }
        Operator::Pmod => {
            let (l, r) = aligned()?;
            let rest = l.mod_checked(r).ok()?;
            let rest = if rest.is_negative() {
                rest.add_checked(r).ok()?.mod_checked(r).ok()?
            } else {
                rest
            };
            shifted(rest, scale - common)
        }
    }
}
