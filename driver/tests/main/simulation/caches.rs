//! What the program has given up, as far as the core was told: its outputs are deleted, but not
//! before the last job that uses them is over.

use super::world::{Mail, World};
use driver::message::{Message, Question, Stored, Submission};
use engine::{StageOutput, StagePlan};
use model::{CacheId, MapOutput, ShuffleId};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// The session of all caches.
pub(crate) const SESSION: u64 = 1;

/// Caches of one stage after the other have numbers that far apart.
const STRIDE: u64 = 100;

/// A cache of a map stage. What is persisted again after it was given up is another one.
pub(crate) fn cache_of(index: usize, generation: u64) -> CacheId {
    CacheId { session: SESSION, number: generation * STRIDE + index as u64 }
}

/// The caches, and what was given up.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    held: BTreeMap<CacheId, BTreeSet<ShuffleId>>,
    /// Caches that were given up one by one.
    gone: BTreeSet<CacheId>,
    /// Shuffles that were given up, and are in no job that was submitted since, except as those of
    /// caches that were given up.
    given_up: BTreeSet<ShuffleId>,
    /// The shuffles of jobs without an answer.
    used: BTreeMap<u64, BTreeSet<ShuffleId>>,
    /// The outputs that count, and those that did.
    heard: Vec<MapOutput>,
}

impl Caches {
    /// Returns the shuffles that were given up and are wanted again: they may be gone.
    pub(crate) fn submitted(&mut self, submission: &Submission) -> BTreeSet<ShuffleId> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            submission.plan.kept.iter().copied().partition(|(cache, _)| self.gone.contains(cache));
        for (cache, shuffle) in kept {
            self.held.entry(cache).or_default().insert(shuffle);
        }
        let maps = submission.plan.stages.iter().filter(|it| it.output != StageOutput::Rows);
        let shuffles: BTreeSet<ShuffleId> = maps.map(StagePlan::shuffle).collect();
        let wanted_again = self.given_up.intersection(&shuffles).copied().collect();
        self.given_up.retain(|shuffle| !shuffles.contains(shuffle));
        self.used.insert(submission.ticket, shuffles);
        let is_held = |shuffle: &ShuffleId| self.held.values().any(|held| held.contains(shuffle));
        let gone = gone.iter().map(|(_, shuffle)| *shuffle).filter(|shuffle| !is_held(shuffle));
        self.given_up.extend(gone);
        wanted_again
    }

    pub(crate) fn uncached(&mut self, cache: CacheId) {
        self.gone.insert(cache);
        self.given_up.extend(self.held.remove(&cache).into_iter().flatten());
    }

    pub(crate) fn session_closed(&mut self) {
        self.gone.clear();
        self.given_up.extend(std::mem::take(&mut self.held).into_values().flatten());
    }

    /// Returns the shuffles that the job had.
    pub(crate) fn answered(&mut self, ticket: u64) -> BTreeSet<ShuffleId> {
        self.used.remove(&ticket).unwrap_or_default()
    }

    /// The outputs that count, and those that did.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &MapOutput> {
        self.heard.iter()
    }

    /// The core hears of an output. One of a map that has another, because its attempt was
    /// cancelled too late, is not used, and stays.
    pub(crate) fn heard(&mut self, output: &MapOutput, is_discarded: impl Fn(&MapOutput) -> bool) {
        if !self.heard.iter().any(|other| other.id == output.id && !is_discarded(other)) {
            self.heard.push(output.clone());
        }
    }

    /// How many partitions of a shuffle the core has ever heard of.
    fn heard_of(&self, shuffle: ShuffleId) -> u64 {
        let outputs = self.heard.iter().filter(|output| output.id.shuffle == shuffle);
        outputs.map(|output| output.id.map).collect::<BTreeSet<_>>().len() as u64
    }

    /// An output has a copy on another volume.
    pub(crate) fn moved(&mut self, copy: &MapOutput) {
        let same = |it: &&mut MapOutput| (it.id, it.attempt) == (copy.id, copy.attempt);
        if let Some(output) = self.heard.iter_mut().find(same) {
            *output = copy.clone();
        }
    }

    /// Whether a job without an answer has the shuffle.
    pub(crate) fn is_used(&self, shuffle: ShuffleId) -> bool {
        self.used.values().any(|shuffles| shuffles.contains(&shuffle))
    }

    /// Whether a cache has it that was not given up.
    pub(crate) fn is_held(&self, shuffle: ShuffleId) -> bool {
        self.held.values().any(|held| held.contains(&shuffle))
    }

    /// The outputs that are of no more use to anybody.
    fn useless(&self) -> impl Iterator<Item = &MapOutput> {
        let is_used = |shuffle| self.used.values().any(|shuffles| shuffles.contains(&shuffle));
        let is_useless = move |output: &&MapOutput| {
            let shuffle = output.id.shuffle;
            self.given_up.contains(&shuffle) && !is_used(shuffle)
        };
        self.heard.iter().filter(is_useless)
    }
}

impl World {
    /// The program gives up a cache, or closes its session.
    pub(crate) fn uncache(&mut self) {
        let index = self.rng.random_range(0..self.program.stages.len());
        let message = if self.chance(0.1) {
            Message::SessionClosed { session: SESSION }
        } else {
            let generation = self.program.generations[index];
            // Perhaps it is persisted again; else plans that were made before still name it.
            self.program.generations[index] += u64::from(self.chance(0.5));
            Message::Uncache { cache: cache_of(index, generation) }
        };
        self.send(0, Mail::Tell(message));
    }

    pub(crate) fn ask_stored(&mut self) {
        let ticket = self.fresh();
        let index = self.rng.random_range(0..self.program.stages.len());
        let cache = cache_of(index, self.program.generations[index]);
        self.ask(ticket, Question::Stored(cache));
    }

    pub(crate) fn check_stored(&mut self, cache: CacheId, stored: Stored) -> Result<(), String> {
        let index = usize::try_from(cache.number % STRIDE).expect("a small number");
        let stage = &self.program.stages[index];
        let heard = self.promises.caches.heard_of(stage.shuffle);
        let most = heard.min(stage.partitions.into());
        if stored.partitions > most {
            return Err(format!("{} of {most} partitions are stored", stored.partitions));
        }
        self.tally.stored += u64::from(stored.partitions > 0);
        Ok(())
    }

    /// At rest, nothing lies on a volume that is there and of no use to anybody.
    pub(crate) fn check_given_up(&mut self) -> Result<(), String> {
        for output in self.promises.caches.useless() {
            if self.is_there(output) {
                return Err(format!("{output:?} was given up and is still there"));
            }
            self.tally.given_up += 1;
        }
        Ok(())
    }

    /// Whether an output is on a volume that somebody mounts.
    pub(crate) fn is_there(&self, output: &MapOutput) -> bool {
        let file = self.volumes.get(&output.volume).and_then(|files| files.get(&output.id));
        let mut links = self.promises.links.values();
        file.is_some_and(|file| file.output.attempt == output.attempt)
            && links.any(|link| link.volumes.contains(&output.volume))
    }
}
