//! An executor's work on a task: read, compute, commit.

use crate::rows::{Nature, Rows};
use crate::world::{File, Work, World, host_of};
use model::{BlockProblem, MapOutput, MapOutputId, TaskFailure, Unreadable, VolumeId};
use rand::Rng;
use scheduler::Event;
use std::collections::BTreeSet;

impl World {
    /// Runs an attempt to its end and returns its report.
    pub(crate) fn run(&mut self, work: &Work) -> Result<Event, TaskFailure> {
        if !self.calm && self.chance(0.05) {
            return Err(TaskFailure::raised("boom".to_owned()));
        }
        let inputs = self.read_all(&work.inputs)?;
        let nature = work.map_stage.map_or(Nature::Sure, |index| self.stages[index].nature);
        let nonce = if nature == Nature::Sure { 0 } else { self.fresh() };
        let attempt = work.attempt;
        let name = self.stage_name(work);
        let mut rows = Rows::make(name, attempt.task.partition, nonce, &inputs);
        let Some(index) = work.map_stage else {
            self.promises.note_result(attempt, rows);
            return Ok(Event::ResultFinished { attempt, result_bytes: 1 });
        };
        let id = MapOutputId { shuffle: self.stages[index].shuffle, map: attempt.task.partition };
        rows.made_of.insert(id, nonce);
        let output = MapOutput {
            id,
            attempt,
            epoch: self.epoch,
            volume: self.volume_for(work)?,
            block_bytes: vec![1],
            rows: 1,
            row_checksum: if nature == Nature::Random { 7 } else { rows.value },
        };
        Ok(Event::MapFinished { attempt, output: self.commit(output, rows) })
    }

    /// The first commit wins: an existing file is not replaced.
    fn commit(&mut self, output: MapOutput, rows: Rows) -> MapOutput {
        let files = self.volumes.entry(output.volume.clone()).or_default();
        let file = File { output: output.clone(), rows, damaged: false };
        let winner = files.entry(output.id).or_insert(file).output.clone();
        self.tally.adopted += u64::from(winner != output);
        winner
    }

    fn volume_for(&mut self, work: &Work) -> Result<VolumeId, TaskFailure> {
        let volumes = self.executors.get(&work.executor).map(|executor| executor.volumes.clone());
        let volumes: Vec<VolumeId> = volumes.into_iter().flatten().collect();
        if volumes.is_empty() {
            // The scheduler's knowledge was stale: the executor registers again.
            let (executor, profile, slots) = (work.executor, work.profile, 1);
            let host = host_of(executor);
            self.send_event(Event::ExecutorRegistered {
                executor,
                host,
                profile,
                slots,
                volumes: BTreeSet::new(),
            });
            let reason = "it has no volume left".to_owned();
            return Err(TaskFailure::ExecutorLost { app_caused: false, reason });
        }
        let index = self.rng.random_range(0..volumes.len());
        Ok(volumes[index].clone())
    }

    /// Reads everything, or names everything that cannot be read. A hasty reader stops at the first
    /// problem.
    fn read_all(&mut self, inputs: &[MapOutput]) -> Result<Vec<Rows>, TaskFailure> {
        let hasty = !self.calm && self.chance(0.2);
        let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
        for input in inputs {
            match self.read(input) {
                Ok(read) => rows.push(read),
                Err(problem) => unreadable.push(Unreadable::new(input, problem)),
            }
            if hasty && !unreadable.is_empty() {
                break;
            }
        }
        if unreadable.is_empty() {
            return Ok(rows);
        }
        Err(TaskFailure::FetchFailed { unreadable, message: String::new() })
    }

    /// Reads exactly that attempt's bytes, or returns the problem.
    fn read(&mut self, input: &MapOutput) -> Result<Rows, BlockProblem> {
        let mounted = self.executors.values().any(|e| e.volumes.contains(&input.volume));
        if !mounted || (!self.calm && self.chance(0.01)) {
            return Err(BlockProblem::Unreachable);
        }
        let file = self.volumes.get(&input.volume).and_then(|files| files.get(&input.id));
        let file = file.ok_or(BlockProblem::Missing)?;
        if (file.output.epoch, file.output.attempt) != (input.epoch, input.attempt) {
            return Err(BlockProblem::Missing);
        }
        if file.damaged { Err(BlockProblem::Damaged) } else { Ok(file.rows.clone()) }
    }
}
