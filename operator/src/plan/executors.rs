//! Executors: as many as the driver wants within the manifest's bounds. Each number is used once,
//! and each end is reported to the driver and recorded before the pod is deleted.

use super::{Bounds, Change, Object, PassBuilder, after};
use crate::objects::{self, BuildContext, NewExecutor};
use crate::observe::{Attached, End, ExecutorFacts, PodState, View, Wish};
use crd::{Failure, Validated};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use model::ProfileId;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Back-off before replacing an executor that failed to start or that the API server refused.
const NO_START_BACKOFF: Duration = Duration::from_secs(10);

/// A fact about an executor, for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Its pod is being created.
    Starting,
    /// It runs.
    Running,
    /// It is about to end.
    Leaving {
        /// The reason.
        reason: String,
    },
    /// It ended.
    Ended {
        /// The end.
        end: End,
        /// Volumes that no other pod can mount any more.
        lost_volumes: Vec<String>,
    },
}

/// Executors that are alike.
struct Kind<'a> {
    profile: ProfileId,
    desired: u32,
    /// The specification, with what the profile says of an executor.
    valid: Cow<'a, Validated>,
}

impl<'a> Kind<'a> {
    /// Those that the driver wants, within the manifest's bounds. As in Spark, the upper one holds
    /// for each profile.
    fn all(wish: &Wish, valid: &'a Validated) -> Vec<Self> {
        let desired = wish.executors.clamp(valid.executors.min, valid.executors.max);
        let usual = Self { profile: ProfileId::DEFAULT, desired, valid: Cow::Borrowed(valid) };
        let others = wish.profiles.iter().map(|wish| {
            let executor = valid.executor.requested(&wish.request);
            Self {
                profile: wish.profile,
                desired: wish.executors.min(valid.executors.max),
                valid: Cow::Owned(Validated { executor, ..valid.clone() }),
            }
        });
        std::iter::once(usual).chain(others).collect()
    }
}

