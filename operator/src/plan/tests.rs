//! Scripts of passes, each starting from the status that the one before wrote.

use super::*;
use crate::names;
use crate::observe::{
    Attached, End, ExecutorFacts, PodState, ProfileWish, Refused, Trouble, View, Wish,
};
use crd::SparkApplication;
use model::{ByteSize, ExecutorRequest, ProfileId};
use serde_json::{Value, json};

mod claims;
mod ends;
mod executors;
mod scaling;
mod waits;

/// An application, its observed children, and the time.
struct Scene {
    resource: SparkApplication,
    seen: Observed,
    seconds: i64,
    settings: Settings,
}

fn scene(spec: Value) -> Scene {
    let mut whole = json!({
        "type": "Python", "sparkVersion": "4.2.0", "mainApplicationFile": "local:///a.py", "image": "i",
        "driver": {}, "executor": { "instances": 2 },
    });
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let resource = serde_json::from_value(json!({
        "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication",
        "metadata": { "name": "pi", "namespace": "jobs", "uid": "12-34", "generation": 1 },
        "spec": whole,
    }))
    .unwrap();
    Scene { resource, seen: Observed::default(), seconds: 1_000_000, settings: Settings::default() }
}

fn fresh() -> Secrets {
    Secrets { token: "token".into(), identity: "identity".into() }
}

fn end(exit_code: i32, reason: &str) -> End {
    End { exit_code: Some(exit_code), reason: reason.into(), message: "last line".into() }
}

impl Scene {
    /// Makes a pass, live if it asks for that, and keeps the status.
    fn pass(&mut self) -> Pass {
        self.seen.view = View::Cached;
        let mut pass = self.try_pass();
        if pass.refresh {
            self.seen.view = View::Live;
            pass = self.try_pass();
        }
        self.resource.status = Some(pass.status.clone());
        pass
    }

    fn try_pass(&self) -> Pass {
        let app = Application::read(&self.resource, &self.settings);
        let now = Timestamp::from_second(self.seconds).unwrap();
        let with = Circumstances { settings: &self.settings, now, fresh };
        pass(&app, &self.seen, with)
    }

    fn status(&self) -> SparkApplicationStatus {
        self.resource.status.clone().unwrap_or_default()
    }

    fn state(&self) -> State {
        self.status().application_state.state
    }

    fn submission(&self) -> String {
        self.status().submission_id.unwrap()
    }

    fn pod(&self, name: &str, state: PodState) -> PodFacts {
        PodFacts {
            name: name.into(),
            uid: format!("uid-{name}"),
            submission: self.submission(),
            address: Some("10.0.0.9".into()),
            encrypted: false,
            ends_by: None,
            state,
        }
    }

    fn driver(&mut self, state: PodState) {
        self.seen.drivers = vec![self.pod("pi-driver", state)];
    }

    /// Changes the state of the existing driver pod.
    fn driver_is(&mut self, state: PodState) {
        self.seen.drivers[0].state = state;
    }

    fn executor(&mut self, id: u64, state: PodState) {
        let pod = self.pod(&names::executor_pod("pi", id), state);
        let slot = u32::try_from(id).unwrap();
        let profile = ProfileId::DEFAULT;
        self.seen.executors.insert(id, ExecutorFacts { pod, slot, profile, inactive: false });
    }

    fn wish(&mut self, executors: u32, release: &[u64]) {
        let release = release.iter().copied().collect();
        let wish = Wish { executors, release, profiles: Vec::new() };
        let submission = self.submission();
        let attached = self.seen.attached.get_or_insert_with(Attached::default);
        attached.submission = submission;
        attached.wish = Some(wish);
    }

    /// The driver wants executors for a resource profile.
    fn wish_for(&mut self, profile: ProfileId, request: ExecutorRequest, executors: u32) {
        let wish = self.seen.attached.as_mut().unwrap().wish.as_mut().unwrap();
        wish.profiles.retain(|wish| wish.profile != profile);
        wish.profiles.push(ProfileWish { profile, request, executors });
    }

    fn gone(&mut self) {
        self.seen.drivers.clear();
        self.seen.executors.clear();
        self.seen.attached = None;
    }

