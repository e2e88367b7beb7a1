//! The node that feeds a Python worker and takes its rows.

use super::spec::{PythonSpec, Sent};
use super::stream::output;
use super::{PythonContext, groups::Grouping};
use arrow::compute::SortOptions;
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, Partitioning,
    PhysicalExpr, PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, SendableRecordBatchStream,
};
use plan::{WorkerKind, WorkerOrder};
use std::fmt;
use std::sync::Arc;

/// The node (see the module).
#[derive(Debug, Clone)]
pub struct PythonExec {
    spec: Arc<PythonSpec>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// In a template: a further child that only carries the schema.
    shape: Option<Arc<dyn ExecutionPlan>>,
    /// In a bound plan: the door to the workers, and the number of the partition.
    context: Option<(Arc<PythonContext>, u32)>,
    properties: Arc<PlanProperties>,
}

impl PythonExec {
    /// Creates the node. `schema`: its columns, those that stay first.
    pub fn new(
        spec: Arc<PythonSpec>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        schema: SchemaRef,
    ) -> Self {
        let first = inputs.first();
        let partitions = first.map_or(1, |input| input.output_partitioning().partition_count());
        let mut partitioning = Partitioning::UnknownPartitioning(partitions);
        let mut known = EquivalenceProperties::new(schema);
        if let (true, Some(input)) = (spec.kind.keeps_columns(), first) {
            // The columns that stay have the same places.
            let before = input.equivalence_properties();
            known.add_orderings(before.oeq_class().iter().cloned());
            // Without these, the plan would at worst be slower.
            let _ = known.add_equivalence_group(before.eq_group().clone());
            partitioning = input.output_partitioning().clone();
        }
        let properties = sources::of_rows(known, partitioning);
        Self { spec, inputs, shape: None, context: None, properties }
    }

    /// The node of a template: its last child only carries the schema, so that no column name is in
    /// its own encoding.
    #[must_use]
    pub fn templated(mut self, shape: Arc<dyn ExecutionPlan>) -> Self {
        self.shape = Some(shape);
        self
    }

    /// The node of a task, which can run.
    #[must_use]
    pub(crate) fn bound(mut self, context: Arc<PythonContext>, number: u32) -> Self {
        self.shape = None;
        self.context = Some((context, number));
        self
    }

    /// The same node above other inputs.
    #[must_use]
    pub(crate) fn with_inputs(self, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        let schema = self.schema();
        let (shape, context) = (self.shape, self.context);
        Self { shape, context, ..Self::new(self.spec, inputs, schema) }
    }

    /// What it does.
    pub fn spec(&self) -> &Arc<PythonSpec> {
        &self.spec
    }

    /// The nodes whose rows it gets.
    pub fn inputs(&self) -> &[Arc<dyn ExecutionPlan>] {
        &self.inputs
    }

    /// A column that the worker gets.
    fn column(&self, input: usize, column: usize) -> Arc<dyn PhysicalExpr> {
        let at = self.spec.sent[input].columns[column];
        Arc::new(Column::new(self.inputs[input].schema().field(at).name(), at))
    }

    fn keys(&self, input: usize) -> Vec<Arc<dyn PhysicalExpr>> {
        self.spec.sent[input].keys.iter().map(|key| self.column(input, *key)).collect()
    }
}

impl DisplayAs for PythonExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.spec.calls.iter().map(|call| &*call.function.name).collect();
        write!(f, "PythonExec: {:?} {}", self.spec.kind, names.join(", "))
    }
}

impl ExecutionPlan for PythonExec {
    fn name(&self) -> &'static str {
        "PythonExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().chain(&self.shape).collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let one = |input| match self.keys(input) {
            _ if self.spec.sent[input].single_partition => Distribution::SinglePartition,
            keys if !keys.is_empty() => Distribution::KeyPartitioned(keys),
            _ if self.spec.kind.is_grouped() => Distribution::SinglePartition,
            _ => Distribution::UnspecifiedDistribution,
        };
        let inputs = (0..self.inputs.len()).map(one);
        let all = inputs.chain(self.shape.iter().map(|_| Distribution::UnspecifiedDistribution));
        if self.spec.kind == WorkerKind::CoGroup && self.shape.is_none() {
            return InputDistributionRequirements::co_partitioned(all.collect());
        }
        InputDistributionRequirements::new(all.collect())
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        let kind = self.spec.kind;
        vec![kind.keeps_columns() || !kind.is_grouped(); self.children().len()]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let one = |input: usize| {
            // A window finds its groups in any order: rows may have that of a window below.
            let direction = (self.spec.kind != WorkerKind::Window).then_some(super::groups::ORDER);
            let sorted = |key| PhysicalSortRequirement::new(key, direction);
            let keys = self.keys(input).into_iter().map(sorted);
            let order = self.spec.sent[input].order.iter().map(|order| {
                let WorkerOrder { column, descending, nulls_first } = *order;
                let options = SortOptions { descending, nulls_first };
                PhysicalSortRequirement::new(self.column(input, column), Some(options))
            });
            let wanted = LexRequirement::new(keys.chain(order)).map(OrderingRequirements::new);
            // Rows come out in the order in which they go in, which the program may rely on
            // although nobody can tell it from the new columns: a sort below is not in vain.
            let given = || {
                let order = self.inputs[input].output_ordering()?;
                (!self.spec.kind.is_grouped()).then(|| OrderingRequirements::from(order.clone()))
            };
            wanted.or_else(given)
        };
        let inputs = (0..self.inputs.len()).map(one);
        inputs.chain(self.shape.iter().map(|_| None)).collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children().len()]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let shape = self.shape.as_ref().and_then(|_| children.pop());
        Ok(Arc::new(Self { shape, ..self.as_ref().clone().with_inputs(children) }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some((python, number)) = &self.context else {
            return Err(crate::nodes::unbound(self.name()));
        };
        let inputs = self
            .inputs
            .iter()
            .map(|input| input.execute(partition, Arc::clone(&context)))
            .collect::<Result<Vec<_>>>()?;
        let work = (Arc::clone(&self.spec), *number);
        let pool = context.memory_pool();
        Ok(output(work, Arc::clone(python), inputs, self.schema(), pool))
    }
}

/// The schema of the batches that a worker gets: Spark's names, in the types that Python knows.
pub(super) fn sent_schema(sent: &Sent, input: &Schema) -> SchemaRef {
    let field = |(at, field): (&usize, &plan::Field)| {
        let held = super::types::for_worker(input.field(*at).data_type());
        ArrowField::new(&field.name, held, true)
    };
    let fields = sent.columns.iter().zip(&sent.fields).map(field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How the rows of an input are grouped, if they are.
pub(super) fn grouping(spec: &PythonSpec, input: usize) -> Option<Grouping> {
    let sent = &spec.sent[input];
    let columns = sent.keys.iter().map(|key| sent.columns[*key]);
    spec.kind.is_grouped().then(|| Grouping::new(columns.collect()))
}
