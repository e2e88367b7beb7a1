//! Map outputs that would be lost with executors that leave: they are moved to those that stay, and
//! an executor is not released before. What cannot be moved is lost and, if needed, made again.

use super::Core;
use model::{Attempt, ExecutorId, MapOutput, MapOutputId, VolumeId};
use scheduler::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Outputs of one executor that are moved at once.
const AT_ONCE: usize = 32;

/// What is moved from executors that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecommissionRules {
    /// Outputs that no cache wants.
    pub shuffles: bool,
    /// Cached partitions.
    pub caches: bool,
}

/// Outputs on their way.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// By output and by where it was: who copies it.
    out: BTreeMap<(VolumeId, MapOutputId), ExecutorId>,
    /// Those that could not be moved.
    given_up: BTreeSet<(VolumeId, MapOutputId, Attempt)>,
    /// Executors that leave when they have been moved.
    pub(super) awaited: BTreeSet<ExecutorId>,
}

impl Moves {
    fn is_any_from(&self, volumes: &[VolumeId]) -> bool {
        self.out.keys().any(|(volume, _)| volumes.contains(volume))
    }

    fn is_given_up(&self, output: &MapOutput) -> bool {
        self.given_up.contains(&(output.volume.clone(), output.id, output.attempt))
    }

    fn give_up(&mut self, output: MapOutput) {
        self.given_up.insert((output.volume, output.id, output.attempt));
    }
}

impl Core {
    /// Has the outputs of executors that leave copied by those that stay.
    pub(super) fn move_outputs(&mut self) {
        let Some(rules) = self.rules.decommission else { return };
        self.moves.awaited.clear();
        self.moves.out.retain(|_, to| self.executors.is_live(*to));
        let leaving: Vec<ExecutorId> = self.executors.leaving().collect();
        if leaving.is_empty() {
            self.moves.given_up.clear();
        }
        for executor in leaving {
            let volumes = self.executors.volumes_lost_with(executor);
            if !self.moves.is_any_from(&volumes) {
                self.start_moves(&volumes, rules);
            }
            if self.moves.is_any_from(&volumes) {
                self.moves.awaited.insert(executor);
            }
        }
    }

    fn start_moves(&mut self, volumes: &[VolumeId], rules: DecommissionRules) {
        let is_moved = |output: &&MapOutput| {
            let is_cached = self.caches.is_wanted(output.id.shuffle);
            let is_asked_for = if is_cached { rules.caches } else { rules.shuffles };
            is_asked_for && !self.moves.is_given_up(output)
        };
        let outputs = volumes.iter().flat_map(|volume| self.scheduler.outputs_on(volume));
        let outputs: Vec<_> = outputs.filter(is_moved).take(AT_ONCE).cloned().collect();
        let mut targets = self.executors.writers();
        for output in outputs {
            // Each of those that stay gets as many.
            let Some(to) = targets.pop_front() else { return };
            targets.push_back(to);
            self.moves.out.insert((output.volume.clone(), output.id), to);
            self.executors.copy(to, Arc::new(output));
        }
    }

    /// An output was copied, or could not be.
    pub(super) fn on_moved(
        &mut self,
        now: Duration,
        executor: ExecutorId,
        (output, copy): (MapOutput, Result<MapOutput, String>),
    ) {
        let key = (output.volume.clone(), output.id);
        if self.moves.out.get(&key) == Some(&executor) {
            self.moves.out.remove(&key);
        }
        let map = output.id.map;
        match copy {
            Ok(copy) => {
                self.apply(now, Event::MapOutputMoved { copy });
                let same = |it: &MapOutput| (it.id, it.attempt) == (output.id, output.attempt);
                let stays = self.scheduler.outputs_on(&output.volume).any(same);
                if stays {
                    self.moves.give_up(output);
                }
            }
            Err(problem) => {
                let shuffle = output.id.shuffle;
                tracing::warn!(
                    "map output {map} of shuffle {shuffle} could not be moved: {problem}"
                );
                self.moves.give_up(output);
            }
        }
    }
}
