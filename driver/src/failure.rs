//! Why a job failed, in Spark's words.

use crate::message::JobFailed;
use model::TaskFailure;
use plan::{ErrorKind, SparkError};
use scheduler::JobFailure;

/// The words for people: what Spark's driver says of a failed job.
pub(crate) fn words(JobFailed { failure, host }: &JobFailed) -> String {
    match failure {
        JobFailure::TaskFailed { attempt, failures, executor, failure } => {
            let (stage, partition) = (attempt.task.stage.0, attempt.task.partition);
            let number = attempt.number;
            let host = host.as_deref().unwrap_or("unknown host");
            let executor = executor.0;
            let times = if *failures == 1 { "time" } else { "times" };
            format!(
                "Job aborted due to stage failure: Task {partition} in stage {stage}.0 failed {failures} {times}, \
                 most recent failure: Lost task {partition}.{number} in stage {stage}.0 ({host} executor {executor}): {}",
                task_words(failure)
            )
        }
        JobFailure::StageAborted { stage, attempts, failure } => {
            let stage = stage.0;
            format!(
                "Job aborted due to stage failure: Stage {stage} has failed the maximum allowable number of times: {attempts}. \
                 Most recent failure reason: {}",
                task_words(failure)
            )
        }
        JobFailure::NotRepeatable { stage } => {
            let stage = stage.0;
            format!(
                "Job aborted due to stage failure: A shuffle map stage with indeterminate output was failed and retried. However, \
                 Spark cannot rollback the result of stage {stage} to re-process the input data, and has to fail this job. Please \
                 eliminate the indeterminacy by checkpointing the data before the repartition and try again."
            )
        }
        JobFailure::ResultTooLarge { bytes, limit } => format!(
            "Job aborted due to stage failure: Total size of serialized results ({bytes} bytes) is bigger than \
             spark.driver.maxResultSize ({limit} bytes)"
        ),
        JobFailure::Cancelled { reason } => format!("Job cancelled: {reason}"),
        JobFailure::Malformed { problem } => format!("The job's stages are malformed: {problem}"),
    }
}

/// The same as an error for the program. What the program's own code or data raised keeps its class.
pub(crate) fn error(failed: &JobFailed) -> SparkError {
    let words = words(failed);
    match &failed.failure {
        JobFailure::TaskFailed {
            failure: TaskFailure::Raised { class: Some(class), message },
            ..
        } => {
            let mut error = SparkError::new(kind(class, message), class, bare(class, message), &[]);
            error.causes.push(words);
            error
        }
        JobFailure::Cancelled { .. } => {
            SparkError::new(ErrorKind::Spark, "OPERATION_CANCELED", words, &[])
        }
        JobFailure::Malformed { .. } => SparkError::internal(words),
        JobFailure::TaskFailed { .. }
        | JobFailure::StageAborted { .. }
        | JobFailure::NotRepeatable { .. }
        | JobFailure::ResultTooLarge { .. } => SparkError::new(ErrorKind::Spark, "", words, &[]),
    }
}

fn task_words(failure: &TaskFailure) -> String {
    match failure {
        TaskFailure::ExecutorLost { app_caused, reason } => format!(
            "ExecutorLostFailure (executor exited {}by one of the running tasks) Reason: {reason}",
            if *app_caused { "caused " } else { "not caused " }
        ),
        TaskFailure::FetchFailed { .. }
        | TaskFailure::Raised { .. }
        | TaskFailure::Killed { .. }
        | TaskFailure::CommitDenied
        | TaskFailure::Hopeless { .. } => failure.to_string(),
    }
}

/// The message without the class and the state that `SparkError` writes around it.
fn bare(class: &str, message: &str) -> String {
    let tag = format!("[{class}] ");
    let message = message.strip_prefix(&tag).unwrap_or(message);
    match message.rsplit_once(" SQLSTATE: ") {
        Some((rest, state)) if state.len() == 5 => rest.to_owned(),
        _ => message.to_owned(),
    }
}

/// Spark's exception of a class that data can raise.
fn kind(class: &str, message: &str) -> ErrorKind {
    match class.split('.').next().unwrap_or_default() {
        "DIVIDE_BY_ZERO"
        | "REMAINDER_BY_ZERO"
        | "ARITHMETIC_OVERFLOW"
        | "BINARY_ARITHMETIC_OVERFLOW"
        | "INTERVAL_ARITHMETIC_OVERFLOW"
        | "INTERVAL_DIVIDED_BY_ZERO"
        | "CAST_OVERFLOW"
        | "NUMERIC_VALUE_OUT_OF_RANGE"
        | "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION" => ErrorKind::Arithmetic,
        "INVALID_ARRAY_INDEX" | "INVALID_ARRAY_INDEX_IN_ELEMENT_AT" | "INVALID_INDEX_OF_ZERO" => {
            ErrorKind::ArrayIndex
        }
        "CAST_INVALID_INPUT"
            if [" to \"DATE", " to \"TIMESTAMP"].iter().any(|target| message.contains(target)) =>
        {
            ErrorKind::DateTime
        }
        "CAST_INVALID_INPUT" => ErrorKind::NumberFormat,
        "CANNOT_PARSE_TIMESTAMP" | "INVALID_DATETIME_PATTERN" | "DATETIME_FIELD_OUT_OF_BOUNDS" => {
            ErrorKind::DateTime
        }
        "INVALID_PARAMETER_VALUE" => ErrorKind::Runtime,
        "UNSUPPORTED_FEATURE" => ErrorKind::UnsupportedFeature,
        _ => ErrorKind::Spark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Attempt, ExecutorId, StageId, TaskId};

    fn failed(failure: TaskFailure) -> JobFailed {
        let attempt = Attempt { task: TaskId { stage: StageId(1), partition: 3 }, number: 5 };
        let failure =
            JobFailure::TaskFailed { attempt, failures: 4, executor: ExecutorId(2), failure };
        JobFailed { failure, host: Some("h".into()) }
    }

    #[test]
    fn a_failed_task_is_worded_as_spark_words_it() {
        let raised = TaskFailure::Raised { class: None, message: "boom".into() };
        let error = error(&failed(raised));
        assert_eq!(
            error.to_string(),
            "Job aborted due to stage failure: Task 3 in stage 1.0 failed 4 times, most recent failure: \
             Lost task 3.5 in stage 1.0 (h executor 2): boom"
        );
        assert_eq!(error.kind, ErrorKind::Spark);
    }

    #[test]
    fn what_data_raised_keeps_its_class() {
        let message = "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012".to_owned();
        let raised = TaskFailure::Raised { class: Some("DIVIDE_BY_ZERO".into()), message };
        let error = error(&failed(raised));
        assert_eq!(error.to_string(), "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012");
        assert_eq!(error.kind, ErrorKind::Arithmetic);
        assert!(error.causes[0].starts_with("Job aborted due to stage failure: Task 3"));
    }

    #[test]
    fn a_crash_names_the_executor_and_the_reason() {
        let lost = TaskFailure::ExecutorLost { app_caused: true, reason: "exit code 137".into() };
        let words = words(&failed(lost));
        assert!(words.ends_with(
            "(h executor 2): ExecutorLostFailure (executor exited caused by one of the running tasks) Reason: exit code 137"
        ));
    }
}
