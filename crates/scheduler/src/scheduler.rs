//! The scheduler's interface: one event in, commands out, and queries in between.

use crate::ahead::LaunchAhead;
use crate::delay::{Delay, LocalityWait};
use crate::event::{Command, Event, JobFailure};
use crate::exclusion::Failures;
use crate::executors::Executors;
use crate::gate::StartGate;
use crate::health::Health;
use crate::job::{Job, StageProgress};
use crate::pools::Sharing;
use crate::queue::Queue;
use crate::reach::Reach;
use crate::shuffles::Shuffles;
use crate::speculation::{Pace, Speculating};
use crate::stage::{Phase, Stage};
use crate::stages::Stages;
use model::{Epoch, JobId, MapOutput, ShuffleId, StageId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Limits on retries and result size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `spark.task.maxFailures`: number of failures of one partition, in one round of its stage,
    /// that fail its jobs.
    pub task_max_failures: u32,
    /// `spark.stage.maxConsecutiveAttempts`: number of consecutive rounds of a stage with a fetch
    /// failure that fail its jobs.
    pub stage_max_consecutive_attempts: u32,
    /// `spark.driver.maxResultSize`: limit on all results of a job, in bytes; `None` for no limit.
    pub max_result_bytes: Option<u64>,
    /// The executors that are wanted: a stage that does not fit into them can never run.
    pub capacity: Option<Capacity>,
    /// Whether executors come and go with the tasks: barrier stages are refused, and a task that
    /// may not run on any waits for another one.
    pub dynamic: bool,
    /// `spark.stage.ignoreDecommissionFetchFailure`: whether a round does not count that failed to
    /// read what was on volumes of executors that leave.
    pub ignore_leaving: bool,
    /// How long an executor gets no tasks the first time that another one does not reach it.
    pub unreached_wait: Duration,
    /// Time to collect further fetch failures before the lost map outputs are rewritten.
    pub resubmit_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            task_max_failures: 4,
            stage_max_consecutive_attempts: 4,
            max_result_bytes: Some(1 << 30),
            capacity: None,
            dynamic: false,
            ignore_leaving: true,
            unreached_wait: Duration::from_secs(30),
            resubmit_wait: Duration::from_millis(200),
        }
    }
}

/// The executors that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Their number, if that is known.
    pub executors: Option<u32>,
    /// Slots of each.
    pub slots: u32,
}

impl Capacity {
    /// Tasks that can run at once if each takes so many slots.
    pub(crate) fn tasks(self, task_slots: u32) -> Option<u32> {
        Some(self.executors?.saturating_mul(self.slots / task_slots))
    }
}

/// Follow-up work of the current event. Empty between events.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    pub(crate) commands: Vec<Command>,
    /// Stages to run, and when to start.
    pub(crate) requests: Vec<(StageId, Option<Duration>)>,
    pub(crate) failures: Vec<(JobId, JobFailure)>,
    /// Barrier stages of which only some tasks run.
    pub(crate) broken: BTreeSet<StageId>,
    /// Complete map stages whose outputs are all that some jobs want.
    pub(crate) awaited: BTreeSet<StageId>,
    pub(crate) changed: BTreeSet<StageId>,
    /// Shuffles whose stage no job has any more.
    pub(crate) unused: Vec<ShuffleId>,
}

/// The jobs that have not ended, and the final progress of those that the last event ended.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) live: BTreeMap<JobId, Job>,
    pub(crate) last: Option<JobId>,
    pub(crate) ended: BTreeMap<JobId, Vec<StageProgress>>,
}

/// Decides which task runs where and what is retried.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) epoch: Epoch,
    pub(crate) limits: Limits,
    pub(crate) sharing: Sharing,
    pub(crate) speculating: Speculating,
    pub(crate) health: Health,
    pub(crate) reach: Reach,
    pub(crate) locality_wait: LocalityWait,
    pub(crate) ahead: Option<LaunchAhead>,
    pub(crate) gate: Option<StartGate>,
    pub(crate) jobs: Jobs,
    pub(crate) stages: Stages,
    pub(crate) shuffles: Shuffles,
    pub(crate) executors: Executors,
    pub(crate) queue: Queue,
    pub(crate) agenda: Agenda,
}

