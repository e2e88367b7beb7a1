//! The executors: which are there, which may not come back, and what is known of each. What they
//! are told is gathered in `work`; whether they are still there is found out in `presence`.

mod presence;
mod work;

use super::effect::Effect;
use crate::message::{Connection, ExecutorStatus, Refusal};
use model::executor::{Registration, ToExecutor};
use model::{ExecutorId, ProfileId, StageId, VolumeId};
use presence::Presence;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use work::{Atlas, Desk};

/// Lost executors that people are still shown.
const GONE_LISTED: usize = 100;

/// All executors.
#[derive(Debug, Default)]
pub(crate) struct Executors {
    live: BTreeMap<ExecutorId, Executor>,
    /// Those that were there or failed to come, and may not come back: ids are never given out
    /// twice.
    gone: BTreeSet<ExecutorId>,
    gone_listed: Vec<ExecutorStatus>,
    /// Those that will end soon, or have.
    retired: BTreeSet<ExecutorId>,
    lost_volumes: BTreeSet<VolumeId>,
    /// Changes when a volume may be served by others than before.
    mounts: u64,
    /// Stages with large tasks, of which a program was warned.
    large: BTreeSet<StageId>,
    atlas: Atlas,
}

#[derive(Debug)]
struct Executor {
    connection: Connection,
    host: String,
    profile: ProfileId,
    slots: u32,
    block_address: String,
    volumes: BTreeSet<VolumeId>,
    /// Those that nobody else can mount once it has ended.
    private: BTreeSet<VolumeId>,
    desk: Desk,
    presence: Presence,
}

impl Executors {
    /// Takes an executor in, unless its id is used up.
    pub(crate) fn attach(
        &mut self,
        now: Duration,
        serial: u64,
        registration: &Registration,
    ) -> Result<(), Refusal> {
        let Registration { executor, host, profile, slots, block_address, volumes, private } =
            registration;
        if self.gone.contains(executor) {
            return Err(Refusal(format!("{executor} was lost and may not come back")));
        }
        if self.live.contains_key(executor) {
            return Err(Refusal(format!("{executor} is there already")));
        }
        self.mounts += 1;
        let entry = Executor {
            connection: Connection { executor: *executor, serial },
            host: host.clone(),
            profile: *profile,
            slots: *slots,
            block_address: block_address.clone(),
            volumes: volumes.iter().map(|(volume, _)| volume.clone()).collect(),
            private: private.clone(),
            desk: Desk::default(),
            presence: Presence::since(now),
        };
        self.live.insert(*executor, entry);
        Ok(())
    }

    /// Whether none is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Tells an executor something beside its work.
    pub(crate) fn tell(&self, id: ExecutorId, message: ToExecutor, effects: &mut Vec<Effect>) {
        if let Some(executor) = self.live.get(&id) {
            effects.push(Effect::TellExecutor { connection: executor.connection, message });
        }
    }

    /// Sends all away.
    pub(crate) fn leave(&self, reason: &str, forget: bool, effects: &mut Vec<Effect>) {
        for id in self.live.keys() {
            let leave = ToExecutor::Leave { reason: reason.to_owned(), forget };
            self.tell(*id, leave, effects);
        }
    }

    /// Removes an executor that is lost: its id is used up.
    pub(crate) fn remove(&mut self, id: ExecutorId, effects: &mut Vec<Effect>) {
        self.gone.insert(id);
        if let Some(executor) = self.live.remove(&id) {
            self.mounts += 1;
            if self.gone_listed.len() < GONE_LISTED {
                self.gone_listed.push(executor.status(id, false));
            }
            effects.push(Effect::CloseExecutor { connection: executor.connection });
        }
    }

    /// Notes that an executor will end soon. Returns whether that is new.
    pub(crate) fn retire(&mut self, id: ExecutorId) -> bool {
        self.retired.insert(id)
    }

    /// Whether an executor will end soon.
    pub(crate) fn is_retired(&self, id: ExecutorId) -> bool {
        self.retired.contains(&id)
    }

    /// The volumes that an executor mounts, if it is there.
    pub(crate) fn volumes(&self, id: ExecutorId) -> Option<BTreeSet<VolumeId>> {
        Some(self.live.get(&id)?.volumes.clone())
    }

