//! Hash joins whose build side every task of a stage has: the first task of an executor builds the
//! hash table, and the others probe it. Tables stay while tasks of the stage run here, and after
//! that until a task of another stage starts.

use super::broadcast_rows::{Identity, identity};
use super::nodes::{LeafExec, LeafKind, ReadMode};
use super::{ShuffleReadExec, Stage, TaskRuntime};
use datafusion::common::{Result, internal_err};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type Plan = Arc<dyn ExecutionPlan>;

/// The shared joins of a stage in this executor (see the module).
#[derive(Debug, Default)]
pub(crate) struct BroadcastJoins {
    /// By the address of the join's node in the stage's template, which lives as long.
    joins: Mutex<HashMap<usize, Shared>>,
    /// Attempts of the stage that run.
    running: AtomicUsize,
}

#[derive(Debug)]
struct Shared {
    /// The blocks of its build side.
    build: Identity,
    /// The template's node with a table of its own. The sides of a task take the place of its
    /// children.
    join: Plan,
}

impl BroadcastJoins {
    /// The join of a template bound to the sides of a task. All that are made here with the same
    /// build side have one hash table, which the first of them to run builds.
    pub(crate) fn bind(&self, template: &Plan, left: Plan, right: Plan) -> Result<Plan> {
        let Some(read) = left.downcast_ref::<ShuffleReadExec>() else {
            return internal_err!("the build side of a broadcast join is not a shuffle's");
        };
        let build = identity(read.blocks());
        let key = Arc::as_ptr(template).addr();
        let join = {
            let mut joins = self.lock();
            if let Some(shared) = joins.get(&key).filter(|shared| shared.build == build) {
                Arc::clone(&shared.join)
            } else {
                let join = Arc::clone(template).reset_state()?;
                joins.insert(key, Shared { build, join: Arc::clone(&join) });
                join
            }
        };
        // A hash join with other children keeps its table.
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        join.replace_children(vec![left, right], options)
    }

    /// Drops the tables; attempts that probe them keep them to their end. Whoever comes later does
    /// not get the error of one that could not be built.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Shared>> {
        // Every change is a single operation, so a panic elsewhere leaves the map consistent.
        self.joins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all tasks of a template have the same build side of this join.
pub(crate) fn is_broadcast(join: &HashJoinExec) -> bool {
    let shared =
        |leaf: &LeafExec| matches!(leaf.kind(), LeafKind::Blocks { mode: ReadMode::Broadcast, .. });
    *join.partition_mode() == PartitionMode::CollectLeft
        && !join.null_aware
        && join.left().downcast_ref::<LeafExec>().is_some_and(shared)
}

/// The stage whose tables are kept though none of its tasks runs.
#[derive(Debug, Default)]
pub(crate) struct Resting(Mutex<Weak<BroadcastJoins>>);

impl Resting {
    fn replace(&self, with: Weak<BroadcastJoins>) -> Weak<BroadcastJoins> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), with)
    }
}

/// A running attempt of a stage: while there is one, the stage's tables stay.
pub(crate) struct Visit<'a> {
    runtime: &'a TaskRuntime,
    joins: &'a Arc<BroadcastJoins>,
}

impl<'a> Visit<'a> {
    /// Begins an attempt: the tables of a stage that rests are dropped, if it is another one.
    pub(crate) fn new(runtime: &'a TaskRuntime, stage: &'a Stage) -> Self {
        let joins = &stage.joins;
        joins.running.fetch_add(1, Ordering::SeqCst);
        clear_resting(runtime.resting().replace(Weak::new()), joins);
        Self { runtime, joins }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.joins.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            clear_resting(self.runtime.resting().replace(Arc::downgrade(self.joins)), self.joins);
        }
    }
}

/// Drops the tables of a stage that rested until now.
fn clear_resting(resting: Weak<BroadcastJoins>, but: &Arc<BroadcastJoins>) {
    let Some(joins) = resting.upgrade() else { return };
    if !Arc::ptr_eq(&joins, but) && joins.running.load(Ordering::SeqCst) == 0 {
        joins.clear();
    }
}
