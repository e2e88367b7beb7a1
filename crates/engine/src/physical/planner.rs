//! DataFusion's physical planner, extended by our logical nodes.

use super::exchange::{ExchangeExec, Parts, Routing};
use super::marks::{Mark, MarkExec};
use super::python::PythonPlanner;
use analysis::{Barrier, Count, Exchange, JoinHint, LocalSortPlanner, Target};
use arrow::compute::SortOptions;
use datafusion::catalog::Session;
use datafusion::common::{Result, ScalarValue, SplitPoint, internal_datafusion_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, RangePartitioning};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use std::sync::Arc;

/// The planner (see the module).
#[derive(Debug)]
pub(crate) struct Planner;

#[async_trait::async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![
            Arc::new(ExchangePlanner),
            Arc::new(LocalSortPlanner),
            Arc::new(MarkPlanner),
            Arc::new(PythonPlanner),
        ])
        .create_physical_plan(plan, session)
        .await
    }
}

#[derive(Debug)]
struct MarkPlanner;

#[async_trait::async_trait]
impl ExtensionPlanner for MarkPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let node = node.as_any();
        let mark = match node.downcast_ref::<JoinHint>() {
            Some(hint) => Some(Mark::Join(hint.strategy)),
            None => node.is::<Barrier>().then_some(Mark::Barrier),
        };
        let marked = mark.zip(inputs.first());
        Ok(marked.map(|(mark, input)| Arc::new(MarkExec::new(mark, Arc::clone(input))) as _))
    }
}

#[derive(Debug)]
struct ExchangePlanner;

#[async_trait::async_trait]
impl ExtensionPlanner for ExchangePlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(Exchange { input, target }) = node.as_any().downcast_ref::<Exchange>() else {
            return Ok(None);
        };
        let [rows] = inputs else {
            return Err(internal_datafusion_err!("an exchange needs exactly one input"));
        };
        let expression =
            |expr| planner.create_physical_expr(expr, input.schema(), session, context);
        let routing = match target {
            Target::RoundRobin(count) => Routing::RoundRobin(partitions(*count)),
            Target::Numbered(number, n) => Routing::Bounded(numbered(expression(number)?, *n)?),
            Target::Select(groups) => Routing::Select(groups.clone()),
            Target::Keep(kept) => Routing::Keep(kept.clone()),
            Target::Coalesce(n) => Routing::Coalesce(*n as usize),
            Target::Hash(keys, count) => {
                let keys = keys.iter().map(expression).collect::<Result<_>>()?;
                Routing::Hash(keys, partitions(*count))
            }
            Target::Range(order, count) => {
                let keys = order.iter().map(|key| {
                    let options =
                        SortOptions { descending: !key.asc, nulls_first: key.nulls_first };
                    Ok(PhysicalSortExpr::new(expression(&key.expr)?, options))
                });
                match LexOrdering::new(keys.collect::<Result<Vec<_>>>()?) {
                    Some(order) => Routing::Range(order, partitions(*count)),
                    None => Routing::RoundRobin(partitions(*count)),
                }
            }
        };
        Ok(Some(Arc::new(ExchangeExec::new(Arc::clone(rows), routing))))
    }
}

fn partitions(count: Count) -> Parts {
    match count {
        Count::Asked(count) => Parts::Exactly(count as usize),
        Count::Usual(count) => Parts::UpTo(count as usize),
    }
}

/// Partition `n` holds the rows with the number `n`.
fn numbered(number: Arc<dyn PhysicalExpr>, partitions: u32) -> Result<RangePartitioning> {
    let bounds = (1..i32::try_from(partitions).unwrap_or(i32::MAX))
        .map(|bound| SplitPoint::new(vec![ScalarValue::Int32(Some(bound))]));
    let order = LexOrdering::new([PhysicalSortExpr::new(number, SortOptions::default())]);
    let order = order.ok_or_else(|| internal_datafusion_err!("an order needs a key"))?;
    RangePartitioning::try_new(order, bounds.collect())
}
