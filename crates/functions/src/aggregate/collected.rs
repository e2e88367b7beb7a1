//! Aggregates that need all values at the end: arrays, percentiles, modes.

use std::cmp::Ordering;
use std::collections::HashMap;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, MutableArrayData, UInt64Array, make_array,
};
use datafusion::arrow::compute::{self, SortOptions};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::expressions::Literal;

use super::fold::{Fold, empty_list, list_of};
use crate::types::list;

fn first(types: &[DataType]) -> DataType {
    types.first().cloned().unwrap_or(DataType::Null)
}

const COLLECTED: Fold = Fold {
    name: "spark_collect_list",
    returns: |types| list(first(types)),
    state: |types| vec![list(first(types))],
    make: |args| collected(args, |values, _| list_of(values)),
    groups: None,
    empty_is_list: true,
};

/// `collect_list`.
pub(super) const LIST: Fold = COLLECTED;
/// `collect_set`.
pub(super) const SET: Fold = Fold {
    name: "spark_collect_set",
    make: |args| collected(args, |values, _| list_of(&distinct(values)?)),
    ..COLLECTED
};
/// `percentile(value, fractions)`, with linear interpolation.
pub(super) const PERCENTILE: Fold = Fold {
    name: "spark_percentile",
    returns: |types| per_fraction(types, DataType::Float64),
    make: |args| collected(args, |values, fractions| percentile(values, fractions, interpolated)),
    empty_is_list: false,
    ..COLLECTED
};
/// The same in descending order.
pub(super) const PERCENTILE_DESCENDING: Fold = Fold {
    name: "spark_percentile_descending",
    make: |args| {
        collected(args, |values, fractions| percentile_down(values, fractions, interpolated))
    },
    ..PERCENTILE
};
/// `percentile_disc(value, fractions)`: the first value whose rank reaches the fraction.
pub(super) const PERCENTILE_DISC: Fold = Fold {
    name: "spark_percentile_disc",
    make: |args| collected(args, |values, fractions| percentile(values, fractions, at_rank)),
    ..PERCENTILE
};
/// The same in descending order.
pub(super) const PERCENTILE_DISC_DESCENDING: Fold = Fold {
    name: "spark_percentile_disc_descending",
    make: |args| collected(args, |values, fractions| percentile_down(values, fractions, at_rank)),
    ..PERCENTILE
};
/// `percentile_approx(value, fractions)`: the value at a rank, computed exactly here.
pub(super) const PERCENTILE_APPROX: Fold = Fold {
    name: "spark_percentile_approx",
    returns: |types| per_fraction(types, first(types)),
    make: |args| collected(args, |values, fractions| percentile(values, fractions, at_rank)),
    empty_is_list: false,
    ..COLLECTED
};
/// `mode`.
pub(super) const MODE: Fold = Fold {
    name: "spark_mode",
    returns: first,
    make: |args| collected(args, |values, _| mode(values)),
    empty_is_list: false,
    ..COLLECTED
};
/// The smallest of the most frequent values.
pub(super) const SMALLEST_MODE: Fold = Fold {
    name: "spark_mode_smallest",
    make: |args| collected(args, |values, _| mode(&sorted(values, false)?)),
    ..MODE
};
/// The largest of the most frequent values.
pub(super) const LARGEST_MODE: Fold = Fold {
    name: "spark_mode_largest",
    make: |args| collected(args, |values, _| mode(&sorted(values, true)?)),
    ..MODE
};
/// The result type: an array if the fractions are an array.
pub(super) fn per_fraction(types: &[DataType], value: DataType) -> DataType {
    if matches!(types.get(1), Some(DataType::List(_))) { list(value) } else { value }
}

pub(super) type Finish = fn(&ArrayRef, Option<&ScalarValue>) -> Result<ScalarValue>;

