//! Why a job failed, in Spark's words.

use crate::message::JobFailed;
use errors::{Exception, condition};
use model::TaskFailure;
use plan::SparkError;
use scheduler::JobFailure;

const BARRIER_REFUSED: &str = "[SPARK-24942]: Barrier execution mode does not support dynamic resource allocation for now. You can disable dynamic resource allocation by setting Spark conf \"spark.dynamicAllocation.enabled\" to \"false\".";
const TOO_FEW_SLOTS: &str = "[SPARK-24819]: Barrier execution mode does not allow run a barrier stage that requires more slots than the total number of slots in the cluster currently. Please init a new cluster with more resources(e.g. CPU, GPU) or repartition the input RDD(s) to reduce the number of slots required to run this barrier stage.";

/// The words for people: what Spark's driver says of a failed job.
#[expect(clippy::too_many_lines, reason = "a table of all failures reads best in one piece")]
pub(crate) fn words(JobFailed { failure, host, .. }: &JobFailed) -> String {
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
                match failure {
                    TaskFailure::FetchFailed { .. } => task_words(failure),
                    other => barrier_words(&format!("of stage {stage}"), other),
                }
            )
        }
        JobFailure::SingleAttemptFailed { attempt, executor, failure } => {
            let (stage, partition) = (attempt.task.stage.0, attempt.task.partition);
            let host = host.as_deref().unwrap_or("unknown host");
            let executor = executor.0;
            format!(
                "Job aborted due to stage failure: Task {partition} in stage {stage}.0 has a single attempt, which \
                 failed ({host} executor {executor}): {}",
                task_words(failure)
            )
        }
        JobFailure::BarrierFailed { attempt, failure } => {
            let (stage, partition) = (attempt.task.stage.0, attempt.task.partition);
            format!(
                "Job aborted due to stage failure: Could not recover from a failed barrier ResultStage. Most recent failure reason: {}",
                barrier_words(&format!("ResultTask({stage}, {partition})"), failure)
            )
        }
        // Without the usual first words, as in Spark.
        JobFailure::TooFewSlots { .. } => TOO_FEW_SLOTS.to_owned(),
        JobFailure::BarrierRefused { .. } => BARRIER_REFUSED.to_owned(),
        JobFailure::NotRepeatable { stage } => {
            let stage = stage.0;
            format!(
                "Job aborted due to stage failure: A shuffle map stage with indeterminate output was failed and retried. However, \
                 Spark cannot rollback the ResultStage {stage} to re-process the input data, and has to fail this job. Please \
                 eliminate the indeterminacy by checkpointing the RDD before repartition and try again."
            )
        }
        JobFailure::TaskTooLarge { task_slots, slots, .. } => format!(
            "The number of cores per executor (={slots}) has to be >= the number of cpus per task = {task_slots}."
        ),
        JobFailure::Unschedulable { stage, partition, failure } => format!(
            "Job aborted due to stage failure: \nAborting TaskSet {}.0 because task {partition} (partition {partition})\n\
             cannot run anywhere due to node and executor excludeOnFailure.\nMost recent failure:\n{}\n\n\
             ExcludeOnFailure behavior can be configured via spark.excludeOnFailure.*.\n",
            stage.0,
            failure.as_ref().map(task_words).unwrap_or_default()
        ),
        JobFailure::ResultTooLarge { bytes, limit } => format!(
            "Job aborted due to stage failure: Total size of serialized results ({bytes} bytes) is bigger than \
             spark.driver.maxResultSize ({limit} bytes)"
        ),
        JobFailure::StageOverdue { limit, .. } => format!(
            "Could not execute broadcast in {} secs. You can increase the timeout for broadcasts via \"spark.sql.broadcastTimeout\" \
             or disable broadcast join by setting \"spark.sql.autoBroadcastJoinThreshold\" to -1 or remove the broadcast hint if it \
             exists in your code.",
            limit.as_secs()
        ),
        JobFailure::Cancelled { reason } => format!("Job cancelled: {reason}"),
        JobFailure::Malformed { problem } => format!("The job's stages are malformed: {problem}"),
    }
}

