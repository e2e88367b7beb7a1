//! `window(time, …)` among the items of a list or the keys of a group: rows that have no time are in no window, and are left out.

use super::Result;
use super::typed::Typed;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as DfExpr, Filter, LogicalPlan};
use std::sync::Arc;

/// The rows of a plan that have the times whose windows the items ask for.
pub(super) fn with_time<'i>(
    plan: LogicalPlan,
    items: impl IntoIterator<Item = &'i Typed>,
) -> Result<LogicalPlan> {
    let mut times: Vec<DfExpr> = Vec::new();
    for item in items {
        item.expr.apply(|expr| {
            times.extend(functions::time_of_window(expr).cloned());
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    times.dedup();
    let Some(known) = times.into_iter().map(DfExpr::is_not_null).reduce(DfExpr::and) else {
        return Ok(plan);
    };
    Ok(LogicalPlan::Filter(Filter::try_new(known, Arc::new(plan))?))
}