pub(super) fn collected(
    args: &AccumulatorArgs<'_>,
    finish: Finish,
) -> Result<Box<dyn Accumulator>> {
    let parameter = match args.exprs.get(1) {
        None => None,
        Some(expr) => match expr.downcast_ref::<Literal>() {
            Some(literal) => Some(literal.value().clone()),
            None => return exec_err!("the second argument of {} must be a constant", args.name),
        },
    };
    let value_type = args.expr_fields.first().map_or(DataType::Null, |f| f.data_type().clone());
    let returns = args.return_field.data_type().clone();
    Ok(Box::new(Collected { values: Vec::new(), value_type, returns, parameter, finish }))
}

struct Collected {
    values: Vec<ArrayRef>,
    value_type: DataType,
    returns: DataType,
    /// The second argument, which is a constant.
    parameter: Option<ScalarValue>,
    finish: Finish,
}

impl std::fmt::Debug for Collected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collected").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

/// Pieces are put together from this number on, if they add a part to the first.
const PIECES: usize = 4;
const PART: usize = 4;

impl Collected {
    /// Adds values. Those of a group are few of a batch's: they are copied, so that the batch does
    /// not stay for them, and put together, because an array takes more memory than a value.
    fn push(&mut self, values: ArrayRef) -> Result<()> {
        let data = values.to_data();
        let own = data.get_slice_memory_size()?;
        if values.get_buffer_memory_size() / 2 > own {
            let mut copy = MutableArrayData::new(vec![&data], false, data.len());
            copy.try_extend(0, 0, data.len())?;
            self.values.push(make_array(copy.freeze()));
        } else {
            self.values.push(values);
        }
        if let [first, rest @ ..] = &self.values[..]
            && rest.len() >= PIECES
            && rest.iter().map(Array::len).sum::<usize>() * PART >= first.len()
        {
            self.all()?;
        }
        Ok(())
    }

    fn all(&mut self) -> Result<Option<ArrayRef>> {
        if self.values.len() > 1 {
            let arrays: Vec<_> = self.values.iter().map(AsRef::as_ref).collect();
            self.values = vec![compute::concat(&arrays)?];
        }
        Ok(self.values.first().cloned())
    }
}

