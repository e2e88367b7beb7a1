//! The executors of an application on this machine: child processes, started as the driver wishes for them and watched.

use crate::processes::{self, ending};
use anyhow::Result;
use model::conf::{self, Conf, VolumeLayout};
use model::{ExecutorId, VolumeId};
use proto::pb;
use proto::pb::executor_fact::{Ended, Running, State};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The executors of the application.
#[derive(Debug)]
pub(crate) struct Executors {
    template: executor::Settings,
    /// What they log.
    log: &'static str,
    own_volumes: bool,
    wanted: u32,
    next: u64,
    /// Facts of all of them, the ended ones until the driver has seen their end.
    facts: BTreeMap<u64, State>,
    watch: JoinSet<(u64, ExitStatus)>,
    /// Dropping a sender ends its executor.
    leashes: BTreeMap<u64, tokio::sync::oneshot::Sender<()>>,
    failures: u32,
    max_failures: u32,
    ending: bool,
}

/// An executor that ended by itself.
#[derive(Debug)]
pub(crate) struct Gone {
    id: u64,
    status: ExitStatus,
}

impl Executors {
    /// None yet. `wanted`: how many the application asks for, by which the number that may fail is reckoned.
    pub(crate) fn new(
        template: executor::Settings,
        conf: &Conf,
        wanted: u32,
        log: &'static str,
    ) -> Result<Self> {
        let own_volumes = conf.get(&conf::SHUFFLE_VOLUME)? == VolumeLayout::Own;
        let max_failures =
            conf.find(&conf::EXECUTOR_MAX_FAILURES)?.unwrap_or_else(|| (2 * wanted).max(3));
        Ok(Self {
            template,
            log,
            own_volumes,
            wanted: 0,
            next: 0,
            facts: BTreeMap::new(),
            watch: JoinSet::new(),
            leashes: BTreeMap::new(),
            failures: 0,
            max_failures,
            ending: false,
        })
    }

    /// Starts and lets go as the driver wishes.
    pub(crate) async fn grant(&mut self, wish: &pb::Wish) -> Result<()> {
        for id in &wish.release {
            match self.facts.get(id) {
                Some(State::Ended(_)) => drop(self.facts.remove(id)),
                _ => drop(self.leashes.remove(id)),
            }
        }
        self.wanted = wish.executors;
        self.template.slots = wish.cores;
        self.fill().await
    }

    /// Starts what is missing.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        while !self.ending && self.leashes.len() < self.wanted as usize {
            let id = self.next;
            self.next += 1;
            let settings = self.settings(id);
            std::fs::create_dir_all(&settings.volume.path)?;
            std::fs::create_dir_all(&settings.scratch)?;
            let child = processes::executor(&settings, self.log).await?;
            let (leash, cut) = tokio::sync::oneshot::channel();
            self.leashes.insert(id, leash);
            self.facts.insert(id, State::Running(Running {}));
            self.watch.spawn(watch(id, child, cut));
        }
        Ok(())
    }

    fn settings(&self, id: u64) -> executor::Settings {
        let mut settings = self.template.clone();
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
        })
    }

    /// The next executor that ends; waits for ever if there is none.
    pub(crate) async fn next_end(&mut self) -> Result<Gone> {
        match self.watch.join_next().await {
            Some(ended) => {
                let (id, status) = ended?;
                Ok(Gone { id, status })
            }
            None => std::future::pending().await,
        }
    }

    /// Whether too many have ended on their own; in words, if so.
    pub(crate) fn too_many_ended(&self, last: &Gone) -> Option<String> {
        (self.failures > self.max_failures).then(|| {
            let last = ending(last.status);
            format!("{} executors ended on their own; the last: {last}", self.failures)
        })
    }

    /// The application is over: who ends now does not count, and nobody is started.
    pub(crate) fn expect_the_end(&mut self) {
        self.ending = true;
    }

    /// Removes what an executor that has ended leaves and nobody can use: what it spilled, and its own volume.
    async fn clear_after(&self, id: u64) {
        let scratch = self.template.scratch.join(id.to_string());
        for path in self.own_volume(id).map(|volume| volume.path).into_iter().chain([scratch]) {
            // What cannot be removed now goes with the directory of the application.
            let _ = tokio::fs::remove_dir_all(path).await;
        }
    }

    /// Takes note of an end and clears up after it.
    pub(crate) async fn ended(&mut self, gone: &Gone) {
        let Gone { id, status } = *gone;
        let expected = self.leashes.remove(&id).is_none() || self.ending;
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
                // A process that somebody killed did not fail by what the program did; one that ended itself did.
                app_caused: !expected && status.code().is_some(),
                lost_volumes: self
                    .own_volume(id)
                    .map(|volume| volume.volume.0)
                    .into_iter()
                    .collect(),
            }),
        );
        self.clear_after(id).await;
    }

    /// Tells the driver all that is known of them.
    pub(crate) async fn report(&self, facts: &mpsc::Sender<pb::FromManager>) {
        let executors = self
            .facts
            .iter()
            .map(|(id, state)| pb::ExecutorFact { executor: *id, state: Some(state.clone()) })
            .collect();
        let fact = pb::from_manager::Fact::Executors(pb::ExecutorFacts { executors });
        // A driver that is gone needs not be told.
        let _ =
            facts.send(pb::FromManager { epoch: self.template.epoch.0, fact: Some(fact) }).await;
    }

    /// Ends all that still run and waits for them.
    pub(crate) async fn end_all(&mut self) {
        self.ending = true;
        let patient = tokio::time::timeout(Duration::from_secs(2), async {
            while self.watch.join_next().await.is_some() {}
        });
        if patient.await.is_err() {
            self.leashes.clear();
            while self.watch.join_next().await.is_some() {}
        }
    }
}

/// Waits for the end of an executor, or ends it when its leash is cut.
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
    (id, status.expect("a child that was started can be waited for"))
}
