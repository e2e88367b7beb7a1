//! The jobs: what was asked, what has come, who waits for it, and what people are told of it.

use super::Arrived;
use super::allocation::Kinds;
use super::effect::Effect;
use crate::failure;
use crate::master::Wanted;
use crate::message::{
    JobFailed, JobState, JobStatus, Operation, Progress, StageState, StageStatus, Submission,
};
use crate::rows::Rows;
use crate::sums::Added;
use engine::{JobPlan, StageOutput, StagePlan};
use model::executor::AccumulatorUpdate;
use model::{ExecutorId, JobId, Properties, StageId, TaskMetrics};
use scheduler::{JobFailure, JobShape, Scheduler, Stage, StageProgress, StageShape};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;

/// Ended jobs that are still listed.
const LISTED: usize = 50;

/// All jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: u64,
    live: BTreeMap<JobId, Job>,
    by_ticket: BTreeMap<u64, JobId>,
    ended: VecDeque<JobStatus>,
    forgotten: u64,
    /// Operations whose progress somebody watches, by id.
    watched: BTreeMap<u64, Watched>,
}

#[derive(Debug)]
struct Job {
    ticket: u64,
    operation: Operation,
    plan: JobPlan,
    /// Per stage of the plan.
    stages: Vec<Shown>,
    results: BTreeMap<u32, Rows>,
    /// What its tasks have added to accumulators so far.
    accumulators: Vec<AccumulatorUpdate>,
}

/// A stage in the plan of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned<'a> {
    pub job: JobId,
    pub plan: &'a JobPlan,
    /// The stage's index in the plan.
    pub index: usize,
    /// Properties of the job.
    pub properties: &'a Properties,
}

impl<'a> Planned<'a> {
    pub(crate) fn stage(self) -> &'a StagePlan {
        &self.plan.stages[self.index]
    }
}

/// What people are told of a stage, beyond what the scheduler knows.
#[derive(Debug)]
struct Shown {
    label: Arc<str>,
    metrics: TaskMetrics,
    added: Arc<Added>,
    logged: bool,
}

#[derive(Debug, Default)]
struct Watched {
    jobs: Vec<JobId>,
    /// Stages of its jobs that are over.
    ended: Vec<StageStatus>,
}

/// The shape of a plan: all that the scheduler is told of it.
/// `wanted`: what holds for stages that do not say.
pub(crate) fn shape(
    plan: &JobPlan,
    pool: Option<&str>,
    wanted: Wanted,
    kinds: &mut Kinds,
) -> JobShape {
    let mut stage = |stage: &StagePlan| StageShape {
        shuffle: match stage.output {
            StageOutput::Shuffle { .. } => Some(stage.shuffle()),
            StageOutput::Rows => None,
        },
        partitions: stage.partitions(),
        parents: stage.parents.clone(),
        deterministic: stage.deterministic,
        barrier: stage.barrier,
        task_slots: stage.profile.task_cpus.unwrap_or(wanted.task_cpus).get(),
        profile: kinds.of(stage.profile.executor),
        executor_slots: stage.profile.executor.cores.map(NonZeroU32::get),
    };
    JobShape {
        stages: plan.stages.iter().map(&mut stage).collect(),
        result_partitions: plan.result_partitions.clone(),
        single_attempt: plan.single_attempt,
        cached: plan.kept.iter().map(|(_, shuffle)| *shuffle).collect(),
        pool: pool.unwrap_or_default().to_owned(),
    }
}

impl Jobs {
    /// The id of the next job.
    pub(crate) fn next_id(&self) -> JobId {
        JobId(self.next)
    }

    /// Takes a job in, under its id from `next_id`.
    pub(crate) fn add(&mut self, id: JobId, submission: Submission) {
        let Submission { ticket, plan, operation } = submission;
        self.next = id.0 + 1;
        self.by_ticket.insert(ticket, id);
        if operation.watched {
            self.watched.entry(operation.id).or_default().jobs.push(id);
        }
        let shown = |stage: &StagePlan| Shown {
            label: stage.label.as_str().into(),
            metrics: TaskMetrics::default(),
            added: Arc::default(),
            logged: false,
        };
        let stages = plan.stages.iter().map(shown).collect();
        let (results, accumulators) = (BTreeMap::new(), Vec::new());
        let job = Job { ticket, operation, plan, stages, results, accumulators };
        self.live.insert(id, job);
    }

