//! Global sorts of many partitions: a range partitioning below local sorts instead of a merge in
//! one task. The optimizer plans merges; where the operators above take any number of partitions,
//! the merge is replaced (`docs/decisions/0016-global-sorts.md` says where, and why not
//! everywhere).

use super::exchange::{ExchangeExec, Parts, Routing};
use super::spark_error;
use super::stage::is_deterministic_node;
use arrow::datatypes::DataType;
use datafusion::physical_expr::{Distribution, LexOrdering};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use plan::SparkError;
use sources::WriteExec;
use std::sync::Arc;
use task::python::PythonExec;

type Plan = Arc<dyn ExecutionPlan>;

/// What takes the rows of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The program's client, which gets them all.
    Client,
    /// Something that takes partitions in order, up to this many; several jobs may each take some.
    Partitions(usize),
    /// As `Partitions`, but a single job takes all of them.
    Job(usize),
    /// An operator that was planned for the partitions that there are.
    Fixed,
}

/// Replaces merges by range partitionings where the reader of the plan's rows allows it.
pub(crate) fn spread(plan: Plan, reader: Reader, partitions: usize) -> Result<Plan, SparkError> {
    let mut changed = false;
    let mut children = Vec::new();
    let below = below(plan.as_ref(), reader, partitions);
    for child in plan.children() {
        let spread = spread(Arc::clone(child), below, partitions)?;
        changed |= !Arc::ptr_eq(&spread, child);
        children.push(spread);
    }
    let plan = if changed { with_children(plan, children)? } else { plan };
    let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() else { return Ok(plan) };
    let most = match reader {
        Reader::Job(most) => most,
        Reader::Partitions(most) if is_repeatable(merge.input())? => most,
        Reader::Partitions(_) | Reader::Client | Reader::Fixed => 1,
    };
    if most < 2 || merge.fetch().is_some() || has_nested_keys(merge) {
        return Ok(plan);
    }
    ranged(merge, most)
}

/// Whether each job sees the same rows, so that each is in the same partition for all of them.
fn is_repeatable(plan: &Plan) -> Result<bool, SparkError> {
    let routing = plan.downcast_ref::<ExchangeExec>().map(ExchangeExec::routing);
    if matches!(routing, Some(Routing::Keep(_))) {
        return Ok(true);
    }
    if !is_deterministic_node(plan).map_err(|error| spark_error(&error))? {
        return Ok(false);
    }
    plan.children().into_iter().try_fold(true, |all, child| Ok(all && is_repeatable(child)?))
}

/// What takes the rows of a plan's inputs.
fn below(plan: &dyn ExecutionPlan, reader: Reader, partitions: usize) -> Reader {
    if plan.is::<ProjectionExec>() || plan.is::<FilterExec>() || plan.is::<CooperativeExec>() {
        return reader;
    }
    let any = match reader {
        Reader::Client => Reader::Partitions(partitions),
        _ => reader,
    };
    if plan.is::<WriteExec>() {
        return Reader::Job(partitions);
    }
    if plan.is::<UnionExec>() || plan.is::<UnnestExec>() {
        return any;
    }
    if plan.is::<PythonExec>() {
        let needs = plan.input_distribution_requirements().into_per_child();
        let is_any = |of: &Distribution| matches!(of, Distribution::UnspecifiedDistribution);
        return if needs.iter().all(is_any) { any } else { Reader::Fixed };
    }
    match plan.downcast_ref::<ExchangeExec>().map(ExchangeExec::routing) {
        // Its own count of partitions follows from that of its input.
        Some(Routing::Coalesce(most)) => match any {
            Reader::Partitions(taken) => Reader::Partitions(taken.min(*most)),
            Reader::Job(taken) => Reader::Job(taken.min(*most)),
            _ => Reader::Fixed,
        },
        Some(Routing::Select(_)) => Reader::Partitions(partitions),
        _ => Reader::Fixed,
    }
}

/// A range partitioning, and a sort of each partition, instead of a merge.
fn ranged(merge: &SortPreservingMergeExec, most: usize) -> Result<Plan, SparkError> {
    let spread = |input: &Plan, order: &LexOrdering| -> Plan {
        let routing = Routing::Range(order.clone(), Parts::UpTo(most));
        let exchange = Arc::new(ExchangeExec::new(Arc::clone(input), routing));
        Arc::new(SortExec::new(order.clone(), exchange).with_preserve_partitioning(true))
    };
    // Operators that stand between the merge and the sort stay above the sort.
    let mut between = Vec::new();
    let mut plan = merge.input();
    while plan.is::<ProjectionExec>() || plan.is::<FilterExec>() || plan.is::<CooperativeExec>() {
        between.push(Arc::clone(plan));
        plan = plan.children()[0];
    }
    let (sorted, between) = match plan.downcast_ref::<SortExec>() {
        Some(sort) if sort.fetch().is_none() => (spread(sort.input(), sort.expr()), between),
        // The partitions are in this order for another reason.
        _ => (spread(merge.input(), merge.expr()), Vec::new()),
    };
    let above = |input, plan| with_children(plan, vec![input]);
    between.into_iter().rev().try_fold(sorted, above)
}

/// Whether a key has values within values: a bound of such a key might be compared differently than
/// rows are.
fn has_nested_keys(merge: &SortPreservingMergeExec) -> bool {
    let schema = merge.schema();
    let nested = |data_type: DataType| data_type.is_nested();
    merge.expr().iter().any(|key| key.expr.data_type(&schema).is_ok_and(nested))
}

fn with_children(plan: Plan, children: Vec<Plan>) -> Result<Plan, SparkError> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.replace_children(children, options).map_err(|error| spark_error(&error))
}
