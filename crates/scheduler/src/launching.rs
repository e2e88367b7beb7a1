//! Launches: free slots are filled from the queue.

use crate::delay::Round;
use crate::event::Command;
use crate::scheduler::Scheduler;
use model::{Attempt, ExecutorId, MapOutputId, StageId, TaskId};
use std::collections::BTreeSet;
use std::time::Duration;

impl Scheduler {
    /// Fills the free slots, evenly across executors. A barrier stage has the slots that become
    /// free kept for it, unless the executors that are there have too few.
    pub(crate) fn launch_ready(&mut self, now: Duration) {
        if !self.has_started(now) {
            return;
        }
        let before = self.agenda.commands.len();
        self.keep_one_in_reach();
        self.fill_slots(now);
        self.launch_ahead(now);
        if self.agenda.commands[before..].iter().any(is_launch) {
            self.forget_unschedulable();
        } else {
            self.find_unschedulable(now);
        }
    }

    fn fill_slots(&mut self, now: Duration) {
        let mut passed = BTreeSet::new();
        let mut round = Round::default();
        self.forget_waits();
        while self.executors.has_free_slots()
            && let Some(id) = self.next_stage(&passed)
        {
            let stage = self.stages.get(id).expect("a queued stage exists");
            if stage.barrier {
                if stage.tasks.pending() < stage.tasks() {
                    // Outputs of an earlier try were found.
                    self.restart_barrier(id);
                }
                let Some(stage) = self.stages.get(id) else { continue };
                let tasks = stage.tasks();
                let may = |id| self.executors.profile(id) == stage.profile && !self.is_excluded(id);
                if self.executors.room(stage.task_slots, may) < tasks {
                    passed.insert(id);
                    continue;
                }
                if self.executors.free_room(stage.task_slots, may) < tasks {
                    break;
                }
                for _ in 0..tasks {
                    self.launch_now(now, id);
                }
            } else if !self.launch_next(now, id, &mut round) {
                self.note_wait(&mut round, id);
                passed.insert(id);
            }
        }
        self.end_round(now, round);
    }

    /// Launches the next attempt of a queued stage, if there is a slot for it. Returns whether
    /// there was.
    fn launch_next(&mut self, now: Duration, id: StageId, round: &mut Round) -> bool {
        if let Some((partition, executor, level)) = self.pick_near(now, id) {
            round.note_launch(id, level);
            self.launch(now, id, (partition, executor), false);
        } else if let Some(copy) = self.pick_copy(id) {
            self.launch(now, id, copy, false);
        } else {
            return false;
        }
        true
    }

    /// Launches the next task of a stage wherever there is a slot.
    fn launch_now(&mut self, now: Duration, id: StageId) {
        if let Some(found) = self.pick_pending(id) {
            self.launch(now, id, found, false);
        }
    }

    /// Launches an attempt. `is_ahead`: it waits for a slot of its executor.
    pub(crate) fn launch(
        &mut self,
        now: Duration,
        id: StageId,
        (partition, executor): (u32, ExecutorId),
        is_ahead: bool,
    ) {
        let Some(stage) = self.stages.get_mut(id) else { return };
        let number = stage.tasks.launch(partition);
        let attempt = Attempt { task: TaskId { stage: id, partition }, number };
        let (round, slots) = (stage.rounds.round, stage.task_slots);
        self.executors.start(attempt, executor, (round, slots, now), is_ahead);
        self.agenda.commands.push(Command::Launch { attempt, executor });
        if let (true, Some(shuffle)) = (stage.barrier, stage.shuffle()) {
            // The output of another try must not end this one's attempt: its peers wait for it.
            self.shuffles.raise_floor(MapOutputId { shuffle, map: partition }, self.epoch, attempt);
        }
        self.dequeue(id);
    }

    /// The next pending task of a stage and the executor for it.
    pub(crate) fn pick_pending(&self, id: StageId) -> Option<(u32, ExecutorId)> {
        let stage = self.stages.get(id)?;
        stage.tasks.all_pending().take(self.asked()).find_map(|partition| {
            let may = |executor| self.may_run(stage, partition, executor);
            let volume = stage.tasks.preferred(partition);
            Some((partition, self.executors.pick(stage.task_slots, volume, may)?))
        })
    }
}

fn is_launch(command: &Command) -> bool {
    matches!(command, Command::Launch { .. })
}