impl Scheduler {
    /// Creates a scheduler for this incarnation of the driver, with nothing to do.
    pub fn new(epoch: Epoch, limits: Limits) -> Self {
        Self {
            epoch,
            limits,
            sharing: Sharing::default(),
            speculating: Speculating::default(),
            health: Health::default(),
            reach: Reach::default(),
            locality_wait: LocalityWait::default(),
            ahead: None,
            gate: None,
            jobs: Jobs::default(),
            stages: Stages::default(),
            shuffles: Shuffles::default(),
            executors: Executors::default(),
            queue: Queue::default(),
            agenda: Agenda::default(),
        }
    }

    /// Handles an event and returns the commands to carry out, in that order. `now` is the time
    /// since any fixed moment.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Command> {
        self.jobs.ended.clear();
        match event {
            Event::TaskProgressed { attempt, progress } => {
                self.executors.note_progress(attempt, progress);
                return Vec::new();
            }
            Event::ExecutorRegistered { executor, host, profile, slots, volumes } => {
                self.executors.register(now, (executor, host, profile), (slots, volumes));
            }
            Event::ExecutorLost { executor, app_caused, reason } => {
                self.on_executor_lost(now, executor, app_caused, &reason);
            }
            Event::VolumeLost { volume } => self.on_volume_lost(&volume),
            Event::VolumesLeave { volumes } => self.executors.leave(volumes),
            Event::MapOutputMoved { copy } => self.on_map_output_moved(copy),
            Event::MapOutputsFound { outputs } => self.on_map_outputs_found(now, outputs),
            Event::ShuffleReleased { shuffle } => {
                self.shuffles.set_released(shuffle, true);
                self.discard_released(shuffle);
            }
            Event::JobSubmitted { job, shape } => self.on_job_submitted(job, &shape),
            Event::JobCancelled { job, reason } => {
                self.agenda.failures.push((job, JobFailure::Cancelled { reason }));
            }
            Event::StageOverdue { stage, limit } => {
                if self.stages.get(stage).is_some_and(|known| !known.is_complete()) {
                    self.fail_jobs(stage, &JobFailure::StageOverdue { stage, limit });
                }
            }
            Event::MapFinished { attempt, output } => self.on_map_finished(now, attempt, output),
            Event::ResultFinished { attempt, result_bytes } => {
                self.on_result_finished(now, attempt, result_bytes);
            }
            Event::TaskFailed { attempt, failure } => self.on_task_failed(now, attempt, failure),
            Event::Tick => {}
        }
        self.health.expire(now);
        self.reach.expire(now);
        self.give_up_unschedulable(now);
        self.take_back(now);
        self.settle(now);
        self.speculate(now);
        self.launch_ready(now);
        self.settle(now);
        for shuffle in std::mem::take(&mut self.agenda.unused) {
            self.shuffles.note_use(shuffle, now);
        }
        if !self.jobs.ended.is_empty() {
            self.executors.forget_left(now, |volume| self.shuffles.on(volume).next().is_some());
        }
        self.take_commands()
    }

    /// When `handle` needs to be called next, if no event comes earlier.
    pub fn next_deadline(&self) -> Option<Duration> {
        let (held, speculation) = (self.queue.next_deadline(), self.next_speculation());
        let (exclusion, delay) = (self.exclusion_deadline(), self.delay_deadline());
        let (start, ahead) = (self.start_deadline(), self.ahead_deadline());
        [held, speculation, exclusion, delay, start, ahead].into_iter().flatten().min()
    }

    /// Does all follow-up work of the event, until the state is at rest.
    fn settle(&mut self, now: Duration) {
        while let Some(stage) = self.queue.due(now) {
            self.set_phase(stage, Phase::Active);
        }
        loop {
            if let Some((job, failure)) = self.agenda.failures.pop() {
                self.end_job(job, Some(failure));
            } else if let Some(stage) = self.agenda.broken.pop_first() {
                self.restart_barrier(stage);
            } else if let Some((stage, hold)) = self.agenda.requests.pop() {
                self.request(stage, hold);
            } else if let Some(stage) = self.agenda.awaited.pop_first() {
                self.end_awaiting(stage);
            } else {
                return;
            }
        }
    }

    fn take_commands(&mut self) -> Vec<Command> {
        let mut commands = std::mem::take(&mut self.agenda.commands);
        let changed = std::mem::take(&mut self.agenda.changed);
        commands.extend(changed.into_iter().map(|stage| Command::StageChanged { stage }));
        commands
    }

    /// Changes whether a stage's tasks may be launched, and its place in the queue accordingly.
    pub(crate) fn set_phase(&mut self, id: StageId, phase: Phase) {
        let Some(stage) = self.stages.get_mut(id) else { return };
        match std::mem::replace(&mut stage.phase, phase) {
            Phase::Idle | Phase::Waiting { .. } => {}
            Phase::Held { until } => self.queue.unhold(id, until),
            Phase::Active => {
                stage.tasks.forget_slow();
                stage.failures.unschedulable_until = None;
                stage.delay = Delay::default();
                self.queue.remove(stage.first_job(), id);
            }
        }
        match phase {
            Phase::Idle | Phase::Waiting { .. } => {}
            Phase::Held { until } => self.queue.hold(id, until),
            Phase::Active => {
                stage.failures = Failures::default();
                stage.pace = Pace::of(stage.tasks.wanted() - stage.tasks.done());
                self.prefer_volumes(id);
                self.enqueue(id);
            }
        }
        self.agenda.changed.insert(id);
    }

    /// Queues a stage if it has tasks to launch.
    pub(crate) fn enqueue(&mut self, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        if stage.is_broken() {
            self.agenda.broken.insert(id);
        }
        if stage.phase == Phase::Active && stage.tasks.has_work() {
            self.queue.add(stage.first_job(), id);
        }
    }

    /// Takes a stage out of the queue if it has no tasks to launch.
    pub(crate) fn dequeue(&mut self, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        if stage.phase == Phase::Active && !stage.tasks.has_work() {
            self.queue.remove(stage.first_job(), id);
        }
    }

    /// A stage of a job that has not ended.
    pub fn stage(&self, id: StageId) -> Option<&Stage> {
        self.stages.get(id)
    }

    /// The stage of each entry of the job's `JobShape::stages`; empty once the job has ended.
    pub fn job_stages(&self, job: JobId) -> &[StageId] {
        self.jobs.live.get(&job).map_or(&[], |job| &job.stages)
    }

    /// The registered map outputs, ordered by map.
    pub fn map_outputs(&self, shuffle: ShuffleId) -> impl Iterator<Item = &MapOutput> {
        self.shuffles.outputs(shuffle)
    }

    /// A number that grows with every change of `map_outputs`; 0 while there have been none.
    pub fn generation(&self, shuffle: ShuffleId) -> u64 {
        self.shuffles.generation(shuffle)
    }

    /// Whether no job is left, no attempt is in flight, and nothing is remembered but executors,
    /// what speaks against them, and map outputs.
    pub fn is_idle(&self) -> bool {
        let agenda = &self.agenda;
        self.jobs.live.is_empty()
            && self.stages.is_empty()
            && self.executors.is_idle()
            && self.queue.is_empty()
            && agenda.commands.is_empty()
            && agenda.requests.is_empty()
            && agenda.failures.is_empty()
            && agenda.broken.is_empty()
            && agenda.awaited.is_empty()
            && agenda.changed.is_empty()
            && agenda.unused.is_empty()
    }
}
