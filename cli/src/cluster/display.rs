//! The state of a cluster's applications, as text. The time is an argument.

use crd::{SparkApplication, SparkApplicationStatus, State};
use k8s_openapi::jiff::Timestamp;
use std::fmt::Write as _;

/// Number of failures shown; the resource keeps more.
const FAILURES: usize = 5;

/// A state as other tools name it. The initial state has no name there.
pub(super) fn state_name(state: State) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(name)) if !name.is_empty() => name,
        _ => "NEW".to_owned(),
    }
}

/// A table with one line per application.
pub(crate) fn list(applications: &[SparkApplication], now: Timestamp, namespaces: bool) -> String {
    if applications.is_empty() {
        return "no applications\n".to_owned();
    }
    let mut rows = vec![
        ["NAMESPACE", "NAME", "STATE", "PROGRESS", "EXECUTORS", "ATTEMPTS", "AGE"]
            .map(str::to_owned),
    ];
    for application in applications {
        let metadata = &application.metadata;
        let status = application.status.clone().unwrap_or_default();
        rows.push([
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
            state_name(status.application_state.state),
            status.progress.map(|progress| progress.summary).unwrap_or_default(),
            status.executors.running.to_string(),
            status.execution_attempts.to_string(),
            metadata.creation_timestamp.as_ref().map_or_else(String::new, |at| age(at.0, now)),
        ]);
    }
    let shown = usize::from(!namespaces);
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells =
            row.iter().zip(&widths).skip(shown).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("   ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// All details of one application.
pub(crate) fn one(application: &SparkApplication, now: Timestamp) -> String {
    let metadata = &application.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let status = application.status.clone().unwrap_or_default();
    let state = state_name(status.application_state.state);
    let progress =
        status.progress.as_ref().map(|progress| progress.summary.as_str()).unwrap_or_default();
    let mut text = format!("{name}  {state}  {progress}").trim_end().to_owned() + "\n";
    let mut line = |what: &str, value: &str| {
        let names = std::iter::once(what).chain(std::iter::repeat(""));
        for (what, value) in names.zip(value.lines()) {
            let _ = writeln!(text, "  {what:<11} {value}");
        }
    };
    line("namespace", namespace);
    line("error", status.application_state.error_message.as_deref().unwrap_or_default());
    line(
        "driver",
        status.driver_info.as_ref().and_then(|info| info.pod_name.as_deref()).unwrap_or_default(),
    );
    let executors = &status.executors;
    line(
        "executors",
        &format!(
            "{} of {} running, {} pending, {} completed, {} failed",
            executors.running,
            executors.desired,
            executors.pending,
            executors.completed,
            executors.failed
        ),
    );
    line("attempts", &status.execution_attempts.to_string());
    let ago = |at: Timestamp| format!("{at:.0}, {} ago", age(at, now));
    line(
        "submitted",
        &status.last_submission_attempt_time.as_ref().map(|at| ago(at.0)).unwrap_or_default(),
    );
    line("ended", &status.termination_time.as_ref().map(|at| ago(at.0)).unwrap_or_default());
    for note in notable_conditions(&status) {
        line("note", &note);
    }
    for failure in status.failures.iter().rev().take(FAILURES) {
        let code = failure.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
        let of_attempt =
            format!("{} in attempt {}: {}{code}", failure.name, failure.attempt, failure.reason);
        line("failure", &of_attempt);
        line("", failure.message.trim());
    }
    text
}

/// Conditions worth showing, a line each: obstacles to running, and fields without effect.
pub(super) fn notable_conditions(status: &SparkApplicationStatus) -> Vec<String> {
    let ended = status.application_state.state.is_final();
    let note = status.conditions.iter().filter_map(|condition| {
        let is = condition.status == "True";
        let waits = !is && !ended && !condition.message.is_empty();
        match condition.type_.as_str() {
            "UnsupportedField" if is => Some(condition.message.clone()),
            "DriverReady" if waits => {
                Some(format!("driver: {}: {}", condition.reason, condition.message))
            }
            // Missing executors alone are no trouble.
            "ExecutorsReady" if waits && condition.reason != "Missing" => {
                Some(format!("executor: {}: {}", condition.reason, condition.message))
            }
            _ => None,
        }
    });
    note.map(|line| line.replace('\n', " ")).collect()
}

/// Elapsed time, in one unit.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn application(name: &str, status: serde_json::Value) -> SparkApplication {
        serde_json::from_value(json!({
            "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication",
            "metadata": { "name": name, "namespace": "jobs", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "type": "SQL", "sparkVersion": "4.2.0", "driver": {}, "executor": {} },
            "status": status,
        }))
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    #[test]
    fn a_list_is_a_table_without_what_is_the_same_everywhere() {
        let running = json!({
            "applicationState": { "state": "RUNNING" }, "executionAttempts": 2, "executors": { "running": 3 },
            "progress": { "summary": "1/2 stages, 3/9 tasks" },
        });
        let all = [application("pi", running), application("a-longer-name", json!(null))];
        assert_eq!(
            list(&all, at(300), false),
            "NAME            STATE     PROGRESS                EXECUTORS   ATTEMPTS   AGE\n\
             pi              RUNNING   1/2 stages, 3/9 tasks   3           2          5m\n\
             a-longer-name   NEW                               0           0          5m\n"
        );
        assert!(list(&all, at(300), true).starts_with("NAMESPACE   NAME"));
        assert_eq!(list(&[], at(0), true), "no applications\n");
    }

    #[test]
    fn one_application_is_shown_with_what_went_wrong() {
        let condition = |type_: &str, status: &str, reason: &str, message: &str| json!({ "type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let failed = json!({
            "applicationState": { "state": "RUNNING", "errorMessage": "one\ntwo" }, "executionAttempts": 1,
            "driverInfo": { "podName": "pi-driver" },
            "executors": { "desired": 2, "running": 1, "failed": 1 },
            "lastSubmissionAttemptTime": "2026-01-01T00:00:01Z",
            "failures": [{ "name": "pi-exec-1", "attempt": 1, "exitCode": 137, "reason": "OOMKilled", "message": "last\nwords" }],
            "conditions": [
                condition("UnsupportedField", "True", "NotServed", "fields without effect: spec.proxyUser"),
                condition("ExecutorsReady", "False", "ImagePullBackOff", "pi-exec-2: no such image"),
                condition("DriverReady", "True", "Running", ""),
                condition("Succeeded", "False", "Running", ""),
            ],
        });
        assert_eq!(
            one(&application("pi", failed), at(61)),
            "pi  RUNNING\n\
             \u{20} namespace   jobs\n\
             \u{20} error       one\n\
             \u{20}             two\n\
             \u{20} driver      pi-driver\n\
             \u{20} executors   1 of 2 running, 0 pending, 0 completed, 1 failed\n\
             \u{20} attempts    1\n\
             \u{20} submitted   2026-01-01T00:00:01Z, 60s ago\n\
             \u{20} note        fields without effect: spec.proxyUser\n\
             \u{20} note        executor: ImagePullBackOff: pi-exec-2: no such image\n\
             \u{20} failure     pi-exec-1 in attempt 1: OOMKilled, exit code 137\n\
             \u{20}             last\n\
             \u{20}             words\n"
        );
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(at(0), at(seconds)), text);
        }
    }
}
