//! Status of an application. It is bounded: counts and the last failures, never one entry per pod,
//! so that an application with thousands of executors fits into one object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Number of failures kept.
pub const FAILURES_KEPT: usize = 20;

/// Length limit of a message, in bytes.
pub const MESSAGE_BYTES: usize = 1024;

/// Status of an application.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SparkApplicationStatus {
    /// Generation of the specification that this status reflects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id that the driver uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spark_application_id: Option<String>,
    /// Id of the current submission; pods of other ones do not count.
    #[serde(rename = "submissionID", skip_serializing_if = "Option::is_none")]
    pub submission_id: Option<String>,
    /// When it was last submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_submission_attempt_time: Option<Time>,
    /// When the program ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_time: Option<Time>,
    /// The driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_info: Option<DriverInfo>,
    /// State of the application.
    #[serde(default)]
    pub application_state: ApplicationState,
    /// Runs so far; reset when the specification changes.
    #[serde(default)]
    pub execution_attempts: i32,
    /// Submissions of the current run so far.
    #[serde(default)]
    pub submission_attempts: i32,
    /// Executors by phase.
    #[serde(default)]
    pub executors: ExecutorCounts,
    /// Numbers of executors already counted as failed or released, in order, until nothing refers
    /// to them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled_executors: Vec<i64>,
    /// Label selector of the executors' pods, for autoscalers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Progress of the driver's jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The last failures of driver and executors, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub failures: VecDeque<Failure>,
    /// Conditions, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl SparkApplicationStatus {
    /// Records a failure; drops the oldest beyond the limit, and keeps the tail of a long message,
    /// because the reason is there.
    pub fn record(&mut self, mut failure: Failure) {
        if failure.message.len() > MESSAGE_BYTES {
            let start = failure.message.len() - MESSAGE_BYTES;
            failure.message.drain(..failure.message.ceil_char_boundary(start));
        }
        self.failures.push_back(failure);
        while self.failures.len() > FAILURES_KEPT {
            self.failures.pop_front();
        }
    }

    /// Records a condition. Its transition time changes only if its status does.
    pub fn set_condition(&mut self, mut condition: Condition) {
        if let Some(known) = self.conditions.iter_mut().find(|c| c.type_ == condition.type_) {
            if known.status == condition.status {
                condition.last_transition_time = known.last_transition_time.clone();
            }
            *known = condition;
        } else {
            self.conditions.push(condition);
            self.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        }
    }
}

/// Condition types of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The specification is valid; if not, the message lists the problems.
    Accepted,
    /// The driver's pod runs.
    DriverReady,
    /// As many executors run as the driver wants.
    ExecutorsReady,
    /// The program failed.
    Failed,
    /// Work is in progress that will end by itself.
    Progressing,
    /// Volumes with shuffles are kept after the end.
    ShuffleRetained,
    /// The program succeeded.
    Succeeded,
    /// The application is suspended.
    Suspended,
    /// Fields without effect are set; the message names them.
    UnsupportedField,
}

impl ConditionType {
    /// The name used in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::DriverReady => "DriverReady",
            Self::ExecutorsReady => "ExecutorsReady",
            Self::Failed => "Failed",
            Self::Progressing => "Progressing",
            Self::ShuffleRetained => "ShuffleRetained",
            Self::Succeeded => "Succeeded",
            Self::Suspended => "Suspended",
            Self::UnsupportedField => "UnsupportedField",
        }
    }
}

/// State of an application.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationState {
    /// Name of the state.
    #[serde(default)]
    pub state: State,
    /// Reason of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// States of an application; the names are those of `sparkoperator.k8s.io`.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Not reconciled yet.
    #[default]
    #[serde(rename = "")]
    New,
    /// The driver's pod exists but does not run yet.
    Submitted,
    /// The driver runs.
    Running,
    /// The program succeeded, and that is final.
    Completed,
    /// The program failed, and that is final.
    Failed,
    /// The driver's pod could not be created.
    SubmissionFailed,
    /// The program will run again.
    PendingRerun,
    /// The specification changed; the running pods are being deleted.
    Invalidating,
    /// The program succeeded; whether it runs again is not decided yet.
    Succeeding,
    /// The program failed; whether it runs again is not decided yet.
    Failing,
    /// The running pods are being deleted, because the application is suspended.
    Suspending,
    /// Nothing runs, because the application is suspended.
    Suspended,
    /// No longer suspended, about to run again.
    Resuming,
    /// The driver's node does not answer.
    Unknown,
}

