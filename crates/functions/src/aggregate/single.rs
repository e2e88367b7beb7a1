//! The value of a scalar subquery.

use errors::condition;
use std::mem::size_of;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::fold::Fold;
use crate::run_time_error;

/// The value of the only row.
pub(super) const SINGLE: Fold = Fold {
    name: "spark_single_value",
    returns: |types| types.first().cloned().unwrap_or(DataType::Null),
    state: |types| vec![types.first().cloned().unwrap_or(DataType::Null), DataType::Boolean],
    make: |args| {
        let value = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(Single { value, seen: false }))
    },
    groups: None,
    empty_is_list: false,
};

#[derive(Debug)]
struct Single {
    value: ScalarValue,
    seen: bool,
}

impl Single {
    fn take(&mut self, values: &ArrayRef, rows: impl Iterator<Item = usize>) -> Result<()> {
        for row in rows {
            if self.seen {
                return Err(run_time_error(
                    condition::SCALAR_SUBQUERY_TOO_MANY_ROWS,
                    "More than one row returned by a subquery used as an expression.",
                ));
            }
            self.value = ScalarValue::try_from_array(values, row)?;
            self.seen = true;
        }
        Ok(())
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], 0..values[0].len())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let seen: &BooleanArray = states[1].as_boolean();
        self.take(&states[0], (0..seen.len()).filter(|row| seen.is_valid(*row) && seen.value(*row)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::from(self.seen)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.value.size()
    }
}