/// The same as an error for the program. What the program's own code or data raised keeps its
/// class.
pub(crate) fn error(failed: &JobFailed) -> SparkError {
    let words = words(failed);
    match &failed.failure {
        JobFailure::TaskFailed { failure: TaskFailure::Raised(raised), .. }
        | JobFailure::SingleAttemptFailed { failure: TaskFailure::Raised(raised), .. }
            if raised.class.is_some() =>
        {
            let mut error = SparkError::from(raised.clone());
            error.causes.push(words);
            error
        }
        JobFailure::Cancelled { .. } => {
            SparkError::new(condition::OPERATION_CANCELED, words, &[]).raised_as(Exception::Spark)
        }
        JobFailure::Malformed { .. } => SparkError::internal(words),
        JobFailure::TaskFailed { .. }
        | JobFailure::StageAborted { .. }
        | JobFailure::BarrierFailed { .. }
        | JobFailure::SingleAttemptFailed { .. }
        | JobFailure::TooFewSlots { .. }
        | JobFailure::BarrierRefused { .. }
        | JobFailure::NotRepeatable { .. }
        | JobFailure::TaskTooLarge { .. }
        | JobFailure::StageOverdue { .. }
        | JobFailure::Unschedulable { .. }
        | JobFailure::ResultTooLarge { .. } => SparkError::plain(Exception::Spark, words),
    }
}

/// Whether the program's code reported the error by which the job failed. A worker that crashed has
/// reported nothing.
pub(crate) fn is_reported(failed: &JobFailed) -> bool {
    match &failed.failure {
        JobFailure::TaskFailed { failure, .. }
        | JobFailure::StageAborted { failure, .. }
        | JobFailure::BarrierFailed { failure, .. }
        | JobFailure::SingleAttemptFailed { failure, .. } => {
            matches!(failure, TaskFailure::Raised(raised) if raised.class.is_some())
        }
        JobFailure::TooFewSlots { .. }
        | JobFailure::BarrierRefused { .. }
        | JobFailure::NotRepeatable { .. }
        | JobFailure::TaskTooLarge { .. }
        | JobFailure::StageOverdue { .. }
        | JobFailure::Unschedulable { .. }
        | JobFailure::ResultTooLarge { .. }
        | JobFailure::Cancelled { .. }
        | JobFailure::Malformed { .. } => false,
    }
}

fn barrier_words(task: &str, failure: &TaskFailure) -> String {
    format!(
        "Stage failed because barrier task {task} finished unsuccessfully.\n{}",
        task_words(failure)
    )
}

fn task_words(failure: &TaskFailure) -> String {
    match failure {
        TaskFailure::ExecutorLost { app_caused, reason } => format!(
            "ExecutorLostFailure (executor exited {}by one of the running tasks) Reason: {reason}",
            if *app_caused { "caused " } else { "not caused " }
        ),
        TaskFailure::Raised(raised) => SparkError::from(raised.clone()).to_string(),
        TaskFailure::FetchFailed { .. }
        | TaskFailure::Killed { .. }
        | TaskFailure::CommitDenied
        | TaskFailure::Fenced { .. }
        | TaskFailure::Hopeless { .. } => failure.to_string(),
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
        JobFailed { failure, host: Some("h".into()), done: Vec::new() }
    }

    #[test]
    fn a_failed_task_is_worded_as_spark_words_it() {
        let raised = TaskFailure::raised("boom");
        let error = error(&failed(raised));
        assert_eq!(
            error.to_string(),
            "Job aborted due to stage failure: Task 3 in stage 1.0 failed 4 times, most recent failure: \
             Lost task 3.5 in stage 1.0 (h executor 2): boom"
        );
        assert_eq!(error.exception, Exception::Spark);
    }

    #[test]
    fn a_failed_barrier_is_worded_as_spark_words_it() {
        let attempt = Attempt { task: TaskId { stage: StageId(1), partition: 3 }, number: 0 };
        let failure = TaskFailure::raised("boom");
        let failure = JobFailure::BarrierFailed { attempt, failure };
        let failed = JobFailed { failure, host: None, done: Vec::new() };
        assert_eq!(
            words(&failed),
            "Job aborted due to stage failure: Could not recover from a failed barrier ResultStage. Most recent \
             failure reason: Stage failed because barrier task ResultTask(1, 3) finished unsuccessfully.\nboom"
        );
    }

    #[test]
    fn what_cannot_be_repeated_is_advised_to_be_checkpointed() {
        let failure = JobFailure::NotRepeatable { stage: StageId(4) };
        let failed = JobFailed { failure, host: None, done: Vec::new() };
        assert_eq!(
            words(&failed),
            "Job aborted due to stage failure: A shuffle map stage with indeterminate output was failed and retried. \
             However, Spark cannot rollback the ResultStage 4 to re-process the input data, and has to fail this job. \
             Please eliminate the indeterminacy by checkpointing the RDD before repartition and try again."
        );
    }

    #[test]
    fn what_data_raised_keeps_its_class() {
        let raised = SparkError::new(condition::DIVIDE_BY_ZERO, "Division by zero.", &[]);
        let raised = TaskFailure::Raised(raised.into());
        let error = error(&failed(raised));
        assert_eq!(error.to_string(), "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012");
        assert_eq!(error.exception, Exception::Arithmetic);
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
