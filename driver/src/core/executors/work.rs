//! What executors were told already, what they are told at the end of this turn, and what they run.

use super::{Executor, Executors};
use crate::core::effect::Effect;
use crate::core::jobs::Planned;
use crate::rows::{Piece, Rows};
use engine::StageOutput;
use model::executor::{BarrierAnswer, Hosts, Launch, Places, Template, ToExecutor, Work};
use model::{Attempt, ExecutorId, JobId, MapOutput, ShuffleId, StageId, VolumeId};
use scheduler::Scheduler;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Shuffles whose map outputs' places are remembered between jobs.
const PLACES_KEPT: usize = 1000;

/// Bytes of a task of its own, beside what its stage has in common, beyond which a program is
/// warned.
const LARGE_TASK: usize = 1000 << 10;

/// One executor's work.
#[derive(Debug, Default)]
pub(super) struct Desk {
    known: Known,
    /// What it is told at the end of this turn.
    work: Work,
    pub(super) running: BTreeSet<Attempt>,
    pub(super) finished: u64,
    pub(super) failed: u64,
    /// Rows that came before the end of their attempt.
    parts: BTreeMap<Attempt, Rows>,
}

/// What an executor was told already.
#[derive(Debug, Default)]
struct Known {
    stages: BTreeMap<StageId, Told>,
    /// Each with the number of the places that it knows.
    places: BTreeMap<ShuffleId, u64>,
}

/// What was told of a stage.
#[derive(Debug)]
struct Told {
    /// The job that it runs for.
    job: JobId,
    /// The shuffles that it reads.
    inputs: Vec<ShuffleId>,
}

/// The places of map outputs as they were last told to anyone, each version with a number of its
/// own.
#[derive(Debug, Default)]
pub(super) struct Atlas {
    generations: u64,
    pages: BTreeMap<ShuffleId, Page>,
    /// Shuffles that launches of the event at hand read, by executor.
    wanted: BTreeSet<(ExecutorId, ShuffleId)>,
}

#[derive(Debug)]
struct Page {
    /// Generation of the outputs, and `Executors::mounts`, when these were gathered.
    of: (u64, u64),
    places: Arc<Places>,
}

impl Executors {
    /// Puts a launch into the executor's work, and the stage's template if it does not have it, or
    /// has it with the properties of a job that is over.
    pub(crate) fn launch(
        &mut self,
        id: ExecutorId,
        (attempt, slots, hosts): (Attempt, u32, Hosts),
        of: Planned<'_>,
    ) {
        let Some(Executor { desk, .. }) = self.live.get_mut(&id) else { return };
        let Planned { job, plan, index: _, properties } = of;
        let planned = of.stage();
        let inputs = planned.parents.iter().map(|parent| plan.stages[*parent].shuffle());
        let stage = attempt.task.stage;
        if desk.known.stages.get(&stage).is_none_or(|told| told.job != job) {
            let inputs: Vec<ShuffleId> = inputs.clone().collect();
            desk.known.stages.insert(stage, Told { job, inputs: inputs.clone() });
            let writes = match planned.output {
                StageOutput::Shuffle { readers } => Some((planned.shuffle(), readers)),
                StageOutput::Rows => None,
            };
            let plan = planned.template.clone();
            let properties = properties.clone();
            let template = Template { stage, plan, slots, writes, inputs, properties };
            desk.work.templates.push(Arc::new(template));
        }
        let binding = planned.bindings[attempt.task.partition as usize].clone();
        if binding.len() > LARGE_TASK && self.large.insert(stage) {
            let (StageId(stage), kib) = (stage, binding.len() / 1024);
            tracing::warn!(
                "Stage {stage} contains a task of very large size ({kib} KiB). The maximum \
                 recommended task size is {} KiB.",
                LARGE_TASK / 1024
            );
        }
        desk.work.launches.push(Launch { attempt, binding, hosts });
        desk.running.insert(attempt);
        self.atlas.wanted.extend(inputs.map(|shuffle| (id, shuffle)));
    }

