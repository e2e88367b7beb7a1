//! Submission and end of jobs: their stages are found or created, requested, and dropped with the
//! last job that has them.

use crate::delay::Delay;
use crate::event::{Command, DiscardReason, JobFailure, JobShape, StageShape};
use crate::exclusion::Failures;
use crate::job::Job;
use crate::recover::each;
use crate::scheduler::Scheduler;
use crate::speculation::Pace;
use crate::stage::{Kind, Phase, Rounds, Stage};
use crate::tasks::{TaskState, Tasks};
use model::{JobId, MapOutputId, ShuffleId, StageId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Scheduler {
    pub(crate) fn on_job_submitted(&mut self, job: JobId, shape: &JobShape) {
        if self.jobs.last.is_some_and(|last| job <= last) {
            return; // a repeated submission
        }
        self.jobs.last = Some(job);
        if let Err(problem) = self.check(shape) {
            let failure = JobFailure::Malformed { problem };
            self.agenda.commands.push(Command::JobFailed { job, failure });
            return;
        }
        let mut stages = Vec::with_capacity(shape.stages.len());
        for (index, stage) in shape.stages.iter().enumerate() {
            let parents: BTreeSet<StageId> = stage.parents.iter().map(|&p| stages[p]).collect();
            let parents = parents.into_iter().collect();
            let id = match stage.shuffle {
                Some(shuffle) => {
                    self.shuffles.set_released(shuffle, false);
                    self.find_or_add_map_stage(shuffle, stage, parents)
                }
                None => self.add_result_stage(job, stage, parents, shape),
            };
            if let Some(stage) = self.stages.get_mut(id) {
                stage.jobs.entry(job).or_insert(index);
                stage.is_cache |= stage.shuffle().is_some_and(|it| shape.cached.contains(&it));
            }
            self.agenda.changed.insert(id);
            stages.push(id);
        }
        let before = |id: &StageId| {
            self.stages.get(*id).filter(|stage| stage.running() == 0).map(Stage::launches)
        };
        let before = stages.iter().map(before).collect();
        let last = *stages.last().expect("a checked shape has a last stage");
        self.jobs
            .live
            .insert(job, Job { pool: shape.pool.clone(), stages, before, result_bytes: 0 });
        if self.stages.is_complete(last) {
            self.end_job(job, None);
            return;
        }
        if let Some(stage) = self.stages.get_mut(last)
            && matches!(stage.kind, Kind::Map { .. })
        {
            stage.awaited_by.insert(job);
        }
        self.agenda.requests.push((last, None));
    }

    fn find_or_add_map_stage(
        &mut self,
        shuffle: ShuffleId,
        shape: &StageShape,
        parents: Vec<StageId>,
    ) -> StageId {
        if let Some(id) = self.stages.writer(shuffle) {
            return id;
        }
        let shuffle_of = |&parent: &StageId| self.stages.get(parent)?.shuffle();
        let reads: Vec<ShuffleId> = parents.iter().filter_map(shuffle_of).collect();
        let (unsure, reason) = self.shuffles.declare(shuffle, shape, &reads, self.epoch);
        self.lose(each(unsure, reason), None);
        let beyond: Vec<MapOutputId> = self
            .shuffles
            .outputs(shuffle)
            .map(|output| output.id)
            .filter(|id| id.map >= shape.partitions)
            .collect();
        self.lose(each(beyond, DiscardReason::OutOfRange), None);
        let state = |map| match self.shuffles.output(MapOutputId { shuffle, map }) {
            Some(_) => TaskState::Done,
            None => TaskState::Pending,
        };
        let tasks = Tasks::new((0..shape.partitions).map(state));
        let kind = Kind::Map { shuffle, deterministic: shape.deterministic };
        self.add((kind, shape), parents, tasks)
    }

    fn add_result_stage(
        &mut self,
        job: JobId,
        stage: &StageShape,
        parents: Vec<StageId>,
        shape: &JobShape,
    ) -> StageId {
        let mut states = vec![TaskState::NotWanted; stage.partitions as usize];
        for &partition in &shape.result_partitions {
            states[partition as usize] = TaskState::Pending;
        }
        let kind = Kind::Result { job, single_attempt: shape.single_attempt };
        self.add((kind, stage), parents, Tasks::new(states.into_iter()))
    }

    fn add(
        &mut self,
        (kind, shape): (Kind, &StageShape),
        parents: Vec<StageId>,
        tasks: Tasks,
    ) -> StageId {
        let id = self.stages.next_id();
        self.stages.insert(Stage {
            id,
            kind,
            barrier: shape.barrier,
            task_slots: shape.task_slots.max(1),
            profile: shape.profile,
            executor_slots: shape.executor_slots,
            parents,
            children: BTreeSet::new(),
            jobs: BTreeMap::new(),
            awaited_by: BTreeSet::new(),
            phase: Phase::Idle,
            rounds: Rounds::default(),
            tasks,
            pace: Pace::default(),
            failures: Failures::default(),
            delay: Delay::default(),
            waits_for_executor: false,
            is_cache: false,
        });
        id
    }

    /// Makes a stage run if it is needed and incomplete, and requests its inputs in turn.
    pub(crate) fn request(&mut self, id: StageId, hold: Option<Duration>) {
        if self.stages.is_complete(id) || !self.stages.is_needed(id) {
            return;
        }
        let Some(stage) = self.stages.get(id).filter(|stage| !stage.is_requested()) else { return };
        if self.limits.dynamic && stage.barrier {
            self.fail_jobs(id, &JobFailure::BarrierRefused { stage: id });
            return;
        }
        let tasks = stage.tasks();
        let (task_slots, capacity) = (stage.task_slots, self.limits.capacity);
        let slots = stage.executor_slots.or(capacity.map(|capacity| capacity.slots));
        if let Some(slots) = slots.filter(|slots| *slots < task_slots) {
            self.fail_jobs(id, &JobFailure::TaskTooLarge { stage: id, task_slots, slots });
            return;
        }
        let slots = capacity.and_then(|capacity| capacity.tasks(task_slots));
        if let Some(slots) = slots.filter(|slots| stage.barrier && *slots < tasks) {
            self.fail_jobs(id, &JobFailure::TooFewSlots { stage: id, tasks, slots });
            return;
        }
        if let (true, Some(shuffle)) = (stage.is_unrepeatable(), stage.shuffle()) {
            // Its remaining outputs, and whatever was made of its earlier ones, would not match the
            // new ones.
            self.roll_back(shuffle);
        } else if stage.barrier && stage.done() > 0 {
            self.restart_barrier(id);
        }
        let Some(stage) = self.stages.get(id) else { return };
        let incomplete = |&parent: &StageId| !self.stages.is_complete(parent);
        let parents: Vec<StageId> = stage.parents.iter().copied().filter(incomplete).collect();
        let phase = match (u32::try_from(parents.len()), hold) {
            (Ok(0), None) => Phase::Active,
            (Ok(0), Some(until)) => Phase::Held { until },
            (missing, _) => Phase::Waiting { missing: missing.unwrap_or(u32::MAX) },
        };
        self.set_phase(id, phase);
        self.agenda.requests.extend(parents.into_iter().map(|parent| (parent, hold)));
    }

    /// Removes a job and everything that no other job needs. `failure` is `None` if it has all its
    /// results.
    pub(crate) fn end_job(&mut self, id: JobId, failure: Option<JobFailure>) {
        let progress = self.progress(id);
        let Some(job) = self.jobs.live.remove(&id) else { return };
        self.jobs.ended.insert(id, progress);
        self.agenda.commands.push(match failure {
            None => Command::JobFinished { job: id },
            Some(failure) => Command::JobFailed { job: id, failure },
        });
        let stages: BTreeSet<StageId> = job.stages.into_iter().collect();
        let mut shared = Vec::new();
        for stage in stages.into_iter().rev() {
            if self.detach(id, stage) {
                shared.push(stage);
            }
        }
        self.idle_unless_needed(shared);
    }

    /// Ends the jobs that want nothing but the outputs of a map stage, if it is complete.
    pub(crate) fn end_awaiting(&mut self, id: StageId) {
        let stage = self.stages.get(id).filter(|stage| stage.is_complete());
        for job in stage.map_or(BTreeSet::new(), |stage| stage.awaited_by.clone()) {
            self.end_job(job, None);
        }
    }

    /// Removes a job from a stage, and drops the stage if that was its last job. Returns whether
    /// the stage still exists.
    fn detach(&mut self, job: JobId, id: StageId) -> bool {
        let Some(stage) = self.stages.get_mut(id) else { return false };
        if stage.jobs.len() > 1 {
            self.queue.remove(stage.first_job(), id);
            stage.jobs.remove(&job);
            stage.awaited_by.remove(&job);
            self.enqueue(id);
            return true;
        }
        let shuffle = stage.shuffle();
        self.set_phase(id, Phase::Idle);
        self.cancel_attempts(id, "its job is over");
        self.stages.remove(id);
        if let Some(shuffle) = shuffle {
            self.agenda.unused.push(shuffle);
            self.discard_released(shuffle);
        }
        false
    }

    /// Stops stages that nothing needs, and then their inputs likewise.
    pub(crate) fn idle_unless_needed(&mut self, mut stages: Vec<StageId>) {
        while let Some(id) = stages.pop() {
            let Some(stage) = self.stages.get(id) else { continue };
            if !stage.is_requested() || self.stages.is_needed(id) {
                continue;
            }
            stages.extend(&stage.parents);
            self.set_phase(id, Phase::Idle);
            self.cancel_attempts(id, "its output is no longer needed");
        }
    }

    /// Checks that a shape is consistent, and agrees with the existing stages.
    fn check(&self, shape: &JobShape) -> Result<(), String> {
        let Some((result, maps)) = shape.stages.split_last() else {
            return Err("the job has no stage".to_owned());
        };
        if result.shuffle.is_some() && !shape.result_partitions.is_empty() {
            return Err("the last stage writes a shuffle, so it has no results".to_owned());
        }
        if let Some(partition) = shape.result_partitions.iter().find(|&&p| p >= result.partitions) {
            return Err(format!("the result stage has no partition {partition}"));
        }
        let mut seen: BTreeMap<ShuffleId, (u32, BTreeSet<ShuffleId>)> = BTreeMap::new();
        for (index, stage) in shape.stages.iter().enumerate() {
            if let Some(parent) = stage.parents.iter().find(|&&parent| parent >= index) {
                return Err(format!("stage {index} reads stage {parent}, which is not before it"));
            }
            let Some(shuffle) = stage.shuffle else {
                if index < maps.len() {
                    return Err(format!("stage {index} writes no shuffle and is not the last"));
                }
                continue;
            };
            let reads = stage.parents.iter().filter_map(|&parent| maps[parent].shuffle).collect();
            let is = (stage.partitions, reads);
            let known = seen.get(&shuffle).cloned().or_else(|| self.known(shuffle));
            if known.is_some_and(|known| known != is) {
                return Err(format!(
                    "stage {index} differs from the known writer of shuffle {shuffle}"
                ));
            }
            seen.insert(shuffle, is);
        }
        Ok(())
    }

    /// Partitions and inputs of the known stage that writes a shuffle.
    fn known(&self, shuffle: ShuffleId) -> Option<(u32, BTreeSet<ShuffleId>)> {
        let stage = self.stages.get(self.stages.writer(shuffle)?)?;
        let reads = stage.parents.iter().filter_map(|&parent| self.stages.get(parent)?.shuffle());
        Some((stage.partitions(), reads.collect()))
    }
}
