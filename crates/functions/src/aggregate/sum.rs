//! Sums of whole numbers with overflow checks, and averages of decimals with half-up rounding.

use errors::condition;
use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::fold::Fold;
use crate::run_time_error;

/// `sum` of `bigint` in ANSI mode.
pub(super) const SUM: Fold = Fold {
    name: "spark_sum",
    returns: |_| DataType::Int64,
    state: |_| vec![DataType::Int64],
    make: |_| Ok(Box::new(Sum { value: 0, count: 0, checked: true })),
    groups: Some(|_| Box::new(Sums { checked: true, ..Sums::default() })),
    empty_is_list: false,
};

/// `sum` of `bigint` outside of ANSI mode.
pub(super) const SUM_WRAP: Fold = Fold {
    name: "spark_sum_wrap",
    make: |_| Ok(Box::new(Sum { value: 0, count: 0, checked: false })),
    groups: Some(|_| Box::new(Sums { checked: false, ..Sums::default() })),
    ..SUM
};

/// `try_sum` of `bigint`: null if the total overflows.
pub(super) const TRY_SUM: Fold = Fold {
    name: "spark_try_sum",
    state: |_| vec![DataType::Decimal128(38, 0)],
    make: |_| Ok(Box::new(TrySum { value: None })),
    groups: None,
    ..SUM
};

/// `avg` of decimals.
pub(super) const AVERAGE: Fold = Fold {
    name: "spark_avg",
    returns: average_type,
    state: |types| vec![sum_type(types), DataType::Int64],
    make: |args| {
        let types: Vec<_> = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Average { sum: 0, count: 0, types: DecimalTypes::of(&types) }))
    },
    groups: Some(|types| {
        Box::new(Averages { types: DecimalTypes::of(types), sums: Vec::new(), counts: Vec::new() })
    }),
    empty_is_list: false,
};

fn overflow() -> DataFusionError {
    run_time_error(
        condition::ARITHMETIC_OVERFLOW,
        "long overflow. Use 'try_sum' to tolerate overflow and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
    )
}

fn plus(left: i64, right: i64, checked: bool) -> Result<i64> {
    if checked {
        left.checked_add(right).ok_or_else(overflow)
    } else {
        Ok(left.wrapping_add(right))
    }
}

#[derive(Debug)]
struct Sum {
    value: i64,
    count: i64,
    checked: bool,
}

impl Accumulator for Sum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<Int64Type>();
        for value in values.iter().flatten() {
            self.value = plus(self.value, value, self.checked)?;
            self.count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Int64Type>().iter().flatten() {
            self.value = self.value.wrapping_sub(value);
            self.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64((self.count > 0).then_some(self.value)))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct TrySum {
    value: Option<i128>,
}

impl Accumulator for TrySum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Int64Type>().iter().flatten() {
            self.value = Some(self.value.unwrap_or_default() + i128::from(value));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for value in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.value = Some(self.value.unwrap_or_default() + value);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128(self.value, 38, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(self.value.and_then(|v| i64::try_from(v).ok())))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// Calls `each` with the group and value of each row that is not null and not filtered out.
pub(super) fn counted<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    groups: &[usize],
    filter: Option<&BooleanArray>,
    mut each: impl FnMut(usize, T::Native) -> Result<()>,
) -> Result<()> {
    let mut rows = groups.iter().zip(values.values());
    if filter.is_none() && values.null_count() == 0 {
        return rows.try_for_each(|(group, value)| each(*group, *value));
    }
    for (row, (group, value)) in rows.enumerate() {
        let kept = filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        if kept && values.is_valid(row) {
            each(*group, *value)?;
        }
    }
    Ok(())
}

/// The values that are not filtered out, null for other rows: the partial sum of each row on its
/// own.
pub(super) fn counted_or_null<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    filter: Option<&BooleanArray>,
) -> PrimitiveArray<T> {
    let kept = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
    values.iter().enumerate().map(|(row, value)| value.filter(|_| kept(row))).collect()
}

#[derive(Debug, Default)]
struct Sums {
    values: Vec<i64>,
    seen: Vec<bool>,
    checked: bool,
}