    /// Tells the places of the map outputs that the launches since the last call read, where they
    /// are not known or have changed.
    pub(crate) fn locate(&mut self, scheduler: &Scheduler) {
        for (id, shuffle) in std::mem::take(&mut self.atlas.wanted) {
            let of = (scheduler.generation(shuffle), self.mounts);
            if self.atlas.pages.get(&shuffle).is_none_or(|page| page.of != of) {
                self.atlas.generations += 1;
                let generation = self.atlas.generations;
                let outputs = scheduler
                    .map_outputs(shuffle)
                    .map(|output| (Arc::new(output.clone()), self.addresses(&output.volume)))
                    .collect();
                let places = Arc::new(Places { shuffle, generation, outputs });
                self.atlas.pages.insert(shuffle, Page { of, places });
            }
            let places = &self.atlas.pages[&shuffle].places;
            let Some(Executor { desk, .. }) = self.live.get_mut(&id) else { continue };
            let known = desk.known.places.insert(shuffle, places.generation);
            if known != Some(places.generation) {
                desk.work.places.retain(|older| older.shuffle != shuffle);
                desk.work.places.push(Arc::clone(places));
            }
        }
    }

    fn addresses(&self, volume: &VolumeId) -> Vec<String> {
        let serving = self.live.values().filter(|executor| executor.volumes.contains(volume));
        serving.map(|executor| executor.block_address.clone()).collect()
    }

    pub(crate) fn cancel(&mut self, id: ExecutorId, attempt: Attempt, reason: String) {
        if let Some(executor) = self.live.get_mut(&id) {
            executor.desk.work.cancels.push((attempt, reason));
        }
    }

    /// Answers an attempt that waits for the others of its barrier stage.
    pub(crate) fn answer(&mut self, id: ExecutorId, answer: BarrierAnswer) {
        if let Some(executor) = self.live.get_mut(&id) {
            executor.desk.work.barriers.push(answer);
        }
    }

    /// Tells all who mount its volume that a map output must not be used again.
    pub(crate) fn discard(&mut self, output: &MapOutput) {
        for executor in self.live.values_mut() {
            if executor.volumes.contains(&output.volume) {
                executor.desk.work.discards.push(output.clone());
            }
        }
    }

    /// Tells an executor to copy a map output to its volume.
    pub(crate) fn copy(&mut self, id: ExecutorId, output: Arc<MapOutput>) {
        let addresses = self.addresses(&output.volume);
        if let Some(executor) = self.live.get_mut(&id) {
            executor.desk.work.moves.push((output, addresses));
        }
    }

    /// Tells all executors to forget the stages for which `needed` is false, and with them the
    /// places that only those read.
    pub(crate) fn forget(&mut self, needed: impl Fn(StageId) -> bool) {
        self.large.retain(|stage| needed(*stage));
        for executor in self.live.values_mut() {
            let Desk { known: Known { stages, places }, work, .. } = &mut executor.desk;
            stages.retain(|stage, _| {
                let keep = needed(*stage);
                if !keep {
                    work.forget.push(*stage);
                }
                keep
            });
            let read: BTreeSet<ShuffleId> =
                stages.values().flat_map(|told| &told.inputs).copied().collect();
            places.retain(|shuffle, _| read.contains(shuffle));
        }
        if self.atlas.pages.len() > PLACES_KEPT {
            // They are gathered again for whoever needs them.
            self.atlas.pages.clear();
            self.live.values_mut().for_each(|executor| executor.desk.known.places.clear());
        }
    }

    /// Adds to the rows of an attempt, and returns how many bytes of it there are.
    pub(crate) fn add_part(&mut self, id: ExecutorId, attempt: Attempt, piece: Piece) -> u64 {
        let Some(Executor { desk, .. }) = self.live.get_mut(&id) else { return 0 };
        // Rows of an attempt that does not run here would never be fetched.
        if !desk.running.contains(&attempt) {
            return 0;
        }
        let parts = desk.parts.entry(attempt).or_default();
        parts.push(piece);
        parts.len()
    }

    /// The rows of an attempt that came before its end.
    pub(crate) fn take_parts(&mut self, id: ExecutorId, attempt: Attempt) -> Option<Rows> {
        self.live.get_mut(&id)?.desk.parts.remove(&attempt)
    }

    pub(crate) fn note_end(&mut self, id: ExecutorId, attempt: Attempt, failed: bool) {
        let Some(Executor { desk, .. }) = self.live.get_mut(&id) else { return };
        if desk.running.remove(&attempt) {
            let count = if failed { &mut desk.failed } else { &mut desk.finished };
            *count += 1;
        }
    }

    /// Sends each executor what has gathered.
    pub(crate) fn flush(&mut self, effects: &mut Vec<Effect>) {
        for Executor { connection, desk, .. } in self.live.values_mut() {
            if !desk.work.is_empty() {
                let message = ToExecutor::Work(std::mem::take(&mut desk.work));
                effects.push(Effect::TellExecutor { connection: *connection, message });
            }
        }
    }
}
