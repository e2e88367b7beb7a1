//! Small things about rows that are already here: constants, and data sent by a client.

use super::{Result, error};
use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr as DfExpr};
use datafusion::physical_expr::create_physical_expr;
use std::sync::Arc;

/// The value of an expression that uses no column, if it has one.
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

/// An Arrow IPC stream.
pub(super) fn decode(data: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let bad = |problem: arrow::error::ArrowError| {
        error::analysis(
            "INVALID_LOCAL_RELATION",
            format!("The local relation is not a valid Arrow IPC stream: {problem}"),
            &[],
        )
    };
    let reader = StreamReader::try_new(data, None).map_err(bad)?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(bad)?;
    Ok((schema, batches))
}

/// A batch with the columns of a schema, by position, cast where they are held differently.
pub(crate) fn fitted(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> std::result::Result<RecordBatch, plan::SparkError> {
    let bad = |error: arrow::error::ArrowError| {
        plan::SparkError::internal(format!("rows do not fit their schema: {error}"))
    };
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                arrow::compute::cast(column, field.data_type())
            }
        })
        .collect::<std::result::Result<Vec<ArrayRef>, _>>()
        .map_err(bad)?;
    // Spark declares some columns free of nulls more boldly than their rows keep to.
    let fields = schema.fields().iter().zip(&columns).map(|(field, column)| {
        let nullable = field.is_nullable() || column.null_count() > 0;
        field.as_ref().clone().with_nullable(nullable)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(bad)
}
