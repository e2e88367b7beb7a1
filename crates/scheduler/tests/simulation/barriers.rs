//! The promises about barrier stages: their tasks are launched together, and what one of them
//! yields counts only together with what the others of the same try yield.

use crate::rows::MapStage;
use crate::world::{Job, Tally, index_of};
use model::{Attempt, Epoch, JobId, StageId};
use scheduler::{Command, Scheduler};
use std::collections::{BTreeMap, BTreeSet};

/// The tries of barrier stages.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    /// The number of the try that an attempt belongs to.
    tries: BTreeMap<Attempt, u64>,
    launched: u64,
}

impl Barriers {
    /// What the commands of one event launch of a barrier stage is all of it, and all of it runs
    /// then.
    pub(crate) fn check_launches(
        &mut self,
        commands: &[Command],
        (scheduler, stages, jobs): (&Scheduler, &[MapStage], &BTreeMap<JobId, Job>),
        tally: &mut Tally,
    ) -> Result<(), String> {
        let mut launched: BTreeMap<StageId, BTreeSet<Attempt>> = BTreeMap::new();
        for command in commands {
            if let Command::Launch { attempt, .. } = command {
                launched.entry(attempt.task.stage).or_default().insert(*attempt);
            }
        }
        for (id, attempts) in launched {
            // What was launched too early is another promise's business.
            let Some(stage) = scheduler.stage(id) else { continue };
            let wanted: Vec<u32> = match stage.shuffle() {
                Some(shuffle) if stages[index_of(stages, shuffle)].barrier => {
                    (0..stage.partitions()).collect()
                }
                Some(_) => continue,
                None => {
                    let (job, _) = stage.jobs().next().ok_or("a stage of no job")?;
                    let shape = &jobs.get(&job).ok_or("a stage of no job")?.shape;
                    if !shape.stages.last().is_some_and(|stage| stage.barrier) {
                        continue;
                    }
                    shape.result_partitions.clone()
                }
            };
            let partitions = attempts.iter().map(|attempt| attempt.task.partition);
            if !partitions.eq(wanted.iter().copied()) {
                return Err(format!("{id} is a barrier stage, and launched in part: {attempts:?}"));
            }
            self.launched += 1;
            tally.barriers += 1;
            for attempt in attempts {
                if !stage.attempts(attempt.task.partition).any(|running| running == attempt) {
                    return Err(format!("{attempt} is of a barrier stage, and does not run"));
                }
                self.tries.insert(attempt, self.launched);
            }
        }
        Ok(())
    }

    /// The outputs of a complete barrier stage of a job are all of one try, or of one earlier
    /// driver.
    pub(crate) fn check_outputs(
        &self,
        scheduler: &Scheduler,
        stages: &[MapStage],
        epoch: Epoch,
    ) -> Result<(), String> {
        let known = scheduler.jobs().flat_map(|job| scheduler.job_stages(job));
        let used: BTreeSet<_> =
            known.filter_map(|stage| scheduler.stage(*stage)?.shuffle()).collect();
        let is_used = |stage: &&MapStage| stage.barrier && used.contains(&stage.shuffle);
        for stage in stages.iter().filter(is_used) {
            let outputs: Vec<_> = scheduler.map_outputs(stage.shuffle).collect();
            let of = outputs.iter().map(|output| {
                let own = output.epoch == epoch;
                (output.epoch, own.then(|| self.tries.get(&output.attempt)))
            });
            let tries: BTreeSet<_> = of.collect();
            if outputs.len() == stage.partitions as usize && tries.len() > 1 {
                return Err(format!("outputs of several tries of a barrier: {outputs:?}"));
            }
        }
        Ok(())
    }
}
