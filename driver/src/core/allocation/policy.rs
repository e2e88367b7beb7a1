//! The rules of dynamic allocation, which are Spark's, over numbers and the time.
//!
//! As long as tasks wait for slots, executors are added: one, then two, then four, never more than
//! would give each task a slot. If fewer are needed, fewer are wanted at once; but only executors
//! that are idle for a while are released, and none with which something would be lost that is
//! still of use.

use crate::allocation::AllocationRules;
use model::ExecutorId;
use scheduler::Backlog;
use std::collections::BTreeMap;
use std::time::Duration;

/// What there is to do, and who is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) backlog: Backlog,
    /// Executors that are there and stay.
    pub(crate) there: u32,
}

/// What would be lost with an executor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Partitions of a cache.
    pub(crate) cached: bool,
    /// Other map outputs.
    pub(crate) shuffled: bool,
    /// Anything that a job has whose end has not come.
    pub(crate) in_use: bool,
}

/// The number of executors that is wanted, and since when those that are there do nothing.
#[derive(Debug)]
pub(crate) struct Allocation {
    rules: AllocationRules,
    target: u32,
    /// Executors to add next.
    step: u32,
    /// When they are added, while tasks wait.
    grow_at: Option<Duration>,
    /// Whether there was anything to do yet: until then the initial number stays.
    has_begun: bool,
    idle: BTreeMap<ExecutorId, Duration>,
    /// When the next idle executor may be released.
    release_at: Option<Duration>,
}

impl Allocation {
    /// The initial number.
    pub(crate) fn new(rules: AllocationRules) -> Self {
        Self {
            target: rules.initial.clamp(rules.min, rules.max),
            rules,
            step: 1,
            grow_at: None,
            has_begun: false,
            idle: BTreeMap::new(),
            release_at: None,
        }
    }

    /// Keeps to other bounds from now on.
    pub(crate) fn bound(&mut self, min: u32, max: u32) {
        (self.rules.min, self.rules.max) = (min, max.max(min));
        self.target = self.target.clamp(self.rules.min, self.rules.max);
    }

    /// The number that is wanted.
    pub(crate) fn target(&self) -> u32 {
        self.target
    }

    /// Whether map outputs keep an executor.
    pub(crate) fn tracks_shuffles(&self) -> bool {
        self.rules.shuffle_tracking
    }

    /// When something is to be decided, even if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        [self.grow_at, self.release_at].into_iter().flatten().min()
    }

    /// Adapts the number to what there is to do.
    pub(crate) fn follow(&mut self, now: Duration, load: Load) {
        let Backlog { pending, running, .. } = load.backlog;
        self.has_begun |= pending > 0 || running > 0;
        if pending > 0 {
            self.grow_at.get_or_insert(now + self.rules.backlog_timeout);
        } else {
            (self.grow_at, self.step) = (None, 1);
        }
        let needed = self.needed(load);
        if self.has_begun && needed < self.target {
            (self.target, self.step) = (needed.max(self.rules.min), 1);
        }
        if self.grow_at.is_some_and(|at| now >= at) {
            self.grow(needed, load.there);
            self.grow_at = Some(now + self.rules.sustained_backlog_timeout);
        }
    }

    /// Executors that would give each task a slot, or the wanted share of them; and others for
    /// tasks that may run on none of these.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no number is negative, and one that is too large saturates"
    )]
    fn needed(&self, Load { backlog, .. }: Load) -> u32 {
        let for_tasks = (backlog.executors * self.rules.ratio).ceil() as u32;
        for_tasks.saturating_add(backlog.unschedulable)
    }

    fn grow(&mut self, needed: u32, there: u32) {
        let before = self.target;
        let grown = before.max(there).saturating_add(self.step);
        self.target = grown.min(needed).clamp(self.rules.min, self.rules.max).max(before);
        let is_added = self.target - before == self.step;
        self.step = if is_added { self.step.saturating_mul(2) } else { 1 };
    }

    /// Takes note of who stays, and runs nothing.
    pub(crate) fn note_idle(&mut self, now: Duration, staying: &[(ExecutorId, bool)]) {
        let is_idle = |id: &ExecutorId| staying.iter().any(|(other, idle)| other == id && *idle);
        self.idle.retain(|id, _| is_idle(id));
        for (id, _) in staying.iter().filter(|(_, idle)| *idle) {
            self.idle.entry(*id).or_insert(now);
        }
    }

    /// The executors to release now: those that are idle for long enough, as long as more than the
    /// wanted number are there. What each holds is only asked of those in question.
    pub(crate) fn surplus(
        &mut self,
        now: Duration,
        there: u32,
        holds: impl Fn(ExecutorId) -> Hold,
    ) -> Vec<ExecutorId> {
        self.release_at = None;
        let mut spare = there.saturating_sub(self.target.max(self.rules.min));
        if spare == 0 && self.has_begun {
            return Vec::new();
        }
        let mut released = Vec::new();
        let mut by_time: Vec<_> = self.idle.iter().map(|(id, since)| (*since, *id)).collect();
        by_time.sort_unstable();
        for (since, id) in by_time {
            let Some(timeout) = self.timeout(holds(id)) else { continue };
            let due = since.saturating_add(timeout);
            if now < due {
                let sooner = self.release_at.is_none_or(|at| due < at);
                self.release_at = if sooner { Some(due) } else { self.release_at };
                continue;
            }
            if !std::mem::replace(&mut self.has_begun, true) {
                // Nothing came for so long that the initial number is not needed.
                self.target = self.rules.min;
                spare = there.saturating_sub(self.target);
            }
            if spare > 0 {
                spare -= 1;
                released.push(id);
            }
        }
        if spare == 0 && self.has_begun {
            self.release_at = None;
        }
        released
    }

    /// How long an executor may be idle; `None` for ever.
    fn timeout(&self, hold: Hold) -> Option<Duration> {
        let Hold { cached, shuffled, in_use } = hold;
        if in_use {
            return None;
        }
        if !cached && !shuffled {
            return Some(self.rules.idle_timeout);
        }
        // Each holds it for its own time.
        let of_cached = if cached { self.rules.cached_idle_timeout } else { Some(Duration::ZERO) };
        let of_shuffled = if shuffled { self.rules.shuffle_timeout } else { Some(Duration::ZERO) };
        Some(of_cached?.max(of_shuffled?))
    }
}

#[cfg(test)]
mod tests;
