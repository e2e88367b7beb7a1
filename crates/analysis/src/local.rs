//! Rows that are already available: sent by the client, computed on the driver, elements of an RDD.

use super::leaf::{arrow_schema, scan, scanned};
use super::scope::{Column, Scope};
use super::{Resolved, Resolver, Result, error};
use arrow::array::BinaryArray;
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{LogicalPlan, Projection};
use formats::types;
use plan::{DataType, Field, SchemaOrText};
use std::sync::Arc;

impl Resolver<'_> {
    /// Rows that are already available.
    pub(super) fn rows(&mut self, schema: &[Field], batches: &[RecordBatch]) -> Result<Resolved> {
        self.partitions(schema, &[batches])
    }

    /// Elements of an RDD by partition, as pieces of bytes.
    pub(super) fn local_partitions(&mut self, partitions: &[Vec<Vec<u8>>]) -> Result<Resolved> {
        let schema = [Field::new("batch", DataType::Binary, false)];
        let arrow = types::schema_in_plans(&schema);
        let batch = |pieces: &Vec<Vec<u8>>| {
            let pieces: BinaryArray = pieces.iter().map(Some).collect();
            let batch = RecordBatch::try_new(Arc::clone(&arrow), vec![Arc::new(pieces)]);
            batch.map_err(datafusion::common::DataFusionError::from)
        };
        let batches = partitions.iter().map(batch).collect::<std::result::Result<Vec<_>, _>>()?;
        let partitions: Vec<_> = batches.iter().map(std::slice::from_ref).collect();
        self.partitions(&schema, &partitions)
    }

    /// Rows that are already available, by partition.
    fn partitions(&mut self, schema: &[Field], partitions: &[&[RecordBatch]]) -> Result<Resolved> {
        let columns: Vec<Column> = schema.iter().map(|field| self.column_of_field(field)).collect();
        // The optimizer confuses a column of a table with a plan column of the same name, so the
        // table has names of its own.
        let held = |index: usize| format!("column{index}");
        let fields = arrow_schema(&columns);
        let fields = fields.fields().iter().enumerate();
        let fields = fields.map(|(index, field)| field.as_ref().clone().with_name(held(index)));
        let arrow = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
        let renamed = partitions.iter().map(|batches| super::fitted(batches, &arrow));
        let renamed = renamed.collect::<std::result::Result<_, _>>()?;
        let table = MemTable::try_new(arrow, renamed)?;
        let plan = scan("rows", Arc::new(table))?;
        let columns_held = columns.iter().enumerate();
        let exprs =
            columns_held.map(|(at, column)| scanned("rows", &held(at), &column.id)).collect();
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        Ok(Resolved::new(plan, Scope::new(columns)))
    }

    pub(super) fn local(&mut self, data: &[u8], schema: Option<&SchemaOrText>) -> Result<Resolved> {
        let given = schema.map(|schema| self.schema_of(schema)).transpose()?;
        if data.is_empty() {
            return self.empty(given.as_deref().unwrap_or_default());
        }
        let (arrow, batches) = super::rows::decode(data)?;
        let sent = types::schema_from_arrow(&arrow)?;
        let schema = match given {
            None => sent,
            Some(given) if given.len() == sent.len() => given,
            Some(given) => {
                return Err(error::column_count_mismatch(
                    "CREATE DATAFRAME",
                    given.len(),
                    sent.len(),
                ));
            }
        };
        self.rows(&schema, &batches)
    }
}
