//! How the application stands, as JSON for programs (`docs/decisions/0015-rdds-over-connect.md`).

use crate::message::{ExecutorStatus, JobState, JobStatus, StageState, StageStatus, Status};
use model::StageId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The jobs, their stages and the executors.
pub(crate) fn json(status: &Status) -> Value {
    let stages = status.jobs.iter().flat_map(|job| job.stages.iter().map(move |of| (job, of)));
    // A stage that several jobs share is named after the first.
    let mut all: BTreeMap<StageId, Value> = BTreeMap::new();
    for (job, of) in stages {
        all.entry(of.stage).or_insert_with(|| stage(job, of));
    }
    let memory = status.executor_memory.0;
    let alive = status.executors.iter().filter(|executor| executor.alive);
    json!({
        "jobs": status.jobs.iter().map(job).collect::<Vec<_>>(),
        "stages": all.into_values().collect::<Vec<_>>(),
        "executors": alive.map(|one| executor(one, memory)).collect::<Vec<_>>(),
    })
}

fn job(job: &JobStatus) -> Value {
    let status = match job.state {
        JobState::Running => "RUNNING",
        JobState::Succeeded => "SUCCEEDED",
        // Spark has no word of its own for a cancelled job.
        JobState::Failed | JobState::Cancelled => "FAILED",
    };
    json!({
        "id": job.job.0,
        "group": job.properties.group(),
        "status": status,
        "stages": job.stages.iter().map(|stage| stage.stage.0).collect::<Vec<_>>(),
    })
}

fn stage(job: &JobStatus, stage: &StageStatus) -> Value {
    let StageStatus { stage, label, tasks, done, running, failed, state, metrics: _, added } =
        stage;
    let accumulators = added.accumulators.iter().map(|(id, sums)| {
        json!({"id": id, "sum": sums.total.to_string(), "updates": sums.total.updates})
    });
    json!({
        "id": stage.0,
        "attempt": 0,
        "name": job.properties.call_site().unwrap_or(label),
        "active": *state == StageState::Running,
        "tasks": tasks,
        "running": running,
        "completed": done,
        "failed": failed,
        "accumulators": accumulators.collect::<Vec<_>>(),
    })
}

fn executor(executor: &ExecutorStatus, memory: u64) -> Value {
    let port = executor.address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    json!({
        "host": executor.host,
        "port": port.unwrap_or(0),
        "running": executor.running_tasks,
        "memory": memory,
        "usedMemory": 0,
        "cached": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ExecutorId, JobId, Properties, TaskMetrics};
    use std::sync::Arc;

    fn job(id: u64, state: JobState, stages: &[(u64, StageState)]) -> JobStatus {
        let group = ("spark.jobGroup.id".to_owned(), format!("g{id}"));
        let site = ("callSite.short".to_owned(), format!("count at p.py:{id}"));
        let shown = |(id, state): &(u64, StageState)| StageStatus {
            stage: StageId(*id),
            label: "Range".into(),
            tasks: 4,
            done: 1,
            running: 2,
            failed: 1,
            state: *state,
            metrics: TaskMetrics::default(),
            added: Arc::default(),
        };
        JobStatus {
            job: JobId(id),
            state,
            description: "query".into(),
            properties: Properties::from_iter([group, site]),
            stages: stages.iter().map(shown).collect(),
            message: String::new(),
        }
    }

    #[test]
    fn a_shared_stage_is_listed_once_and_only_living_executors_are() {
        let executor = |id, alive| ExecutorStatus {
            profile: model::ProfileId::DEFAULT,
            executor: ExecutorId(id),
            host: format!("h{id}"),
            address: format!("h{id}:70{id}"),
            slots: 2,
            running_tasks: 1,
            finished_tasks: 5,
            failed_tasks: 0,
            alive,
        };
        let status = Status {
            jobs: vec![
                job(0, JobState::Cancelled, &[(0, StageState::Done), (1, StageState::Cancelled)]),
                job(1, JobState::Running, &[(0, StageState::Skipped), (2, StageState::Running)]),
            ],
            executors: vec![executor(0, false), executor(1, true)],
            ..Status::default()
        };
        let stage = |id: u64, job: u64, active: bool| {
            json!({"id": id, "attempt": 0, "name": format!("count at p.py:{job}"), "active": active,
                   "tasks": 4, "running": 2, "completed": 1, "failed": 1, "accumulators": []})
        };
        let expected = json!({
            "jobs": [
                {"id": 0, "group": "g0", "status": "FAILED", "stages": [0, 1]},
                {"id": 1, "group": "g1", "status": "RUNNING", "stages": [0, 2]},
            ],
            "stages": [stage(0, 0, false), stage(1, 0, false), stage(2, 1, true)],
            "executors": [{"host": "h1", "port": 701, "running": 1, "memory": 0, "usedMemory": 0,
                           "cached": 0}],
        });
        assert_eq!(json(&status), expected);
    }
}
