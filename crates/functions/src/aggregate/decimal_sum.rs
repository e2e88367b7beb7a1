//! Sums of decimals, with checks for overflow beyond 38 digits.

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::fold::Fold;
use super::sum::{counted, counted_or_null, sum_overflow, sum_type};

/// `sum` of decimals in ANSI mode: overflow is an error.
pub(super) const SUM: Fold = Fold {
    name: "spark_sum_decimal",
    returns: sum_type,
    state: |types| vec![sum_type(types), DataType::Boolean],
    make: |args| {
        let types: Vec<_> = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Sum { total: Total::default(), of: sum_type(&types), fails: true }))
    },
    groups: Some(|types| Box::new(Sums { totals: Vec::new(), of: sum_type(types), fails: true })),
    empty_is_list: false,
};

/// `try_sum`, and `sum` outside of ANSI mode: overflow gives null.
pub(super) const SUM_OR_NULL: Fold = Fold {
    name: "spark_sum_decimal_or_null",
    make: |args| {
        let types: Vec<_> = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Sum { total: Total::default(), of: sum_type(&types), fails: false }))
    },
    groups: Some(|types| Box::new(Sums { totals: Vec::new(), of: sum_type(types), fails: false })),
    ..SUM
};

/// The smallest number with 39 digits.
const LIMIT: i128 = 10_i128.pow(38);

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    value: i128,
    count: u64,
    overflowed: bool,
}

impl Total {
    #[inline]
    fn add(&mut self, value: i128) {
        let (sum, over) = self.value.overflowing_add(value);
        self.value = sum;
        self.overflowed |= over;
        self.count += 1;
    }

    /// The sum, `None` if there were no values; and whether it overflowed.
    fn result(self, fails: bool) -> Result<(Option<i128>, bool)> {
        let over = self.overflowed || self.value >= LIMIT || self.value <= -LIMIT;
        if over && fails {
            return Err(sum_overflow());
        }
        Ok(((self.count > 0 && !over).then_some(self.value), over))
    }

    fn merge(&mut self, sum: Option<i128>, overflowed: bool) {
        if let Some(sum) = sum {
            self.add(sum);
        }
        self.overflowed |= overflowed;
    }
}

fn scalar(value: Option<i128>, of: &DataType) -> ScalarValue {
    match of {
        DataType::Decimal128(precision, scale) => {
            ScalarValue::Decimal128(value, *precision, *scale)
        }
        _ => ScalarValue::Null,
    }
}

#[derive(Debug)]
struct Sum {
    total: Total,
    of: DataType,
    fails: bool,
}

impl Accumulator for Sum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.total.add(value);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            let (rest, over) = self.total.value.overflowing_sub(value);
            self.total.value = rest;
            self.total.overflowed |= over;
            self.total.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (sums, overflows) =
            (states[0].as_primitive::<Decimal128Type>(), states[1].as_boolean());
        for (sum, overflowed) in sums.iter().zip(overflows) {
            self.total.merge(sum, overflowed == Some(true));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (sum, over) = self.total.result(self.fails)?;
        Ok(vec![scalar(sum, &self.of), ScalarValue::from(over)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(scalar(self.total.result(self.fails)?.0, &self.of))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct Sums {
    totals: Vec<Total>,
    of: DataType,
    fails: bool,
}

impl Sums {
    fn emit(&mut self, emit_to: EmitTo) -> Result<(ArrayRef, ArrayRef)> {
        let totals = emit_to.take_needed(&mut self.totals);
        let results =
            totals.into_iter().map(|total| total.result(self.fails)).collect::<Result<Vec<_>>>()?;
        let sums: PrimitiveArray<Decimal128Type> = results.iter().map(|(sum, _)| *sum).collect();
        let overflows: BooleanArray = results.iter().map(|(_, over)| Some(*over)).collect();
        Ok((Arc::new(sums.with_data_type(self.of.clone())), Arc::new(overflows)))
    }
}

impl GroupsAccumulator for Sums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.totals.resize(total, Total::default());
        let values = values[0].as_primitive::<Decimal128Type>();
        counted(values, groups, filter, |group, value| {
            self.totals[group].add(value);
            Ok(())
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.totals.resize(total, Total::default());
        let (sums, overflows) =
            (states[0].as_primitive::<Decimal128Type>(), states[1].as_boolean());
        for ((sum, overflowed), group) in sums.iter().zip(overflows).zip(groups) {
            self.totals[*group].merge(sum, overflowed == Some(true));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to)?.0)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, overflows) = self.emit(emit_to)?;
        Ok(vec![sums, overflows])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<Decimal128Type>();
        let sums = counted_or_null(values, filter);
        let overflows = BooleanArray::from(vec![false; values.len()]);
        Ok(vec![Arc::new(sums.with_data_type(self.of.clone())), Arc::new(overflows)])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<Total>()
    }
}
