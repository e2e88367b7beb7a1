//! Constant folding, and data sent by a client.

use super::{Result, error};
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Schema, SchemaRef};
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
    let bad = |error: ArrowError| {
        SparkError::internal(format!("rows do not match their schema: {error}"))
    };
    if batches.iter().any(|batch| batch.num_columns() != schema.fields().len()) {
        return Err(SparkError::internal("the columns of rows differ from their schema"));
    }
    let mut fields = Vec::with_capacity(schema.fields().len());
    let mut columns = vec![Vec::new(); batches.len()];
    for (at, field) in schema.fields().iter().enumerate() {
        let given: Vec<_> = batches.iter().map(|batch| batch.column(at)).collect();
        let arrays = of_one_type(&given, field.data_type()).map_err(bad)?;
        let nullable = field.is_nullable() || arrays.iter().any(|array| array.null_count() > 0);
        let held = arrays.first().map_or(field.data_type(), |array| array.data_type()).clone();
        fields.push(field.as_ref().clone().with_nullable(nullable).with_data_type(held));
        columns.iter_mut().zip(arrays).for_each(|(columns, array)| columns.push(array));
    }
    let schema = Arc::new(Schema::new(fields));
    let rows = batches.iter().map(RecordBatch::num_rows);
    let batch = |(columns, rows): (Vec<ArrayRef>, usize)| {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).map_err(bad)
    };
    columns.into_iter().zip(rows).map(batch).collect()
}

/// Casts arrays to a type; if the type forbids nested nulls that do occur, to its nullable form in
/// plans.
fn of_one_type(
    arrays: &[&ArrayRef],
    wanted: &DataType,
) -> std::result::Result<Vec<ArrayRef>, ArrowError> {
    let cast = |to: &DataType| {
        let array = |array: &&ArrayRef| match array.data_type() {
            held if held == to => Ok(Arc::clone(array)),
            _ => arrow::compute::cast(array, to),
        };
        arrays.iter().map(array).collect::<std::result::Result<Vec<_>, _>>()
    };
    cast(wanted).or_else(|error| match types::from_arrow(wanted) {
        Ok(loose) => cast(&types::to_arrow(&loose)),
        Err(_) => Err(error),
    })
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
