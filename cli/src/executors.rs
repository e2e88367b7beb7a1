//! The executors of an application on this machine: child processes, started at the driver's
//! request and watched.

use crate::processes::{self, ending};
use anyhow::Result;
use model::conf::{self, Conf, VolumeLayout};
use model::{ExecutorId, ProfileId, VolumeId};
use proto::pb;
use proto::pb::executor_fact::{Ended, Running, State};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Exit codes of an executor that the driver has let go: by itself, and after a signal.
const GRACEFUL: [i32; 2] = [0, 143];

/// The executors of the application.
#[derive(Debug)]
pub(crate) struct Executors {
    template: executor::Settings,
    /// Their log filter.
    log: &'static str,
    own_volumes: bool,
    wanted: Vec<Kind>,
    next: u64,
    /// Facts about all executors; ended ones are kept until the driver acknowledges their end.
    facts: BTreeMap<u64, State>,
    watch: JoinSet<(u64, ExitStatus)>,
    /// Dropping a sender stops its executor.
    stop_senders: BTreeMap<u64, (ProfileId, tokio::sync::oneshot::Sender<()>)>,
    failures: u32,
    max_failures: u32,
    ending: bool,
}

/// Executors that are alike.
#[derive(Debug, Clone, Copy)]
struct Kind {
    profile: ProfileId,
    /// How many are wanted.
    executors: u32,
    slots: u32,
    memory_bytes: u64,
}

/// An executor that ended.
#[derive(Debug)]
pub(crate) struct EndedExecutor {
    id: u64,
    status: ExitStatus,
}

impl Executors {
    /// No executors yet. `wanted` is the largest number that the application may ask for, from
    /// which the failure limit is computed.
    pub(crate) fn new(
        template: executor::Settings,
        conf: &Conf,
        wanted: u32,
        log: &'static str,
    ) -> Result<Self> {
        let own_volumes = conf.get(&conf::SHUFFLE_VOLUME)? == VolumeLayout::Own;
        let max_failures = conf
            .find(&conf::EXECUTOR_MAX_FAILURES)?
            .unwrap_or_else(|| wanted.saturating_mul(2).max(3));
        Ok(Self {
            template,
            log,
            own_volumes,
            wanted: Vec::new(),
            next: 0,
            facts: BTreeMap::new(),
            watch: JoinSet::new(),
            stop_senders: BTreeMap::new(),
            failures: 0,
            max_failures,
            ending: false,
        })
    }

    /// Starts and stops executors as the driver wishes.
    pub(crate) async fn apply_wish(&mut self, wish: &pb::Wish) -> Result<()> {
        for id in &wish.release {
            match self.facts.get(id) {
                Some(State::Ended(_)) => drop(self.facts.remove(id)),
                _ => drop(self.stop_senders.remove(id)),
            }
        }
        let usual = self.template.memory_bytes;
        let (profile, slots) = (ProfileId::DEFAULT, wish.cores);
        let first = Kind { profile, executors: wish.executors, slots, memory_bytes: usual };
        let others = wish.profiles.iter().map(|wish| Kind {
            profile: ProfileId(wish.profile),
            executors: wish.executors,
            slots: if wish.cores == 0 { slots } else { wish.cores },
            memory_bytes: wish.memory_bytes.unwrap_or(usual),
        });
        self.wanted = std::iter::once(first).chain(others).collect();
        self.fill().await
    }

