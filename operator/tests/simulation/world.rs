//! The world around passes: an operator with a lagging watch that is killed between any two writes,
//! a driver that wants executors, pods that start, end and get stuck, and users who change their
//! minds. `observe` and `finish` check what must hold.

use crate::cluster::{Cluster, Rejected};
use crd::{SparkApplication, State};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use operator::observe::{Attached, Observed, Refused, View, Wish};
use operator::plan::{
    Application, Change, Circumstances, Ending, Fact, Object, Pass, Secrets, pass,
};
use operator::{Settings, names};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A rule broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// A cached view is taken for a live one.
    BelievesTheWatch,
    /// Changes precede the status.
    ActsFirst,
    /// An unchanged status is not written, whatever changes follow.
    SkipsSameStatus,
    /// A status overwrites any version.
    Overwrites,
    /// The driver's creation is not recorded.
    ForgetsTheDriver,
    /// Executors outlive their run.
    KeepsExecutors,
    /// Claims have no owner, whatever the manifest says.
    ForgetsOwners,
    /// Released executors are not recorded.
    ForgetsReleased,
    /// A pending rerun is not suspended.
    IgnoresSuspensionWhilePending,
}

/// What users and nodes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nothing.
    Quiet,
    /// They interfere.
    Hostile,
    /// Nothing ends by itself, and people only change the number of executors.
    Scaling,
}

/// The behaviour of a seed's program, and how often it may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plot {
    pub(crate) fails: bool,
    pub(crate) retries: u32,
    pub(crate) others: Others,
    /// Whether claims outlive the application.
    pub(crate) retains: bool,
}

/// A write that an operator is about to make.
#[derive(Debug, Clone)]
enum Write {
    Status { over: Option<String>, status: Box<crd::SparkApplicationStatus> },
    Change(Change),
}

#[derive(Debug, Default)]
struct Memory {
    writes: VecDeque<Write>,
    refused: Option<Refused>,
    reported: BTreeSet<u64>,
    /// The driver that the open stream leads to.
    stream: Option<String>,
}

/// The driver's side of its stream, by submission.
#[derive(Debug, Default, Clone)]
struct Driver {
    alive: BTreeMap<u64, bool>,
    release: BTreeSet<u64>,
}

