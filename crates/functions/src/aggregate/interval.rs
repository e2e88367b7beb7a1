//! `sum` and `avg` of year-month and day-time intervals. The total is wider than an interval, so
//! that only the final result can overflow.

use errors::condition;
use std::mem::size_of;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, DurationMicrosecondType, Int64Type, IntervalYearMonthType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;

use super::fold::Fold;
use crate::run_time_error;
use crate::types::{DAY_TIME, YEAR_MONTH};

/// `sum`.
pub(super) const SUM: Fold = Fold {
    name: "spark_sum_interval",
    returns: first,
    state: |_| vec![DataType::Decimal128(38, 0), DataType::Int64],
    make: |args| made(args, Finish::Sum, TooLarge::Fails),
    groups: None,
    empty_is_list: false,
};
/// `try_sum`.
pub(super) const TRY_SUM: Fold = Fold {
    name: "spark_try_sum_interval",
    make: |args| made(args, Finish::Sum, TooLarge::IsNull),
    ..SUM
};
/// `avg`, rounded half away from zero to the unit of the interval's precision.
pub(super) const AVERAGE: Fold = Fold {
    name: "spark_avg_interval",
    make: |args| made(args, Finish::Average, TooLarge::Fails),
    ..SUM
};
/// `try_avg`.
pub(super) const TRY_AVERAGE: Fold = Fold {
    name: "spark_try_avg_interval",
    make: |args| made(args, Finish::Average, TooLarge::IsNull),
    ..SUM
};

/// Whether a type is a year-month or day-time interval.
pub(super) fn has_fields(data_type: &DataType) -> bool {
    *data_type == DAY_TIME || *data_type == YEAR_MONTH
}

fn first(types: &[DataType]) -> DataType {
    types.first().cloned().unwrap_or(DAY_TIME)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    Sum,
    Average,
}

/// The result for a total that exceeds the range of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TooLarge {
    Fails,
    IsNull,
}

fn made(
    args: &AccumulatorArgs<'_>,
    finish: Finish,
    too_large: TooLarge,
) -> Result<Box<dyn Accumulator>> {
    let data_type = args.return_field.data_type().clone();
    Ok(Box::new(Total { sum: 0, count: 0, data_type, finish, too_large }))
}

#[derive(Debug)]
struct Total {
    sum: i128,
    count: i64,
    data_type: DataType,
    finish: Finish,
    too_large: TooLarge,
}

fn each(values: &ArrayRef, mut of: impl FnMut(i128)) {
    if *values.data_type() == DAY_TIME {
        let values = values.as_primitive::<DurationMicrosecondType>();
        values.iter().flatten().for_each(|value| of(value.into()));
    } else {
        let values = values.as_primitive::<IntervalYearMonthType>();
        values.iter().flatten().for_each(|value| of(value.into()));
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(&values[0], |value| {
            self.sum += value;
            self.count += 1;
        });
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(&values[0], |value| {
            self.sum -= value;
            self.count -= 1;
        });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.sum += states[0].as_primitive::<Decimal128Type>().iter().flatten().sum::<i128>();
        self.count += states[1].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Decimal128(Some(self.sum), 38, 0),
            ScalarValue::Int64(Some(self.count)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.data_type);
        }
        // Even for the average, the sum must be within the range of an interval.
        let sum = i64::try_from(self.sum).ok();
        let sum = sum.filter(|sum| self.data_type == DAY_TIME || i32::try_from(*sum).is_ok());
        let value = match (sum, self.finish) {
            (Some(sum), Finish::Sum) => Some(sum),
            (Some(sum), Finish::Average) => Some(divided(sum, self.count)),
            (None, _) if self.too_large == TooLarge::IsNull => None,
            (None, _) => {
                return Err(run_time_error(
                    condition::INTERVAL_ARITHMETIC_OVERFLOW_WITH_SUGGESTION,
                    "Integer overflow while operating with intervals. Use `try_add` to tolerate overflow and return NULL instead.",
                ));
            }
        };
        Ok(if self.data_type == DAY_TIME {
            ScalarValue::DurationMicrosecond(value)
        } else {
            ScalarValue::IntervalYearMonth(value.and_then(|value| i32::try_from(value).ok()))
        })
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The quotient, rounded half away from zero.
fn divided(sum: i64, count: i64) -> i64 {
    let (quotient, rest) = (sum / count, sum % count);
    let is_half = i128::from(rest.abs()) * 2 >= i128::from(count);
    quotient + if is_half { sum.signum() } else { 0 }
}
