//! The rows of a checkpoint: a physical plan that stays as it was, behind a leaf. What it was made
//! of is not planned again, and neither names nor filters find their way into it.

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    SendableRecordBatchStream, Statistics,
};
use model::CacheId;
use std::fmt;
use std::sync::Arc;

/// The plan of a checkpoint as a table.
#[derive(Debug)]
pub(crate) struct StoredTable {
    plan: Arc<StoredExec>,
    schema: SchemaRef,
}

impl StoredTable {
    /// The rows of a plan; if they are kept, they are stored as those of the cache when they are
    /// first computed. `name` gives the name of each column.
    pub(crate) fn new(
        plan: Arc<dyn ExecutionPlan>,
        (cache, is_kept): (CacheId, bool),
        name: impl Fn(usize) -> String,
    ) -> Self {
        let fields = plan.schema();
        let fields = fields.fields().iter().enumerate();
        let fields = fields.map(|(at, field)| field.as_ref().clone().with_name(name(at)));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { plan: Arc::new(StoredExec::new(plan, cache, is_kept)), schema }
    }

    /// The cache of the rows.
    pub(crate) fn cache(&self) -> CacheId {
        self.plan.cache
    }
}

#[async_trait::async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let held = self.plan.schema();
        let columns = projection.unwrap_or(&all).iter().map(|at| {
            let column = Column::new(held.field(*at).name(), *at);
            (Arc::new(column) as Arc<dyn PhysicalExpr>, self.schema.field(*at).name().clone())
        });
        let columns: Vec<_> = columns.collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, Arc::clone(&self.plan) as _)?))
    }
}

/// A leaf that stands for a plan (see the module): a marker for the stage cutter.
#[derive(Debug)]
pub(crate) struct StoredExec {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) cache: CacheId,
    /// Whether the rows are stored.
    pub(crate) is_kept: bool,
    properties: Arc<PlanProperties>,
}

impl StoredExec {
    fn new(plan: Arc<dyn ExecutionPlan>, cache: CacheId, is_kept: bool) -> Self {
        let count = plan.output_partitioning().partition_count().max(1);
        let partitioning = Partitioning::UnknownPartitioning(count);
        let properties = sources::unordered(plan.schema(), partitioning);
        Self { plan, cache, is_kept, properties }
    }
}

impl DisplayAs for StoredExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "Scan ExistingRDD[{}]", names.join(","))
    }
}

impl ExecutionPlan for StoredExec {
    fn name(&self) -> &'static str {
        "StoredExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("a checkpoint must be cut before it is read")
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match args.partition() {
            Some(_) => Ok(Arc::new(Statistics::new_unknown(&self.schema()))),
            None => datafusion::physical_plan::statistics::StatisticsContext::new()
                .compute(self.plan.as_ref(), args),
        }
    }
}
