//! Which outputs of earlier jobs have lasted long enough, by age or because a volume holds too
//! much.

use crate::scheduler::Scheduler;
use model::ShuffleId;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long outputs stay that no job uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// `firesteel.shuffle.retain.time`: time without a job that uses them; `None` for no limit.
    pub time: Option<Duration>,
    /// `firesteel.shuffle.retain.size`: bytes on a volume above which those go that were not used
    /// for longest; `None` for no limit.
    pub bytes: Option<u64>,
    /// Time for which outputs stay in any case: an action of a program is several jobs, of which
    /// one uses what the one before has written.
    pub least: Duration,
}

/// What is to be released.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surplus {
    /// Shuffles whose outputs have lasted long enough.
    pub shuffles: BTreeSet<ShuffleId>,
    /// When there may be more, if nothing happens before.
    pub next: Option<Duration>,
}

impl Surplus {
    fn add(&mut self, now: Duration, due: Duration, shuffle: ShuffleId) -> bool {
        if due <= now {
            self.shuffles.insert(shuffle);
        } else {
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
        due <= now
    }
}

impl Scheduler {
    /// What is to be released of the outputs that no job uses, except those that `is_kept`.
    pub fn surplus(
        &self,
        now: Duration,
        rules: Retention,
        is_kept: impl Fn(ShuffleId) -> bool,
    ) -> Surplus {
        let is_free = |shuffle| self.stages.writer(shuffle).is_none() && !is_kept(shuffle);
        let mut surplus = Surplus::default();
        if let Some(time) = rules.time {
            let stays = time.max(rules.least);
            for (shuffle, used) in self.shuffles.used().filter(|(shuffle, _)| is_free(*shuffle)) {
                surplus.add(now, used.saturating_add(stays), shuffle);
            }
        }
        let Some(limit) = rules.bytes else { return surplus };
        for on in self.shuffles.bytes_on_volumes() {
            let stay = on.iter().filter(|(shuffle, _)| !surplus.shuffles.contains(shuffle));
            let mut bytes: u64 = stay.map(|(_, bytes)| bytes).sum();
            let free = on.iter().filter(|(shuffle, _)| is_free(*shuffle));
            let mut oldest: Vec<_> = free
                .filter(|(shuffle, _)| !surplus.shuffles.contains(shuffle))
                .map(|(shuffle, bytes)| (self.shuffles.last_use(*shuffle), *shuffle, *bytes))
                .collect();
            oldest.sort_unstable();
            for (used, shuffle, its) in oldest {
                if bytes <= limit || !surplus.add(now, used.saturating_add(rules.least), shuffle) {
                    break;
                }
                bytes -= its;
            }
        }
        surplus
    }
}
