//! Faults, the program's requests, and the calm that follows.

use crate::broken::{POOLS, Subject};
use crate::promises::Promises;
use crate::rows::Nature;
use crate::starts::gate;
use crate::world::{Job, Mail, World, any_partitions, any_profile, any_slots};
use model::{Epoch, ExecutorId, JobId, ProfileId, ShuffleId, StageId, VolumeId};
use rand::Rng;
use scheduler::{Event, JobShape, StageShape};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl World {
    /// Possibly injects a fault, or lets the program submit or cancel a job.
    pub(crate) fn disturb(&mut self) {
        match self.rng.random_range(0..400) {
            0..16 => self.submit(),
            16..18 => self.cancel(),
            18..22 => self.add_executor(),
            22..27 => self.lose_executor(),
            27..29 => self.lose_volume(),
            29..37 => self.damage(),
            37 if self.chance(0.3) => self.restart(),
            38 => self.overdue(),
            39..42 => self.release(),
            _ => {}
        }
    }

    /// A job that reads some of the map stages, and wants some partitions; or one that wants the
    /// outputs of a map stage and nothing else.
    pub(crate) fn submit(&mut self) {
        let job = JobId(self.fresh());
        let read: Vec<usize> =
            (0..self.stages.len()).filter(|_| self.rng.random_bool(0.4)).collect();
        let mut map_stages = read.clone();
        let mut next = 0;
        while next < map_stages.len() {
            map_stages.extend(self.stages[map_stages[next]].parents.clone());
            next += 1;
        }
        map_stages.sort_unstable();
        map_stages.dedup();
        let position = |stage: &usize| map_stages.binary_search(stage).expect("it is in the list");
        let shape_of = |&index: &usize| {
            let stage = &self.stages[index];
            stage.shape(stage.parents.iter().map(position).collect())
        };
        let mut stages: Vec<StageShape> = map_stages.iter().map(shape_of).collect();
        if !stages.is_empty() && self.rng.random_bool(0.2) {
            let shape = JobShape { stages, pool: self.any_pool(), ..JobShape::default() };
            return self.tell_of(job, Job { shape, map_stages });
        }
        let parents = read.iter().map(position).collect();
        let barrier = self.rng.random_bool(0.1);
        let partitions = any_partitions(&mut self.rng, barrier);
        let task_slots = any_slots(&mut self.rng);
        let any = any_profile(&mut self.rng);
        let profile = if barrier { ProfileId::DEFAULT } else { any };
        stages.push(StageShape {
            shuffle: None,
            partitions,
            parents,
            deterministic: true,
            barrier,
            task_slots,
            profile,
            executor_slots: None,
        });
        let wanted = (0..partitions).filter(|_| self.rng.random_bool(0.8)).collect();
        // One that reads damaged files fails.
        let single_attempt = !self.calm && self.rng.random_bool(0.1);
        let pool = self.any_pool();
        let cached = self.any_cached();
        let shape = JobShape { stages, result_partitions: wanted, single_attempt, cached, pool };
        self.tell_of(job, Job { shape, map_stages });
    }

    /// The shuffles that a job takes for cached partitions.
    fn any_cached(&mut self) -> BTreeSet<ShuffleId> {
        let chosen = self.stages.iter().filter(|_| self.rng.random_bool(0.5));
        chosen.map(|stage| stage.shuffle).collect()
    }

    /// The pool that a job names, if any.
    fn any_pool(&mut self) -> String {
        POOLS[self.rng.random_range(0..POOLS.len())].to_owned()
    }

    fn tell_of(&mut self, id: JobId, job: Job) {
        let shape = job.shape.clone();
        self.jobs.insert(id, job);
        self.promises.note_submitted(id);
        // Jobs come from the driver itself: at once and in order.
        let key = (self.now, self.fresh());
        self.mail.insert(key, Mail::Tell(Event::JobSubmitted { job: id, shape }));
    }

    fn cancel(&mut self) {
        if let Some(job) = self.promises.any_live(&mut self.rng) {
            self.send_event(Event::JobCancelled { job, reason: String::new() });
        }
    }

    /// Some stage, whether or not it still runs, has taken too long.
    fn overdue(&mut self) {
        let stage = StageId(self.rng.random_range(0..20));
        self.send_event(Event::StageOverdue { stage, limit: Duration::from_secs(1) });
    }

    /// The program gives up a cache, for which the outputs of a stage were stored.
    fn release(&mut self) {
        let index = self.rng.random_range(0..self.stages.len());
        let shuffle = self.stages[index].shuffle;
        self.send_event(Event::ShuffleReleased { shuffle });
    }

    fn any_executor(&mut self) -> Option<ExecutorId> {
        let index = self.rng.random_range(0..self.executors.len().max(1));
        self.executors.keys().nth(index).copied()
    }

    /// An executor dies, or freezes so long that it is declared lost.
    fn lose_executor(&mut self) {
        let Some(executor) = self.any_executor() else { return };
        let app_caused = self.chance(0.2);
        if self.chance(0.5) {
            if let Some(executor) = self.executors.get_mut(&executor) {
                executor.frozen = true;
            }
            self.send(1000, Mail::Gone(executor));
        } else {
            self.executors.remove(&executor);
        }
        self.send_event(Event::ExecutorLost { executor, app_caused, reason: String::new() });
        if self.chance(0.8) {
            self.add_executor();
        }
    }

    fn any_volume(&mut self) -> Option<VolumeId> {
        let index = self.rng.random_range(0..self.volumes.len().max(1));
        self.volumes.keys().nth(index).cloned()
    }

    fn lose_volume(&mut self) {
        let Some(volume) = self.any_volume() else { return };
        self.volumes.remove(&volume);
        for executor in self.executors.values_mut() {
            executor.volumes.remove(&volume);
        }
        self.send_event(Event::VolumeLost { volume });
    }

    /// Damages one file.
    fn damage(&mut self) {
        let Some(volume) = self.any_volume() else { return };
        let Some(files) = self.volumes.get_mut(&volume) else { return };
        let index = self.rng.random_range(0..files.len().max(1));
        if let Some(file) = files.values_mut().nth(index) {
            file.damaged = true;
        }
    }

    /// Damages all files.
    fn rot(&mut self) {
        for file in self.volumes.values_mut().flat_map(BTreeMap::values_mut) {
            file.damaged = true;
            self.tally.rotten += 1;
        }
    }

    /// The driver dies with all executors. The next one finds the outputs on the volumes, after
    /// pending deletions. A stage that is secretly random cannot be trusted from then on: its
    /// checksums are forgotten.
    fn restart(&mut self) {
        if self.stages.iter().any(|stage| stage.nature == Nature::Secret) {
            return;
        }
        self.tally.restarts += 1;
        for mail in std::mem::take(&mut self.mail).into_values() {
            if let Mail::Delete(output) = mail {
                self.delete(&output);
            }
        }
        self.executors.clear();
        self.epoch = Epoch(self.epoch.0 + 1);
        self.subject = Subject::new((self.epoch, self.excludes), self.now, self.bug);
        self.promises = Promises::new(gate(self.epoch, self.now));
        for _ in 0..2 {
            self.add_executor();
        }
    }

    /// Stops all faults, and provides enough executors.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        self.add_executor_of(ProfileId(1));
        // The last ones that are lost are gone soon; a barrier stage has up to five tasks, each of
        // up to two slots.
        let mut room = 0;
        while room < 5 {
            self.add_executor_of(ProfileId::DEFAULT);
            room += self.executors.last_key_value().map_or(0, |(_, added)| added.slots / 2);
        }
    }

    /// Plays a whole life: a storm, then a calm in which everything must come to its end, then a
    /// last strike and calm again.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        for _ in 0..300 {
            self.disturb();
            self.step()?;
        }
        self.calm_down();
        self.come_to_rest()?;
        self.bury_the_dead();
        self.come_to_rest()?;
        // However much is damaged at once, a few rounds repair it.
        self.rot();
        let failed = self.tally.failed;
        for _ in 0..3 {
            self.submit();
        }
        self.come_to_rest()?;
        if self.tally.failed == failed { Ok(()) } else { Err("damage fails a job".to_owned()) }
    }

    /// A late registration has the scheduler count on an executor that is gone. A job that cannot
    /// do without it would fail, which is not for the damage.
    fn bury_the_dead(&mut self) {
        for executor in (1..=self.counter).map(ExecutorId) {
            if !self.executors.contains_key(&executor) {
                let reason = String::new();
                self.send_event(Event::ExecutorLost { executor, app_caused: false, reason });
            }
        }
    }

    fn come_to_rest(&mut self) -> Result<(), String> {
        for _ in 0..20_000 {
            if !self.step()? {
                return self.promises.check_rest(&self.subject.scheduler);
            }
        }
        Err("it does not come to rest".to_owned())
    }
}