    /// Starts missing executors.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        while let Some(kind) = self.missing() {
            let id = self.next;
            self.next += 1;
            let settings = self.settings(id, kind);
            std::fs::create_dir_all(&settings.volume.path)?;
            std::fs::create_dir_all(&settings.scratch)?;
            let child = processes::executor(&settings, self.log).await?;
            let (stop_sender, cut) = tokio::sync::oneshot::channel();
            self.stop_senders.insert(id, (kind.profile, stop_sender));
            self.facts.insert(id, State::Running(Running {}));
            self.watch.spawn(watch(id, child, cut));
        }
        Ok(())
    }

    /// What the next executor is, if fewer are there than are wanted.
    fn missing(&self) -> Option<Kind> {
        let there = |of: ProfileId| {
            self.stop_senders.values().filter(|(profile, _)| *profile == of).count()
        };
        let mut wanted = self.wanted.iter().filter(|_| !self.ending);
        wanted.find(|kind| there(kind.profile) < kind.executors as usize).copied()
    }

    fn settings(&self, id: u64, kind: Kind) -> executor::Settings {
        let Kind { profile, slots, memory_bytes, executors: _ } = kind;
        let mut settings =
            executor::Settings { profile, slots, memory_bytes, ..self.template.clone() };
        settings.executor = ExecutorId(id);
        settings.scratch = settings.scratch.join(id.to_string());
        if let Some(volume) = self.own_volume(id) {
            settings.volume = volume;
        }
        settings
    }

    /// The volume that only this executor mounts, if each has one.
    fn own_volume(&self, id: u64) -> Option<executor::Mount> {
        let base = self.template.volume.path.parent().unwrap_or(Path::new("/"));
        self.own_volumes.then(|| executor::Mount {
            volume: VolumeId(format!("executor-{id}")),
            path: base.join(format!("shuffle-{id}")),
            last: false,
            private: true,
        })
    }

    /// Waits for the next executor to end; for ever if there is none.
    pub(crate) async fn next_end(&mut self) -> Result<EndedExecutor> {
        match self.watch.join_next().await {
            Some(ended) => {
                let (id, status) = ended?;
                Ok(EndedExecutor { id, status })
            }
            None => std::future::pending().await,
        }
    }

    /// The reason to give up if too many executors failed on their own.
    pub(crate) fn too_many_failed(&self, last: &EndedExecutor) -> Option<String> {
        (self.failures > self.max_failures).then(|| {
            let last = ending(last.status);
            format!("{} executors failed on their own; the last: {last}", self.failures)
        })
    }

    /// Starts the shutdown: further ends do not count, and no executor is replaced.
    pub(crate) fn begin_shutdown(&mut self) {
        self.ending = true;
    }

    /// Deletes the files of an ended executor that are of no further use: its spill files, and its
    /// own volume.
    async fn clear_after(&self, id: u64) {
        let scratch = self.template.scratch.join(id.to_string());
        for path in self.own_volume(id).map(|volume| volume.path).into_iter().chain([scratch]) {
            // The rest is deleted with the application's directory.
            let _ = tokio::fs::remove_dir_all(path).await;
        }
    }

    /// Records an end and cleans up after it.
    pub(crate) async fn ended(&mut self, gone: &EndedExecutor) {
        let EndedExecutor { id, status } = *gone;
        // One that ends in good order was released by the driver.
        let is_stopped = self.stop_senders.remove(&id).is_none() || self.ending;
        let expected = is_stopped || status.code().is_some_and(|code| GRACEFUL.contains(&code));
        if !expected {
            self.failures += 1;
            tracing::warn!("executor {id} ended: {}", ending(status));
        }
        let reason = match status.code() {
            Some(0) => "Completed",
            Some(_) => "Error",
            None => "Killed",
        };
        self.facts.insert(
            id,
            State::Ended(Ended {
                exit_code: status.code(),
                reason: reason.to_owned(),
                message: ending(status),
                // However it ended: on one machine nobody takes executors away. As in Spark, what
                // the kernel kills for its memory, or for a crash, counts as well.
                app_caused: !expected,
                lost_volumes: self
                    .own_volume(id)
                    .map(|volume| volume.volume.0)
                    .into_iter()
                    .collect(),
            }),
        );
        self.clear_after(id).await;
    }

    /// Reports all facts to the driver.
    pub(crate) async fn report(&self, facts: &mpsc::Sender<pb::FromManager>) {
        let executors = self
            .facts
            .iter()
            .map(|(id, state)| pb::ExecutorFact { executor: *id, state: Some(state.clone()) })
            .collect();
        let fact = pb::from_manager::Fact::Executors(pb::ExecutorFacts { executors });
        // The driver may be gone already.
        let _ =
            facts.send(pb::FromManager { epoch: self.template.epoch.0, fact: Some(fact) }).await;
    }

    /// Stops all running executors and waits for their end.
    pub(crate) async fn end_all(&mut self) {
        self.ending = true;
        let patient = tokio::time::timeout(Duration::from_secs(2), async {
            while self.watch.join_next().await.is_some() {}
        });
        if patient.await.is_err() {
            self.stop_senders.clear();
            while self.watch.join_next().await.is_some() {}
        }
    }
}

/// Waits for the end of an executor, or stops it when its sender is dropped.
async fn watch(
    id: u64,
    mut child: Child,
    cut: tokio::sync::oneshot::Receiver<()>,
) -> (u64, ExitStatus) {
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        _ = cut => None,
    };
    let status = if let Some(status) = ended {
        status
    } else {
        let _ = child.start_kill();
        child.wait().await
    };
    (id, status.expect("a started child can be waited for"))
}
