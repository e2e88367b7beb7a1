//! The world around passes over a schedule: an API server that keeps every version, an operator
//! with a lagging watch, applications that run and end, a clock that is set, and users.

use crd::{
    ConcurrencyPolicy, ScheduledSparkApplication, SparkApplication, SparkApplicationStatus, State,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use operator::observe::View;
use operator::schedule::{
    RefusedRun, Runs, ScheduleChange, SchedulePass, ScheduledApplication, pass,
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
    /// A run's sighting is not recorded.
    ForgetsTheRun,
    /// The next run's time is recomputed in every pass.
    ForgetsTheNext,
    /// A run is named by the time of its creation.
    NamesByTheClock,
    /// The driver of a deleted run is ignored.
    ForgetsDrivers,
    /// A run is deleted even if its version changed.
    DeletesWhateverItIsNow,
}

#[derive(Debug, Clone)]
enum Write {
    Status { over: Option<String>, status: Box<crd::ScheduledSparkApplicationStatus> },
    Change(ScheduleChange),
}

/// An object's versions: the time of each, and its content.
type Versions<T> = Vec<(u64, Option<T>)>;

const START: i64 = 1_783_555_200;
/// Minutes between two runs, unless the schedule is edited.
const PERIOD: i64 = 2;

pub(crate) struct World {
    random: StdRng,
    pub(crate) is_hostile: bool,
    flaw: Flaw,
    policy: ConcurrencyPolicy,
    version: u64,
    /// Time on all clocks, in seconds after the start.
    seconds: i64,
    schedule: Versions<ScheduledSparkApplication>,
    apps: BTreeMap<String, Versions<SparkApplication>>,
    drivers: BTreeMap<String, Versions<()>>,
    /// Due times of the runs created, in order.
    made: Vec<Timestamp>,
    forbids: bool,
    writes: VecDeque<Write>,
    refused: Option<RefusedRun>,
    schedule_seen: u64,
    seen: u64,
    /// The last specification that was read, cached because reading dominates the cost of a pass.
    read: Option<ScheduledApplication>,
}

impl World {
    pub(crate) fn new(seed: u64, policy: ConcurrencyPolicy, flaw: Flaw) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let schedule: ScheduledSparkApplication = serde_json::from_value(json!({
            "apiVersion": "firesteel.dev/v1beta2", "kind": "ScheduledSparkApplication",
            "metadata": {
                "name": "often", "namespace": "jobs", "uid": "schedule", "generation": 1,
                "creationTimestamp": Timestamp::from_second(START).expect("a time").to_string(),
            },
            "spec": {
                "schedule": format!("*/{PERIOD} * * * *"), "concurrencyPolicy": policy,
                "template": {
                    "type": "SQL", "sparkVersion": "4.2.0", "mainApplicationFile": "/a.sql", "image": "i",
                    "driver": {}, "executor": {},
                },
            },
        }))
        .expect("a schedule");
        let mut world = Self {
            random,
            is_hostile: false,
            flaw,
            policy,
            version: 0,
            seconds: 0,
            schedule: Vec::new(),
            apps: BTreeMap::new(),
            drivers: BTreeMap::new(),
            made: Vec::new(),
            forbids: false,
            writes: VecDeque::new(),
            refused: None,
            schedule_seen: 0,
            seen: 0,
            read: None,
        };
        world.put_schedule(schedule);
        world
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(START + self.seconds).expect("a time")
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_range(0..one_in) == 0
    }

    fn schedule(&self) -> &ScheduledSparkApplication {
        self.schedule
            .last()
            .and_then(|(_, schedule)| schedule.as_ref())
            .expect("it is never deleted")
    }

    fn put_schedule(&mut self, mut schedule: ScheduledSparkApplication) {
        let version = self.next();
        schedule.metadata.resource_version = Some(version.to_string());
        self.schedule.push((version, Some(schedule)));
    }

    fn app(&self, name: &str) -> Option<&SparkApplication> {
        self.apps.get(name)?.last()?.1.as_ref()
    }

    fn put_app(&mut self, mut app: SparkApplication) {
        let version = self.next();
        app.metadata.resource_version = Some(version.to_string());
        self.apps.entry(app.name_any()).or_default().push((version, Some(app)));
    }

    fn set_driver(&mut self, name: &str, lives: bool) {
        let version = self.next();
        self.drivers.entry(name.to_owned()).or_default().push((version, lives.then_some(())));
    }

    fn state(app: &SparkApplication) -> State {
        app.status.as_ref().map(|status| status.application_state.state).unwrap_or_default()
    }

    fn has_driver(&self, name: &str) -> bool {
        self.drivers
            .get(name)
            .and_then(|versions| versions.last())
            .is_some_and(|(_, it)| it.is_some())
    }

    /// Makes one thing happen.
    pub(crate) fn step(&mut self) {
        self.seconds += i64::from(self.random.random_range(0..2u8));
        match self.random.random_range(0..12u8) {
            0..=3 => self.operate(),
            4..=5 => self.watch(),
            6..=8 => self.applications(),
            9 if self.chance(4) => self.kill(),
            10 if self.is_hostile && self.chance(6) => self.interfere(),
            11 if self.is_hostile && self.policy == ConcurrencyPolicy::Allow && self.chance(4) => {
                self.run_again();
            }
            _ => self.watch(),
        }
        self.observe();
    }

    fn operate(&mut self) {
        if let Some(write) = self.writes.pop_front() {
            self.perform(write);
            return;
        }
        let Some(mut resource) = newest(&self.schedule, self.schedule_seen) else { return };
        if self.flaw == Flaw::ForgetsTheNext
            && let Some(status) = &mut resource.status
        {
            status.next_run = None;
        }
        let mut pass = self.pass(&resource, View::Cached);
        if pass.refresh {
            pass = self.pass(&resource, View::Live);
        }
        self.plan_writes(&resource, pass);
    }

    fn read(&mut self, resource: &ScheduledSparkApplication) -> ScheduledApplication {
        let generation = resource.metadata.generation;
        let known = self.read.take().filter(|known| Some(known.generation) == generation);
        let read =
            known.unwrap_or_else(|| ScheduledApplication::read(resource, &Settings::default()));
        let status = resource.status.clone().unwrap_or_default();
        self.read.insert(ScheduledApplication { status, ..read }).clone()
    }

    fn pass(&mut self, resource: &ScheduledSparkApplication, view: View) -> SchedulePass {
        let upto = if view == View::Live { self.version } else { self.seen };
        let apps: Vec<_> = self.apps.values().filter_map(|it| newest(it, upto)).collect();
        let drivers = self.drivers.iter().filter(|(_, it)| newest(it, upto).is_some());
        let pods: Vec<Pod> = drivers
            .map(|(name, _)| {
                let labels = json!({ "spark-role": "driver", "firesteel.dev/app-name": name });
                serde_json::from_value(json!({ "metadata": { "name": "p", "labels": labels } }))
                    .expect("a pod")
            })
            .collect();
        let settings = Settings::default();
        let schedule = self.read(resource);
        let mut seen = Runs::of(&schedule, &apps, &pods);
        seen.refused.clone_from(&self.refused);
        seen.view = if self.flaw == Flaw::BelievesTheWatch { View::Live } else { view };
        if self.flaw == Flaw::ForgetsDrivers {
            seen.driven.clear();
        }
        let now = self.now();
        let mut pass = pass(&schedule, &seen, &settings, now);
        if self.flaw == Flaw::ForgetsTheRun {
            pass.status.last_run_seen = false;
        }
        for change in &mut pass.changes {
            match change {
                ScheduleChange::Create(run) if self.flaw == Flaw::NamesByTheClock => {
                    run.metadata.name = Some(format!("often-{}", now.as_second()));
                }
                ScheduleChange::Delete { version, .. }
                    if self.flaw == Flaw::DeletesWhateverItIsNow =>
                {
                    *version = None;
                }
                _ => {}
            }
        }
        pass
    }

    fn plan_writes(&mut self, resource: &ScheduledSparkApplication, pass: SchedulePass) {
        let is_same = resource.status.as_ref() == Some(&pass.status);
        let over = resource.metadata.resource_version.clone();
        let over = over.filter(|_| self.flaw != Flaw::Overwrites);
        let status = Write::Status { over, status: Box::new(pass.status) };
        let mut writes: VecDeque<Write> = pass.changes.into_iter().map(Write::Change).collect();
        let is_needed = !is_same || (!writes.is_empty() && self.flaw != Flaw::SkipsSameStatus);
        if is_needed && self.flaw == Flaw::ActsFirst {
            writes.push_back(status);
        } else if is_needed {
            writes.push_front(status);
        }
        self.writes = writes;
    }

    fn perform(&mut self, write: Write) {
        match write {
            Write::Status { over, status } => {
                let mut schedule = self.schedule().clone();
                if over.is_some() && schedule.metadata.resource_version != over {
                    self.writes.clear();
                } else if schedule.status.as_ref() != Some(&*status) {
                    schedule.status = Some(*status);
                    self.put_schedule(schedule);
                }
            }
            Write::Change(ScheduleChange::Create(run)) => self.create(*run),
            Write::Change(ScheduleChange::Delete { name, uid, version }) => {
                let Some(app) = self.app(&name).cloned() else { return };
                let is_as_seen = version.is_none() || app.metadata.resource_version == version;
                if app.uid() == Some(uid) && is_as_seen {
                    let is_wanted =
                        Self::state(&app).is_final() || self.policy == ConcurrencyPolicy::Replace;
                    assert!(is_wanted, "{name} runs, and was deleted");
                    self.delete(&name);
                }
            }
        }
    }

    fn create(&mut self, mut run: SparkApplication) {
        let name = run.name_any();
        if self.app(&name).is_some() {
            return;
        }
        if std::mem::take(&mut self.forbids) {
            let at = self.now();
            self.refused = Some(RefusedRun { name, message: "quota".to_owned(), at });
            return;
        }
        let due: Timestamp = run.annotations()[names::SCHEDULED_FOR].parse().expect("a time");
        assert!(!self.made.contains(&due), "the run of {due} was made twice");
        assert!(
            self.made.last().is_none_or(|last| *last < due),
            "{due} comes after {:?}",
            self.made
        );
        self.made.push(due);
        run.metadata.uid = Some(format!("uid-{}", self.version));
        self.put_app(run);
    }

    /// Deletes in the background: the driver goes later.
    fn delete(&mut self, name: &str) {
        let version = self.next();
        self.apps.entry(name.to_owned()).or_default().push((version, None));
    }

    fn kill(&mut self) {
        self.writes.clear();
        self.refused = None;
        let back = self.random.random_range(0..20);
        let version = self.version.saturating_sub(back);
        (self.schedule_seen, self.seen) = (version, version);
    }

    fn watch(&mut self) {
        match self.random.random_range(0..4u8) {
            0 => self.schedule_seen = self.version,
            1 => self.seen = self.version,
            2 => {
                let back = self.random.random_range(0..8);
                self.schedule_seen = self.schedule_seen.saturating_sub(back);
            }
            _ => (self.schedule_seen, self.seen) = (self.version, self.version),
        }
    }

    /// Advances one application.
    fn applications(&mut self) {
        let names: BTreeSet<String> =
            self.apps.keys().chain(self.drivers.keys()).cloned().collect();
        let live = names
            .into_iter()
            .filter(|name| {
                let state = self.app(name).map(Self::state);
                self.has_driver(name) || state.is_some_and(|state| !state.is_final())
            })
            .collect::<Vec<_>>();
        if live.is_empty() {
            return;
        }
        let name = live[self.random.random_range(0..live.len())].clone();
        let Some(mut app) = self.app(&name).cloned() else {
            self.set_driver(&name, false);
            return;
        };
        // Runs last some periods, so that they overlap.
        let state = match Self::state(&app) {
            State::New => State::Submitted,
            State::Submitted => State::Running,
            _ if self.chance(60) => {
                if self.chance(3) {
                    State::Failed
                } else {
                    State::Completed
                }
            }
            _ => return,
        };
        let mut status = app.status.take().unwrap_or_else(SparkApplicationStatus::default);
        status.application_state.state = state;
        app.status = Some(status);
        self.put_app(app);
        if state == State::Submitted || state.is_final() {
            self.set_driver(&name, state == State::Submitted);
        }
    }

    /// Users and clocks interfere.
    fn interfere(&mut self) {
        match self.random.random_range(0..8u8) {
            0 => self.seconds += self.random.random_range(0..3600),
            1 => self.seconds -= self.random.random_range(0..600),
            2 => self.edit(|spec, _| spec.suspend = Some(!spec.suspend.unwrap_or(false))),
            3 => self.edit(|spec, random| {
                let all = ["*/3 * * * *", "@every 90s", "*/2 * * * *"];
                all[random.random_range(0..all.len())].clone_into(&mut spec.schedule);
            }),
            4 => self.edit(|spec, random| {
                spec.successful_run_history_limit = Some(random.random_range(0..3));
                spec.failed_run_history_limit = Some(random.random_range(0..3));
            }),
            5 => self.forbids = true,
            6 => self.edit(|spec, random| {
                spec.template.arguments = vec![random.random_range(0..9u8).to_string()];
            }),
            _ => {
                // A run not seen yet would be created again: its absence proves nothing.
                let status = self.schedule().status.clone().unwrap_or_default();
                let unseen = status.last_run_name.filter(|_| !status.last_run_seen);
                let names: Vec<_> = self
                    .apps
                    .keys()
                    .filter(|name| Some(*name) != unseen.as_ref())
                    .cloned()
                    .collect();
                if !names.is_empty() {
                    let name = names[self.random.random_range(0..names.len())].clone();
                    if self.app(&name).is_some() {
                        self.delete(&name);
                    }
                }
            }
        }
    }

    /// A user edits an ended run, and it runs once more.
    fn run_again(&mut self) {
        let ended = self.apps.keys().filter_map(|name| self.app(name)).cloned();
        let mut ended: Vec<_> = ended.filter(|app| Self::state(app).is_final()).collect();
        if !ended.is_empty() {
            let mut app = ended.swap_remove(self.random.random_range(0..ended.len()));
            app.status.as_mut().expect("it has one").application_state.state = State::Running;
            self.put_app(app);
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut crd::ScheduledSparkApplicationSpec, &mut StdRng)) {
        let mut schedule = self.schedule().clone();
        change(&mut schedule.spec, &mut self.random);
        if schedule.spec != self.schedule().spec {
            *schedule.metadata.generation.as_mut().expect("it has one") += 1;
            self.put_schedule(schedule);
        }
    }

    /// Checks what must hold at every moment.
    fn observe(&self) {
        let running = self.apps.keys().chain(self.drivers.keys()).collect::<BTreeSet<_>>();
        let running = running.into_iter().filter(|name| {
            let state = self.app(name).map(Self::state);
            self.has_driver(name) || state.is_some_and(|state| !state.is_final())
        });
        let running: Vec<_> = running.collect();
        let is_one = running.len() <= 1 || self.policy == ConcurrencyPolicy::Allow;
        assert!(is_one, "several run at once: {running:?}");
    }

    /// Stops all interference and checks what must hold in the end.
    pub(crate) fn finish(&mut self) {
        let was_hostile = std::mem::replace(&mut self.is_hostile, false);
        self.forbids = false;
        self.edit(|spec, _| spec.suspend = None);
        // A clock that was set forward and back again has to catch up.
        let last = self.made.last().map_or(START, |last| last.as_second());
        let ahead = last - START - self.seconds;
        self.seconds += ahead.max(0);
        for _ in 0..1000 {
            (self.schedule_seen, self.seen) = (self.version, self.version);
            self.step();
        }
        let schedule = ScheduledApplication::read(self.schedule(), &Settings::default());
        let valid = schedule.valid.as_ref().expect("it is right");
        let last = self.made.last().expect("some were made").as_second();
        let late = START + self.seconds - last;
        let waits = self.policy == ConcurrencyPolicy::Forbid
            && self
                .apps
                .keys()
                .any(|name| self.app(name).is_some_and(|app| !Self::state(app).is_final()));
        assert!(late < 60 * PERIOD * 2 || waits, "the last run is {late} seconds ago");
        if !was_hostile && self.policy == ConcurrencyPolicy::Allow {
            let times: Vec<_> = self.made.iter().map(|due| due.as_second() - START).collect();
            let expected: Vec<_> = (1..).map(|n| n * 60 * PERIOD).take(times.len()).collect();
            assert_eq!(times, expected, "runs are lost");
        }
        self.quieten();
        for (state, most) in
            [(State::Completed, valid.keep_successful), (State::Failed, valid.keep_failed)]
        {
            let kept = self.apps.keys().filter_map(|name| self.app(name));
            let kept = kept.filter(|app| Self::state(app) == state).count();
            assert!(
                kept <= most,
                "{kept} runs are kept in the state {state:?}, and {most} should be"
            );
        }
    }

    /// Runs until there is nothing to do; no time passes, and no application ends.
    fn quieten(&mut self) {
        for _ in 0..50 {
            (self.schedule_seen, self.seen) = (self.version, self.version);
            self.operate();
        }
    }
}

/// The newest state up to a version.
fn newest<T: Clone>(versions: &Versions<T>, upto: u64) -> Option<T> {
    versions.iter().rev().find(|(version, _)| *version <= upto)?.1.clone()
}
