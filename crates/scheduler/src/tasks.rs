//! The tasks of one stage: their states, and how often each was tried.

use std::collections::BTreeSet;

/// State of one task of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// No job wants this partition of the result stage.
    NotWanted,
    /// To be launched.
    Pending,
    /// An attempt is running.
    Running {
        /// The number of that attempt.
        number: u32,
    },
    /// Its output or result exists.
    Done,
}

#[derive(Debug, Clone)]
struct Task {
    state: TaskState,
    next_number: u32,
    failures: u32,
    /// The stage's round in which `failures` were counted.
    round: u32,
}

/// All tasks of a stage. Maintains counts, so that nothing has to iterate over the tasks.
#[derive(Debug)]
pub(crate) struct Tasks {
    all: Vec<Task>,
    pending: BTreeSet<u32>,
    wanted: u32,
    running: u32,
    done: u32,
    failed: u32,
    launches: u64,
}

impl Tasks {
    /// `states` are the initial states: done for existing outputs.
    pub(crate) fn new(states: impl Iterator<Item = TaskState>) -> Self {
        let all: Vec<Task> =
            states.map(|state| Task { state, next_number: 0, failures: 0, round: 0 }).collect();
        let pending = (0..)
            .zip(&all)
            .filter(|(_, task)| task.state == TaskState::Pending)
            .map(|(partition, _)| partition)
            .collect();
        let wanted = all.iter().filter(|task| task.state != TaskState::NotWanted).count();
        let done = all.iter().filter(|task| task.state == TaskState::Done).count();
        let count = |n: usize| u32::try_from(n).expect("a stage has fewer than 2^32 tasks");
        Self {
            pending,
            wanted: count(wanted),
            running: 0,
            done: count(done),
            failed: 0,
            launches: 0,
            all,
        }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.all.len()).expect("a stage has fewer than 2^32 tasks")
    }

    pub(crate) fn wanted(&self) -> u32 {
        self.wanted
    }

    pub(crate) fn running(&self) -> u32 {
        self.running
    }

    pub(crate) fn done(&self) -> u32 {
        self.done
    }

    /// Number of attempts launched.
    pub(crate) fn launches(&self) -> u64 {
        self.launches
    }

    /// Number of failed attempts, whether or not they counted.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.done == self.wanted
    }

    pub(crate) fn state(&self, partition: u32) -> Option<TaskState> {
        Some(self.all.get(partition as usize)?.state)
    }

    /// Whether this attempt is the running one.
    pub(crate) fn is_running(&self, partition: u32, number: u32) -> bool {
        self.state(partition) == Some(TaskState::Running { number })
    }

    /// Number of tasks to launch.
    pub(crate) fn pending(&self) -> u32 {
        self.wanted - self.running - self.done
    }

    /// The partition to launch next.
    pub(crate) fn first_pending(&self) -> Option<u32> {
        self.pending.first().copied()
    }

    /// The number of a task's next attempt.
    pub(crate) fn next_number(&self, partition: u32) -> u32 {
        self.all.get(partition as usize).map_or(0, |task| task.next_number)
    }

    /// Starts a new attempt of a pending task and returns its number.
    pub(crate) fn launch(&mut self, partition: u32) -> u32 {
        let task = &mut self.all[partition as usize];
        let number = task.next_number;
        task.next_number += 1;
        self.launches += 1;
        self.set(partition, TaskState::Running { number });
        number
    }

    /// Marks a task as done. Returns the number of an attempt that still runs for it.
    pub(crate) fn finish(&mut self, partition: u32) -> Option<u32> {
        self.set(partition, TaskState::Done)
    }

    /// Makes a task pending (again). Returns the number of an attempt that still runs for it.
    pub(crate) fn reopen(&mut self, partition: u32) -> Option<u32> {
        self.set(partition, TaskState::Pending)
    }

    /// Records a failed attempt.
    pub(crate) fn note_failure(&mut self) {
        self.failed += 1;
    }

    /// Counts a failure towards the limit, and returns the number in this round.
    pub(crate) fn count_failure(&mut self, partition: u32, round: u32) -> u32 {
        let task = &mut self.all[partition as usize];
        if task.round != round {
            (task.round, task.failures) = (round, 0);
        }
        task.failures += 1;
        task.failures
    }

    /// Resets a task's failure count.
    pub(crate) fn forget_failures(&mut self, partition: u32) {
        if let Some(task) = self.all.get_mut(partition as usize) {
            task.failures = 0;
        }
    }

    /// Whether the counts agree with the tasks.
    pub(crate) fn is_sound(&self) -> bool {
        let count = |is: fn(TaskState) -> bool| self.all.iter().filter(|t| is(t.state)).count();
        let is_pending = |p: &u32| self.state(*p) == Some(TaskState::Pending);
        count(|state| state == TaskState::Pending) == self.pending.len()
            && self.pending.iter().all(is_pending)
            && count(|state| state == TaskState::Done) == self.done as usize
            && count(|state| state != TaskState::NotWanted) == self.wanted as usize
            && count(|state| matches!(state, TaskState::Running { .. })) == self.running as usize
    }

    fn set(&mut self, partition: u32, state: TaskState) -> Option<u32> {
        let task = self.all.get_mut(partition as usize)?;
        let before = std::mem::replace(&mut task.state, state);
        if state == TaskState::Done {
            task.failures = 0;
        }
        let mut was_running = None;
        match before {
            TaskState::NotWanted => self.wanted += 1,
            TaskState::Pending => {
                self.pending.remove(&partition);
            }
            TaskState::Running { number } => {
                self.running -= 1;
                was_running = Some(number);
            }
            TaskState::Done => self.done -= 1,
        }
        match state {
            TaskState::NotWanted => self.wanted -= 1,
            TaskState::Pending => {
                self.pending.insert(partition);
            }
            TaskState::Running { .. } => self.running += 1,
            TaskState::Done => self.done += 1,
        }
        was_running
    }
}
