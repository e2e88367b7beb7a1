//! Join hints, as shown in the analyzed plan. They have no effect: broadcasting is decided by size.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::AnalyzerRule;
use std::fmt;
use std::sync::Arc;

/// The rows of `input`, with the join strategy that the program asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
struct Hinted {
    strategy: &'static str,
    input: LogicalPlan,
}

impl UserDefinedLogicalNodeCore for Hinted {
    fn name(&self) -> &'static str {
        "ResolvedHint"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResolvedHint (strategy={})", self.strategy)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { strategy: self.strategy, input: inputs.swap_remove(0) })
    }
}

/// The strategy of a hint, whose name is case-insensitive.
pub(crate) fn strategy(name: &str) -> Option<&'static str> {
    match name.to_lowercase().as_str() {
        "broadcast" | "broadcastjoin" | "mapjoin" => Some("broadcast"),
        "merge" | "mergejoin" | "shuffle_merge" => Some("merge"),
        "shuffle_hash" => Some("shuffle_hash"),
        "shuffle_replicate_nl" => Some("shuffle_replicate_nl"),
        _ => None,
    }
}

/// Wraps a plan in a hint.
pub(crate) fn hinted(input: LogicalPlan, strategy: &'static str) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(Hinted { strategy, input }) })
}

/// Drops hints before the plan is optimised.
#[derive(Debug)]
pub struct DropHints;

impl AnalyzerRule for DropHints {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let dropped = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Extension(extension) = &plan else { return Ok(Transformed::no(plan)) };
            match extension.node.as_any().downcast_ref::<Hinted>() {
                Some(hinted) => Ok(Transformed::yes(hinted.input.clone())),
                None => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(dropped.data)
    }

    fn name(&self) -> &'static str {
        "drop_hints"
    }
}