impl GroupsAccumulator for Sums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.values.resize(total, 0);
        self.seen.resize(total, false);
        counted(values[0].as_primitive::<Int64Type>(), groups, filter, |group, value| {
            self.values[group] = plus(self.values[group], value, self.checked)?;
            self.seen[group] = true;
            Ok(())
        })
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(values, groups, None, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let values = emit_to.take_needed(&mut self.values);
        let seen = emit_to.take_needed(&mut self.seen);
        let sums = values.into_iter().zip(seen).map(|(value, seen)| seen.then_some(value));
        Ok(Arc::new(sums.collect::<PrimitiveArray<Int64Type>>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<Int64Type>();
        Ok(vec![Arc::new(counted_or_null(values, filter))])
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<i64>() + self.seen.capacity()
    }
}

pub(super) fn sum_type(types: &[DataType]) -> DataType {
    match types.first() {
        Some(DataType::Decimal128(precision, scale)) => {
            DataType::Decimal128((precision + 10).min(38), *scale)
        }
        _ => DataType::Decimal128(38, 18),
    }
}

fn average_type(types: &[DataType]) -> DataType {
    match types.first() {
        Some(DataType::Decimal128(precision, scale)) => {
            DataType::Decimal128((precision + 4).min(38), (scale + 4).min(38))
        }
        _ => DataType::Decimal128(38, 22),
    }
}

#[derive(Debug, Clone)]
struct DecimalTypes {
    sum: DataType,
    average: DataType,
    /// The number of decimal places that the average has in addition to those of the sum.
    digits: u32,
}

impl DecimalTypes {
    fn of(types: &[DataType]) -> Self {
        let (sum, average) = (sum_type(types), average_type(types));
        let digits = match (&sum, &average) {
            (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) => {
                (to - from).unsigned_abs().into()
            }
            _ => 0,
        };
        Self { sum, average, digits }
    }

    /// The quotient, with half-up rounding.
    fn average(&self, sum: i128, count: i64) -> Option<i128> {
        if count == 0 {
            return None;
        }
        let (count, unit) = (i128::from(count), 10_i128.pow(self.digits));
        let (whole, rest) = (sum / count, sum % count);
        let rest = rest * unit;
        let (part, rest) = (rest / count, rest % count);
        let up = if rest.abs() * 2 >= count { sum.signum() } else { 0 };
        whole.checked_mul(unit)?.checked_add(part + up)
    }

    fn sum(&self, value: i128) -> ScalarValue {
        match self.sum {
            DataType::Decimal128(precision, scale) => {
                ScalarValue::Decimal128(Some(value), precision, scale)
            }
            _ => ScalarValue::Null,
        }
    }
}

pub(super) fn sum_overflow() -> DataFusionError {
    run_time_error(
        condition::ARITHMETIC_OVERFLOW,
        "Overflow in sum of decimals. Use 'try_sum' to tolerate overflow and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
    )
}

#[derive(Debug)]
struct Average {
    sum: i128,
    count: i64,
    types: DecimalTypes,
}

impl Accumulator for Average {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum = self.sum.checked_add(value).ok_or_else(sum_overflow)?;
            self.count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum -= value;
            self.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sums = states[0].as_primitive::<Decimal128Type>();
        let counts = states[1].as_primitive::<Int64Type>();
        for (sum, count) in sums.iter().zip(counts) {
            self.sum = self.sum.checked_add(sum.unwrap_or_default()).ok_or_else(sum_overflow)?;
            self.count += count.unwrap_or_default();
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.types.sum(self.sum), ScalarValue::Int64(Some(self.count))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.types.average {
            DataType::Decimal128(precision, scale) => Ok(ScalarValue::Decimal128(
                self.types.average(self.sum, self.count),
                precision,
                scale,
            )),
            _ => Ok(ScalarValue::Null),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct Averages {
    types: DecimalTypes,
    sums: Vec<i128>,
    counts: Vec<i64>,
}

impl GroupsAccumulator for Averages {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, 0);
        self.counts.resize(total, 0);
        counted(values[0].as_primitive::<Decimal128Type>(), groups, filter, |group, value| {
            self.sums[group] = self.sums[group].checked_add(value).ok_or_else(sum_overflow)?;
            self.counts[group] += 1;
            Ok(())
        })
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.sums.resize(total, 0);
        self.counts.resize(total, 0);
        counted(values[0].as_primitive::<Decimal128Type>(), groups, None, |group, sum| {
            self.sums[group] = self.sums[group].checked_add(sum).ok_or_else(sum_overflow)?;
            Ok(())
        })?;
        counted(values[1].as_primitive::<Int64Type>(), groups, None, |group, count| {
            self.counts[group] += count;
            Ok(())
        })
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        let averages =
            sums.into_iter().zip(counts).map(|(sum, count)| self.types.average(sum, count));
        let averages: PrimitiveArray<Decimal128Type> = averages.collect();
        Ok(Arc::new(averages.with_data_type(self.types.average.clone())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = PrimitiveArray::<Decimal128Type>::from(emit_to.take_needed(&mut self.sums));
        let counts = PrimitiveArray::<Int64Type>::from(emit_to.take_needed(&mut self.counts));
        Ok(vec![Arc::new(sums.with_data_type(self.types.sum.clone())), Arc::new(counts)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<Decimal128Type>();
        let kept = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        let counts =
            (0..values.len()).map(|row| Some(i64::from(values.is_valid(row) && kept(row))));
        let counts: PrimitiveArray<Int64Type> = counts.collect();
        let sums = values
            .iter()
            .enumerate()
            .map(|(row, v)| Some(v.filter(|_| kept(row)).unwrap_or_default()));
        let sums: PrimitiveArray<Decimal128Type> = sums.collect();
        Ok(vec![Arc::new(sums.with_data_type(self.types.sum.clone())), Arc::new(counts)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}
