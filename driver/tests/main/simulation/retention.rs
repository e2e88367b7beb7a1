//! Outputs that have lasted long enough: at rest none is left, and none goes that a job or a cache
//! has, or that was used a moment ago.

use super::promises::Promises;
use super::world::World;
use driver::message::Submission;
use engine::{StageOutput, StagePlan};
use model::{MapOutput, ShuffleId, VolumeId};
use rand::Rng;
use rand::rngs::StdRng;
use scheduler::Retention;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Perhaps limits on what stays.
pub(crate) fn rules(rng: &mut StdRng) -> Option<Retention> {
    let time = rng.random_bool(0.5).then(|| Duration::from_secs(rng.random_range(0..4)));
    let bytes = rng.random_bool(0.5).then(|| rng.random_range(0..12));
    let rules = Retention { time, bytes, least: Duration::from_secs(1) };
    rng.random_bool(0.5).then_some(rules)
}

/// When shuffles were last used, and what has gone since.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    pub(crate) rules: Option<Retention>,
    used: BTreeMap<ShuffleId, Duration>,
    pub(crate) gone: u64,
}

impl Retained {
    /// A job is over that had these.
    pub(crate) fn note_use(&mut self, shuffles: &BTreeSet<ShuffleId>, now: Duration) {
        self.used.extend(shuffles.iter().map(|shuffle| (*shuffle, now)));
    }

    /// Whether a shuffle may go that nobody has.
    fn is_over(&self, shuffle: ShuffleId, now: Duration) -> bool {
        let Some(Retention { time, bytes, least }) = self.rules else { return false };
        let stays = match (time, bytes) {
            (_, Some(_)) => least,
            (Some(time), None) => time.max(least),
            (None, None) => return false,
        };
        self.used.get(&shuffle).is_none_or(|used| *used + stays <= now)
    }
}

impl Promises {
    /// What goes because it has lasted long enough has to be written again if it is wanted.
    pub(crate) fn note_removed(&mut self) {
        for (id, _, attempt, _) in &self.discarding {
            let shuffle = id.shuffle;
            let is_free = !self.caches.is_used(shuffle) && !self.caches.is_held(shuffle);
            if is_free && self.retained.is_over(shuffle, self.now) {
                self.retained.gone += u64::from(self.reruns.note_removed(*id, *attempt));
            }
        }
    }

    /// A job wants shuffles again. Nobody was told what went of them from volumes that nobody
    /// mounts.
    pub(crate) fn note_removed_unseen(&mut self, submission: &Submission) {
        let mounted: BTreeSet<&VolumeId> =
            self.links.values().flat_map(|link| &link.volumes).collect();
        let maps = submission.plan.stages.iter().filter(|it| it.output != StageOutput::Rows);
        let shuffles = maps.map(StagePlan::shuffle).filter(|shuffle| {
            let is_free = !self.caches.is_used(*shuffle) && !self.caches.is_held(*shuffle);
            is_free && self.retained.is_over(*shuffle, self.now)
        });
        let shuffles: BTreeSet<ShuffleId> = shuffles.collect();
        self.reruns.note_removed_unseen(&shuffles, &mounted);
    }
}

impl World {
    /// At rest, no volume that is there holds more than it may.
    pub(crate) fn check_retained(&self) -> Result<(), String> {
        let Some(rules) = self.promises.retained.rules else { return Ok(()) };
        let caches = &self.promises.caches;
        let is_free = |shuffle| !caches.is_used(shuffle) && !caches.is_held(shuffle);
        let mut on_volumes: BTreeMap<&VolumeId, Vec<&MapOutput>> = BTreeMap::new();
        for output in caches.counted().filter(|output| self.is_there(output)) {
            if rules.time.is_some() && is_free(output.id.shuffle) {
                return Err(format!("{output:?} has not been used for too long"));
            }
            on_volumes.entry(&output.volume).or_default().push(output);
        }
        for (volume, outputs) in on_volumes {
            let is_full = rules.bytes.is_some_and(|bytes| outputs.len() as u64 > bytes);
            if is_full && outputs.iter().any(|output| is_free(output.id.shuffle)) {
                return Err(format!("{volume} holds too much: {outputs:?}"));
            }
        }
        Ok(())
    }
}
