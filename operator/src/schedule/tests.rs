//! Scripts of passes over a schedule, each starting from the status that the one before wrote.

use super::*;
use crate::Settings;
use crd::ScheduledSparkApplication;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// Creation time of the schedule: a full hour.
const CREATED: i64 = 1_783_555_200;

/// A schedule, its observed runs, and the time.
struct Scene {
    resource: ScheduledSparkApplication,
    seen: Runs,
    now: i64,
}

fn scene(spec: Value) -> Scene {
    let mut whole = json!({
        "schedule": "*/10 * * * *",
        "template": {
            "type": "SQL", "sparkVersion": "4.2.0", "mainApplicationFile": "/a.sql", "image": "i",
            "driver": {}, "executor": {},
        },
    });
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let resource = serde_json::from_value(json!({
        "apiVersion": "firesteel.dev/v1beta2", "kind": "ScheduledSparkApplication",
        "metadata": {
            "name": "nightly", "namespace": "jobs", "uid": "s-1", "generation": 1,
            "creationTimestamp": at(0),
            "labels": { "team": "a", "firesteel.dev/own": "x" },
            "annotations": { "note": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        },
        "spec": whole,
    }))
    .unwrap();
    Scene { resource, seen: Runs::default(), now: CREATED }
}

fn at(seconds: i64) -> String {
    Timestamp::from_second(CREATED + seconds).unwrap().to_string()
}

fn name(seconds: i64) -> String {
    format!("nightly-{}", CREATED + seconds)
}

impl Scene {
    /// Makes a pass that many seconds after the creation, live if it asks for that, and keeps the
    /// status.
    fn pass(&mut self, seconds: i64) -> SchedulePass {
        self.now = CREATED + seconds;
        self.seen.view = View::Cached;
        let mut pass = self.try_pass();
        if pass.refresh {
            assert!(pass.changes.is_empty());
            self.seen.view = View::Live;
            pass = self.try_pass();
        }
        assert!(!pass.refresh);
        self.resource.status = Some(pass.status.clone());
        pass
    }

    fn try_pass(&self) -> SchedulePass {
        let settings = Settings::default();
        let schedule = ScheduledApplication::read(&self.resource, &settings);
        let now = Timestamp::from_second(self.now).unwrap();
        pass(&schedule, &self.seen, &settings, now)
    }

    fn status(&self) -> ScheduledSparkApplicationStatus {
        self.resource.status.clone().unwrap()
    }

    fn next(&self) -> String {
        self.status().next_run.unwrap().0.to_string()
    }

    /// Sets the state in which a run is observed.
    fn run(&mut self, seconds: i64, state: State) {
        let name = name(seconds);
        self.seen.runs.retain(|run| run.name != name);
        self.seen.runs.push(Run {
            uid: format!("uid-{name}"),
            name,
            version: Some("7".into()),
            due: Timestamp::from_second(CREATED + seconds).unwrap(),
            state,
            deleting: false,
        });
    }

    fn edit(&mut self, change: impl FnOnce(&mut crd::ScheduledSparkApplicationSpec)) {
        change(&mut self.resource.spec);
        *self.resource.metadata.generation.as_mut().unwrap() += 1;
    }
}

/// Changes in short form.
fn short(pass: &SchedulePass) -> Vec<String> {
    let words = |change: &ScheduleChange| match change {
        ScheduleChange::Create(run) => format!("+{}", run.metadata.name.clone().unwrap()),
        ScheduleChange::Delete { name, version: None, .. } => format!("-{name}"),
        ScheduleChange::Delete { name, version: Some(_), .. } => format!("-{name} as seen"),
    };
    pass.changes.iter().map(words).collect()
}

fn reasons(pass: &SchedulePass) -> Vec<&str> {
    pass.events.iter().map(|event| event.reason.as_str()).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_run_is_created_when_it_is_due_and_only_then() {
    let mut scene = scene(json!({}));
    let pass = scene.pass(1);
    assert_eq!(short(&pass), NOTHING);
    assert_eq!((scene.next(), pass.requeue_after), (at(600), Some(Duration::from_mins(5))));
    assert_eq!(scene.pass(590).requeue_after, Some(Duration::from_secs(10)));
    let pass = scene.pass(603);
    assert_eq!(short(&pass), [format!("+{}", name(600))]);
    assert_eq!(reasons(&pass), ["SuccessfulCreate"]);
    let status = scene.status();
    assert_eq!(status.last_run.unwrap().0.to_string(), at(600));
    assert_eq!((status.last_run_name, status.last_run_seen), (Some(name(600)), false));
    assert_eq!((scene.next(), scene.status().schedule_state), (at(1200), ScheduleState::Scheduled));
    // If the operator stops before the run was created, the next one creates it, and no other.
    assert_eq!(short(&scene.pass(604)), [format!("+{}", name(600))]);
    scene.run(600, State::New);
    assert_eq!(short(&scene.pass(605)), NOTHING);
    assert!(scene.status().last_run_seen);
    // Once seen, a run is not created again, whoever deletes it.
    scene.seen.runs.clear();
    assert_eq!(short(&scene.pass(606)), NOTHING);
}

#[test]
fn a_run_is_the_template_and_belongs_to_the_schedule() {
    let mut scene = scene(json!({}));
    scene.pass(1);
    let pass = scene.pass(600);
    let ScheduleChange::Create(run) = &pass.changes[0] else { panic!("{pass:?}") };
    let value = serde_json::to_value(run).unwrap();
    assert_eq!(
        value["metadata"],
        json!({
            "name": name(600), "namespace": "jobs",
            "labels": { "team": "a", "firesteel.dev/scheduled-app-name": "nightly" },
            "annotations": { "note": "b", "firesteel.dev/scheduled-for": at(600) },
            "ownerReferences": [{
                "apiVersion": "firesteel.dev/v1beta2", "kind": "ScheduledSparkApplication",
                "name": "nightly", "uid": "s-1", "controller": true,
            }],
        })
    );
    assert_eq!(run.spec, scene.resource.spec.template);
    let read = Run::read(run);
    assert_eq!((read.due.to_string(), read.state), (at(600), State::New));
    let mut run = run.clone();
    run.metadata.uid = Some("r-1".into());
    let schedule = ScheduledApplication::read(&scene.resource, &Settings::default());
    let mut stranger = run.clone();
    stranger.metadata.owner_references = None;
    stranger.metadata.name = Some("other".into());
    let driver = |app: &str, phase: &str| -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "p", "labels": { "spark-role": "driver", "firesteel.dev/app-name": app } },
            "status": { "phase": phase },
        }))
        .unwrap()
    };
    let pods = [
        driver(&name(0), "Running"),
        driver(&name(5), "Succeeded"),
        driver("nightly-x-1", "Running"),
        driver("other", "Running"),
    ];
    let seen = Runs::of(&schedule, [&*run, &*stranger], &pods);
    assert_eq!(seen.runs.len(), 1);
    assert_eq!((seen.others, seen.driven), (["other".to_owned()].into(), [name(0)].into()));
}

