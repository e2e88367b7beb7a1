//! The tasks of one stage: their states, and how often each was tried.

use model::VolumeId;
use std::collections::{BTreeMap, BTreeSet};

/// State of one task of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// No job wants this partition of the result stage.
    NotWanted,
    /// To be launched.
    Pending,
    /// An attempt is running, or several.
    Running,
    /// Its output or result exists.
    Done,
}

#[derive(Debug, Clone)]
struct Task {
    state: TaskState,
    /// The numbers of the attempts that it waits for: the first one that succeeds counts.
    attempts: Vec<u32>,
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
    /// The volume that each prefers; empty if none prefers any.
    preferred: Vec<Option<VolumeId>>,
    /// The pending ones by what they prefer; empty likewise.
    pending_by_volume: BTreeMap<Option<VolumeId>, BTreeSet<u32>>,
    /// Running tasks that are to have a second attempt.
    slow: BTreeSet<u32>,
    wanted: u32,
    running: u32,
    done: u32,
    failed: u32,
    launches: u64,
}

impl Tasks {
    /// `states` are the initial states: done for existing outputs.
    pub(crate) fn new(states: impl Iterator<Item = TaskState>) -> Self {
        let task =
            |state| Task { state, attempts: Vec::new(), next_number: 0, failures: 0, round: 0 };
        let all: Vec<Task> = states.map(task).collect();
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
            preferred: Vec::new(),
            pending_by_volume: BTreeMap::new(),
            slow: BTreeSet::new(),
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

    /// Number of tasks that run, in however many attempts.
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

    /// The numbers of the attempts that a task waits for.
    pub(crate) fn attempts(&self, partition: u32) -> &[u32] {
        self.all.get(partition as usize).map_or(&[], |task| &task.attempts)
    }

    /// Whether a task waits for this attempt.
    pub(crate) fn is_running(&self, partition: u32, number: u32) -> bool {
        self.attempts(partition).contains(&number)
    }

    /// Number of tasks to launch.
    pub(crate) fn pending(&self) -> u32 {
        self.wanted - self.running - self.done
    }

    /// The partition to launch next.
    pub(crate) fn first_pending(&self) -> Option<u32> {
        self.pending.first().copied()
    }

    /// The partitions to launch, in their order.
    pub(crate) fn all_pending(&self) -> impl Iterator<Item = u32> {
        self.pending.iter().copied()
    }

    /// Says which volume each task prefers; nothing if none prefers any.
    pub(crate) fn prefer(&mut self, preferred: Vec<Option<VolumeId>>) {
        self.preferred = preferred;
        self.pending_by_volume.clear();
        for partition in self.pending.clone() {
            self.note_pending(partition);
        }
    }

    /// The volume that a task prefers.
    pub(crate) fn preferred(&self, partition: u32) -> Option<&VolumeId> {
        self.preferred.get(partition as usize)?.as_ref()
    }

    /// Whether any task prefers a volume.
    pub(crate) fn have_preferences(&self) -> bool {
        !self.preferred.is_empty()
    }

    /// The partitions to launch by the volume that they prefer, if any task prefers one.
    pub(crate) fn pending_by_volume(
        &self,
    ) -> impl Iterator<Item = (Option<&VolumeId>, &BTreeSet<u32>)> {
        self.pending_by_volume.iter().map(|(volume, pending)| (volume.as_ref(), pending))
    }

    fn note_pending(&mut self, partition: u32) {
        self.pending.insert(partition);
        if self.have_preferences() {
            let volume = self.preferred(partition).cloned();
            self.pending_by_volume.entry(volume).or_default().insert(partition);
        }
    }

    fn forget_pending(&mut self, partition: u32) {
        self.pending.remove(&partition);
        if self.have_preferences() {
            let volume = self.preferred(partition).cloned();
            if let Some(pending) = self.pending_by_volume.get_mut(&volume) {
                pending.remove(&partition);
                if pending.is_empty() {
                    self.pending_by_volume.remove(&volume);
                }
            }
        }
    }

    /// The partitions that are to have a second attempt.
    pub(crate) fn slow(&self) -> impl Iterator<Item = u32> {
        self.slow.iter().copied()
    }

    /// Whether an attempt is to be launched.
    pub(crate) fn has_work(&self) -> bool {
        !self.pending.is_empty() || !self.slow.is_empty()
    }

    /// The number of a task's next attempt.
    pub(crate) fn next_number(&self, partition: u32) -> u32 {
        self.all.get(partition as usize).map_or(0, |task| task.next_number)
    }

    /// Starts a new attempt of a pending or running task and returns its number.
    pub(crate) fn launch(&mut self, partition: u32) -> u32 {
        self.set(partition, TaskState::Running);
        let task = &mut self.all[partition as usize];
        let number = task.next_number;
        task.next_number += 1;
        task.attempts.push(number);
        self.launches += 1;
        number
    }

    /// Has a task that runs in one attempt wait for a second one.
    pub(crate) fn set_slow(&mut self, partition: u32) {
        if self.attempts(partition).len() == 1 {
            self.slow.insert(partition);
        }
    }

    /// No task is to have a second attempt.
    pub(crate) fn forget_slow(&mut self) {
        self.slow.clear();
    }

    /// Ends an attempt without success: without another one its task is pending again. Returns
    /// whether the task waited for it.
    pub(crate) fn end(&mut self, partition: u32, number: u32) -> bool {
        let Some(task) = self.all.get_mut(partition as usize) else { return false };
        let Some(at) = task.attempts.iter().position(|running| *running == number) else {
            return false;
        };
        task.attempts.remove(at);
        if task.attempts.is_empty() {
            self.set(partition, TaskState::Pending);
        }
        true
    }

    /// Marks a task as done. Returns the numbers of attempts that still run for it.
    pub(crate) fn finish(&mut self, partition: u32) -> Vec<u32> {
        self.set(partition, TaskState::Done)
    }

    /// Makes a task pending (again). Returns the numbers of attempts that still run for it.
    pub(crate) fn reopen(&mut self, partition: u32) -> Vec<u32> {
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
        let runs = |task: &Task| (task.state == TaskState::Running) != task.attempts.is_empty();
        count(|state| state == TaskState::Pending) == self.pending.len()
            && self.pending.iter().all(is_pending)
            && self.are_groups_sound()
            && self.slow.iter().all(|partition| self.attempts(*partition).len() == 1)
            && count(|state| state == TaskState::Done) == self.done as usize
            && count(|state| state != TaskState::NotWanted) == self.wanted as usize
            && count(|state| state == TaskState::Running) == self.running as usize
            && self.all.iter().all(runs)
    }

    fn are_groups_sound(&self) -> bool {
        let grouped = |(volume, pending): (Option<&VolumeId>, &BTreeSet<u32>)| {
            let right = |partition: &u32| {
                self.pending.contains(partition) && self.preferred(*partition) == volume
            };
            (!pending.is_empty() && pending.iter().all(right)).then_some(pending.len())
        };
        let sum: Option<usize> = self.pending_by_volume().map(grouped).sum();
        sum == Some(if self.have_preferences() { self.pending.len() } else { 0 })
    }

    fn set(&mut self, partition: u32, state: TaskState) -> Vec<u32> {
        let Some(task) = self.all.get_mut(partition as usize) else { return Vec::new() };
        let before = std::mem::replace(&mut task.state, state);
        if state == TaskState::Done {
            task.failures = 0;
        }
        let attempts = match state {
            TaskState::Running => Vec::new(),
            TaskState::NotWanted | TaskState::Pending | TaskState::Done => {
                std::mem::take(&mut task.attempts)
            }
        };
        self.slow.remove(&partition);
        match before {
            TaskState::NotWanted => self.wanted += 1,
            TaskState::Pending => self.forget_pending(partition),
            TaskState::Running => self.running -= 1,
            TaskState::Done => self.done -= 1,
        }
        match state {
            TaskState::NotWanted => self.wanted -= 1,
            TaskState::Pending => self.note_pending(partition),
            TaskState::Running => self.running += 1,
            TaskState::Done => self.done += 1,
        }
        attempts
    }
}
