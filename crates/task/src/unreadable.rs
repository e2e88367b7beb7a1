//! Search for unreadable blocks after a failed fetch, so that a single failure names them all.
//! Reported one at a time, each would cost the stage one of its few attempts.

use super::bind::Outputs;
use super::{BlockSource, ShuffleReadExec, Suspects, Wanted};
use datafusion::physical_plan::ExecutionPlan;
use model::{MapOutputId, Unreadable};
use std::collections::BTreeSet;

/// Limit on the map outputs named in one failure, which has to fit into a message.
const NAMED: usize = 100_000;

/// Everything that a task cannot read, the `known` ones first. `plan` is the plan it ran; `outputs`
/// are those of all shuffles that it reads.
pub(crate) async fn all_unreadable(
    source: &dyn BlockSource,
    known: Vec<Unreadable>,
    plan: &dyn ExecutionPlan,
    outputs: &Outputs,
) -> Vec<Unreadable> {
    let mut blocks = Vec::new();
    add_blocks(plan, &mut blocks);
    let outputs = outputs.values().flat_map(|outputs| outputs.iter().cloned()).collect();
    let found = source.search(Suspects { known: known.clone(), outputs, blocks }).await;
    let mut named: BTreeSet<MapOutputId> = BTreeSet::new();
    let all = known.into_iter().chain(found).filter(|found| named.insert(found.output));
    all.take(NAMED).collect()
}

fn add_blocks(plan: &dyn ExecutionPlan, blocks: &mut Vec<Wanted>) {
    if let Some(read) = plan.downcast_ref::<ShuffleReadExec>() {
        blocks.extend(read.blocks().cloned());
    }
    plan.children().into_iter().for_each(|child| add_blocks(child.as_ref(), blocks));
}