    fn edit(&mut self, change: impl FnOnce(&mut crd::SparkApplicationSpec)) {
        change(&mut self.resource.spec);
        *self.resource.metadata.generation.as_mut().unwrap() += 1;
    }

    /// Advances to a running driver.
    fn running(spec: Value) -> Self {
        let mut scene = scene(spec);
        scene.pass();
        scene.seen.token = true;
        scene.driver(PodState::Running);
        scene.pass();
        assert_eq!(scene.state(), State::Running);
        scene
    }
}

/// Changes in short form.
fn short(pass: &Pass) -> Vec<String> {
    let words = |change: &Change| match change {
        Change::Create(object) => match object {
            Object::Secret(secret) => format!("+secret {}", secret.metadata.name.clone().unwrap()),
            Object::Claim(claim) => format!("+claim {}", claim.metadata.name.clone().unwrap()),
            Object::Pod(pod) => format!("+{}", pod.metadata.name.clone().unwrap()),
        },
        Change::DeletePod { name, how: Ending::Graceful, .. } => format!("-{name}"),
        Change::DeletePod { name, how: Ending::Forced, .. } => format!("!{name}"),
        Change::Retire { name, .. } => format!("~{name}"),
        Change::DeleteApplication => "-application".into(),
    };
    pass.changes.iter().map(words).collect()
}

fn condition(status: &SparkApplicationStatus, type_: &str) -> (String, String) {
    let found = status.conditions.iter().find(|known| known.type_ == type_).unwrap();
    (found.status.clone(), found.reason.clone())
}

#[test]
fn a_successful_program_goes_from_new_to_completed() {
    let mut scene = scene(json!({}));
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+secret pi-token", "+pi-driver"]);
    assert_eq!(scene.state(), State::Submitted);
    let status = scene.status();
    assert!(status.submission_id.as_ref().unwrap().ends_with("-1"));
    assert_eq!((status.submission_attempts, status.execution_attempts), (1, 0));
    // If the operator stops before the driver was created, the next one creates it, for the same
    // submission.
    let again = scene.pass();
    assert_eq!(short(&again), short(&pass));
    assert_eq!(again.status, pass.status);

    scene.seen.token = true;
    scene.driver(PodState::Pending { trouble: None });
    assert!(short(&scene.pass()).is_empty());
    assert_eq!((scene.state(), scene.status().execution_attempts), (State::Submitted, 1));
    scene.driver(PodState::Running);
    scene.pass();
    assert_eq!((scene.state(), scene.status().execution_attempts), (State::Running, 1));
    assert_eq!(condition(&scene.status(), "DriverReady"), ("True".into(), "Running".into()));

    scene.driver(PodState::Ended(end(0, "Completed")));
    let pass = scene.pass();
    assert_eq!(scene.state(), State::Completed);
    // The pod is kept for its log.
    assert!(short(&pass).is_empty());
    assert_eq!(condition(&scene.status(), "Succeeded"), ("True".into(), "Completed".into()));
    let reasons: Vec<_> = pass.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["SparkDriverCompleted", "SparkApplicationCompleted"]);
    // And that is final, whatever becomes of the pod.
    scene.gone();
    assert!(short(&scene.pass()).is_empty());
    assert_eq!(scene.state(), State::Completed);
}

#[test]
fn a_program_that_fails_runs_again_as_often_as_the_policy_says() {
    let mut scene = scene(json!({ "restartPolicy": {
        "type": "OnFailure", "onFailureRetries": 2, "onFailureRetryInterval": 10,
    } }));
    for run in 1..=3 {
        scene.pass();
        assert_eq!(scene.state(), State::Submitted, "{run}");
        assert!(scene.submission().ends_with(&format!("-{run}")));
        scene.driver(PodState::Running);
        scene.pass();
        scene.driver(PodState::Ended(end(3, "Error")));
        let pass = scene.pass();
        let status = scene.status();
        assert_eq!(status.execution_attempts, run);
        assert_eq!(status.submission_attempts, 1);
        let failure = status.failures.back().unwrap();
        assert_eq!(
            (failure.exit_code, failure.attempt, failure.message.as_str()),
            (Some(3), run, "last line")
        );
        let error = status.application_state.error_message.unwrap();
        assert_eq!(error, "the driver ended with exit code 3 (Error): last line");
        if run == 3 {
            assert_eq!(scene.state(), State::Failed);
            assert_eq!(condition(&scene.status(), "Failed"), ("True".into(), "Failed".into()));
            continue;
        }
        // Each wait is longer, and the failed driver is kept until then for its log.
        let wait = 10 * u64::try_from(run).unwrap();
        assert_eq!(
            (scene.state(), pass.requeue_after),
            (State::Failing, Some(Duration::from_secs(wait)))
        );
        assert!(short(&pass).is_empty());
        scene.seconds += i64::try_from(wait).unwrap();
        let pass = scene.pass();
        assert_eq!(
            (scene.state(), short(&pass)),
            (State::PendingRerun, vec!["-pi-driver".to_owned()])
        );
        scene.gone();
    }
}

