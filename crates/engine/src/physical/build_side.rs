//! Joins that may have their whole build side in every task.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use std::sync::Arc;

/// Whether a join yields build-side rows by itself (unmatched ones, or each once). If every task
/// had the whole build side, every task would yield them.
pub(crate) fn yields_build_rows(kind: JoinType) -> bool {
    match kind {
        JoinType::Left
        | JoinType::Full
        | JoinType::LeftSemi
        | JoinType::LeftAnti
        | JoinType::LeftMark => true,
        JoinType::Inner
        | JoinType::Right
        | JoinType::RightSemi
        | JoinType::RightAnti
        | JoinType::RightMark => false,
    }
}

/// Whether all probe-side rows must be gathered in one task, because the build side would be in
/// every task and must not be.
pub(crate) fn needs_one_probe(plan: &dyn ExecutionPlan) -> bool {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return *join.partition_mode() == PartitionMode::CollectLeft
            && (join.null_aware || yields_build_rows(*join.join_type()));
    }
    plan.downcast_ref::<NestedLoopJoinExec>()
        .is_some_and(|join| yields_build_rows(*join.join_type()))
}

/// Makes hash joins partitioned if their build side must not be in every task. Runs before
/// exchanges are added.
#[derive(Debug)]
pub(crate) struct SafeBuildSides;

impl PhysicalOptimizerRule for SafeBuildSides {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
                return Ok(Transformed::no(plan));
            };
            // A null-aware join (`NOT IN`) has to see all rows anyway: the stage cutter gathers
            // them.
            if !needs_one_probe(plan.as_ref()) || join.null_aware {
                return Ok(Transformed::no(plan));
            }
            let mode = PartitionMode::Partitioned;
            Ok(Transformed::yes(join.builder().with_partition_mode(mode).build_exec()?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "safe_build_sides"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
