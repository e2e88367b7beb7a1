//! `firesteel status`: the state of the applications on this machine.

use crate::application_dir::{self, Contact};
use anyhow::{Context, Result, bail};
use futures::future::join_all;
use proto::Credentials;
use proto::pb::cluster_client::ClusterClient;
use proto::pb::{AccumulatorStatus, AccumulatorSum, ApplicationStatus, JobState, JobStatus};
use proto::pb::{StageState, StatusRequest, TaskMetrics};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

/// Limit on a driver's answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The text to print: all running applications, or those whose id starts with `wanted`.
pub(crate) async fn show(wanted: Option<&str>, json: bool) -> Result<String> {
    let mut contacts = application_dir::contacts();
    if let Some(wanted) = wanted {
        contacts.retain(|contact| contact.application_id.starts_with(wanted));
        if contacts.is_empty() {
            bail!("no running application has an id that starts with `{wanted}`");
        }
    }
    if contacts.is_empty() && !json {
        return Ok("no application is running\n".to_owned());
    }
    let mut all = Vec::new();
    let answers = contacts.iter().map(|contact| tokio::time::timeout(TIMEOUT, ask(contact)));
    for (contact, answer) in contacts.iter().zip(join_all(answers).await) {
        let id = &contact.application_id;
        let silent = || format!("the driver of {id} did not answer");
        match answer.with_context(silent).and_then(|answer| answer.with_context(silent)) {
            Ok(status) => all.push(status),
            // Others are shown all the same: it may just have ended.
            Err(error) if wanted.is_none() => tracing::warn!("{error:#}"),
            Err(error) => return Err(error),
        }
    }
    if json {
        return Ok(
            serde_json::to_string_pretty(&all.iter().map(as_json).collect::<Vec<_>>())? + "\n"
        );
    }
    Ok(all.iter().map(as_text).collect())
}

/// Whether an application whose id starts like this runs on this machine.
pub(crate) fn is_here(wanted: &str) -> bool {
    application_dir::contacts().iter().any(|contact| contact.application_id.starts_with(wanted))
}

async fn ask(contact: &Contact) -> Result<ApplicationStatus> {
    let credentials = Credentials::read(&contact.token, contact.identity.as_deref())?;
    let channel = credentials.endpoint(&contact.cluster)?.connect().await?;
    let mut client = ClusterClient::with_interceptor(channel, credentials.token.sender())
        .max_decoding_message_size(proto::MESSAGE_LIMIT);
    Ok(client.status(StatusRequest {}).await?.into_inner())
}

fn as_text(status: &ApplicationStatus) -> String {
    let mut text = String::new();
    let alive = status.executors.iter().filter(|executor| executor.alive);
    let slots: u32 = alive.clone().map(|executor| executor.slots).sum();
    let _ = writeln!(
        text,
        "{}  {}  {} executors, {slots} slots  {}",
        status.application_id,
        status.name,
        alive.count(),
        status.connect_url
    );
    for job in &status.jobs {
        let group = Some(&job.group).filter(|group| !group.is_empty());
        let group = group.map(|group| format!("[{group}] ")).unwrap_or_default();
        let (state, description) = (job_state(job.state()), &job.description);
        let _ = writeln!(text, "  job {}  {state}  {group}{description}", job.job);
        for stage in &job.stages {
            let _ = writeln!(
                text,
                "    stage {:<4} {:<9} {:>6}/{:<6} tasks{}  {}",
                stage.stage,
                stage_state(stage.state()),
                stage.done,
                stage.tasks,
                if stage.failed > 0 { format!(", {} failed", stage.failed) } else { String::new() },
                stage.label
            );
            for accumulator in &stage.accumulators {
                let _ = writeln!(text, "      {}", accumulator_as_text(accumulator));
            }
        }
        if !job.message.is_empty() {
            let _ = writeln!(text, "    {}", job.message.lines().next().unwrap_or_default());
        }
    }
    text
}