impl State {
    /// Whether there should be a driver.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Submitted | Self::Running | Self::Unknown)
    }

    /// Whether the application has finished for good.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// The driver.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DriverInfo {
    /// Name of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// Service of its web UI.
    #[serde(rename = "webUIServiceName", skip_serializing_if = "Option::is_none")]
    pub web_ui_service_name: Option<String>,
    /// Address of its web UI.
    #[serde(rename = "webUIAddress", skip_serializing_if = "Option::is_none")]
    pub web_ui_address: Option<String>,
    /// Port of its web UI.
    #[serde(rename = "webUIPort", skip_serializing_if = "Option::is_none")]
    pub web_ui_port: Option<i32>,
    /// Ingress of its web UI.
    #[serde(rename = "webUIIngressName", skip_serializing_if = "Option::is_none")]
    pub web_ui_ingress_name: Option<String>,
    /// Address of that ingress.
    #[serde(rename = "webUIIngressAddress", skip_serializing_if = "Option::is_none")]
    pub web_ui_ingress_address: Option<String>,
}

/// Executors by phase.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorCounts {
    /// Number that the driver wants.
    #[serde(default)]
    pub desired: i32,
    /// Number waiting for a node, an image or a start.
    #[serde(default)]
    pub pending: i32,
    /// Number running.
    #[serde(default)]
    pub running: i32,
    /// Number created, in all attempts.
    #[serde(default)]
    pub made: i32,
    /// Number that ended on request, in all attempts.
    #[serde(default)]
    pub completed: i32,
    /// Number that ended otherwise, in all attempts.
    #[serde(default)]
    pub failed: i32,
    /// Largest number at any one time, in all attempts: each of these slots has its claims.
    #[serde(default)]
    pub slots: i32,
    /// Number that failed on their own in this attempt: too many fail the attempt.
    #[serde(default)]
    pub failed_on_their_own: i32,
}

/// Progress of the driver's jobs.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Jobs.
    #[serde(default)]
    pub jobs: Count,
    /// Stages.
    #[serde(default)]
    pub stages: Count,
    /// Tasks.
    #[serde(default)]
    pub tasks: Count,
    /// Stages that were reused.
    #[serde(default)]
    pub skipped_stages: i64,
    /// Tasks that did not have to run again.
    #[serde(default)]
    pub skipped_tasks: i64,
    /// Summary of these counts, for `kubectl get`.
    #[serde(default)]
    pub summary: String,
}

impl Progress {
    /// The same counts with their summary.
    #[must_use]
    pub fn summarised(mut self) -> Self {
        let Self { stages, tasks, .. } = &self;
        self.summary = format!(
            "{}/{} stages, {}/{} tasks",
            stages.done, stages.total, tasks.done, tasks.total
        );
        self
    }
}

/// Parts of a whole.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// Number done.
    #[serde(default)]
    pub done: i64,
    /// Total number.
    #[serde(default)]
    pub total: i64,
    /// Number failed.
    #[serde(default)]
    pub failed: i64,
}

/// The end of a pod that should not have ended.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Name of the pod.
    pub name: String,
    /// Run that the pod belonged to.
    #[serde(default)]
    pub attempt: i32,
    /// Its exit code, if its container ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// One word, such as `OOMKilled`, `Evicted` or `ImagePullBackOff`.
    pub reason: String,
    /// Last known message.
    #[serde(default)]
    pub message: String,
    /// When it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failures_are_kept_with_the_tails_of_their_messages() {
        let mut status = SparkApplicationStatus::default();
        for n in 0..50 {
            let message = format!("{}end {n}", "ü".repeat(1000));
            status.record(Failure { name: format!("pod-{n}"), message, ..Failure::default() });
        }
        assert_eq!(status.failures.len(), FAILURES_KEPT);
        assert_eq!(status.failures.front().map(|f| f.name.as_str()), Some("pod-30"));
        let last = &status.failures.back().expect("there are some").message;
        assert!(last.len() <= MESSAGE_BYTES && last.ends_with("end 49"), "{last}");
    }

    #[test]
    fn a_condition_keeps_the_time_since_when_it_holds() {
        let at = |second| Time(jiff::Timestamp::from_second(second).expect("a time"));
        let condition = |status: &str, second| Condition {
            type_: ConditionType::DriverReady.as_str().to_owned(),
            status: status.to_owned(),
            reason: "Seen".to_owned(),
            message: format!("at {second}"),
            observed_generation: Some(1),
            last_transition_time: at(second),
        };
        let mut status = SparkApplicationStatus::default();
        for (value, second, since) in
            [("False", 1, 1), ("True", 2, 2), ("True", 3, 2), ("False", 4, 4)]
        {
            status.set_condition(condition(value, second));
            assert_eq!(status.conditions.len(), 1);
            assert_eq!(status.conditions[0].last_transition_time, at(since), "{second}");
            assert_eq!(status.conditions[0].message, format!("at {second}"));
        }
        status.set_condition(Condition { type_: "Accepted".to_owned(), ..condition("True", 5) });
        let types: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(types, ["Accepted", "DriverReady"]);
    }

    #[test]
    fn states_are_written_as_other_tools_expect_them() {
        for (state, name) in [
            (State::New, "\"\""),
            (State::SubmissionFailed, "\"SUBMISSION_FAILED\""),
            (State::PendingRerun, "\"PENDING_RERUN\""),
            (State::Unknown, "\"UNKNOWN\""),
        ] {
            assert_eq!(serde_json::to_string(&state).expect("a string"), name);
        }
    }
}
