//! Translation of a driver's messages, and the pace at which progress triggers passes.

use super::*;

fn stage(state: pb::StageState, tasks: u32, done: u32) -> pb::StageStatus {
    pb::StageStatus { state: state.into(), tasks, done, ..pb::StageStatus::default() }
}

#[test]
fn progress_counts_reused_stages_as_done() {
    let job = pb::JobStatus {
        state: pb::JobState::Running.into(),
        stages: vec![
            stage(pb::StageState::Skipped, 8, 0),
            stage(pb::StageState::Done, 5, 5),
            stage(pb::StageState::Running, 200, 20),
            stage(pb::StageState::Waiting, 1, 0),
        ],
        ..pb::JobStatus::default()
    };
    let status = pb::ApplicationStatus {
        jobs: vec![job],
        forgotten_jobs: 3,
        ..pb::ApplicationStatus::default()
    };
    let progress = read_progress(&status);
    assert_eq!(progress.jobs, Count { done: 3, total: 4, failed: 0 });
    assert_eq!((progress.skipped_stages, progress.skipped_tasks), (1, 8));
    assert_eq!(progress.summary, "2/4 stages, 33/214 tasks");
}

#[test]
fn progress_triggers_a_pass_at_once_and_then_rarely() {
    let mut pace = Pace::default();
    assert_eq!(pace.due, None);
    let before = Instant::now();
    pace.changed();
    assert!(pace.due.is_some_and(|due| due >= before && due <= Instant::now()));
    pace.reported();
    assert_eq!(pace.due, None);
    pace.changed();
    pace.changed();
    assert_eq!(pace.due, pace.last.map(|last| last + PROGRESS_INTERVAL));
}

#[test]
fn an_executor_whose_end_is_acknowledged_counts_as_gone_whatever_an_older_status_says() {
    let mut known = Attached { executors: [(1, true), (2, true)].into(), ..Attached::default() };
    let wish =
        |release: &[u64]| Wish { release: release.iter().copied().collect(), ..Wish::default() };
    known.wishes(wish(&[2, 7]));
    known.wishes(wish(&[]));
    assert_eq!(known.executors, [(1, true), (2, false)].into());
}
