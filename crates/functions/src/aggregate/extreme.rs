//! `max_by` and `min_by`: the value at the largest or smallest key, or the values at the given
//! number of largest or smallest keys. Rows with a null key are ignored; equal keys keep the order
//! of their rows.

use std::mem::{size_of, size_of_val};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{OwnedRow, Row};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::expressions::Literal;

use super::fold::{Fold, empty_list, list_of};
use crate::normal::Comparable;
use crate::types::list;

/// `max_by(value, key)`.
pub(super) const MAX_BY: Fold = Fold {
    name: "spark_max_by",
    returns: |types| types.first().cloned().unwrap_or(DataType::Null),
    state: <[DataType]>::to_vec,
    make: |args| one(args, Extreme::Largest),
    groups: None,
    empty_is_list: false,
};
/// `min_by(value, key)`.
pub(super) const MIN_BY: Fold =
    Fold { name: "spark_min_by", make: |args| one(args, Extreme::Smallest), ..MAX_BY };
/// `max_by(value, key, count)`.
pub(super) const SEVERAL_MAX_BY: Fold = Fold {
    name: "spark_max_by_several",
    returns: |types| list(types.first().cloned().unwrap_or(DataType::Null)),
    state: |types| types.iter().take(2).cloned().map(list).collect(),
    make: |args| several(args, Extreme::Largest),
    groups: None,
    empty_is_list: false,
};
/// `min_by(value, key, count)`.
pub(super) const SEVERAL_MIN_BY: Fold = Fold {
    name: "spark_min_by_several",
    make: |args| several(args, Extreme::Smallest),
    ..SEVERAL_MAX_BY
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Largest,
    Smallest,
}

impl Extreme {
    /// Whether a key takes precedence over another one.
    fn prefers(self, key: Row<'_>, other: Row<'_>) -> bool {
        match self {
            Self::Largest => key > other,
            Self::Smallest => key < other,
        }
    }
}

fn argument_type(args: &AccumulatorArgs<'_>, index: usize) -> DataType {
    args.expr_fields.get(index).map_or(DataType::Null, |field| field.data_type().clone())
}

fn one(args: &AccumulatorArgs<'_>, extreme: Extreme) -> Result<Box<dyn Accumulator>> {
    let null = |index: usize| ScalarValue::try_from(&argument_type(args, index));
    Ok(Box::new(One { value: null(0)?, key: null(1)?, place: None, extreme }))
}

fn several(args: &AccumulatorArgs<'_>, extreme: Extreme) -> Result<Box<dyn Accumulator>> {
    let count = args.exprs.get(2).and_then(|expr| expr.downcast_ref::<Literal>());
    let count = match count.map(Literal::value) {
        Some(ScalarValue::Int32(Some(count))) => usize::try_from(*count).unwrap_or_default(),
        _ => return exec_err!("the third argument of {} must be a constant", args.name),
    };
    let types = [argument_type(args, 0), argument_type(args, 1)];
    Ok(Box::new(Several { count, extreme, types, best: Vec::new() }))
}

/// Calls `row_of` for each row whose key is not null, with the key in a comparable form that
/// follows Spark's order: nested nulls come first.
fn each_key(keys: &ArrayRef, mut row_of: impl FnMut(usize, Row<'_>) -> Result<()>) -> Result<()> {
    let rows = Comparable::new(keys.data_type())?.rows(keys)?;
    let nulls = keys.logical_nulls();
    let known = |row: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
    (0..keys.len()).filter(known).try_for_each(|row| row_of(row, rows.row(row)))
}

#[derive(Debug)]
struct One {
    value: ScalarValue,
    key: ScalarValue,
    /// The key in comparable form; `None` until there is a key.
    place: Option<OwnedRow>,
    extreme: Extreme,
}

impl Accumulator for One {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let (values, keys) = (&columns[0], &columns[1]);
        each_key(keys, |row, place| {
            if self.place.as_ref().is_none_or(|best| self.extreme.prefers(place, best.row())) {
                self.value = ScalarValue::try_from_array(values, row)?;
                self.key = ScalarValue::try_from_array(keys, row)?;
                self.place = Some(place.owned());
            }
            Ok(())
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.key.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        let place = self.place.as_ref().map_or(0, bytes);
        size_of::<Self>() + self.value.size() + self.key.size() + place
    }
}

fn bytes(place: &OwnedRow) -> usize {
    place.row().as_ref().len()
}

#[derive(Debug)]
struct Best {
    value: ScalarValue,
    key: ScalarValue,
    /// The key in comparable form.
    place: OwnedRow,
}

#[derive(Debug)]
struct Several {
    count: usize,
    extreme: Extreme,
    /// Types of the values and the keys.
    types: [DataType; 2],
    /// Best entries first.
    best: Vec<Best>,
}

impl Several {
    fn add(&mut self, values: &ArrayRef, keys: &ArrayRef) -> Result<()> {
        each_key(keys, |row, place| {
            let extreme = self.extreme;
            let at = self.best.partition_point(|known| !extreme.prefers(place, known.place.row()));
            if at < self.count {
                let value = ScalarValue::try_from_array(values, row)?;
                let key = ScalarValue::try_from_array(keys, row)?;
                self.best.insert(at, Best { value, key, place: place.owned() });
                self.best.truncate(self.count);
            }
            Ok(())
        })
    }

    fn column(&self, of: fn(&Best) -> &ScalarValue, data_type: &DataType) -> Result<ScalarValue> {
        if self.best.is_empty() {
            return Ok(empty_list(data_type));
        }
        list_of(&ScalarValue::iter_to_array(self.best.iter().map(|best| of(best).clone()))?)
    }
}

impl Accumulator for Several {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.add(&columns[0], &columns[1])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (values, keys) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for row in 0..keys.len() {
            self.add(&values.value(row), &keys.value(row))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let [values, keys] = &self.types;
        Ok(vec![self.column(|best| &best.value, values)?, self.column(|best| &best.key, keys)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.best.is_empty() {
            return ScalarValue::try_from(&list(self.types[0].clone()));
        }
        self.column(|best| &best.value, &self.types[0])
    }

    fn size(&self) -> usize {
        let of = |best: &Best| best.value.size() + best.key.size() + bytes(&best.place);
        size_of_val(self) + self.best.iter().map(of).sum::<usize>()
    }
}
