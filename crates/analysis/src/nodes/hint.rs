//! Join hints: the strategy that a program asks for, above the side of a join that it is for.

use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// How a join is computed; of several, the first has precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JoinStrategy {
    /// The side is in every task.
    Broadcast,
    /// Both sides are sorted.
    Merge,
    /// The side is hashed, in partitions.
    ShuffleHash,
    /// Each row meets each other.
    ShuffleReplicateNl,
}

impl JoinStrategy {
    /// The strategy of a hint, whose name is case-insensitive.
    pub(crate) fn of(hint: &str) -> Option<Self> {
        Some(match hint.to_lowercase().as_str() {
            "broadcast" | "broadcastjoin" | "mapjoin" => Self::Broadcast,
            "merge" | "mergejoin" | "shuffle_merge" => Self::Merge,
            "shuffle_hash" => Self::ShuffleHash,
            "shuffle_replicate_nl" => Self::ShuffleReplicateNl,
            _ => return None,
        })
    }

    /// Spark's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Merge => "merge",
            Self::ShuffleHash => "shuffle_hash",
            Self::ShuffleReplicateNl => "shuffle_replicate_nl",
        }
    }
}

/// The rows of `input`, for a join with a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub struct JoinHint {
    /// The strategy.
    pub strategy: JoinStrategy,
    /// The side of the join.
    pub input: LogicalPlan,
}

impl JoinHint {
    /// A plan with a hint.
    pub(crate) fn above(input: LogicalPlan, strategy: JoinStrategy) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(Self { strategy, input }) })
    }
}

impl UserDefinedLogicalNodeCore for JoinHint {
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
        write!(f, "ResolvedHint (strategy={})", self.strategy.name())
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { strategy: self.strategy, input: inputs.swap_remove(0) })
    }
}