#[test]
fn a_program_is_run_again_only_when_nothing_is_left_and_that_is_certain() {
    let mut scene = Scene::running(json!({ "restartPolicy": { "type": "Always" } }));
    scene.executor(0, PodState::Running);
    scene.driver(PodState::Ended(end(0, "Completed")));
    scene.pass();
    assert_eq!(scene.state(), State::PendingRerun);
    scene.seen.drivers.clear();
    scene.pass();
    assert_eq!(scene.state(), State::PendingRerun, "an executor is left");
    scene.seen.executors.clear();
    // A watch that shows nothing is not enough.
    scene.seen.view = View::Cached;
    let hasty = scene.try_pass();
    assert!(hasty.refresh && hasty.changes.is_empty());
    scene.pass();
    assert_eq!(scene.state(), State::Submitted);
    assert!(scene.submission().ends_with("-2"));
}

#[test]
fn a_lost_driver_is_believed_only_from_a_live_view() {
    let mut scene = Scene::running(json!({}));
    scene.seen.drivers.clear();
    scene.seen.view = View::Cached;
    let pass = scene.try_pass();
    assert!(
        pass.refresh
            && pass.changes.is_empty()
            && pass.status.application_state.state == State::Running
    );
    scene.pass();
    assert_eq!(scene.state(), State::Failed);
    let failure = scene.status().failures.back().cloned().unwrap();
    assert_eq!((failure.name.as_str(), failure.reason.as_str()), ("pi-driver", "Deleted"));
}

#[test]
fn the_last_word_of_a_driver_counts_if_its_pod_is_gone() {
    let mut scene = Scene::running(json!({}));
    scene.wish(0, &[]);
    scene.seen.attached.as_mut().unwrap().ended = Some(end(0, "Completed"));
    scene.seen.drivers.clear();
    scene.pass();
    assert_eq!(scene.state(), State::Completed);
}

#[test]
fn a_driver_that_cannot_start_is_reported_and_not_failed() {
    let mut scene = scene(json!({}));
    scene.pass();
    let trouble = Trouble { reason: "ErrImagePull".into(), message: "no such image".into() };
    scene.driver(PodState::Pending { trouble: Some(trouble) });
    let pass = scene.pass();
    assert_eq!(scene.state(), State::Submitted);
    assert_eq!(condition(&scene.status(), "DriverReady"), ("False".into(), "ErrImagePull".into()));
    assert_eq!(pass.events[0].reason, "SparkDriverPending");
    // Published once.
    assert!(scene.pass().events.is_empty());
}

#[test]
fn what_the_api_server_refuses_again_and_again_is_told() {
    let mut scene = scene(json!({}));
    scene.pass();
    scene.seen.obstacle = Some("failed calling webhook".to_owned());
    let pass = scene.pass();
    assert_eq!(condition(&scene.status(), "Progressing"), ("False".into(), "Blocked".into()));
    assert_eq!(pass.events[0].reason, "SparkApplicationBlocked");
    assert!(scene.pass().events.is_empty(), "once");
    scene.seen.obstacle = None;
    scene.pass();
    assert_eq!(condition(&scene.status(), "Progressing").0, "True");
}

