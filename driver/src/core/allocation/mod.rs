//! Dynamic allocation: which number of executors is asked of the cluster manager, and which of them
//! are released. There are several kinds of executors if resource profiles ask for that, each with
//! a number of its own. What is decided is in `policy`, which is told what is there; this gathers
//! it.

mod policy;

use super::Core;
use crate::allocation::AllocationRules;
use crate::message::{ProfileWish, Refusal};
use model::{ExecutorId, ExecutorRequest, ProfileId};
use policy::{Allocation, Hold, Load};
use std::collections::BTreeMap;
use std::time::Duration;

/// The kinds of executors. Without dynamic allocation there is one.
#[derive(Debug)]
pub(crate) struct Kinds {
    rules: Option<AllocationRules>,
    /// What those are that are not as the settings say, in the order of their numbers, from 1.
    requests: Vec<ExecutorRequest>,
    /// Of each kind.
    allocations: BTreeMap<ProfileId, Allocation>,
}

impl Kinds {
    pub(crate) fn new(rules: Option<AllocationRules>) -> Self {
        let usual = rules.map(|rules| (ProfileId::DEFAULT, Allocation::new(rules)));
        Self { rules, requests: Vec::new(), allocations: usual.into_iter().collect() }
    }

    /// The kind of executors that meets a request. The rules of allocation hold for each kind.
    pub(crate) fn of(&mut self, request: ExecutorRequest) -> ProfileId {
        let Some(rules) = self.rules.filter(|_| !request.is_default()) else {
            return ProfileId::DEFAULT;
        };
        let known = self.requests.iter().position(|known| *known == request);
        let place = known.unwrap_or_else(|| {
            self.requests.push(request);
            self.requests.len() - 1
        });
        let profile = ProfileId(u32::try_from(place).map_or(u32::MAX, |place| place + 1));
        self.allocations.entry(profile).or_insert_with(|| Allocation::new(rules));
        profile
    }

    fn request(&self, profile: ProfileId) -> Option<ExecutorRequest> {
        let Some(place) = profile.0.checked_sub(1) else {
            return Some(ExecutorRequest::default());
        };
        self.requests.get(usize::try_from(place).ok()?).copied()
    }

    /// Whether an executor is of a kind that this driver has asked for.
    pub(crate) fn check(&self, profile: ProfileId) -> Result<(), Refusal> {
        let known = self.request(profile).map(drop);
        known.ok_or_else(|| Refusal(format!("{profile} is unknown to this driver")))
    }

    /// Keeps to other bounds from now on.
    pub(crate) fn bound(&mut self, min: u32, max: u32) {
        if let Some(rules) = &mut self.rules {
            (rules.min, rules.max) = (min, max.max(min));
            rules.initial = rules.initial.clamp(rules.min, rules.max);
        }
        self.allocations.values_mut().for_each(|allocation| allocation.bound(min, max));
    }

    /// When something is to be decided, even if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.allocations.values().filter_map(Allocation::deadline).min()
    }

    /// The number of usual executors that is wanted, if it follows the tasks.
    pub(crate) fn target(&self) -> Option<u32> {
        self.allocations.get(&ProfileId::DEFAULT).map(Allocation::target)
    }

    /// The others that are wanted.
    pub(crate) fn wishes(&self) -> Vec<ProfileWish> {
        let wish = |(profile, allocation): (&ProfileId, &Allocation)| {
            let request = self.request(*profile)?;
            Some(ProfileWish { profile: *profile, request, executors: allocation.target() })
        };
        let others = self.allocations.iter().filter(|(of, _)| **of != ProfileId::DEFAULT);
        others.filter_map(wish).collect()
    }
}

impl Core {
    /// Adapts the numbers of executors to the tasks that there are.
    pub(super) fn allocate(&mut self, now: Duration) {
        let mut allocations = std::mem::take(&mut self.kinds.allocations);
        for (profile, allocation) in &mut allocations {
            self.allocate_kind(now, *profile, allocation);
        }
        self.kinds.allocations = allocations;
    }

    fn allocate_kind(&mut self, now: Duration, profile: ProfileId, allocation: &mut Allocation) {
        let request = self.kinds.request(profile).unwrap_or_default();
        let staying: Vec<(ExecutorId, bool)> = self.executors.staying(profile).collect();
        let there = u32::try_from(staying.len()).unwrap_or(u32::MAX);
        let backlog = self.scheduler.backlog(profile, self.rules.wanted.cores_for(&request));
        allocation.follow(now, Load { backlog, there });
        allocation.note_idle(now, &staying);
        let tracks_shuffles = allocation.tracks_shuffles();
        let holds = |id| self.hold(id, tracks_shuffles);
        for executor in allocation.surplus(now, there, holds) {
            self.retire(now, executor, "it is idle, and fewer executors are wanted");
            self.executors.leave_when_idle(executor);
        }
    }

    /// What would be lost with an executor.
    fn hold(&self, executor: ExecutorId, tracks_shuffles: bool) -> Hold {
        let mut hold = Hold::default();
        for volume in self.executors.volumes_lost_with(executor) {
            for shuffle in self.scheduler.shuffles_on(&volume) {
                if self.caches.is_wanted(shuffle) {
                    hold.cached = true;
                } else if tracks_shuffles {
                    hold.shuffled = true;
                }
                hold.in_use |= tracks_shuffles && self.scheduler.is_in_use(shuffle);
            }
        }
        hold
    }
}
