//! Constant folding, and data sent by a client.

use super::{Result, error};
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr as DfExpr};
use datafusion::physical_expr::create_physical_expr;
use errors::condition;
use formats::types;
use plan::SparkError;
use std::sync::Arc;

/// The value of a constant expression; `None` if it is not constant.
pub(super) fn constant(expr: DfExpr) -> Option<ScalarValue> {
    if let DfExpr::Literal(value, _) = expr {
        return Some(value);
    }
    if !expr.column_refs().is_empty() || expr.is_volatile() {
        return None;
    }
    let physical = create_physical_expr(
        &expr,
        &DFSchema::empty(),
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .ok()?;
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(schema, Vec::new(), &options).ok()?;
    match physical.evaluate(&row).ok()? {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0).ok(),
    }
}

/// Decodes an Arrow IPC stream.
pub(super) fn decode(data: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let bad = |problem: ArrowError| {
        error::analysis(
            condition::CONNECT_INVALID_PLAN,
            format!("The local relation is not a valid Arrow IPC stream: {problem}"),
            &[],
        )
    };
    let reader = StreamReader::try_new(data, None).map_err(bad)?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(bad)?;
    Ok((schema, batches))
}

/// Converts batches to the columns of a schema, by position, with casts where the representation
/// differs. All get the same schema: Spark declares some columns and nested values non-nullable
/// although rows may contain nulls there, so these are nullable here.
pub fn fitted(
    batches: &[RecordBatch],
    schema: &SchemaRef,
) -> std::result::Result<Vec<RecordBatch>, SparkError> {
    let mut fit = Fit::new(schema);
    batches.iter().try_for_each(|batch| fit.see(batch))?;
    let schema = fit.schema();
    batches.iter().map(|batch| fit_to(batch, &schema)).collect()
}

/// The schema that batches get (see [`fitted`]), found by seeing them one after the other.
#[derive(Debug)]
pub struct Fit {
    fields: Vec<Field>,
}

impl Fit {
    /// What is declared.
    pub fn new(schema: &SchemaRef) -> Self {
        Self { fields: schema.fields().iter().map(|field| field.as_ref().clone()).collect() }
    }

    /// Takes note of what a batch has that is not declared.
    pub fn see(&mut self, batch: &RecordBatch) -> std::result::Result<(), SparkError> {
        if batch.num_columns() != self.fields.len() {
            return Err(SparkError::internal("the columns of rows differ from their schema"));
        }
        for (field, array) in self.fields.iter_mut().zip(batch.columns()) {
            let wanted = field.data_type();
            let held = match cast_to(array, wanted) {
                Ok(held) => held,
                // The type forbids nested nulls that do occur: its nullable form in plans.
                Err(error) => {
                    let loose = types::from_arrow(wanted).map_err(|_| misfit(&error))?;
                    field.set_data_type(types::to_arrow(&loose));
                    cast_to(array, field.data_type()).map_err(|error| misfit(&error))?
                }
            };
            if held.null_count() > 0 {
                field.set_nullable(true);
            }
        }
        Ok(())
    }

    /// The schema, once all batches are seen.
    pub fn schema(self) -> SchemaRef {
        Arc::new(Schema::new(self.fields))
    }
}

/// A batch with the columns of a schema that fits it.
pub fn fit_to(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> std::result::Result<RecordBatch, SparkError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(array, field)| cast_to(array, field.data_type()));
    let columns = columns.collect::<std::result::Result<_, _>>().map_err(|error| misfit(&error))?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| misfit(&error))
}

fn misfit(error: &ArrowError) -> SparkError {
    SparkError::internal(format!("rows do not match their schema: {error}"))
}

fn cast_to(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    if array.data_type() == to { Ok(Arc::clone(array)) } else { arrow::compute::cast(array, to) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, ListArray};
    use arrow::datatypes::Int32Type;
    use plan::Field;

    fn lists(rows: &[&[Option<i32>]]) -> RecordBatch {
        let rows = rows.iter().map(|row| Some(row.iter().copied()));
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows));
        RecordBatch::try_from_iter([("c", array)]).unwrap()
    }

    #[test]
    fn fitted_batches_have_one_schema_whatever_is_declared() {
        let element = Box::new(plan::DataType::Integer);
        let never = plan::DataType::Array { element, contains_null: false };
        let schema = types::schema_to_arrow(&[Field::new("c", never, false)]);
        let cases = [
            // elements of two batches, and whether they may be null
            (lists(&[&[Some(1)]]), lists(&[&[Some(2)], &[]]), false),
            (lists(&[&[Some(1)]]), lists(&[&[None]]), true),
        ];
        for (one, other, nullable) in cases {
            let found = fitted(&[one.clone(), other], &schema).unwrap();
            assert_eq!(found[0].schema(), found[1].schema());
            assert_eq!(found[0].num_rows(), one.num_rows());
            let held = types::schema_from_arrow(&found[0].schema()).unwrap();
            let expected = plan::DataType::Array {
                element: Box::new(plan::DataType::Integer),
                contains_null: nullable,
            };
            assert_eq!(held, [Field::new("c", expected, false)]);
        }
    }

    #[test]
    fn rows_that_cannot_fit_are_an_error() {
        let schema = types::schema_to_arrow(&[Field::new("c", plan::DataType::Integer, false)]);
        assert!(fitted(&[lists(&[&[]])], &schema).is_err());
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let two = RecordBatch::try_from_iter([("c", Arc::clone(&number)), ("d", number)]).unwrap();
        assert!(fitted(&[two], &schema).is_err());
    }
}
