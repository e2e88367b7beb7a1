//! Filters that a task's joins make for its scans: once the build side is known, row groups without
//! any of its keys are not read.

use super::nodes::{LeafExec, LeafKind};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use std::sync::{Arc, LazyLock};

type Plan = Arc<dyn ExecutionPlan>;

/// Whether a template scans a source.
pub(crate) fn scans(template: &Plan) -> bool {
    any(template, &|plan| scan(plan).is_some())
}

/// Whether a hash join of a template probes with the rows of a scan, and nothing below a join stops
/// after some rows or draws something by row: these must not depend on the other side.
pub(crate) fn scans_are_joined(template: &Plan) -> bool {
    let probes_with = |is: &dyn Fn(&Plan) -> bool| {
        any(template, &|plan| {
            let join = plan.downcast_ref::<HashJoinExec>();
            join.is_some_and(|join| any(join.right(), is))
        })
    };
    probes_with(&|plan| scan(plan).is_some())
        && !probes_with(&|plan| scan(plan).unwrap_or(plan).fetch().is_some() || draws(plan))
}

/// Whether a node has expressions that are not the same for equal rows.
fn draws(plan: &Plan) -> bool {
    let mut draws = false;
    let looked = plan.apply_expressions(&mut |root| {
        draws |= is_volatile(root);
        Ok(TreeNodeRecursion::Continue)
    });
    draws || looked.is_err()
}

/// Whether a plan has a node that is so.
fn any(plan: &Plan, is: &dyn Fn(&Plan) -> bool) -> bool {
    is(plan) || plan.children().into_iter().any(|child| any(child, is))
}

/// The scan whose place a leaf holds.
fn scan(plan: &Plan) -> Option<&Plan> {
    let leaf = plan.downcast_ref::<LeafExec>()?;
    matches!(leaf.kind(), LeafKind::Source { .. }).then(|| leaf.shape())
}

/// The bound plan of a task, in which hash joins and the scans of their probe side share filters.
/// They could not be planned: in a plan, a filter would wait for the build sides of all tasks.
pub(crate) fn with_join_filters(plan: Plan) -> Result<Plan> {
    static OPTIONS: LazyLock<ConfigOptions> = LazyLock::new(|| {
        let mut options = ConfigOptions::default();
        let optimizer = &mut options.optimizer;
        optimizer.enable_join_dynamic_filter_pushdown = true;
        optimizer.enable_topk_dynamic_filter_pushdown = false;
        optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        options
    });
    FilterPushdown::new_post_optimization().optimize(plan, &OPTIONS)
}