#[test]
fn only_the_last_of_the_missed_runs_is_created() {
    for spec in [json!({}), json!({ "schedule": "@every 10m" })] {
        let mut scene = scene(spec);
        scene.pass(1);
        let pass = scene.pass(3650);
        assert_eq!(short(&pass), [format!("+{}", name(3600))]);
        assert_eq!(reasons(&pass), ["MissSchedule", "SuccessfulCreate"]);
        assert_eq!(scene.next(), at(4200));
        // No operator ran when it was created.
        let mut scene = self::scene(json!({}));
        assert_eq!(short(&scene.pass(1300)), [format!("+{}", name(1200))]);
    }
    // A run that was decided on but never created counts as missed, too.
    let mut scene = scene(json!({}));
    scene.pass(600);
    assert_eq!(short(&scene.pass(1200)), [format!("+{}", name(1200))]);
}

#[test]
fn another_schedule_counts_from_now() {
    let mut scene = scene(json!({}));
    scene.pass(600);
    scene.run(600, State::Running);
    scene.pass(601);
    scene.edit(|spec| spec.schedule = "*/3 * * * *".into());
    assert_eq!(short(&scene.pass(1000)), NOTHING);
    assert_eq!(scene.next(), at(1080));
    scene.edit(|spec| spec.time_zone = Some("Asia/Kolkata".into()));
    assert_eq!(short(&scene.pass(1100)), NOTHING);
    assert_eq!(scene.next(), at(1260));
    // Another template does not.
    scene.edit(|spec| spec.template.arguments = vec!["x".into()]);
    assert_eq!(short(&scene.pass(1261)), [format!("+{}", name(1260))]);
    assert_eq!(scene.status().observed_generation, Some(4));
}

#[test]
fn both_run_if_the_policy_allows_it() {
    let mut scene = scene(json!({}));
    for due in [600, 1200, 1800] {
        assert_eq!(short(&scene.pass(due)), [format!("+{}", name(due))]);
        scene.run(due, State::Running);
        scene.pass(due + 1);
    }
}