impl Accumulator for Collected {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = &values[0];
        let valid = if values.logical_null_count() > 0 {
            compute::filter(values, &compute::is_not_null(values)?)?
        } else {
            ArrayRef::clone(values)
        };
        if !valid.is_empty() {
            self.push(valid)?;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        for row in 0..lists.len() {
            if lists.is_valid(row) && lists.value_length(row) > 0 {
                self.push(lists.value(row))?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![match self.all()? {
            Some(values) => list_of(&values)?,
            None => empty_list(&self.value_type),
        }])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.all()? {
            Some(values) => (self.finish)(&values, self.parameter.as_ref()),
            None => match &self.returns {
                DataType::List(field) if self.parameter.is_none() => {
                    Ok(empty_list(field.data_type()))
                }
                returns => ScalarValue::try_from(returns),
            },
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.iter().map(Array::get_array_memory_size).sum::<usize>()
    }
}

/// The number of occurrences and the first index of each value.
fn counts(values: &ArrayRef) -> Result<HashMap<ScalarValue, (u64, usize)>> {
    let mut counts = HashMap::new();
    for row in 0..values.len() {
        counts.entry(ScalarValue::try_from_array(values, row)?).or_insert((0, row)).0 += 1;
    }
    Ok(counts)
}

fn distinct(values: &ArrayRef) -> Result<ArrayRef> {
    let mut rows: Vec<_> = counts(values)?.into_values().map(|(_, row)| row as u64).collect();
    rows.sort_unstable();
    Ok(compute::take(values, &UInt64Array::from(rows), None)?)
}

fn mode(values: &ArrayRef) -> Result<ScalarValue> {
    let best =
        counts(values)?.into_iter().max_by(|(_, (a, at_a)), (_, (b, at_b))| match a.cmp(b) {
            Ordering::Equal => at_b.cmp(at_a),
            different => different,
        });
    match best {
        Some((value, _)) => Ok(value),
        None => ScalarValue::try_from(values.data_type()),
    }
}

type At = fn(&ArrayRef, f64) -> Result<ScalarValue>;

/// Sorts values in Spark's order.
fn sorted(values: &ArrayRef, descending: bool) -> Result<ArrayRef> {
    let options = SortOptions { descending, nulls_first: !descending };
    let field = SortField::new_with_options(values.data_type().clone(), options);
    let rows = RowConverter::new(vec![field])?.convert_columns(&[ArrayRef::clone(values)])?;
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_by_key(|row| rows.row(*row));
    let order = UInt64Array::from_iter_values(order.into_iter().map(|row| row as u64));
    Ok(compute::take(values, &order, None)?)
}

fn percentile(values: &ArrayRef, fractions: Option<&ScalarValue>, at: At) -> Result<ScalarValue> {
    of_sorted(&sorted(values, false)?, fractions, at)
}

fn percentile_down(
    values: &ArrayRef,
    fractions: Option<&ScalarValue>,
    at: At,
) -> Result<ScalarValue> {
    of_sorted(&sorted(values, true)?, fractions, at)
}

fn of_sorted(sorted: &ArrayRef, fractions: Option<&ScalarValue>, at: At) -> Result<ScalarValue> {
    match fractions {
        Some(ScalarValue::Float64(Some(fraction))) => at(sorted, *fraction),
        Some(ScalarValue::List(fractions)) => {
            let fractions = fractions.value(0);
            let results = fractions
                .as_primitive::<Float64Type>()
                .iter()
                .map(|fraction| at(sorted, fraction.unwrap_or_default()))
                .collect::<Result<Vec<_>>>()?;
            let element = results.first().map_or(DataType::Null, ScalarValue::data_type);
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&results, &element)))
        }
        _ => at(sorted, 0.5),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in an array, kept within it"
)]
fn interpolated(sorted: &ArrayRef, fraction: f64) -> Result<ScalarValue> {
    let values = sorted.as_primitive::<Float64Type>();
    let last = values.len() - 1;
    let position = last as f64 * fraction.clamp(0.0, 1.0);
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let (low, high) = (values.value(below), values.value(above));
    let value = if low.total_cmp(&high).is_eq() {
        low
    } else {
        let weight = position - below as f64;
        (1.0 - weight) * low + weight * high
    };
    Ok(ScalarValue::from(value))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in an array, kept within it"
)]
fn at_rank(sorted: &ArrayRef, fraction: f64) -> Result<ScalarValue> {
    let rank = (fraction.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    ScalarValue::try_from_array(sorted, rank.max(1).min(sorted.len()) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::StringArray;
    use std::sync::Arc;

    fn empty() -> Collected {
        let returns = list(DataType::Utf8);
        let finish: Finish = |values, _| list_of(values);
        Collected { values: vec![], value_type: DataType::Utf8, returns, parameter: None, finish }
    }

    #[test]
    fn values_of_a_group_take_their_own_memory_and_not_that_of_all_groups() {
        let all: StringArray = (0..10_000).map(|row| Some(format!("{row:032}"))).collect();
        let mut group = empty();
        for row in (0..10_000).step_by(100) {
            group.update_batch(&[Arc::new(all.slice(row, 1))]).unwrap();
        }
        // A hundred values of 32 bytes.
        assert!(group.size() < 16 << 10, "{}", group.size());
        let ScalarValue::List(found) = group.evaluate().unwrap() else { panic!("a list") };
        let expected: Vec<_> = (0..10_000).step_by(100).map(|row| format!("{row:032}")).collect();
        let found = found.value(0);
        let found: Vec<_> = found.as_string::<i32>().iter().map(Option::unwrap).collect();
        assert_eq!(found, expected);
        // A whole batch is not copied.
        let mut large = empty();
        large.update_batch(&[Arc::new(all.clone())]).unwrap();
        assert!(large.values[0].to_data().ptr_eq(&all.to_data()));
    }
}
