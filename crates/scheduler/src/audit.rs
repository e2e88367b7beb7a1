//! The scheduler's invariants between two events. Slow: for tests and simulations.

use crate::scheduler::Scheduler;
use crate::stage::{Kind, Phase, Stage};
use crate::tasks::TaskState;
use model::{Attempt, JobId, MapOutputId, StageId};

impl Scheduler {
    /// Checks the whole state and describes the first contradiction.
    pub fn audit(&self) -> Result<(), String> {
        if !self.executors.is_sound() {
            return Err("slots and attempts in flight disagree".to_owned());
        }
        if !self.health.is_sound() {
            return Err("executors are excluded without end".to_owned());
        }
        let mut queued = 0;
        for stage in self.stages.iter() {
            let id = stage.id;
            let fault = |fault: &str| Err(format!("{id}: {fault}"));
            if stage.is_broken() {
                return fault("tasks of a barrier run without the others");
            }
            if stage.is_single_attempt() && stage.launches() > u64::from(stage.tasks()) {
                return fault("a task is launched again that has a single attempt");
            }
            if stage.phase != Phase::Active && stage.tasks.slow().count() > 0 {
                return fault("a task waits for a second attempt though its stage may not run");
            }
            if stage.phase != Phase::Active && stage.failures.unschedulable_until.is_some() {
                return fault("it waits for an executor though it may not run");
            }
            if stage.delay.until.is_some() && !stage.tasks.has_work() {
                return fault("it waits for a slot without a task");
            }
            if !stage.tasks.is_sound() {
                return fault("counts and tasks disagree");
            }
            if stage.jobs.is_empty() || !stage.jobs().all(|(job, _)| self.has(job, stage)) {
                return fault("its jobs do not exist");
            }
            if stage.parents.iter().any(|&parent| parent >= id || !self.links(parent, stage)) {
                return fault("its parents do not precede it");
            }
            if stage.is_requested() != (self.stages.is_needed(id) && !stage.is_complete()) {
                return fault("it is requested but not needed, or needed but not requested");
            }
            if !self.is_phase_right(stage) {
                return fault("it may run before its inputs are complete, or waits for nothing");
            }
            if !self.are_tasks_right(stage) {
                return fault(
                    "a task is done without an output, or runs without an attempt in flight",
                );
            }
            queued += usize::from(matches!(stage.phase, Phase::Held { .. }));
            queued += usize::from(self.queue.is_ready(stage.first_job(), id));
        }
        if !self.shuffles.is_sound() {
            return Err("outputs and what is counted of them by volume disagree".to_owned());
        }
        if let Some(shuffle) = self.shuffles.released().find(|shuffle| {
            self.stages.writer(*shuffle).is_none() && self.shuffles.outputs(*shuffle).count() > 0
        }) {
            return Err(format!("shuffle {shuffle} was released, and its outputs are kept"));
        }
        if queued == self.queue.len() {
            Ok(())
        } else {
            Err("the queue holds stages that should not be in it".to_owned())
        }
    }

    fn has(&self, job: JobId, stage: &Stage) -> bool {
        self.jobs.live.get(&job).is_some_and(|job| job.stages.contains(&stage.id))
    }

    fn links(&self, parent: StageId, stage: &Stage) -> bool {
        self.stages.get(parent).is_some_and(|parent| parent.children.contains(&stage.id))
    }

    fn is_phase_right(&self, stage: &Stage) -> bool {
        let incomplete = |&&parent: &&StageId| !self.stages.is_complete(parent);
        let missing = stage.parents.iter().filter(incomplete).count();
        let ready = self.queue.is_ready(stage.first_job(), stage.id);
        match stage.phase {
            Phase::Idle => !ready && stage.running() == 0,
            Phase::Waiting { missing: counted } => {
                !ready && missing > 0 && missing == counted as usize
            }
            Phase::Held { until } => !ready && missing == 0 && self.queue.is_held(stage.id, until),
            Phase::Active => missing == 0 && ready == stage.tasks.has_work(),
        }
    }

    fn are_tasks_right(&self, stage: &Stage) -> bool {
        (0..stage.partitions()).all(|partition| {
            let is = stage.task(partition);
            let attempts: Vec<Attempt> = stage.attempts(partition).collect();
            let flies = |attempt: &Attempt| self.executors.executor_of(*attempt).is_some();
            let alone = stage.barrier || stage.is_single_attempt();
            let right = attempts.iter().all(flies) && attempts.len() <= if alone { 1 } else { 2 };
            let Kind::Map { shuffle, .. } = stage.kind else { return right };
            let output = self.shuffles.output(MapOutputId { shuffle, map: partition });
            right && output.is_some() == (is == Some(TaskState::Done))
        })
    }
}