#[test]
fn a_run_waits_for_the_previous_one_if_the_policy_forbids_two() {
    let mut scene = scene(json!({ "concurrencyPolicy": "Forbid" }));
    scene.pass(600);
    scene.run(600, State::Running);
    scene.pass(601);
    let pass = scene.pass(1200);
    assert_eq!((short(&pass), reasons(&pass)), (vec![], vec!["JobAlreadyActive"]));
    assert_eq!(
        scene.status().reason.unwrap(),
        format!("SparkApplication {} has not ended", name(600))
    );
    // Published once. No need to requeue before something happens.
    let pass = scene.pass(1900);
    assert!(reasons(&pass).is_empty() && pass.requeue_after == Some(Duration::from_mins(5)));
    // The last of the runs held back starts as soon as the active one has ended.
    scene.run(600, State::Completed);
    assert_eq!(short(&scene.pass(1950)), [format!("+{}", name(1800))]);
    assert_eq!(scene.status().reason, None);
    scene.run(1800, State::Running);
    scene.pass(1951);
    // The run was deleted; its driver has not ended yet.
    scene.seen.runs.retain(|run| run.name != name(1800));
    scene.seen.driven = [name(1800)].into();
    let pass = scene.pass(2400);
    assert_eq!((short(&pass), pass.requeue_after), (vec![], Some(DELETION_POLL)));
    scene.seen.driven.clear();
    assert_eq!(short(&scene.pass(2402)), [format!("+{}", name(2400))]);
}

#[test]
fn a_run_replaces_the_previous_one_once_that_is_gone() {
    let mut scene = scene(json!({ "concurrencyPolicy": "Replace" }));
    scene.pass(600);
    scene.run(600, State::Running);
    scene.pass(601);
    let pass = scene.pass(1200);
    assert_eq!(short(&pass), [format!("-{}", name(600))]);
    assert_eq!(scene.status().last_run_name, Some(name(600)));
    scene.seen.runs[0].deleting = true;
    let pass = scene.pass(1201);
    assert_eq!((short(&pass), pass.requeue_after), (vec![], Some(DELETION_POLL)));
    scene.seen.runs.clear();
    scene.seen.driven = [name(600)].into();
    assert_eq!(short(&scene.pass(1203)), NOTHING);
    scene.seen.driven.clear();
    assert_eq!(short(&scene.pass(1205)), [format!("+{}", name(1200))]);
    // A run that has ended meanwhile is kept: a lagging watch does not delete it.
    scene.run(1200, State::Running);
    scene.pass(1206);
    scene.now = CREATED + 1800;
    scene.seen.view = View::Cached;
    let hasty = scene.try_pass();
    assert!(hasty.refresh && hasty.changes.is_empty());
}

#[test]
fn as_many_ended_runs_are_kept_as_the_schedule_says() {
    let mut scene = scene(json!({ "successfulRunHistoryLimit": 2, "failedRunHistoryLimit": 0 }));
    scene.pass(1);
    for (seconds, state) in [
        (600, State::Completed),
        (1200, State::Failed),
        (1800, State::Completed),
        (2400, State::Running),
        (3000, State::Completed),
    ] {
        scene.run(seconds, state);
    }
    let pass = scene.pass(2);
    assert_eq!(
        short(&pass),
        [format!("-{} as seen", name(600)), format!("-{} as seen", name(1200))]
    );
    let status = scene.status();
    assert_eq!(status.past_successful_run_names, [name(3000), name(1800)]);
    assert_eq!(status.past_failed_run_names, NOTHING);
    // By default one of each is kept.
    scene.edit(|spec| {
        spec.successful_run_history_limit = None;
        spec.failed_run_history_limit = None;
    });
    assert_eq!(short(&scene.pass(3)).len(), 2);
    assert_eq!(scene.status().past_failed_run_names, [name(1200)]);
}

#[test]
fn a_suspended_schedule_starts_nothing_and_then_the_last_missed_run() {
    let mut scene = scene(json!({ "suspend": true }));
    let pass = scene.pass(1300);
    assert_eq!((short(&pass), reasons(&pass)), (vec![], vec!["Suspended"]));
    assert_eq!(scene.status().reason.as_deref(), Some("the schedule is suspended"));
    assert!(scene.pass(1900).events.is_empty());
    scene.edit(|spec| spec.suspend = None);
    assert_eq!(short(&scene.pass(2000)), [format!("+{}", name(1800))]);
    assert_eq!(scene.status().reason, None);
}

