//! How jobs share the slots: first in, first out; or fairly, by pools.

use crate::scheduler::Scheduler;
use crate::stage::Stage;
use model::{JobId, StageId};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Name of the pool of jobs that name none.
pub const DEFAULT_POOL: &str = "default";

/// How jobs share the slots (`spark.scheduler.mode`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sharing {
    /// The oldest job first; a later one gets what earlier ones leave.
    #[default]
    Fifo,
    /// Pools get slots by their rules. A pool that is not listed has the default ones.
    Fair(BTreeMap<String, PoolRules>),
}

/// The rules of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolRules {
    /// How the pool's own stages share its slots.
    pub order: PoolOrder,
    /// Its part of the slots beside other pools', from 1.
    pub weight: u32,
    /// Slots that it gets before others get more than theirs.
    pub min_share: u32,
}

/// How the stages of a pool share its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolOrder {
    /// Those of the oldest job first.
    Fifo,
    /// Those with the fewest running tasks first.
    Fair,
}

impl Default for PoolRules {
    fn default() -> Self {
        Self { order: PoolOrder::Fifo, weight: 1, min_share: 0 }
    }
}

impl PoolRules {
    /// Whether a pool with these rules and running tasks comes before another one.
    fn compare(self, running: u32, (other, others): (Self, u32)) -> Ordering {
        let needy = |rules: Self, running| running < rules.min_share;
        let share = |(a, per_a): (u32, u32), (b, per_b): (u32, u32)| {
            let product = |x: u32, y: u32| u64::from(x) * u64::from(y.max(1));
            product(a, per_b).cmp(&product(b, per_a))
        };
        match (needy(self, running), needy(other, others)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => share((running, self.min_share), (others, other.min_share)),
            (false, false) => share((running, self.weight), (others, other.weight)),
        }
    }
}

impl Scheduler {
    /// Has jobs share the slots in another way than first in, first out.
    #[must_use]
    pub fn with_sharing(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// The stage that gets the next free slot, of those in the queue.
    pub(crate) fn next_stage(&self, passed: &BTreeSet<StageId>) -> Option<StageId> {
        let mut ready = self.queue.ready().filter(|(_, stage)| !passed.contains(stage));
        match &self.sharing {
            Sharing::Fifo => ready.next().map(|(_, stage)| stage),
            Sharing::Fair(pools) => {
                let mut by_pool: BTreeMap<&str, Vec<StageId>> = BTreeMap::new();
                for (job, stage) in ready {
                    by_pool.entry(self.pool(job)).or_default().push(stage);
                }
                let rules = |pool: &str| pools.get(pool).copied().unwrap_or_default();
                let running = self.running_by_pool();
                let running = |pool| running.get(pool).copied().unwrap_or(0);
                // Of equals the first by name.
                let (pool, stages) = by_pool.into_iter().min_by(|(a, _), (b, _)| {
                    rules(a).compare(running(*a), (rules(b), running(*b)))
                })?;
                match rules(pool).order {
                    PoolOrder::Fifo => stages.into_iter().next(),
                    PoolOrder::Fair => stages.into_iter().min_by_key(|stage| self.running(*stage)),
                }
            }
        }
    }

    fn pool(&self, job: JobId) -> &str {
        let named = self.jobs.live.get(&job).map(|job| job.pool.as_str());
        named.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_POOL)
    }

    fn running(&self, stage: StageId) -> u32 {
        self.stages.get(stage).map_or(0, Stage::running)
    }

    fn running_by_pool(&self) -> BTreeMap<&str, u32> {
        let mut sums = BTreeMap::new();
        for stage in self.stages.iter().filter(|stage| stage.running() > 0) {
            *sums.entry(self.pool(stage.first_job())).or_insert(0) += stage.running();
        }
        sums
    }
}
