//! `firesteel status`: the state of the applications on this machine.

use crate::application_dir::{self, Contact};
use anyhow::{Context, Result, bail};
use proto::Credentials;
use proto::pb::cluster_client::ClusterClient;
use proto::pb::{ApplicationStatus, JobState, JobStatus, StageState, StatusRequest, TaskMetrics};
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
    for contact in &contacts {
        let answer = tokio::time::timeout(TIMEOUT, ask(contact)).await;
        let id = &contact.application_id;
        all.push(answer.with_context(|| format!("the driver of {id} did not answer"))??);
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
    let mut client = ClusterClient::with_interceptor(channel, credentials.token.sender());
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
            })).collect::<Vec<_>>(),
        })
    };
    serde_json::json!({
        "application": status.application_id, "name": status.name, "epoch": status.epoch, "connect": status.connect_url,
        "jobs": status.jobs.iter().map(job).collect::<Vec<_>>(),
        "executors": status.executors.iter().map(|executor| serde_json::json!({
            "executor": executor.executor, "host": executor.host, "slots": executor.slots, "alive": executor.alive,
            "running": executor.running_tasks, "finished": executor.finished_tasks, "failed": executor.failed_tasks,
        })).collect::<Vec<_>>(),
    })
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
        let mut skipped = stage.clone();
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
    }
}