#[test]
fn an_invalid_schedule_is_reported_and_runs_once_it_is_corrected() {
    let long = "n".repeat(53);
    let cases: [(fn(&mut ScheduledSparkApplication), &str); 5] = [
        (|it| it.spec.schedule = "61 * * * *".into(), "spec.schedule: "),
        (|it| it.spec.time_zone = Some("Mars".into()), "spec.timeZone: there is no time zone"),
        (
            |it| it.spec.template.driver.pod.memory = Some("x".into()),
            "spec.template.driver.memory: ",
        ),
        (|it| it.spec.template.image = None, "spec.template.image: is missing"),
        (
            |it| it.metadata.name = Some("n".repeat(53)),
            "metadata.name: must have at most 52 characters",
        ),
    ];
    assert_eq!(long.len(), 53);
    for (break_it, expected) in cases {
        let mut scene = scene(json!({}));
        let right = scene.resource.clone();
        break_it(&mut scene.resource);
        let pass = scene.pass(700);
        assert_eq!((short(&pass), reasons(&pass)), (vec![], vec!["FailedValidation"]));
        let status = scene.status();
        assert_eq!(
            (status.schedule_state, status.next_run.clone()),
            (ScheduleState::FailedValidation, None)
        );
        assert!(status.reason.as_ref().unwrap().starts_with(expected), "{status:?}");
        assert!(scene.pass(701).events.is_empty(), "published once");
        // Corrected, it counts from now.
        scene.resource = ScheduledSparkApplication { status: Some(status), ..right };
        assert_eq!(short(&scene.pass(1000)), NOTHING);
        assert_eq!((scene.next(), scene.status().reason), (at(1200), None));
    }
}

#[test]
fn a_run_that_cannot_be_created_is_retried_until_the_next_is_due() {
    let mut scene = scene(json!({}));
    scene.pass(600);
    let refused = |seconds: i64| {
        let at = Timestamp::from_second(CREATED + seconds).unwrap();
        Some(RefusedRun { name: name(600), message: "quota".into(), at })
    };
    scene.seen.refused = refused(601);
    let pass = scene.pass(601);
    assert_eq!((short(&pass), reasons(&pass)), (vec![], vec!["FailedCreate"]));
    assert_eq!(pass.requeue_after, Some(REFUSED_RETRY));
    assert_eq!(scene.status().reason.unwrap(), format!("SparkApplication {}: quota", name(600)));
    assert_eq!(short(&scene.pass(611)), [format!("+{}", name(600))]);
    scene.seen.refused = refused(1199);
    assert_eq!(short(&scene.pass(1200)), [format!("+{}", name(1200))]);
    scene.seen.refused = None;
    scene.seen.others = [name(1200)].into();
    assert_eq!(short(&scene.pass(1201)), NOTHING);
    assert!(
        scene
            .status()
            .reason
            .unwrap()
            .ends_with("already exists and does not belong to this schedule")
    );
}

#[test]
fn a_clock_that_goes_back_starts_nothing_twice_and_one_that_was_wrong_stops_nothing() {
    let mut scene = scene(json!({}));
    scene.pass(1200);
    scene.run(1200, State::Completed);
    scene.pass(1201);
    scene.seen.runs.clear();
    assert_eq!(short(&scene.pass(500)), NOTHING);
    scene.edit(|spec| spec.schedule = "*/5 * * * *".into());
    assert_eq!(short(&scene.pass(610)), NOTHING);
    assert_eq!(scene.next(), at(1500));
    // A month ahead, for a moment.
    let month = 30 * 86_400;
    assert_eq!(short(&scene.pass(month)), [format!("+{}", name(month))]);
    scene.run(month, State::Completed);
    scene.pass(month + 1);
    assert_eq!(short(&scene.pass(2000)), NOTHING);
    assert_eq!(scene.next(), at(2100));
    assert_eq!(short(&scene.pass(2101)), [format!("+{}", name(2100))]);
}

#[test]
fn nothing_is_created_for_a_schedule_that_is_being_deleted() {
    let mut scene = scene(json!({}));
    scene.pass(1);
    scene.run(0, State::Completed);
    scene.run(60, State::Completed);
    scene.resource.metadata.deletion_timestamp =
        Some(Time(Timestamp::from_second(CREATED).unwrap()));
    let before = scene.status();
    let pass = scene.pass(700);
    assert!(pass.changes.is_empty() && pass.events.is_empty() && pass.status == before);
}
