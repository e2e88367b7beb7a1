//! Progress of jobs, for progress bars and status pages.

use crate::job::StageProgress;
use crate::scheduler::Scheduler;
use model::JobId;

impl Scheduler {
    /// Progress of each stage of a job, in the order of `JobShape::stages`. Still available for a
    /// job that the last event ended.
    pub fn progress(&self, job: JobId) -> Vec<StageProgress> {
        let Some(live) = self.jobs.live.get(&job) else {
            return self.jobs.ended.get(&job).cloned().unwrap_or_default();
        };
        let stages = live.stages.iter().zip(&live.before);
        stages
            .filter_map(|(&id, &before)| {
                let stage = self.stages.get(id)?;
                let untouched = before == Some(stage.launches());
                Some(StageProgress {
                    stage: id,
                    tasks: stage.tasks(),
                    done: stage.done(),
                    running: stage.running(),
                    failed: stage.failed(),
                    // Outputs may have been found after the stage was requested.
                    skipped: untouched && (stage.is_complete() || !stage.is_requested()),
                })
            })
            .collect()
    }

    /// The jobs that have not ended, oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.jobs.live.keys().copied()
    }
}
