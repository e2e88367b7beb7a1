//! Physical node for an explicit exchange: a marker for the stage cutter.

use analysis::Kept;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{
    LexOrdering, OrderingRequirements, Partitioning, PhysicalExpr, RangePartitioning,
};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    SendableRecordBatchStream, Statistics,
};
use std::fmt;
use std::sync::Arc;

/// Distribution of rows.
#[derive(Debug, Clone)]
pub(crate) enum Routing {
    RoundRobin(Parts),
    Hash(Vec<Arc<dyn PhysicalExpr>>, Parts),
    /// By range; the bounds are not known yet.
    Range(LexOrdering, Parts),
    /// By range, with known bounds.
    Bounded(RangePartitioning),
    /// Combines neighbouring partitions without a shuffle.
    Coalesce(usize),
    /// Partitions are groups of the input's, without a shuffle.
    Select(Vec<Vec<u32>>),
    /// The same partitions, stored as the rows of a cache.
    Keep(Kept),
}

/// How many partitions there are; fewer in a range partitioning if there are fewer different keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Parts {
    Exactly(usize),
    /// As many are read as the size of the rows asks for.
    UpTo(usize),
}

impl Parts {
    /// The most partitions that there may be.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Exactly(most) | Self::UpTo(most) => most,
        }
    }
}

/// An exchange (see the module).
#[derive(Debug)]
pub(crate) struct ExchangeExec {
    input: Arc<dyn ExecutionPlan>,
    routing: Routing,
    properties: Arc<PlanProperties>,
}

impl Routing {
    /// The partitioning of the carrier node on top of a template; `None` without a shuffle.
    pub(crate) fn carried(&self) -> Option<Partitioning> {
        match self {
            Self::RoundRobin(parts) => Some(Partitioning::RoundRobinBatch(parts.most())),
            Self::Hash(keys, parts) => Some(Partitioning::Hash(keys.clone(), parts.most())),
            Self::Bounded(range) => Some(Partitioning::Range(range.clone())),
            Self::Range(..) | Self::Coalesce(_) | Self::Select(_) | Self::Keep(_) => None,
        }
    }
}

impl ExchangeExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, routing: Routing) -> Self {
        let before = input.output_partitioning().partition_count().max(1);
        let partitioning = match &routing {
            Routing::Hash(keys, parts) => Partitioning::Hash(keys.clone(), parts.most()),
            Routing::RoundRobin(parts) => Partitioning::UnknownPartitioning(parts.most()),
            Routing::Range(_, parts) => Partitioning::UnknownPartitioning(parts.most()),
            Routing::Bounded(range) => Partitioning::UnknownPartitioning(range.partition_count()),
            Routing::Coalesce(n) => Partitioning::UnknownPartitioning(before.min(*n)),
            Routing::Select(groups) => Partitioning::UnknownPartitioning(groups.len()),
            Routing::Keep(_) => Partitioning::UnknownPartitioning(before),
        };
        let properties = sources::unordered(input.schema(), partitioning);
        Self { input, routing, properties }
    }

    pub(crate) fn routing(&self) -> &Routing {
        &self.routing
    }
}

/// Whether a node of a plan is an exchange that the program asked for.
pub(crate) fn is_shuffle(plan: &dyn ExecutionPlan) -> bool {
    let routing = plan.downcast_ref::<ExchangeExec>().map(ExchangeExec::routing);
    routing.is_some_and(|it| it.carried().is_some() || matches!(it, Routing::Range(..)))
}

/// The cache that a node of a plan is.
pub(crate) fn kept(plan: &dyn ExecutionPlan) -> Option<&Kept> {
    match plan.downcast_ref::<ExchangeExec>()?.routing() {
        Routing::Keep(kept) => Some(kept),
        _ => None,
    }
}

impl DisplayAs for ExchangeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.routing {
            Routing::RoundRobin(n) => {
                write!(f, "ExchangeExec: round robin, {} partitions", n.most())
            }
            Routing::Hash(keys, n) => {
                let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
                write!(f, "ExchangeExec: hash({}), {} partitions", keys.join(", "), n.most())
            }
            Routing::Range(order, parts) => {
                write!(f, "ExchangeExec: range({order}), {} partitions", parts.most())
            }
            Routing::Bounded(range) => write!(f, "ExchangeExec: {range}"),
            Routing::Coalesce(n) => write!(f, "CoalesceExec: {n} partitions"),
            Routing::Select(groups) => write!(f, "SelectExec: {} partitions", groups.len()),
            Routing::Keep(kept) => write!(f, "{kept}"),
        }
    }
}

impl ExecutionPlan for ExchangeExec {
    fn name(&self) -> &'static str {
        "ExchangeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        // Not even where partitions stay as they are: a sort that is needed above would be done
        // below.
        vec![false]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        // Partitions are concatenated as they are, so a sort below is not in vain.
        let keeps =
            matches!(self.routing, Routing::Coalesce(_) | Routing::Select(_) | Routing::Keep(_));
        let order = self.input.output_ordering().filter(|_| keeps);
        vec![order.map(|order| OrderingRequirements::from(order.clone()))]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        match &self.routing {
            Routing::Hash(keys, _) => datafusion::physical_plan::apply_expression_roots(keys, f),
            Routing::Range(order, _) => datafusion::physical_plan::apply_expression_roots(
                order.iter().map(|key| &key.expr),
                f,
            ),
            Routing::Bounded(range) => datafusion::physical_plan::apply_expression_roots(
                range.ordering().iter().map(|key| &key.expr),
                f,
            ),
            Routing::RoundRobin(_)
            | Routing::Coalesce(_)
            | Routing::Select(_)
            | Routing::Keep(_) => Ok(TreeNodeRecursion::Continue),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.routing.clone())))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("an exchange must be cut before it runs")
    }

    fn child_stats_requests(&self, _: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(None)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match (args.partition(), inputs) {
            (None, [input]) => Ok(Arc::clone(input)),
            _ => Ok(Arc::new(Statistics::new_unknown(&self.schema()))),
        }
    }
}
