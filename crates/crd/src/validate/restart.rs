//! Whether and when a program runs again. `N` retries are `N + 1` runs, and the wait grows with
//! every run, as in `sparkoperator.k8s.io`.

use super::Problems;
use crate::problem::FieldPath;
use crate::{RestartPolicy, RestartPolicyType};
use std::time::Duration;

/// Default wait after the first run; later ones are multiplied by the runs so far.
const INTERVAL: Duration = Duration::from_secs(5);

/// Whether and when a program runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// Outcomes after which it runs again.
    pub after: RestartPolicyType,
    /// Retries after the program failed.
    pub failure: Retry,
    /// Retries after its pod could not be created.
    pub submission: Retry,
}

/// Number of retries, and the wait between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Limit on the retries.
    pub retries: u32,
    /// The wait after the first run.
    pub interval: Duration,
}

impl Restart {
    /// Whether a successful program runs again.
    pub fn again_after_success(&self) -> bool {
        self.after == RestartPolicyType::Always
    }

    /// Wait before a program whose run number `runs` failed runs again; `None` if it
    /// does not.
    pub fn wait_after_failure(&self, runs: u32) -> Option<Duration> {
        self.wait(self.failure, runs)
    }

    /// The same for a pod that could not be created, after `tries` attempts.
    pub fn wait_after_submission(&self, tries: u32) -> Option<Duration> {
        self.wait(self.submission, tries)
    }

    fn wait(&self, retry: Retry, attempts: u32) -> Option<Duration> {
        let again = match self.after {
            RestartPolicyType::Never => false,
            RestartPolicyType::OnFailure => attempts <= retry.retries,
            RestartPolicyType::Always => true,
        };
        again.then(|| retry.interval.saturating_mul(attempts))
    }
}

/// Reads the policy.
pub(super) fn read(policy: Option<&RestartPolicy>, problems: &mut Problems) -> Restart {
    let policy = policy.cloned().unwrap_or_default();
    let at = FieldPath::new("spec.restartPolicy");
    let mut retry = |retries: Option<i32>, interval: Option<i64>, names: [&str; 2]| Retry {
        retries: u32::try_from(retries.unwrap_or(0)).unwrap_or_else(|_| {
            problems.add(at.field(names[0]), "must not be negative");
            0
        }),
        interval: match interval.map(u64::try_from) {
            None => INTERVAL,
            Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds),
            Some(_) => {
                problems.add(at.field(names[1]), "must be at least 1");
                INTERVAL
            }
        },
    };
    Restart {
        after: policy.type_.unwrap_or_default(),
        failure: retry(
            policy.on_failure_retries,
            policy.on_failure_retry_interval,
            ["onFailureRetries", "onFailureRetryInterval"],
        ),
        submission: retry(
            policy.on_submission_failure_retries,
            policy.on_submission_failure_retry_interval,
            ["onSubmissionFailureRetries", "onSubmissionFailureRetryInterval"],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_and_waits_are_counted_as_the_policy_says() {
        use RestartPolicyType::{Always, Never, OnFailure};
        let cases = [
            // policy, retries, runs so far, seconds to wait
            (Never, 3, 1, None),
            (OnFailure, 0, 1, None),
            (OnFailure, 3, 1, Some(2)),
            (OnFailure, 3, 2, Some(4)),
            (OnFailure, 3, 3, Some(6)),
            (OnFailure, 3, 4, None),
            (Always, 0, 1000, Some(2000)),
            (Always, 0, u32::MAX, Some(2 * u64::from(u32::MAX))),
        ];
        for (after, retries, runs, expected) in cases {
            let retry = Retry { retries, interval: Duration::from_secs(2) };
            let restart = Restart { after, failure: retry, submission: retry };
            let expected = expected.map(Duration::from_secs);
            assert_eq!(restart.wait_after_failure(runs), expected, "{after:?} {retries} {runs}");
            assert_eq!(restart.wait_after_submission(runs), expected);
            assert_eq!(restart.again_after_success(), after == Always);
        }
    }

    #[test]
    fn without_a_policy_a_program_runs_once() {
        let mut problems = Problems::default();
        let restart = read(None, &mut problems);
        assert_eq!((restart.after, restart.failure.interval), (RestartPolicyType::Never, INTERVAL));
        assert_eq!(restart.wait_after_failure(1), None);
        assert!(problems.0.is_empty());
    }
}