impl PassBuilder<'_> {
    /// Brings the executors to what the driver wants.
    pub(super) fn executors(&mut self) {
        let live = self.is_live();
        let attached = self.seen.attached.clone().filter(|attached| {
            live && Some(&attached.submission) == self.status.submission_id.as_ref()
        });
        let is_over = !live || attached.as_ref().is_some_and(|attached| attached.ended.is_some());
        let released = attached.as_ref().and_then(|attached| attached.wish.as_ref());
        let released = released.map(|wish| wish.release.clone()).unwrap_or_default();
        self.forget(attached.as_ref(), &released);
        if attached.is_some() && !is_over {
            self.scale_down(&released);
        }
        let mut facts = BTreeMap::new();
        for (id, executor) in &self.seen.executors {
            if executor.inactive {
                continue;
            }
            let of_run = live && self.is_current(&executor.pod);
            let wanted = of_run && !is_over && !released.contains(id);
            if of_run && let Some(fact) = self.fact(*id, executor, &released) {
                facts.insert(*id, fact);
            }
            match executor.pod.end() {
                Some(end) if wanted => self.record_end(*id, end),
                Some(_) => self.retire(executor),
                None if wanted && !self.is_settled(*id) => {
                    if self.is_stuck(&executor.pod) {
                        self.record_end(*id, &End::node_lost());
                    }
                    if executor.pod.is_ending() {
                        self.remove(&executor.pod);
                    }
                }
                None => self.remove(&executor.pod),
            }
        }
        if let Some(attached) = &attached {
            if !is_over {
                self.vanished(attached, &released, &mut facts);
                // Of those that no watch shows yet it is not known what they are for.
                if !self.pass.refresh {
                    self.create_missing(attached, &released, &mut facts);
                }
            }
            self.pass.facts = Some(facts);
            self.pass.bounds = self.app.validated().map(|valid| {
                let (min, max) = (valid.executors.min, valid.executors.max);
                Bounds { min, max }
            });
        }
        self.count();
    }

    /// Releases executors beyond the manifest's current limit, which holds for each resource
    /// profile: first those not running yet, then the newest.
    fn scale_down(&mut self, released: &BTreeSet<u64>) {
        let Some(valid) = self.app.validated().filter(|_| self.is_as_submitted()) else { return };
        let most = usize::try_from(valid.executors.max).unwrap_or(usize::MAX);
        let profiles = self.seen.executors.values().map(|executor| executor.profile);
        for profile in profiles.collect::<BTreeSet<_>>() {
            self.scale_profile_down(profile, most, released);
        }
    }

    fn scale_profile_down(&mut self, profile: ProfileId, most: usize, released: &BTreeSet<u64>) {
        let staying = self.seen.executors.iter().filter(|(id, executor)| {
            let is_of = executor.profile == profile && !executor.inactive;
            let stays = is_of && executor.is_living() && !released.contains(id);
            stays && self.is_current(&executor.pod) && !self.is_settled(**id)
        });
        let mut staying: Vec<_> = staying
            .map(|(id, executor)| (executor.pod.state == PodState::Running, Reverse(*id)))
            .collect();
        let surplus = staying.len().saturating_sub(most);
        if surplus > 0 && self.seen.view == View::Cached {
            // Some may be gone already; only a live view tells.
            self.pass.refresh = true;
            return;
        }
        if surplus > 0 {
            let message = format!("{surplus} executors are released: the limit is {most}");
            self.event(false, "SparkExecutorsScaledDown", message);
        }
        staying.sort_unstable();
        for (_, Reverse(id)) in staying.into_iter().take(surplus) {
            self.settle(id);
        }
    }

    /// Whether the driver runs the current specification.
    fn is_as_submitted(&self) -> bool {
        self.submission().is_some_and(|id| id.specification == self.app.specification)
    }

    /// Whether it was already recorded as ended or released. If it still runs, it has to go.
    fn is_settled(&self, id: u64) -> bool {
        self.status.settled_executors.binary_search(&number(id)).is_ok()
    }

    /// Records that; returns whether it was new.
    fn settle(&mut self, id: u64) -> bool {
        let known = &mut self.status.settled_executors;
        let id = number(id);
        known.binary_search(&id).map_err(|place| known.insert(place, id)).is_err()
    }

    /// Drops executors that nothing refers to any more.
    fn forget(&mut self, attached: Option<&Attached>, released: &BTreeSet<u64>) {
        let seen = &self.seen.executors;
        let is_seen = |id: &u64| seen.get(id).is_some_and(|executor| !executor.inactive);
        let is_reported = |id: &u64| {
            attached.is_none_or(|attached| {
                let alive = attached.executors.get(id).is_some_and(|alive| *alive);
                (alive || attached.reported.contains(id)) && !released.contains(id)
            })
        };
        let live = self.is_live();
        let is_known = |id: &u64| is_seen(id) || (live && is_reported(id));
        let known = &mut self.status.settled_executors;
        known.retain(|id| u64::try_from(*id).is_ok_and(|id| is_known(&id)));
    }

    /// The fact to report to the driver; `None` once the driver has acknowledged the executor's
    /// end.
    fn fact(&self, id: u64, executor: &ExecutorFacts, released: &BTreeSet<u64>) -> Option<Fact> {
        Some(match &executor.pod.state {
            PodState::Ended(_) if released.contains(&id) => return None,
            PodState::Ended(end) => {
                Fact::Ended { end: end.clone(), lost_volumes: self.lost_volumes(id, executor.slot) }
            }
            PodState::Pending { .. } | PodState::Running | PodState::Unknown
                if executor.pod.is_ending() =>
            {
                Fact::Leaving { reason: "its pod is being deleted".to_owned() }
            }
            PodState::Pending { .. } | PodState::Running | PodState::Unknown
                if self.is_settled(id) =>
            {
                Fact::Leaving { reason: "it exceeds the executor limit".to_owned() }
            }
            PodState::Pending { .. } => Fact::Starting,
            PodState::Running | PodState::Unknown => Fact::Running,
        })
    }

    fn lost_volumes(&self, id: u64, slot: u32) -> Vec<String> {
        let valid = self.app.validated();
        valid
            .and_then(|valid| objects::lost_volume(self.app, &valid.executor, id, slot))
            .into_iter()
            .collect()
    }

    /// Records an end, once.
    fn record_end(&mut self, id: u64, end: &End) {
        if end.is_success() || !self.settle(id) {
            return;
        }
        let seen = self.seen.executors.get(&id).map(|executor| executor.pod.name.clone());
        let name = seen.unwrap_or_else(|| self.app.executor_name(id));
        self.status.executors.failed += 1;
        if end.is_own_doing() {
            self.status.executors.failed_on_their_own += 1;
        }
        let code = end.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
        let message = format!("executor {name}: {}{code}", end.reason);
        self.event(true, "SparkExecutorFailed", message);
        self.status.record(Failure {
            name,
            attempt: self.status.execution_attempts,
            exit_code: end.exit_code,
            reason: end.reason.clone(),
            message: end.message.clone(),
            time: Some(Time(self.with.now)),
        });
    }

    /// Deletes a pod whose end everyone concerned knows, or keeps it for inspection.
    fn retire(&mut self, executor: &ExecutorFacts) {
        let pod = &executor.pod;
        let keep = self.app.validated().is_some_and(|valid| !valid.delete_ended_executors);
        if keep && !pod.is_ending() {
            let (name, uid) = (pod.name.clone(), pod.uid.clone());
            self.pass.changes.push(Change::Retire { name, uid });
        } else {
            self.remove(pod);
        }
    }

    /// Executors that the driver knows and that have no pod: the pod was deleted from outside.
    fn vanished(
        &mut self,
        attached: &Attached,
        released: &BTreeSet<u64>,
        facts: &mut BTreeMap<u64, Fact>,
    ) {
        let alive = attached.executors.iter().filter(|(_, alive)| **alive).map(|(id, _)| *id);
        let missing: BTreeSet<u64> = attached
            .reported
            .iter()
            .copied()
            .chain(alive)
            .filter(|id| !released.contains(id) && !self.seen.executors.contains_key(id))
            .collect();
        if !missing.is_empty() && self.seen.view == View::Cached {
            // A watch may not show a pod that was just created. Until a live view confirms it,
            // nothing changes.
            self.pass.refresh = true;
            facts.extend(missing.into_iter().map(|id| (id, Fact::Starting)));
            return;
        }
        for id in missing {
            let end = End::deleted();
            // Nothing was lost with an executor that never reached the driver; perhaps its pod was
            // never created.
            if attached.executors.contains_key(&id) {
                self.record_end(id, &end);
            }
            // Without the pod its slot is unknown, but its private volumes do not depend on the
            // slot.
            let lost_volumes = self.lost_volumes(id, 0);
            facts.insert(id, Fact::Ended { end, lost_volumes });
        }
    }

    /// Creates missing executors. They are reported to the driver at once, so that the next pass
    /// knows of them even if no watch has shown their pods.
    fn create_missing(
        &mut self,
        attached: &Attached,
        released: &BTreeSet<u64>,
        facts: &mut BTreeMap<u64, Fact>,
    ) {
        let (Some(wish), Some(valid)) = (&attached.wish, self.app.validated()) else { return };
        let kinds = Kind::all(wish, valid);
        let desired = kinds.iter().fold(0_u32, |sum, kind| sum.saturating_add(kind.desired));
        self.status.executors.desired = i32::try_from(desired).unwrap_or(i32::MAX);
        let driver = self.driver().filter(|driver| !driver.is_ending());
        let Some(address) = driver.and_then(|driver| driver.address.clone()) else { return };
        let Some(submission) = self.submission().filter(|_| self.is_as_submitted()) else { return };
        let (app, settings, run) = (self.app, self.with.settings, self.runs());
        let context = |valid| BuildContext { app, valid, settings, submission: &submission, run };
        // Data on the claims of a leaving executor is served by the slot's next one, which waits
        // until the claims are free.
        let leaves_claims = !objects::executor_claims(&context(valid), 0).is_empty();
        let stays = |(id, fact): &(&u64, &Fact)| {
            let stays = match fact {
                Fact::Starting | Fact::Running => true,
                Fact::Leaving { .. } => leaves_claims,
                Fact::Ended { .. } => false,
            };
            stays && !released.contains(id)
        };
        let profile = |id: &u64| self.seen.executors.get(id).map(|executor| executor.profile);
        let staying = facts.iter().filter(stays).map(|(id, _)| profile(id).unwrap_or_default());
        let staying: Vec<ProfileId> = staying.collect();
        let missing = kinds.into_iter().map(|kind| {
            let there = staying.iter().filter(|profile| **profile == kind.profile).count();
            let desired = usize::try_from(kind.desired).unwrap_or(usize::MAX);
            (kind, desired.saturating_sub(there))
        });
        let missing: Vec<_> = missing.collect();
        let total = missing.iter().fold(0_usize, |sum, (_, missing)| sum.saturating_add(*missing));
        if total > 0 && self.is_backing_off() {
            return;
        }
        let batch = total.min(self.with.settings.executors_per_pass);
        if batch < total {
            self.requeue_after(Duration::from_millis(100));
        }
        let first = self.next_number(attached);
        let mut slots = self.free_slots();
        let mut claims = BTreeSet::new();
        let kinds = missing.iter().flat_map(|(kind, missing)| std::iter::repeat_n(kind, *missing));
        for (id, kind) in (first..).zip(kinds).take(batch) {
            let context = context(&kind.valid);
            let slot = slots.next().unwrap_or_default();
            let slots = i32::try_from(slot).unwrap_or(i32::MAX).saturating_add(1);
            self.status.executors.slots = self.status.executors.slots.max(slots);
            for claim in objects::executor_claims(&context, slot) {
                let name = claim.name_any();
                if !self.seen.claims.contains(&name) && claims.insert(name) {
                    self.create(Object::Claim(Box::new(claim)));
                }
            }
            let profile = kind.profile;
            let executor = NewExecutor { id, slot, profile, driver: &address };
            let pod = objects::executor_pod(&context, &executor);
            self.create(Object::Pod(Box::new(pod)));
            facts.insert(id, Fact::Starting);
        }
    }

    /// Whether an executor recently failed to start: without a back-off every pass would create the
    /// next one.
    fn is_backing_off(&mut self) -> bool {
        let attempt = self.status.execution_attempts;
        let driver = self.status.driver_info.as_ref().and_then(|info| info.pod_name.clone());
        let failures = self.status.failures.iter().rev();
        let last = failures.filter(|failure| failure.attempt == attempt).find(|failure| {
            let Failure { exit_code, reason, .. } = failure;
            let end = End { exit_code: *exit_code, reason: reason.clone(), message: String::new() };
            end.never_ran() && Some(&failure.name) != driver.as_ref()
        });
        let last = last.and_then(|failure| failure.time.as_ref()).map(|time| time.0);
        let refused = self.seen.refused_executor.as_ref().map(|refused| refused.at);
        let last = last.max(refused);
        last.is_some_and(|last| !self.is_due(after(last, NO_START_BACKOFF)))
    }

    /// A number no executor has had: the status remembers deleted pods, the driver those reported
    /// to it.
    fn next_number(&self, attached: &Attached) -> u64 {
        let seen = self.seen.executors.keys().chain(attached.executors.keys());
        let seen = seen.chain(&attached.reported).max().map_or(0, |id| id + 1);
        seen.max(u64::try_from(self.status.executors.made).unwrap_or(0))
    }

    /// Slots whose claims no pod mounts or may yet mount, lowest first.
    fn free_slots(&self) -> impl Iterator<Item = u32> + use<> {
        let pods = self.seen.executors.values();
        let mounted = pods.filter(|executor| executor.pod.end().is_none());
        let taken: BTreeSet<u32> = mounted.map(|executor| executor.slot).collect();
        (0..).filter(move |slot| !taken.contains(slot))
    }

    /// Counts this run's executors by state.
    fn count(&mut self) {
        let living: Vec<_> = self
            .seen
            .executors
            .values()
            .filter(|executor| self.is_current(&executor.pod) && executor.is_living())
            .collect();
        let running = living.iter().filter(|one| one.pod.state == PodState::Running).count();
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let pending = number(living.len() - running);
        let made = self.seen.executors.keys().next_back().map_or(0, |id| id + 1);
        let present = self.seen.executors.values().filter(|one| one.pod.end().is_none()).count();
        let counts = &mut self.status.executors;
        (counts.pending, counts.running) = (pending, number(running));
        // The count is taken from the whole, not incremented: a pass over a stale snapshot would
        // count twice.
        counts.made = counts.made.max(i32::try_from(made).unwrap_or(i32::MAX));
        counts.completed = (counts.made - counts.failed - number(present)).max(0);
        if !self.is_live() {
            self.status.executors.desired = 0;
        }
    }
}

/// A number in the status's type.
fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