#[test]
fn a_driver_that_cannot_be_made_is_a_failed_submission() {
    let mut scene = scene(json!({ "restartPolicy": {
        "type": "OnFailure", "onSubmissionFailureRetries": 1, "onSubmissionFailureRetryInterval": 5,
    } }));
    scene.pass();
    let refuse = |scene: &mut Scene| {
        let submission = scene.submission();
        scene.seen.refused = Some(Refused { submission, message: "no service account".into() });
        scene.pass()
    };
    let pass = refuse(&mut scene);
    assert_eq!(
        (scene.state(), pass.requeue_after),
        (State::SubmissionFailed, Some(Duration::from_secs(5)))
    );
    assert_eq!(
        scene.status().application_state.error_message.as_deref(),
        Some("no service account")
    );
    scene.seconds += 5;
    scene.pass();
    let status = scene.status();
    assert_eq!(
        (scene.state(), status.submission_attempts, status.execution_attempts),
        (State::Submitted, 2, 0)
    );
    refuse(&mut scene);
    assert_eq!(scene.state(), State::Failed);
}

#[test]
fn an_invalid_specification_is_reported_and_runs_once_it_is_corrected() {
    let mut scene = scene(json!({ "mainApplicationFile": "s3://bucket/a.py" }));
    assert!(short(&scene.pass()).is_empty());
    assert_eq!(scene.state(), State::Failed);
    assert_eq!(condition(&scene.status(), "Accepted"), ("False".into(), "Invalid".into()));
    let error = scene.status().application_state.error_message.unwrap();
    assert!(error.starts_with("spec.mainApplicationFile: "), "{error}");
    scene.edit(|spec| spec.main_application_file = Some("local:///a.py".into()));
    scene.pass();
    assert_eq!(scene.state(), State::Submitted);
    assert_eq!(condition(&scene.status(), "Accepted"), ("True".into(), "Valid".into()));
    assert_eq!(scene.status().observed_generation, Some(2));
}

#[test]
fn a_changed_specification_runs_anew() {
    let mut scene = Scene::running(json!({}));
    scene.executor(0, PodState::Running);
    // These two concern the application as a whole.
    scene.edit(|spec| spec.time_to_live_seconds = Some(60));
    assert!(short(&scene.pass()).is_empty());
    assert_eq!((scene.state(), scene.status().observed_generation), (State::Running, Some(2)));

    scene.edit(|spec| spec.arguments = vec!["other".into()]);
    let pass = scene.pass();
    assert_eq!(scene.state(), State::Invalidating);
    assert_eq!(short(&pass), ["-pi-driver", "-pi-exec-0"]);
    scene.gone();
    let pass = scene.pass();
    assert_eq!((scene.state(), short(&pass)), (State::Submitted, vec!["+pi-driver".to_owned()]));
    assert_eq!(scene.status().execution_attempts, 0);

    // An operator that hashes specifications differently restarts nothing.
    let mut scene = Scene::running(json!({}));
    let status = scene.resource.status.as_mut().unwrap();
    status.submission_id = Some("ffffffffffffffff-1".into());
    scene.seen.drivers[0].submission = "ffffffffffffffff-1".into();
    scene.pass();
    assert_eq!(scene.state(), State::Running);
}

#[test]
fn an_ended_application_runs_again_only_if_it_is_changed() {
    for exit_code in [0, 1] {
        let mut scene = Scene::running(json!({}));
        scene.driver(PodState::Ended(end(exit_code, "x")));
        scene.pass();
        assert!(scene.state().is_final());
        scene.edit(|spec| spec.suspend = Some(true));
        scene.edit(|spec| spec.suspend = None);
        scene.pass();
        assert!(scene.state().is_final());
        scene.edit(|spec| spec.arguments = vec!["other".into()]);
        assert_eq!(short(&scene.pass()), ["-pi-driver"]);
        assert_eq!(scene.state(), State::Invalidating);
    }
}

