//! `window(time, …)` in a select list or as a grouping key: rows with a null time are in no window
//! and are dropped.

use super::Result;
use super::typed::Typed;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as DfExpr, Filter, LogicalPlan};
use std::sync::Arc;

/// Drops the rows of a plan that have a null for a time that the items group into windows.
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
