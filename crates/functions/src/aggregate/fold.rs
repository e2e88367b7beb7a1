//! Our aggregate functions as `DataFusion` functions: a name, types, and an accumulator.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt64Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
};

use crate::types::{element, list};

/// One of our aggregate functions, identified by its name alone.
#[derive(Clone, Copy)]
pub(super) struct Fold {
    pub(super) name: &'static str,
    /// The result type, from the argument types.
    pub(super) returns: fn(&[DataType]) -> DataType,
    /// Types of the intermediate state that the phases exchange.
    pub(super) state: fn(&[DataType]) -> Vec<DataType>,
    pub(super) make: fn(&AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>>,
    /// An accumulator for many groups at once, if there is a faster one for these argument types.
    pub(super) groups: Option<fn(&[DataType]) -> Box<dyn GroupsAccumulator>>,
    /// Whether the result over no rows is an empty array instead of null.
    pub(super) empty_is_list: bool,
}

impl Fold {
    /// The `DataFusion` function.
    pub(super) fn udaf(self) -> Arc<AggregateUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(FoldFunction { fold: self, signature }))
    }
}

struct FoldFunction {
    fold: Fold,
    signature: Signature,
}

impl std::fmt::Debug for FoldFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.fold.name)
    }
}

impl PartialEq for FoldFunction {
    fn eq(&self, other: &Self) -> bool {
        self.fold.name == other.fold.name
    }
}

impl Eq for FoldFunction {}

impl Hash for FoldFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fold.name.hash(state);
    }
}

fn types(fields: &[FieldRef]) -> Vec<DataType> {
    fields.iter().map(|f| f.data_type().clone()).collect()
}

impl AggregateUDFImpl for FoldFunction {
    fn name(&self) -> &str {
        self.fold.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok((self.fold.returns)(types))
    }

    fn is_nullable(&self) -> bool {
        !self.fold.empty_is_list
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // The registry has inserted Spark's casts already.
        Ok(types.to_vec())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let inner = (self.fold.make)(&args)?;
        if args.is_distinct {
            return Ok(Box::new(Distinct {
                inner,
                values: HashSet::new(),
                columns: types(args.expr_fields),
            }));
        }
        Ok(inner)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let types = types(args.input_fields);
        let state = if args.is_distinct {
            types.into_iter().map(list).collect()
        } else {
            (self.fold.state)(&types)
        };
        let field = |(index, data_type)| {
            Arc::new(Field::new(format!("{}[{index}]", args.name), data_type, true))
        };
        Ok(state.into_iter().enumerate().map(field).collect())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.fold.groups.is_some() && !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if let Some(make) = self.fold.groups {
            Ok(make(&types(args.expr_fields)))
        } else {
            internal_err!("{} has no accumulator for groups", self.fold.name)
        }
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match data_type {
            DataType::List(field) if self.fold.empty_is_list => Ok(empty_list(field.data_type())),
            _ => ScalarValue::try_from(data_type),
        }
    }
}

/// An array value without elements.
pub(super) fn empty_list(element: &DataType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(&[], element))
}

/// An array value with these elements.
pub(super) fn list_of(values: &ArrayRef) -> Result<ScalarValue> {
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(
        element(values.data_type().clone()),
        offsets,
        ArrayRef::clone(values),
        None,
    )?;
    Ok(ScalarValue::List(Arc::new(list)))
}

/// Passes only distinct rows to an accumulator.
#[derive(Debug)]
struct Distinct {
    inner: Box<dyn Accumulator>,
    values: HashSet<Vec<ScalarValue>>,
    /// Types of the columns.
    columns: Vec<DataType>,
}

impl Distinct {
    fn add(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, Array::len);
        for row in 0..rows {
            let value = columns
                .iter()
                .map(|c| ScalarValue::try_from_array(c, row))
                .collect::<Result<Vec<_>>>()?;
            self.values.insert(value);
        }
        Ok(())
    }

    /// The rows as columns, in a deterministic order.
    fn sorted(&self) -> Result<Vec<ArrayRef>> {
        let column =
            |at: usize| ScalarValue::iter_to_array(self.values.iter().map(|v| v[at].clone()));
        let columns = (0..self.columns.len()).map(column).collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
        let rows = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
        let mut order: Vec<usize> = (0..rows.num_rows()).collect();
        order.sort_by_key(|row| rows.row(*row));
        let order = UInt64Array::from_iter_values(order.into_iter().map(|row| row as u64));
        columns.iter().map(|column| Ok(compute::take(column, &order, None)?)).collect()
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, Array::len);
        for row in 0..rows {
            let columns: Vec<_> = states
                .iter()
                .filter(|s| s.is_valid(row))
                .map(|s| s.as_list::<i32>().value(row))
                .collect();
            self.add(&columns)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if self.values.is_empty() {
            return Ok(self.columns.iter().map(empty_list).collect());
        }
        self.sorted()?.iter().map(list_of).collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !self.values.is_empty() {
            let columns = self.sorted()?;
            self.values.clear();
            self.inner.update_batch(&columns)?;
        }
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        let values: usize = self.values.iter().flatten().map(ScalarValue::size).sum();
        size_of_val(self) + self.inner.size() + values
    }
}