#[test]
fn an_application_is_suspended_and_resumed() {
    let mut scene = Scene::running(json!({}));
    scene.executor(0, PodState::Running);
    scene.edit(|spec| spec.suspend = Some(true));
    assert_eq!(short(&scene.pass()), ["-pi-driver", "-pi-exec-0"]);
    assert_eq!(scene.state(), State::Suspending);
    scene.gone();
    scene.pass();
    assert_eq!(scene.state(), State::Suspended);
    assert_eq!(condition(&scene.status(), "Suspended"), ("True".into(), "Suspended".into()));
    scene.edit(|spec| spec.suspend = Some(false));
    assert_eq!(short(&scene.pass()), ["+pi-driver"]);
    let status = scene.status();
    assert_eq!((scene.state(), status.execution_attempts), (State::Submitted, 0));
    assert!(scene.submission().ends_with("-2"));

    // An application that ended before it could be suspended has ended.
    let mut scene = Scene::running(json!({}));
    scene.edit(|spec| spec.suspend = Some(true));
    scene.driver(PodState::Ended(end(0, "Completed")));
    scene.pass();
    assert_eq!(scene.state(), State::Completed);

    let mut scene = self::scene(json!({ "suspend": true }));
    assert!(short(&scene.pass()).is_empty());
    assert_eq!(scene.state(), State::Suspended);
}

#[test]
fn an_application_is_deleted_when_its_time_is_over() {
    let mut scene = Scene::running(json!({ "timeToLiveSeconds": 30 }));
    scene.driver(PodState::Ended(end(0, "Completed")));
    let pass = scene.pass();
    assert_eq!(pass.requeue_after, Some(Duration::from_secs(30)));
    scene.seconds += 30;
    assert_eq!(short(&scene.pass()), ["-application"]);
}

#[test]
fn nothing_is_created_for_an_application_that_is_being_deleted() {
    for mut scene in [scene(json!({})), Scene::running(json!({}))] {
        let now = Timestamp::from_second(scene.seconds).unwrap();
        scene.resource.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
        scene.gone();
        let before = scene.status();
        let pass = scene.pass();
        assert!(pass.changes.is_empty() && pass.events.is_empty() && pass.status == before);
    }
}

#[test]
fn a_foreign_pod_is_left_alone() {
    let mut scene = scene(json!({}));
    scene.seen.name_taken = true;
    assert!(short(&scene.pass()).is_empty());
    assert_eq!(scene.state(), State::New);
    assert_eq!(condition(&scene.status(), "DriverReady"), ("False".into(), "NameTaken".into()));
}

#[test]
fn a_driver_of_another_submission_is_removed_before_the_next_is_made() {
    let mut scene = scene(json!({}));
    scene.pass();
    scene.driver(PodState::Running);
    scene.seen.drivers[0].submission = "ffffffffffffffff-9".into();
    assert_eq!(short(&scene.pass()), ["-pi-driver"]);
    assert_eq!(scene.state(), State::Submitted);
    scene.seen.drivers.clear();
    assert_eq!(short(&scene.pass()), ["+secret pi-token", "+pi-driver"]);
}

#[test]
fn a_pod_on_a_lost_node_is_removed_by_force_after_a_while() {
    let mut scene = Scene::running(json!({}));
    scene.seen.drivers[0].ends_by = Timestamp::from_second(scene.seconds).ok();
    let pass = scene.pass();
    assert!(short(&pass).is_empty());
    assert_eq!(pass.requeue_after, Some(Duration::from_mins(1)));
    scene.seconds += 60;
    assert_eq!(short(&scene.pass()), ["!pi-driver"]);
    scene.gone();
    scene.pass();
    assert_eq!(scene.state(), State::Failed);
}

#[test]
fn a_driver_whose_node_does_not_answer_is_unknown_until_it_does() {
    let mut scene = Scene::running(json!({}));
    scene.driver(PodState::Unknown);
    scene.pass();
    assert_eq!(scene.state(), State::Unknown);
    scene.driver(PodState::Running);
    scene.pass();
    assert_eq!(scene.state(), State::Running);
}

#[test]
fn a_pass_over_an_unchanged_world_changes_nothing() {
    let mut scene = Scene::running(json!({ "proxyUser": "x" }));
    scene.executor(0, PodState::Running);
    scene.executor(1, PodState::Running);
    scene.wish(2, &[]);
    let first = scene.pass();
    assert_eq!(condition(&first.status, "UnsupportedField"), ("True".into(), "NotServed".into()));
    assert_eq!(condition(&first.status, "ExecutorsReady"), ("True".into(), "AllRunning".into()));
    scene.seconds += 100;
    let second = scene.pass();
    assert_eq!(first.status, second.status);
    assert!(second.events.is_empty() && second.changes.is_empty());
}