    /// Those of a kind that stay, and whether each runs nothing.
    pub(crate) fn staying(&self, of: ProfileId) -> impl Iterator<Item = (ExecutorId, bool)> {
        let stays = |id: &ExecutorId| !self.retired.contains(id);
        let of_kind = self.live.iter().filter(move |(_, executor)| executor.profile == of);
        let staying = of_kind.filter(move |(id, _)| stays(id));
        staying.map(|(id, executor)| (*id, executor.desk.running.is_empty()))
    }

    /// Those that will leave, and are not released yet.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = ExecutorId> {
        let leaves = |(id, executor): &(&ExecutorId, &Executor)| {
            self.retired.contains(id) && !executor.presence.was_released
        };
        self.live.iter().filter(leaves).map(|(id, _)| *id)
    }

    /// Those that stay and have a volume to write to.
    pub(crate) fn writers(&self) -> VecDeque<ExecutorId> {
        let staying = self.live.iter().filter(|(id, _)| !self.retired.contains(id));
        staying.filter(|(_, executor)| executor.can_write()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn is_live(&self, id: ExecutorId) -> bool {
        self.live.contains_key(&id)
    }

    /// The volumes that are lost with an executor: nobody else can mount them later.
    pub(crate) fn volumes_lost_with(&self, id: ExecutorId) -> Vec<VolumeId> {
        let Some(Executor { volumes, private, .. }) = self.live.get(&id) else { return Vec::new() };
        volumes.intersection(private).cloned().collect()
    }

    /// Notes that a volume is gone for ever. Returns whether that is new.
    pub(crate) fn lose_volume(&mut self, volume: &VolumeId) -> bool {
        if !self.lost_volumes.insert(volume.clone()) {
            return false;
        }
        for executor in self.live.values_mut() {
            executor.volumes.remove(volume);
        }
        self.mounts += 1;
        true
    }

    /// Notes that an executor ended before it registered: its id is used up.
    pub(crate) fn not_started(&mut self, id: ExecutorId) {
        self.gone.insert(id);
    }

    /// Whether an executor was never heard of.
    pub(crate) fn is_unknown(&self, id: ExecutorId) -> bool {
        !self.gone.contains(&id) && !self.live.contains_key(&id)
    }

    /// Whether an executor was there, or should have come, and will not come back.
    pub(crate) fn is_gone(&self, id: ExecutorId) -> bool {
        self.gone.contains(&id)
    }

    /// The kind of an executor that is there.
    pub(crate) fn profile(&self, id: ExecutorId) -> ProfileId {
        self.live.get(&id).map(|executor| executor.profile).unwrap_or_default()
    }

    pub(crate) fn host(&self, id: ExecutorId) -> Option<String> {
        let gone = || self.gone_listed.iter().find(|gone| gone.executor == id);
        let live = self.live.get(&id).map(|executor| executor.host.clone());
        live.or_else(|| Some(gone()?.host.clone()))
    }

    /// Where an executor serves blocks: `host:port`.
    pub(crate) fn address(&self, id: ExecutorId) -> String {
        self.live.get(&id).map(|executor| executor.block_address.clone()).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> Vec<ExecutorStatus> {
        let live = self.live.iter().map(|(id, executor)| executor.status(*id, true));
        let mut all: Vec<_> = self.gone_listed.iter().cloned().chain(live).collect();
        all.sort_by_key(|executor| executor.executor);
        all
    }
}

impl Executor {
    fn can_write(&self) -> bool {
        self.volumes.iter().any(|volume| !volume.is_foreign())
    }

    fn status(&self, id: ExecutorId, alive: bool) -> ExecutorStatus {
        let running = if alive { self.desk.running.len() } else { 0 };
        ExecutorStatus {
            executor: id,
            host: self.host.clone(),
            address: self.block_address.clone(),
            slots: self.slots,
            running_tasks: u32::try_from(running).unwrap_or(u32::MAX),
            finished_tasks: self.desk.finished,
            failed_tasks: self.desk.failed,
            alive,
            profile: self.profile,
        }
    }
}
