//! Decimal arithmetic whose result has a different scale than Arrow's, with 256-bit intermediates.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray};
use datafusion::arrow::compute::try_binary;
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, DataType, Decimal128Type, i256};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, not_impl_err};

use super::arithmetic::{Operator, Overflow, zero};
use crate::kernel::Args;
use crate::run_time_error;

/// Applies an operator to decimals; the return type determines the scale.
pub(in crate::scalar) fn operate(
    args: &Args<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<ArrayRef> {
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
    let narrow = Narrow::new(operator, scales, *precision);
    let divides = !matches!(operator, Operator::Add | Operator::Subtract | Operator::Multiply);
    let of = |l: i128, r: i128| {
        if r == 0 && divides {
            return Err(ArrowError::DivideByZero);
        }
        if let Some(value) = narrow.and_then(|narrow| narrow.apply(l, r)) {
            return Ok(value);
        }
        let value = exact(i256::from_i128(l), i256::from_i128(r), operator, scales);
        let value = value.filter(|v| *v < limit && *v > limit.neg_wrapping());
        let large = || ArrowError::ArithmeticOverflow(String::new());
        value.and_then(i256::to_i128).ok_or_else(large)
    };
    let array: PrimitiveArray<Decimal128Type> = if overflow == Overflow::Fail {
        try_binary(left, right, of).map_err(|error| match error {
            ArrowError::DivideByZero => zero(operator),
            _ => too_large(*precision, *scale),
        })?
    } else {
        left.iter().zip(right).map(|(l, r)| of(l?, r?).ok()).collect()
    };
    Ok(Arc::new(array.with_data_type(args.returns.clone())))
}

/// The same computation in 128 bits, many times faster; it fits nearly all operators and values.
#[derive(Debug, Clone, Copy)]
struct Narrow {
    operator: Operator,
    /// Factors of the left and the right operand, applied first.
    factors: (i128, i128),
    /// Divisor of the result, which is rounded half up.
    divisor: i128,
    /// The smallest magnitude with too many digits.
    limit: i128,
}

impl Narrow {
    fn new(operator: Operator, (s1, s2, scale): (i32, i32, i32), precision: u8) -> Option<Self> {
        let power = |shift: i32| 10_i128.checked_pow(shift.try_into().ok()?);
        let limit = power(precision.into())?;
        let common = s1.max(s2);
        let (factors, divisor) = match operator {
            Operator::Add | Operator::Subtract => {
                ((power(common - s1)?, power(common - s2)?), power(common - scale)?)
            }
            Operator::Multiply => ((1, 1), power(s1 + s2 - scale)?),
            Operator::Divide => ((power(scale - s1 + s2)?, 1), 1),
            Operator::Div | Operator::Remainder | Operator::Pmod => return None,
        };
        Some(Self { operator, factors, divisor, limit })
    }

    /// `None` if the result or an intermediate does not fit.
    fn apply(&self, l: i128, r: i128) -> Option<i128> {
        let l = if self.factors.0 == 1 { l } else { l.checked_mul(self.factors.0)? };
        let r = if self.factors.1 == 1 { r } else { r.checked_mul(self.factors.1)? };
        let value = match self.operator {
            Operator::Add => l.checked_add(r)?,
            Operator::Subtract => l.checked_sub(r)?,
            Operator::Multiply => l.checked_mul(r)?,
            _ => half_up(l, r)?,
        };
        let value = if self.divisor == 1 { value } else { half_up(value, self.divisor)? };
        (-self.limit < value && value < self.limit).then_some(value)
    }
}

/// A quotient rounded half up (ties away from zero).
fn half_up(value: i128, divisor: i128) -> Option<i128> {
    let quotient = value.checked_div(divisor)?;
    let rest = value - quotient * divisor;
    if rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() {
        let down = (value < 0) != (divisor < 0);
        return quotient.checked_add(if down { -1 } else { 1 });
    }
    Some(quotient)
}

fn too_large(precision: u8, scale: i8) -> datafusion::common::DataFusionError {
    run_time_error(
        condition::NUMERIC_VALUE_OUT_OF_RANGE_WITH_SUGGESTION,
        format!(
            "The value cannot be represented as Decimal({precision}, {scale}). If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error, and return NULL instead."
        ),
    )
}

fn power(exponent: i32) -> i256 {
    i256::from_i128(10).pow_wrapping(exponent.unsigned_abs().min(76))
}

/// `value * 10^shift`, rounded half up if digits are dropped.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 128-bit and exact arithmetic must agree wherever 128 bits suffice.
    #[test]
    fn the_quick_way_gives_what_the_exact_one_gives() {
        let most = 10_i128.pow(38) - 1;
        let values = [
            0,
            1,
            -1,
            5,
            -5,
            49,
            50,
            51,
            149,
            150,
            -150,
            999_999,
            -123_456_789,
            i128::from(i64::MAX),
            most,
            -most,
        ];
        let operators = [Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide];
        let scales =
            [(0, 0, 0), (2, 2, 4), (2, 4, 6), (4, 2, 3), (10, 10, 6), (18, 18, 18), (0, 38, 6)];
        let mut compared = 0;
        for (operator, scales) in operators.iter().flat_map(|o| scales.map(|s| (*o, s))) {
            let Some(narrow) = Narrow::new(operator, scales, 38) else { continue };
            for (l, r) in values.iter().flat_map(|l| values.map(|r| (*l, r))) {
                let Some(value) = narrow.apply(l, r) else { continue };
                let exact = exact(i256::from_i128(l), i256::from_i128(r), operator, scales);
                assert_eq!(Some(i256::from_i128(value)), exact, "{l} {operator:?} {r} {scales:?}");
                compared += 1;
            }
        }
        assert!(compared > 2000, "{compared}");
    }
}
