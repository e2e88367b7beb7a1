//! State changes of an application as lines for a waiting user, and its exit code. Pure: status in,
//! lines out.

use super::display::{notable_conditions, state_name};
use crd::{SparkApplicationStatus, State};
use std::fmt::Write as _;

/// The state changes reported so far, so that none is reported twice in a row.
#[derive(Debug, Default)]
pub(super) struct StateChanges {
    state: Option<(State, i32)>,
    notes: Vec<String>,
}

impl StateChanges {
    /// The lines that a new status adds.
    pub(super) fn lines(&mut self, status: &SparkApplicationStatus) -> Vec<String> {
        let mut lines = Vec::new();
        let state = status.application_state.state;
        let now = (state, status.execution_attempts);
        let is_news = self.state.is_none_or(|(reported, attempts)| {
            reported != state || (state == State::Running && attempts != now.1)
        });
        if is_news {
            self.state = Some(now);
            lines.push(line(status));
        }
        let notes = notable_conditions(status);
        lines.extend(notes.iter().filter(|note| !self.notes.contains(note)).cloned());
        self.notes = notes;
        lines
    }
}

fn line(status: &SparkApplicationStatus) -> String {
    let state = status.application_state.state;
    let mut line = state_name(state);
    let attempts = status.execution_attempts;
    if attempts > 1 {
        let _ = write!(line, " (attempt {attempts})");
    }
    let error = status.application_state.error_message.as_deref().unwrap_or_default();
    let fails = matches!(state, State::Failed | State::Failing | State::SubmissionFailed);
    // The program printed the details itself; one line is enough here.
    if let Some(first) = error.trim().lines().next().filter(|_| fails) {
        let _ = write!(line, ": {first}");
    }
    line
}

/// The exit code of an application that has ended for good: the program's own if it is known.
pub(super) fn exit_code(status: &SparkApplicationStatus) -> Option<u8> {
    match status.application_state.state {
        State::Completed => Some(0),
        State::Failed => {
            let driver = status.driver_info.as_ref().and_then(|info| info.pod_name.as_deref());
            let last = status.failures.iter().rev().find(|failure| {
                Some(failure.name.as_str()) == driver
                    && failure.attempt == status.execution_attempts
            });
            let code = last.and_then(|failure| failure.exit_code).unwrap_or(1);
            // A failure never exits with 0.
            Some(u8::try_from(code & 0xff).ok().filter(|code| *code != 0).unwrap_or(1))
        }
        _ => None,
    }
}

/// Pod and submission of the current driver.
pub(super) fn driver(status: &SparkApplicationStatus) -> Option<(&str, &str)> {
    let pod = status.driver_info.as_ref()?.pod_name.as_deref()?;
    Some((pod, status.submission_id.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(state: &str, attempts: i32, more: serde_json::Value) -> SparkApplicationStatus {
        let mut all =
            json!({ "applicationState": { "state": state }, "executionAttempts": attempts });
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        if let Some(error) = all["error"].take().as_str() {
            all["applicationState"]["errorMessage"] = json!(error);
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn each_change_is_reported_once() {
        let trouble = json!({ "conditions": [{
            "type": "DriverReady", "status": "False", "reason": "ImagePullBackOff", "message": "no image",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }] });
        let script = [
            (status("", 0, json!({})), vec!["NEW"]),
            (status("SUBMITTED", 0, json!({})), vec!["SUBMITTED"]),
            (status("SUBMITTED", 1, trouble.clone()), vec!["driver: ImagePullBackOff: no image"]),
            (status("SUBMITTED", 1, trouble.clone()), vec![]),
            (status("SUBMITTED", 1, json!({})), vec![]),
            (status("SUBMITTED", 1, trouble), vec!["driver: ImagePullBackOff: no image"]),
            (status("RUNNING", 1, json!({})), vec!["RUNNING"]),
            (status("RUNNING", 1, json!({ "progress": { "summary": "1/2" } })), vec![]),
            (
                status("FAILING", 1, json!({ "error": "the driver ended\nTraceback" })),
                vec!["FAILING: the driver ended"],
            ),
            (status("RUNNING", 2, json!({ "error": "old" })), vec!["RUNNING (attempt 2)"]),
            (status("RUNNING", 3, json!({})), vec!["RUNNING (attempt 3)"]),
            (status("COMPLETED", 3, json!({})), vec!["COMPLETED (attempt 3)"]),
        ];
        let mut story = StateChanges::default();
        for (number, (status, lines)) in script.iter().enumerate() {
            assert_eq!(story.lines(status), *lines, "{number}");
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_last_driver() {
        let failure = |name: &str, attempt: i32, code: Option<i32>| json!({ "name": name, "attempt": attempt, "exitCode": code, "reason": "Error" });
        let failed = |failures: serde_json::Value| {
            status("FAILED", 2, json!({ "driverInfo": { "podName": "d" }, "failures": failures }))
        };
        let cases = [
            (status("RUNNING", 1, json!({})), None),
            (status("FAILING", 1, json!({})), None),
            (status("COMPLETED", 1, json!({})), Some(0)),
            (status("FAILED", 0, json!({})), Some(1)),
            (
                failed(json!([
                    failure("d", 1, Some(3)),
                    failure("d", 2, Some(4)),
                    failure("e", 2, Some(5))
                ])),
                Some(4),
            ),
            (failed(json!([failure("d", 1, Some(3))])), Some(1)),
            (failed(json!([failure("d", 2, None)])), Some(1)),
            (failed(json!([failure("d", 2, Some(0))])), Some(1)),
            (failed(json!([failure("d", 2, Some(137))])), Some(137)),
            (failed(json!([failure("d", 2, Some(-1))])), Some(255)),
        ];
        for (number, (status, expected)) in cases.iter().enumerate() {
            assert_eq!(exit_code(status), *expected, "{number}");
        }
    }
}
