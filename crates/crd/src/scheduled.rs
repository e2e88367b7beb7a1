//! `ScheduledSparkApplication`: applications started by a schedule.

use crate::application::SparkApplicationSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Specification of a schedule.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "firesteel.dev",
    version = "v1beta2",
    kind = "ScheduledSparkApplication",
    plural = "scheduledsparkapplications",
    shortname = "scheduledsparkapp",
    namespaced,
    status = "ScheduledSparkApplicationStatus",
    derive = "PartialEq",
    doc = "Starts a SparkApplication by a schedule.",
    printcolumn = r#"{"name":"Schedule","type":"string","jsonPath":".spec.schedule"}"#,
    printcolumn = r#"{"name":"TimeZone","type":"string","jsonPath":".spec.timeZone"}"#,
    printcolumn = r#"{"name":"Suspend","type":"boolean","jsonPath":".spec.suspend"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.scheduleState"}"#,
    printcolumn = r#"{"name":"LastRun","type":"date","jsonPath":".status.lastRun"}"#,
    printcolumn = r#"{"name":"NextRun","type":"string","jsonPath":".status.nextRun","priority":1}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.reason","priority":1}"#,
    printcolumn = r#"{"name":"LastRunName","type":"string","jsonPath":".status.lastRunName"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledSparkApplicationSpec {
    /// When to run: five cron fields, `@daily` and the like, or `@every 3m`.
    pub schedule: String,
    /// Time zone of the schedule, such as `Europe/Berlin`; UTC by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Specification of the applications to start.
    pub template: SparkApplicationSpec,
    /// Starts no new runs while true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// What to do if the last run has not ended when the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,
    /// Number of successful runs to keep; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_run_history_limit: Option<i32>,
    /// Number of failed runs to keep; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_run_history_limit: Option<i32>,
}

/// What to do if the last run has not ended when the next one is due.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConcurrencyPolicy {
    /// Both run.
    #[default]
    #[serde(alias = "")]
    Allow,
    /// The next one does not start.
    Forbid,
    /// The last one is stopped.
    Replace,
}

/// Status of a schedule.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledSparkApplicationStatus {
    /// Generation of the specification that this status reflects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the last run was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Time>,
    /// When the next run is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run: Option<Time>,
    /// Name of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_name: Option<String>,
    /// Whether the last run has been seen. Until then it is being created; afterwards its absence
    /// means that it was deleted.
    #[serde(default)]
    pub last_run_seen: bool,
    /// The schedule that the next run was computed from, with its time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Successful runs that are kept, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_successful_run_names: Vec<String>,
    /// Failed runs that are kept, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_failed_run_names: Vec<String>,
    /// State of the schedule.
    #[serde(default)]
    pub schedule_state: ScheduleState,
    /// Reason why no run starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// State of a schedule.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScheduleState {
    /// Not reconciled yet.
    #[default]
    #[serde(rename = "")]
    New,
    /// Being validated.
    Validating,
    /// Valid and active.
    Scheduled,
    /// Its specification is invalid.
    FailedValidation,
}