    pub(crate) fn by_ticket(&self, ticket: u64) -> Option<JobId> {
        self.by_ticket.get(&ticket).copied()
    }

    /// A stage as the first of its jobs has it.
    pub(crate) fn planned(&self, stage: &Stage) -> Option<Planned<'_>> {
        let (job, index) = stage.jobs().next()?;
        let Job { plan, operation, .. } = self.live.get(&job)?;
        Some(Planned { job, plan, index, properties: &operation.properties })
    }

    /// What an attempt took counts for all jobs of its stage.
    pub(crate) fn note_metrics(&mut self, stage: &Stage, metrics: TaskMetrics) {
        for (job, index) in stage.jobs() {
            if let Some(job) = self.live.get_mut(&job) {
                job.stages[index].metrics += metrics;
            }
        }
    }

    /// What a map task adds to accumulators counts for the first job of its stage that lives.
    pub(crate) fn accumulate(
        &mut self,
        stage: &Stage,
        (partition, executor): (u32, ExecutorId),
        updates: &[AccumulatorUpdate],
    ) {
        if updates.is_empty() {
            return;
        }
        let job = stage.jobs().find(|(job, _)| self.live.contains_key(job));
        let job = job.and_then(|(job, index)| Some((self.live.get_mut(&job)?, index)));
        if let Some((job, index)) = job {
            Arc::make_mut(&mut job.stages[index].added).add(executor, partition, updates);
            job.accumulators.extend_from_slice(updates);
        }
    }

    /// The result of a partition, which comes once: so do its updates of accumulators.
    pub(crate) fn deliver(&mut self, job: JobId, partition: u32, arrived: Arrived) {
        if let Some(job) = self.live.get_mut(&job) {
            let Arrived { rows, executor, accumulators } = arrived;
            job.results.insert(partition, rows);
            if let Some(result) = job.stages.last_mut().filter(|_| !accumulators.is_empty()) {
                Arc::make_mut(&mut result.added).add(executor, partition, &accumulators);
            }
            job.accumulators.extend(accumulators);
        }
    }

    /// Writes a line for a map stage that is complete, once per job.
    pub(crate) fn log_if_complete(&mut self, scheduler: &Scheduler, stage: &Stage) {
        if !stage.is_complete() {
            return;
        }
        for (id, index) in stage.jobs() {
            let Some(job) = self.live.get_mut(&id) else { continue };
            let shown = &mut job.stages[index];
            // Whether a stage is skipped is known once all stages of its job are declared.
            let progress = scheduler.progress(id);
            if let Some(progress) = progress.get(index).filter(|_| !shown.logged) {
                shown.logged = true;
                log(id, &stage_status(progress, shown, None));
            }
        }
    }

    /// Answers a job and forgets it, but for what people are told.
    pub(crate) fn finish(
        &mut self,
        id: JobId,
        progress: &[StageProgress],
        failed: Option<JobFailed>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(job) = self.live.remove(&id) else { return };
        self.by_ticket.remove(&job.ticket);
        let state = match &failed {
            None => JobState::Succeeded,
            Some(JobFailed { failure: JobFailure::Cancelled { .. }, .. }) => JobState::Cancelled,
            Some(_) => JobState::Failed,
        };
        let stages = statuses(progress, &job.stages, Some(state));
        for (stage, shown) in stages.iter().zip(&job.stages) {
            if !shown.logged && (stage.done > 0 || stage.failed > 0 || is_over(stage.state)) {
                log(id, stage);
            }
        }
        if let Some(watched) = self.watched.get_mut(&job.operation.id) {
            watched.jobs.retain(|live| *live != id);
            watched.ended.extend(stages.iter().cloned());
            // Whoever gets the answer next has then also been told how far it came.
            if watched.jobs.is_empty() {
                let progress = Progress { stages: watched.ended.clone() };
                effects.push(Effect::ShowProgress { operation: job.operation.id, progress });
            }
        }
        let message = failed.as_ref().map(failure::words).unwrap_or_default();
        self.ended.push_back(job.operation.status(id, state, (stages, message)));
        if self.ended.len() > LISTED {
            self.ended.pop_front();
            self.forgotten += 1;
        }
        effects.push(job.end(failed));
    }

    /// Nobody looks at the progress of this operation any more.
    pub(crate) fn unwatch(&mut self, operation: u64) {
        self.watched.remove(&operation);
    }

    /// Tells the watchers of operations how far these are.
    pub(crate) fn show_progress(&self, scheduler: &Scheduler, effects: &mut Vec<Effect>) {
        for (&operation, Watched { jobs, ended }) in &self.watched {
            let running = jobs.iter().filter_map(|id| Some((id, self.live.get(id)?)));
            let running =
                running.flat_map(|(id, job)| statuses(&scheduler.progress(*id), &job.stages, None));
            let stages = ended.iter().cloned().chain(running).collect();
            effects.push(Effect::ShowProgress { operation, progress: Progress { stages } });
        }
    }

    /// The jobs that are listed, oldest first.
    pub(crate) fn status(&self, scheduler: &Scheduler) -> Vec<JobStatus> {
        let live = self.live.iter().map(|(id, job)| {
            let stages = statuses(&scheduler.progress(*id), &job.stages, None);
            job.operation.status(*id, JobState::Running, (stages, String::new()))
        });
        let mut all: Vec<JobStatus> = self.ended.iter().cloned().chain(live).collect();
        all.sort_by_key(|job| job.job);
        all
    }

    /// Jobs that ended and are no longer listed.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Job {
    fn end(mut self, failed: Option<JobFailed>) -> Effect {
        let wanted = self.plan.result_partitions.iter();
        let results = wanted.map(|partition| self.results.remove(partition));
        let end = match failed {
            Some(failed) => Err(JobFailed { done: results.collect(), ..failed }),
            None => Ok(results
                .map(|result| result.expect("a finished job has all its results"))
                .collect()),
        };
        Effect::EndJob { ticket: self.ticket, end, accumulators: self.accumulators }
    }
}

