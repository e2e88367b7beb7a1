//! The meaning of a schedule's specification.

use super::{Problems, Validated, validate};
use crate::problem::{FieldPath, Problem};
use crate::schedule::{BadSchedule, Schedule};
use crate::{ConcurrencyPolicy, ScheduledSparkApplicationSpec};

/// A valid schedule, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidSchedule {
    /// When it is due.
    pub schedule: Schedule,
    /// The application to start.
    pub application: Validated,
    /// Whether no new runs start.
    pub suspended: bool,
    /// What to do if the last run has not ended.
    pub concurrency: ConcurrencyPolicy,
    /// Number of successful runs to keep.
    pub keep_successful: usize,
    /// Number of failed runs to keep.
    pub keep_failed: usize,
}

/// Parses a schedule; `namespace` is the resource's namespace.
///
/// # Errors
/// With everything that is wrong.
pub fn validate_scheduled(
    spec: &ScheduledSparkApplicationSpec,
    namespace: &str,
) -> Result<ValidSchedule, Vec<Problem>> {
    let mut problems = Problems::default();
    let at = FieldPath::new("spec");
    let schedule = Schedule::parse(&spec.schedule, spec.time_zone.as_deref());
    let schedule = problems.take(schedule.map_err(|error| {
        let is_zone = matches!(error, BadSchedule::TwoZones(_))
            || (matches!(error, BadSchedule::Zone { .. }) && spec.time_zone.is_some());
        let field = if is_zone { "timeZone" } else { "schedule" };
        Problem::new(at.field(field), error.to_string())
    }));
    let mut kept = |limit: Option<i32>, name: &str| {
        usize::try_from(limit.unwrap_or(1)).unwrap_or_else(|_| {
            problems.add(at.field(name), "must not be negative");
            0
        })
    };
    let keep_successful = kept(spec.successful_run_history_limit, "successfulRunHistoryLimit");
    let keep_failed = kept(spec.failed_run_history_limit, "failedRunHistoryLimit");
    let application = match validate(&spec.template, namespace) {
        Ok(application) => Some(application),
        Err(inside) => {
            problems.0.extend(
                inside
                    .into_iter()
                    .map(|problem| Problem { field: problem.field.in_template(), ..problem }),
            );
            None
        }
    };
    match (schedule, application) {
        (Some(schedule), Some(application)) if problems.0.is_empty() => Ok(ValidSchedule {
            schedule,
            application,
            suspended: spec.suspend.unwrap_or(false),
            concurrency: spec.concurrency_policy.unwrap_or_default(),
            keep_successful,
            keep_failed,
        }),
        _ => Err(problems.0),
    }
}
