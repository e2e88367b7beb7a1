//! Scans of Python data sources: a node until its reader is made, because readers are offered the
//! filters that the optimizer has brought down to them.

use super::node::{PythonNode, WorkerInput};
use super::whole;
use crate::leaf::{scan, scanned};
use crate::reference;
use arrow::array::BinaryArray;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, DataFusionError, Result};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, Projection, UserDefinedLogicalNodeCore,
};
use formats::types;
use plan::{DataType, EvalType, Field, PythonFunction, WorkerCall, WorkerKind};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The node (see the module).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceScan {
    /// The source.
    pub source: Arc<PythonFunction>,
    /// The pickled instance.
    pub instance: Vec<u8>,
    /// Spark's names and types of the columns.
    pub fields: Vec<Field>,
    /// The columns.
    pub(super) schema: DFSchemaRef,
    /// The number of the reader's profile, if it is profiled.
    pub(super) profile: Option<u64>,
}

impl SourceScan {
    /// The node in a plan.
    pub(super) fn plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(node) => node.node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The scans in a plan, each once.
    pub fn all(plan: &LogicalPlan) -> Result<Vec<Self>> {
        let mut found: Vec<Self> = Vec::new();
        plan.apply_with_subqueries(|node| {
            if let Some(scan) = Self::of(node).filter(|scan| !found.contains(scan)) {
                found.push(scan.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    }

    /// The request for a reader, which is offered the filters unless they are null.
    pub fn request(&self, filters: Value) -> Value {
        let schema = DataType::Struct(self.fields.clone()).json();
        json!({ "operation": "plan", "schema": schema, "filters": filters })
    }

    /// The filters directly above the scan in an optimized plan.
    pub fn filters(&self, plan: &LogicalPlan) -> Result<Value> {
        let (mut scans, mut conditions) = (0, Vec::new());
        plan.apply_with_subqueries(|node| {
            scans += usize::from(Self::of(node) == Some(self));
            if let LogicalPlan::Filter(filter) = node
                && Self::of(selected(&filter.input)) == Some(self)
            {
                conditions.push(filter.predicate.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        // One reader of several scans must yield the rows of all.
        let conditions = if scans == 1 { conditions } else { Vec::new() };
        Ok(super::filters::offered(&conditions, &self.schema, &self.fields))
    }

    /// The plan with readers in the places of scans: each is the pickled function that reads, and
    /// the pickled partitions.
    pub fn with_readers(
        plan: LogicalPlan,
        readers: &[(Self, Vec<Vec<u8>>)],
    ) -> Result<LogicalPlan> {
        let replaced = plan.transform_down_with_subqueries(|node| {
            let reader = Self::of(&node)
                .and_then(|scan| readers.iter().find(|(of, _)| of == scan))
                .and_then(|(scan, objects)| Some((scan, objects.split_first()?)));
            match reader {
                Some((scan, (read, partitions))) => {
                    Ok(Transformed::yes(scan.reading(read, partitions)?))
                }
                None => Ok(Transformed::no(node)),
            }
        })?;
        Ok(replaced.data)
    }

    /// The rows of partitions: one task unpickles and reads each.
    pub(super) fn reading(&self, read: &[u8], partitions: &[Vec<u8>]) -> Result<LogicalPlan> {
        let function = PythonFunction {
            eval_type: EvalType::MAP_ARROW_ITER,
            command: Arc::from(read),
            output: DataType::Struct(self.fields.clone()),
            ..self.source.as_ref().clone()
        };
        let (input, sent) = self.pickled(partitions)?;
        let call = WorkerCall { profile: self.profile, ..whole(&Arc::new(function)) };
        let sent = (vec![input], vec![sent]);
        let (fields, schema) = (self.fields.clone(), Arc::clone(&self.schema));
        Ok(PythonNode::of_call(WorkerKind::Map, sent, call, fields, schema).plan())
    }

    /// One row for each pickled partition, in a partition of its own.
    fn pickled(&self, partitions: &[Vec<u8>]) -> Result<(LogicalPlan, WorkerInput)> {
        let fields = [Field::new("partition", DataType::Binary, false)];
        let schema = types::schema_in_plans(&fields);
        let held = schema.field(0).clone().with_name("column0");
        let schema = Arc::new(Schema::new(vec![held]));
        let batch = |pickled: &Vec<u8>| {
            let column = Arc::new(BinaryArray::from_iter_values([pickled]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]);
            batch.map(|batch| vec![batch]).map_err(DataFusionError::from)
        };
        let batches = partitions.iter().map(batch).collect::<Result<_>>()?;
        let rows = scan("rows", Arc::new(MemTable::try_new(Arc::clone(&schema), batches)?));
        let rows = rows.map_err(|_| DataFusionError::Internal("a scan of rows".to_owned()))?;
        // No other column has this name: those of the scan are its own.
        let id = format!("{}.partition", self.schema.fields().first().map_or("", |f| f.name()));
        let projected = Projection::try_new(vec![scanned("rows", "column0", &id)], Arc::new(rows))?;
        let sent = WorkerInput {
            exprs: vec![reference(&id)],
            fields: fields.to_vec(),
            arguments: vec![0],
            ..WorkerInput::default()
        };
        Ok((LogicalPlan::Projection(projected), sent))
    }
}

/// The node whose columns are only selected.
fn selected(mut plan: &LogicalPlan) -> &LogicalPlan {
    while let LogicalPlan::Projection(projection) = plan
        && projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
    {
        plan = &projection.input;
    }
    plan
}

impl PartialOrd for SourceScan {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.instance.partial_cmp(&other.instance).filter(|o| o.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for SourceScan {
    fn name(&self) -> &'static str {
        "PythonSourceScan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonSourceScan: {}", self.source.name)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}