impl Operation {
    fn status(
        &self,
        job: JobId,
        state: JobState,
        (stages, message): (Vec<StageStatus>, String),
    ) -> JobStatus {
        let properties = self.properties.clone();
        let description = match properties.description().or(properties.call_site()) {
            Some(own) => own.into(),
            None => Arc::clone(&self.description),
        };
        JobStatus { job, state, description, properties, stages, message }
    }
}

fn statuses(
    progress: &[StageProgress],
    shown: &[Shown],
    ended: Option<JobState>,
) -> Vec<StageStatus> {
    progress.iter().zip(shown).map(|(stage, shown)| stage_status(stage, shown, ended)).collect()
}

fn stage_status(progress: &StageProgress, shown: &Shown, ended: Option<JobState>) -> StageStatus {
    let StageProgress { stage, tasks, done, running, failed, skipped } = *progress;
    let state = if skipped {
        StageState::Skipped
    } else if done == tasks {
        StageState::Done
    } else if ended == Some(JobState::Failed) && failed > 0 {
        StageState::Failed
    } else if ended.is_some() {
        StageState::Cancelled
    } else if running > 0 || done > 0 {
        StageState::Running
    } else {
        StageState::Waiting
    };
    let running = if ended.is_some() { 0 } else { running };
    let label = Arc::clone(&shown.label);
    let (metrics, added) = (shown.metrics, Arc::clone(&shown.added));
    StageStatus { stage, label, tasks, done, running, failed, state, metrics, added }
}

/// Whether a stage has come to its own end.
fn is_over(state: StageState) -> bool {
    match state {
        StageState::Done | StageState::Skipped | StageState::Failed => true,
        StageState::Waiting | StageState::Running | StageState::Cancelled => false,
    }
}

fn log(job: JobId, status: &StageStatus) {
    let StageStatus { stage, label, tasks, done, failed, state, .. } = status;
    let StageId(number) = stage;
    let (done, skipped) = if *state == StageState::Skipped { (&0, tasks) } else { (done, &0) };
    tracing::info!(
        "{job}: stage {number}: {tasks} tasks, {done} done, {skipped} skipped, {failed} failed ({label})"
    );
}