pub(crate) struct World {
    pub(crate) random: StdRng,
    pub(crate) cluster: Cluster,
    flaw: Flaw,
    pub(crate) plot: Plot,
    settings: Settings,
    memory: Memory,
    drivers: BTreeMap<String, Driver>,
    /// Version that the watches have reached, by object.
    app_seen: u64,
    pods_seen: BTreeMap<String, u64>,
    /// Generation that has ended, and the number of drivers by then.
    ended: Option<(i64, usize)>,
    kills: u32,
    /// The places where data stays, according to the status.
    remaining: String,
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Flaw, plot: Plot) -> Self {
        let mut world = Self {
            random: StdRng::seed_from_u64(seed),
            cluster: Cluster::default(),
            flaw,
            plot,
            settings: Settings::default(),
            memory: Memory::default(),
            drivers: BTreeMap::new(),
            app_seen: 0,
            pods_seen: BTreeMap::new(),
            ended: None,
            kills: 0,
            remaining: String::new(),
        };
        let volume = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1";
        let app: SparkApplication = serde_json::from_value(json!({
            "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication",
            "metadata": { "name": "pi", "namespace": "jobs", "uid": "app-1", "generation": 1 },
            "spec": {
                "type": "SQL", "sparkVersion": "4.2.0", "mainApplicationFile": "/a.sql", "image": "i",
                "driver": {}, "executor": { "instances": 2 }, "sparkConf": {
                    "spark.executor.maxNumFailures": "15",
                    "firesteel.kubernetes.claims.retain": if plot.retains { "always" } else { "never" },
                    format!("{volume}.options.claimName"): "OnDemand",
                    format!("{volume}.options.sizeLimit"): "1Gi",
                    format!("{volume}.mount.path"): "/data",
                },
                "restartPolicy": { "type": "OnFailure", "onFailureRetries": plot.retries, "onFailureRetryInterval": 20,
                    "onSubmissionFailureRetries": 50, "onSubmissionFailureRetryInterval": 1 },
            },
        }))
        .expect("an application");
        world.cluster.put_app(app);
        world
    }

    pub(crate) fn state(&self) -> State {
        let status = self.cluster.app().and_then(|app| app.status.as_ref());
        status.map_or(State::New, |status| status.application_state.state)
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_range(0..one_in) == 0
    }

    /// Makes one thing happen.
    pub(crate) fn step(&mut self) {
        self.cluster.seconds += i64::from(self.random.random_range(0..2u8));
        match self.random.random_range(0..12u8) {
            0..=3 => self.operate(),
            4..=5 => self.watch(),
            6..=8 => self.kubelet(),
            9 => self.cluster.collect_garbage(),
            10 if self.chance(4) => self.kill(),
            _ if self.plot.others == Others::Scaling && self.chance(6) => self.scale(),
            _ if self.plot.others == Others::Hostile && self.chance(4) => self.interfere(),
            _ => self.watch(),
        }
        self.observe();
    }

    /// Makes the operator's next write, or a pass if none is left.
    fn operate(&mut self) {
        if let Some(write) = self.memory.writes.pop_front() {
            self.perform(write);
            return;
        }
        let Some(resource) = self.cached_app() else { return };
        let mut app = Application::read(&resource, &self.settings);
        let waits = app.status.application_state.state == State::Failing;
        app.suspended &= !(waits && self.flaw == Flaw::IgnoresSuspensionWhilePending);
        let mut pass = self.pass(&app, View::Cached);
        if pass.refresh {
            pass = self.pass(&app, View::Live);
        }
        self.plan_writes(&resource, pass);
    }

    fn pass(&mut self, app: &Application, view: View) -> Pass {
        let pods = match view {
            View::Cached => self.cached_pods(),
            View::Live => self.cluster.living(),
        };
        let mut seen = Observed::from_pods(&app.uid, &app.driver_name(), &pods);
        seen.view = if self.flaw == Flaw::BelievesTheWatch { View::Live } else { view };
        seen.token = self.cluster.secrets.contains_key("pi-token");
        seen.refused = self.memory.refused.clone();
        seen.attached = self.attach(&seen);
        let with = Circumstances {
            settings: &self.settings,
            now: self.cluster.now(),
            fresh: || Secrets { token: "token".into(), identity: "identity".into() },
        };
        let mut pass = pass(app, &seen, with);
        match self.flaw {
            Flaw::ForgetsTheDriver => pass.status.driver_info = None,
            Flaw::ForgetsReleased => pass.status.settled_executors.clear(),
            Flaw::KeepsExecutors => pass.changes.retain(|change| {
                !matches!(change, Change::DeletePod { name, .. } if name.contains("-exec-"))
            }),
            _ => {}
        }
        pass
    }

    fn plan_writes(&mut self, resource: &SparkApplication, pass: Pass) {
        if let Some(facts) = &pass.facts {
            self.receive(facts);
        }
        let is_same = resource.status.as_ref() == Some(&pass.status);
        let over = resource.metadata.resource_version.clone();
        let over = if self.flaw == Flaw::Overwrites { None } else { over };
        let status = Write::Status { over, status: Box::new(pass.status) };
        let mut writes: VecDeque<Write> = pass.changes.into_iter().map(Write::Change).collect();
        let is_needed = !is_same || (!writes.is_empty() && self.flaw != Flaw::SkipsSameStatus);
        if is_needed && self.flaw == Flaw::ActsFirst {
            writes.push_back(status);
        } else if is_needed {
            writes.push_front(status);
        }
        self.memory.writes = writes;
    }

    fn perform(&mut self, write: Write) {
        match write {
            Write::Status { over, status } => {
                if self.cluster.write_status(over.as_deref(), &status).is_err() {
                    self.memory.writes.clear();
                }
            }
            Write::Change(Change::Create(mut object)) => {
                if let (Flaw::ForgetsOwners, Object::Claim(claim)) = (self.flaw, &mut object) {
                    claim.metadata.owner_references = None;
                }
                let created = self.cluster.create(&object);
                if let (Err(Rejected::Forbidden), Object::Pod(pod)) = (created, &object)
                    && pod.labels()[names::ROLE] == "driver"
                {
                    let submission = pod.labels()[names::SUBMISSION_ID].clone();
                    self.memory.refused = Some(Refused { submission, message: "quota".into() });
                }
            }
            Write::Change(Change::DeletePod { name, uid, how }) => {
                self.cluster.delete_pod(&name, Some(&uid), how == Ending::Forced);
            }
            Write::Change(Change::Retire { name, uid }) => self.cluster.retire(&name, &uid),
            Write::Change(Change::DeleteApplication) => self.cluster.remove_app(),
        }
    }

    /// Makes the operator forget everything; the next one starts with a list that may be stale.
    fn kill(&mut self) {
        self.kills += 1;
        self.memory = Memory::default();
        let back = self.random.random_range(0..30);
        let version = self.cluster.version.saturating_sub(back);
        self.app_seen = version;
        for seen in self.pods_seen.values_mut() {
            *seen = version;
        }
    }

    /// Delivers from a watch: one object's newest version, or everything after a new list. Versions
    /// in between are lost.
    fn watch(&mut self) {
        let version = self.cluster.version;
        match self.random.random_range(0..4u8) {
            0 => self.app_seen = version,
            1 => self.see_all(),
            2 => {
                // Repeated: an older list is read again.
                let back = self.random.random_range(0..10);
                self.app_seen = self.app_seen.saturating_sub(back);
            }
            _ => {
                let names: Vec<_> = self.cluster.pods.keys().cloned().collect();
                if !names.is_empty() {
                    let name = names[self.random.random_range(0..names.len())].clone();
                    self.pods_seen.insert(name, version);
                }
            }
        }
    }

    fn see_all(&mut self) {
        self.app_seen = self.cluster.version;
        for name in self.cluster.pods.keys() {
            self.pods_seen.insert(name.clone(), self.cluster.version);
        }
    }

    fn cached_app(&self) -> Option<SparkApplication> {
        let versions = self.cluster.app.iter().rev();
        let mut versions = versions.skip_while(|(version, _)| *version > self.app_seen);
        versions.next().and_then(|(_, app)| app.clone())
    }

    fn cached_pods(&self) -> Vec<Pod> {
        let pods = self.cluster.pods.iter();
        pods.filter_map(|(name, versions)| {
            let seen = self.pods_seen.get(name).copied().unwrap_or(0);
            versions.iter().rev().find(|(version, _)| *version <= seen)?.1.clone()
        })
        .collect()
    }

    /// The stream to the observed driver, if it runs. A new stream starts with what the driver
    /// knows.
    fn attach(&mut self, seen: &Observed) -> Option<Attached> {
        let running = self.cluster.of_role("driver").into_iter().find(Cluster::is_running)?;
        let driver =
            seen.drivers.iter().find(|driver| Some(&driver.uid) == running.uid().as_ref())?;
        let submission = driver.submission.clone();
        if self.memory.stream.as_ref() != Some(&submission) {
            self.memory.stream = Some(submission.clone());
            self.memory.reported.clear();
        }
        let known = self.drivers.entry(submission.clone()).or_default();
        Some(Attached {
            submission,
            wish: Some(Wish { executors: 2, release: known.release.clone(), profiles: Vec::new() }),
            progress: None,
            executors: known.alive.clone(),
            reported: self.memory.reported.clone(),
            ended: None,
        })
    }

    /// Gives the driver facts; it releases executors whose end it has seen.
    fn receive(&mut self, facts: &BTreeMap<u64, Fact>) {
        let Some(submission) = self.memory.stream.clone() else { return };
        self.memory.reported = facts.keys().copied().collect();
        let driver = self.drivers.entry(submission).or_default();
        for (id, fact) in facts {
            if matches!(fact, Fact::Ended { .. }) {
                driver.alive.insert(*id, false);
                driver.release.insert(*id);
            }
        }
    }

    /// Advances one pod on its node.
    fn kubelet(&mut self) {
        let pods = self.cluster.living();
        if pods.is_empty() {
            return;
        }
        let pod = pods[self.random.random_range(0..pods.len())].clone();
        let name = pod.name_any();
        if self.cluster.stuck.contains(&name) {
            return;
        }
        let is_driver = pod.labels()[names::ROLE] == "driver";
        if pod.metadata.deletion_timestamp.is_some() {
            self.cluster.remove_pod(&name);
        } else if Cluster::phase(&pod) == "Pending" {
            self.cluster.report(&name, None);
            if let (false, Some(id)) = (is_driver, pod.labels().get(names::EXECUTOR_ID)) {
                let submission = pod.labels()[names::SUBMISSION_ID].clone();
                let id = id.parse().expect("a number");
                self.drivers.entry(submission).or_default().alive.entry(id).or_insert(true);
            }
        } else if self.plot.others == Others::Scaling {
            // It runs on.
        } else if Cluster::is_running(&pod) && is_driver && self.chance(6) {
            self.cluster.report(&name, Some(i32::from(self.plot.fails)));
        } else if Cluster::is_running(&pod) && !is_driver && self.chance(10) {
            self.cluster.report(&name, Some(1));
        }
    }

    /// Users and nodes interfere.
    fn interfere(&mut self) {
        let pods = self.cluster.living();
        let pick = if pods.is_empty() { 0 } else { self.random.random_range(0..pods.len()) };
        match self.random.random_range(0..8u8) {
            6 => self.scale(),
            0 => {
                // Until the driver's existence is recorded, its absence cannot be noticed.
                let is_known = self
                    .cluster
                    .app()
                    .and_then(|app| app.status.as_ref())
                    .is_some_and(|status| status.driver_info.is_some());
                if let Some(pod) = pods.get(pick).filter(|_| is_known) {
                    self.cluster.delete_pod(&pod.name_any(), None, false);
                }
            }
            1 => {
                if let Some(pod) = pods.get(pick) {
                    self.cluster.stuck.insert(pod.name_any());
                    self.cluster.delete_pod(&pod.name_any(), None, false);
                }
            }
            2 => self.edit(|spec| spec.suspend = Some(!spec.suspend.unwrap_or(false))),
            3 => {
                // The driver gets another name: only passes keep two from existing at once.
                let number = self.random.random_range(0..3u8);
                self.edit(|spec| spec.driver.pod_name = Some(format!("driver-{number}")));
            }
            4 => self.cluster.forbids = true,
            5 if self.chance(4) => self.cluster.remove_app(),
            _ => self.edit(|spec| spec.time_to_live_seconds = Some(100_000)),
        }
    }

    fn scale(&mut self) {
        let number = self.random.random_range(1..6);
        self.edit(|spec| spec.executor.instances = Some(number));
    }

    /// Stops changing the executor count and checks: as many run as specified, no released one
    /// counts as failed, and nothing was restarted.
    pub(crate) fn settle(&mut self) {
        let wanted = self.cluster.app().and_then(|app| app.spec.executor.instances).unwrap_or(2);
        for _ in 0..1000 {
            self.see_all();
            match self.random.random_range(0..3u8) {
                0 => self.watch(),
                1 => self.kubelet(),
                _ => self.operate(),
            }
        }
        let running =
            self.cluster.of_role("executor").iter().filter(|pod| Cluster::is_running(pod)).count();
        assert_eq!(i32::try_from(running).expect("few"), wanted, "executors that run");
        let status = self.cluster.app().and_then(|app| app.status.clone()).expect("it has one");
        assert_eq!((status.executors.running, status.executors.failed), (wanted, 0));
        assert_eq!((self.state(), self.cluster.runs.len()), (State::Running, 1));
        assert!(status.settled_executors.is_empty(), "{:?}", status.settled_executors);
    }

    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut crd::SparkApplicationSpec)) {
        let Some(mut app) = self.cluster.app().cloned() else { return };
        let before = app.spec.clone();
        change(&mut app.spec);
        if app.spec != before {
            *app.metadata.generation.as_mut().expect("it has one") += 1;
            self.cluster.put_app(app);
        }
    }

    /// Checks what must hold at every moment.
    fn observe(&mut self) {
        let drivers = self.cluster.of_role("driver");
        let alive: Vec<_> = drivers
            .iter()
            .filter(|pod| !Cluster::has_ended(pod))
            .map(ResourceExt::name_any)
            .collect();
        assert!(alive.len() <= 1, "two drivers at once: {alive:?}");
        let mut submissions = BTreeSet::new();
        for run in &self.cluster.runs {
            assert!(submissions.insert(run), "{run} was run twice: {:?}", self.cluster.runs);
        }
        let Some(app) = self.cluster.app() else { return };
        let generation = app.metadata.generation.unwrap_or_default();
        let runs = self.cluster.runs.len();
        // A change made before the end takes effect after it.
        let is_seen =
            app.status.as_ref().and_then(|status| status.observed_generation) == Some(generation);
        match (self.state().is_final() && is_seen, self.ended) {
            (true, None) => self.ended = Some((generation, runs)),
            (_, Some((at, before))) if at == generation => {
                assert_eq!(runs, before, "it had ended, and was started again");
            }
            (is_final, Some(_)) => self.ended = is_final.then_some((generation, runs)),
            (false, None) => {}
        }
        let is_suspended = app.spec.suspend == Some(true) && is_seen;
        let rests = matches!(self.state(), State::Suspending | State::Suspended);
        assert!(!is_suspended || rests || self.state().is_final(), "{:?}", self.state());
        if let Some(status) = &app.status {
            let mut conditions = status.conditions.iter();
            let retained = conditions.find(|known| known.type_ == "ShuffleRetained");
            self.remaining = retained.map(|known| known.message.clone()).unwrap_or_default();
            assert!(status.failures.len() <= crd::FAILURES_KEPT);
            let most = i32::try_from(self.plot.retries).expect("few") + 1;
            assert!(
                status.execution_attempts <= most,
                "{} runs of {most}",
                status.execution_attempts
            );
        }
    }

    /// Stops all interference, brings the application to its end and checks what must hold then.
    pub(crate) fn finish(&mut self) {
        self.plot.others = Others::Quiet;
        self.cluster.forbids = false;
        self.edit(|spec| spec.suspend = None);
        for _ in 0..4000 {
            self.cluster.seconds += 1;
            self.see_all();
            self.step();
            if self.cluster.app().is_none() {
                // Only their node, which comes back, still looks after these.
                self.cluster.stuck.clear();
            }
            let is_quiet = self.memory.writes.is_empty();
            let rest = self.cluster.of_role("executor");
            let over = self.cluster.app().is_none() || self.state().is_final();
            if over && is_quiet && rest.iter().all(Cluster::has_ended) {
                self.cluster.collect_garbage();
                if self.is_settled() {
                    break;
                }
            }
        }
        if self.cluster.app().is_some() {
            assert!(self.state().is_final(), "it never ended: {:?}", self.cluster.app());
        }
        let left: Vec<_> =
            self.cluster.of_role("executor").iter().map(ResourceExt::name_any).collect();
        assert!(left.is_empty(), "executors are left: {left:?}");
        self.delete();
    }

    fn is_settled(&self) -> bool {
        let none_left = self.cluster.of_role("executor").is_empty();
        none_left && (self.cluster.app().is_some() || self.cluster.living().is_empty())
    }

    /// Deletes the application: nothing may be left.
    fn delete(&mut self) {
        if self.cluster.app().is_some() {
            self.cluster.remove_app();
        }
        // The operator may be in the middle of a pass.
        for _ in 0..400 {
            self.cluster.seconds += 1;
            self.cluster.collect_garbage();
            self.kubelet();
            self.operate();
            self.watch();
            self.cluster.stuck.clear();
        }
        self.see_all();
        for _ in 0..50 {
            self.operate();
            self.cluster.collect_garbage();
            self.kubelet();
        }
        let left: Vec<_> = self.cluster.living().iter().map(ResourceExt::name_any).collect();
        assert!(left.is_empty() && self.cluster.secrets.is_empty(), "left: {left:?}");
        for name in self.cluster.claims.keys() {
            let is_reported = self.remaining.contains(name.as_str());
            assert!(
                self.plot.retains && is_reported,
                "{name} is left, and was said: {}",
                self.remaining
            );
        }
    }
}