fn as_json(status: &ApplicationStatus) -> serde_json::Value {
    let job = |job: &JobStatus| {
        serde_json::json!({
            "job": job.job, "state": job_state(job.state()), "group": job.group, "description": job.description,
            "message": job.message,
            "stages": job.stages.iter().map(|stage| serde_json::json!({
                "stage": stage.stage, "label": stage.label, "state": stage_state(stage.state()), "tasks": stage.tasks,
                "done": stage.done, "running": stage.running, "failed": stage.failed,
                "metrics": stage.metrics.as_ref().map(metrics_as_json),
                "accumulators": stage.accumulators.iter().map(accumulator_as_json).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    };
    serde_json::json!({
        "application": status.application_id, "name": status.name, "epoch": status.epoch, "connect": status.connect_url,
        "jobs": status.jobs.iter().map(job).collect::<Vec<_>>(),
        "executors": status.executors.iter().map(|executor| serde_json::json!({
            "executor": executor.executor, "host": executor.host, "slots": executor.slots, "alive": executor.alive,
            "resourceProfile": executor.profile, "running": executor.running_tasks, "finished": executor.finished_tasks, "failed": executor.failed_tasks,
        })).collect::<Vec<_>>(),
    })
}

/// `accumulator 0: 4950 (executor-0: 2450, executor-1: 2500)`. Where updates are no plain numbers,
/// they are counted.
fn accumulator_as_text(accumulator: &AccumulatorStatus) -> String {
    let shown = |sum: &AccumulatorSum| match sum.sum.as_str() {
        "" => format!("{} updates", sum.updates),
        number => number.to_owned(),
    };
    let executors = sorted(&accumulator.executors);
    let executors = executors.map(|(id, sum)| format!("executor-{id}: {}", shown(sum)));
    let executors: Vec<String> = executors.collect();
    let total = accumulator.total.as_ref().map(shown).unwrap_or_default();
    format!("accumulator {}: {total} ({})", accumulator.id, executors.join(", "))
}

fn accumulator_as_json(accumulator: &AccumulatorStatus) -> serde_json::Value {
    let sum = |sum: &AccumulatorSum| serde_json::json!({"sum": sum.sum, "updates": sum.updates});
    let executors = sorted(&accumulator.executors).map(|(id, part)| (id.to_string(), sum(part)));
    let tasks = sorted(&accumulator.tasks).map(|(id, part)| (id.to_string(), sum(part)));
    serde_json::json!({
        "id": accumulator.id,
        "total": accumulator.total.as_ref().map(sum),
        "executors": executors.collect::<serde_json::Map<_, _>>(),
        "tasks": tasks.collect::<serde_json::Map<_, _>>(),
    })
}

fn sorted<K: Ord, V>(map: &HashMap<K, V>) -> impl Iterator<Item = (&K, &V)> {
    map.iter().collect::<BTreeMap<_, _>>().into_iter()
}

fn metrics_as_json(metrics: &TaskMetrics) -> serde_json::Value {
    serde_json::json!({
        "run_nanos": metrics.run_nanos, "input_bytes": metrics.input_bytes, "input_rows": metrics.input_rows,
        "shuffle_read_bytes": metrics.shuffle_read_bytes, "shuffle_read_rows": metrics.shuffle_read_rows,
        "shuffle_write_bytes": metrics.shuffle_write_bytes, "output_rows": metrics.output_rows,
        "spilled_bytes": metrics.spilled_bytes,
    })
}

fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unknown",
        JobState::Running => "running",
        JobState::Succeeded => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

fn stage_state(state: StageState) -> &'static str {
    match state {
        StageState::Unspecified => "unknown",
        StageState::Waiting => "waiting",
        StageState::Running => "running",
        StageState::Done => "done",
        StageState::Skipped => "skipped",
        StageState::Failed => "failed",
        StageState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::pb::{ExecutorStatus, StageStatus};

    #[test]
    fn a_status_shows_jobs_stages_and_tasks() {
        let stage =
            StageStatus { stage: 3, label: "scan".into(), tasks: 8, done: 8, ..Default::default() };
        let sum = |sum: &str| AccumulatorSum { updates: 3, sum: sum.to_owned() };
        let accumulator = |id, text: &str| AccumulatorStatus {
            id,
            total: Some(sum(text)),
            executors: [(10, sum(text)), (2, sum(text))].into(),
            tasks: [(0, sum(text))].into(),
        };
        let accumulators = vec![accumulator(0, "7"), accumulator(1, "")];
        let mut skipped = StageStatus { accumulators, ..stage };
        skipped.set_state(StageState::Skipped);
        let mut job = JobStatus {
            job: 1,
            description: "collect".into(),
            group: "g".into(),
            stages: vec![skipped],
            ..Default::default()
        };
        job.set_state(JobState::Succeeded);
        let status = ApplicationStatus {
            application_id: "app-1".into(),
            name: "pi".into(),
            jobs: vec![job],
            executors: vec![ExecutorStatus { slots: 2, alive: true, ..Default::default() }],
            ..Default::default()
        };
        let text = as_text(&status);
        assert!(text.starts_with("app-1  pi  1 executors, 2 slots"), "{text}");
        assert!(text.contains("  job 1  done  [g] collect"), "{text}");
        assert!(text.contains("stage 3    skipped        8/8      tasks  scan"), "{text}");
        assert!(text.contains("accumulator 0: 7 (executor-2: 7, executor-10: 7)\n"), "{text}");
        assert!(text.contains("accumulator 1: 3 updates (executor-2: 3 updates, "), "{text}");
        let json = &as_json(&status)["jobs"][0]["stages"][0]["accumulators"][0];
        assert_eq!(json["tasks"]["0"], serde_json::json!({"sum": "7", "updates": 3}));
    }
}
