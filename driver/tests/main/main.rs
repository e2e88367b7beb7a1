//! A real driver over loopback, with executors and a cluster manager that this test plays itself;
//! and its core alone, in a simulation.

mod manager;
mod program;
mod rig;
mod simulation;

use driver::{Driver, Settings};
use engine::JobPlan;
use model::{ApplicationId, ExecutorId, TaskFailure};
use proto::pb::task_end::Outcome;
use proto::{Identity, pb};
use rig::{Executor, Rig, fetch_failed, map_and_result, result_only, rows, values};
use std::num::NonZeroU32;
use std::time::Duration;
use tonic::Code;

#[tokio::test]
async fn a_job_runs_on_an_executor_and_its_rows_come_back_in_order() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 4).await;
    let job = rig.run(result_only(3));
    let mut launched = executor.launched(3).await;
    launched.reverse();
    for attempt in launched {
        executor.yielded(attempt, &rows(i64::from(attempt.task.partition) * 10)).await;
    }
    assert_eq!(values(&job.await.unwrap().unwrap()), [0, 10, 20]);
}

#[tokio::test]
async fn a_stage_is_sent_once_and_places_of_map_outputs_before_their_readers() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(map_and_result(2, 2));
    let mut stages = Vec::new();
    let mut places = Vec::new();
    for _ in 0..4 {
        let work = executor.work().await;
        stages.extend(work.stages.iter().map(|stage| stage.stage));
        places.extend(work.outputs.iter().map(|outputs| outputs.outputs.len()));
        let launched = Executor::launches(&work);
        assert_eq!(launched.len(), 1, "one slot");
        if work.launches[0].stage == 0 {
            assert!(places.is_empty());
            executor.wrote(launched[0], 2).await;
        } else {
            executor.yielded(launched[0], &rows(1)).await;
        }
    }
    assert_eq!((stages, places), (vec![0, 1], vec![2]));
    assert_eq!(values(&job.await.unwrap().unwrap()), [1, 1]);
    assert_eq!(executor.work().await.forget, [0, 1]);
}

#[tokio::test]
async fn a_stage_whose_map_outputs_are_there_is_skipped() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 2).await;
    for turn in 0..2 {
        let job = rig.run(map_and_result(2, 1));
        if turn == 0 {
            for attempt in executor.launched(2).await {
                executor.wrote(attempt, 1).await;
            }
        }
        let work = executor.work().await;
        assert_eq!(
            work.outputs[0].outputs.len(),
            2,
            "told again: they were forgotten with the job"
        );
        executor.yielded(Executor::launches(&work)[0], &rows(5)).await;
        assert_eq!(values(&job.await.unwrap().unwrap()), [5]);
        // Of a skipped stage it was never told.
        let forgotten: &[u64] = if turn == 0 { &[0, 1] } else { &[3] };
        assert_eq!(executor.work().await.forget, forgotten);
    }
    let jobs = rig.status().await.jobs;
    let state = |job: usize, stage: usize| jobs[job].stages[stage].state();
    assert_eq!(state(0, 0), pb::StageState::Done);
    assert_eq!(state(1, 0), pb::StageState::Skipped);
    assert_eq!(state(1, 1), pb::StageState::Done);
    assert_eq!(jobs[1].state(), pb::JobState::Succeeded);
    assert_eq!(jobs[1].stages[0].tasks, 2);
}

#[tokio::test]
async fn map_outputs_that_a_volume_holds_count_when_its_executor_registers() {
    let rig = Rig::start(&[]).await;
    let outputs = (0..2).map(|map| rig.found_output(map, 1)).collect();
    let mut executor = rig.executor_with(0, 1, outputs).await;
    let job = rig.run(map_and_result(2, 1));
    let work = executor.work().await;
    assert_eq!(work.outputs[0].outputs.len(), 2);
    let attempt = Executor::launches(&work)[0];
    executor.yielded(attempt, &rows(5)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [5]);
}

#[tokio::test]
async fn the_tasks_of_a_lost_executor_run_elsewhere_and_it_may_not_come_back() {
    let rig = Rig::start(&[]).await;
    let mut first = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let attempt = first.launched(1).await[0];
    drop(first);
    let mut second = rig.executor(1, 1).await;
    let again = second.launched(1).await[0];
    assert_eq!((again.task, again.number), (attempt.task, attempt.number + 1));
    let refused = rig.try_executor(rig.register(0, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("executor-0 was lost"), "{refused}");
    second.yielded(again, &rows(7)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [7]);
}

#[tokio::test]
async fn an_executor_that_falls_silent_is_lost() {
    let rig = Rig::start(&[("spark.network.timeout", "200ms")]).await;
    let mut silent = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    silent.launched(1).await;
    // The driver says so before it closes the stream.
    assert!(silent.left().await.contains("nothing was heard"));
    let mut second = rig.executor(1, 1).await;
    let attempt = second.launched(1).await[0];
    second.yielded(attempt, &rows(7)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [7]);
}

#[tokio::test]
async fn an_encrypted_driver_hears_only_who_shows_its_identity_and_the_token() {
    let identity = Identity::generate().unwrap();
    let text = identity.secret();
    let rig = Rig::start_with(&[("spark.ssl.rpc.enabled", "true")], |settings| {
        settings.identity = Some(text.into());
    })
    .await;
    assert!(rig.is_heard().await);
    assert!(!rig.with_token("wrong").is_heard().await);
    assert!(!rig.with_identity(None).is_heard().await);
    assert!(!rig.with_identity(Some(Identity::generate().unwrap())).is_heard().await);
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let attempt = executor.launched(1).await[0];
    executor.yielded(attempt, &rows(7)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [7]);
}

#[tokio::test]
async fn a_driver_that_is_to_encrypt_without_an_identity_does_not_start() {
    let mut settings = Settings::new(ApplicationId("app-1".into()), "test", "s3cret");
    settings.conf.set("spark.ssl.rpc.enabled", "true");
    let error = Driver::start(&settings).await.unwrap_err().to_string();
    assert!(error.contains("spark.ssl.rpc.enabled"), "{error}");
}

#[tokio::test]
async fn a_stale_epoch_another_version_and_a_wrong_token_are_refused() {
    let rig = Rig::start(&[]).await;
    let stale = pb::FromExecutor { epoch: rig.epoch - 1, ..rig.register(0, 1) };
    let refused = rig.try_executor(stale).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("epoch 3, not 2"), "{refused}");

    let mut other = rig.register(0, 1);
    if let Some(pb::from_executor::Message::Register(register)) = &mut other.message {
        register.version = "0.0.0".into();
    }
    assert_eq!(rig.try_executor(other).await.unwrap_err().code(), Code::FailedPrecondition);

    let mut malformed = rig.register(0, 1);
    malformed.message = None;
    assert_eq!(rig.try_executor(malformed).await.unwrap_err().code(), Code::InvalidArgument);

    let refused = rig.with_token("wrong").try_executor(rig.register(0, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    rig.executor(0, 1).await;
}

#[tokio::test]
async fn a_stale_epoch_later_on_loses_the_executor() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let attempt = executor.launched(1).await[0];
    executor.epoch -= 1;
    executor.yielded(attempt, &rows(1)).await;
    let mut second = rig.executor(1, 1).await;
    let again = second.launched(1).await[0];
    second.yielded(again, &rows(2)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [2]);
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_cancelled() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let attempt = executor.launched(1).await[0];
    job.abort();
    assert_eq!(executor.cancelled(1).await, [attempt]);
    let status = rig.until(|status| status.jobs[0].state() == pb::JobState::Cancelled).await;
    assert_eq!(status.jobs[0].message, "Job cancelled: its result is not wanted");
    assert_eq!(status.jobs[0].stages[0].state(), pb::StageState::Cancelled);
    // Its slot is free again once the end is reported.
    executor.failed(attempt, TaskFailure::Killed { reason: "cancelled".into() }).await;
    let next = rig.run(result_only(1));
    let attempt = executor.launched(1).await[0];
    executor.yielded(attempt, &rows(3)).await;
    assert_eq!(values(&next.await.unwrap().unwrap()), [3]);
}

#[tokio::test]
async fn a_task_that_fails_too_often_fails_its_job_in_spark_s_words() {
    let rig = Rig::start(&[("spark.task.maxFailures", "2")]).await;
    let mut executor = rig.executor(7, 1).await;
    let job = rig.run(result_only(1));
    for _ in 0..2 {
        let attempt = executor.launched(1).await[0];
        let failure = TaskFailure::raised("ValueError: boom");
        executor.failed(attempt, failure).await;
    }
    let error = job.await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Job aborted due to stage failure: Task 0 in stage 0.0 failed 2 times, most recent failure: \
         Lost task 0.1 in stage 0.0 (host-7 executor 7): ValueError: boom"
    );
    let status = rig.status().await;
    assert_eq!(status.jobs[0].state(), pb::JobState::Failed);
    assert_eq!(status.jobs[0].stages[0].state(), pb::StageState::Failed);
    assert_eq!(status.executors[0].failed_tasks, 2);
}

#[tokio::test]
async fn a_late_end_of_an_older_attempt_does_not_count() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let first = executor.launched(1).await[0];
    let raised = TaskFailure::raised("once");
    executor.failed(first, raised).await;
    let second = executor.launched(1).await[0];
    executor.yielded(first, &rows(1)).await;
    executor.yielded(second, &rows(2)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [2]);
}

/// A job whose map stage may take this long.
fn limited(limit: Duration) -> JobPlan {
    let mut plan = map_and_result(2, 1);
    plan.stages[0].time_limit = Some(limit);
    plan
}

#[tokio::test]
async fn a_stage_that_takes_longer_than_it_may_fails_its_job() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 2).await;
    let job = rig.run(limited(Duration::from_millis(1)));
    let launched = executor.launched(2).await;
    let error = job.await.unwrap().unwrap_err();
    assert!(error.message.starts_with("Could not execute broadcast in 0 secs."), "{error}");
    let mut cancelled = executor.cancelled(2).await;
    cancelled.sort();
    assert_eq!(cancelled, launched);
}

#[tokio::test]
async fn the_time_of_a_stage_ends_with_its_last_task() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 2).await;
    let limit = Duration::from_secs(1);
    let job = rig.run(limited(limit));
    for attempt in executor.launched(2).await {
        executor.wrote(attempt, 1).await;
    }
    let attempt = executor.launched(1).await[0];
    tokio::time::sleep(2 * limit).await;
    executor.yielded(attempt, &rows(7)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [7]);
}

#[tokio::test]
async fn a_large_result_comes_in_parts_and_too_large_a_one_fails_its_job() {
    let rig = Rig::start(&[("spark.driver.maxResultSize", "1m")]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let attempt = executor.launched(1).await[0];
    let ipc = rows(9);
    let (first, last) = ipc.split_at(ipc.len() / 2);
    executor.part(attempt, first).await;
    executor.yielded(attempt, last).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [9]);

    let job = rig.run(result_only(1));
    let attempt = executor.launched(1).await[0];
    executor.part(attempt, &vec![0; 1 << 20]).await;
    executor.part(attempt, &[0]).await;
    let error = job.await.unwrap().unwrap_err();
    assert!(error.message.contains("bigger than spark.driver.maxResultSize"), "{error}");
}

#[tokio::test]
async fn a_fetch_failure_runs_the_writer_again_after_its_output_was_discarded() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(map_and_result(1, 1));
    let map = executor.launched(1).await[0];
    executor.wrote(map, 1).await;
    let reader = executor.launched(1).await[0];
    executor.failed(reader, fetch_failed(map)).await;
    let work = executor.work().await;
    let discarded: Vec<_> = work.discards.iter().map(|output| output.attempt).collect();
    assert_eq!(discarded, [Some(map.into())]);
    let again = match Executor::launches(&work).first() {
        Some(attempt) => *attempt,
        None => executor.launched(1).await[0],
    };
    assert_eq!((again.task, again.number), (map.task, map.number + 1));
    executor.wrote(again, 1).await;
    let work = executor.work().await;
    let located = work.outputs[0].outputs[0].output.as_ref().unwrap();
    assert_eq!(located.attempt, Some(again.into()));
    executor.yielded(Executor::launches(&work)[0], &rows(4)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [4]);
}

#[tokio::test]
async fn the_end_cancels_jobs_and_sends_executors_away() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    executor.launched(1).await;
    rig.end(0).await;
    assert!(executor.left().await.contains("the application has ended"));
    let error = job.await.unwrap().unwrap_err();
    assert!(error.message.contains("the application ends"), "{error}");
}

#[tokio::test]
async fn status_names_executors_and_addresses() {
    let rig = Rig::start(&[]).await;
    rig.executor(3, 2).await;
    let status = rig.until(|status| status.executors.iter().any(|one| !one.alive)).await;
    assert_eq!(status.application_id, "app-1");
    assert!(status.connect_url.starts_with("sc://localhost:"));
    assert_eq!(ExecutorId(status.executors[0].executor), ExecutorId(3));
    assert_eq!(status.executors[0].slots, 2);
}

#[tokio::test]
async fn executors_remove_what_is_on_volumes_after_the_end_for_which_it_was_said() {
    for (exit_code, forget) in [(0, true), (1, false)] {
        let rig = Rig::start(&[]).await;
        let mut executor = rig.executor(0, 1).await;
        rig.end(exit_code).await;
        assert_eq!(executor.leave().await.forget, forget, "exit code {exit_code}");
    }
}

#[tokio::test]
async fn the_first_tasks_wait_for_the_executors_that_are_wanted() {
    let ratio = ("spark.scheduler.minRegisteredResourcesRatio", "1.0");
    let rig = Rig::start(&[("spark.master", "local-cluster[2,1,512]"), ratio]).await;
    let mut first = rig.executor(0, 1).await;
    let job = rig.run(result_only(2));
    rig.until(|status| status.jobs.len() == 1).await;
    assert_eq!(rig.status().await.executors[0].running_tasks, 0);
    let mut second = rig.executor(1, 1).await;
    for (value, executor) in [(1, &mut first), (2, &mut second)] {
        let attempt = executor.launched(1).await[0];
        executor.yielded(attempt, &rows(value)).await;
    }
    assert_eq!(values(&job.await.unwrap().unwrap()).len(), 2);
}

#[tokio::test]
async fn the_first_tasks_wait_only_for_a_while() {
    let conf = [
        ("spark.master", "local-cluster[2,1,512]"),
        ("spark.scheduler.minRegisteredResourcesRatio", "1.0"),
        ("spark.scheduler.maxRegisteredResourcesWaitingTime", "300ms"),
    ];
    let rig = Rig::start(&conf).await;
    let mut only = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let attempt = only.launched(1).await[0];
    only.yielded(attempt, &rows(1)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [1]);
}

#[tokio::test]
async fn what_failed_attempts_did_counts_with_what_others_did() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(1));
    let metrics = pb::TaskMetrics { run_nanos: 5, input_rows: 7, ..pb::TaskMetrics::default() };
    let failure = TaskFailure::raised("once").into();
    let first = executor.launched(1).await[0];
    executor.end_with(first, Outcome::Failure(failure), metrics).await;
    let second = executor.launched(1).await[0];
    let place = Some(pb::rows::Place::Inline(rows(1).into()));
    executor.end_with(second, Outcome::Rows(pb::Rows { place }), metrics).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [1]);
    let sums = rig.status().await.jobs[0].stages[0].metrics.unwrap();
    assert_eq!((sums.run_nanos, sums.input_rows), (10, 14));
}

#[tokio::test]
async fn a_task_that_takes_several_cores_takes_as_many_slots() {
    let rig = Rig::start(&[]).await;
    let mut executor = rig.executor(0, 4).await;
    let wide = |cpus| {
        let mut plan = result_only(3);
        plan.stages[0].profile.task_cpus = NonZeroU32::new(cpus);
        plan
    };
    let job = rig.run(wide(2));
    let launched = executor.launched(2).await;
    assert_eq!(rig.status().await.executors[0].running_tasks, 2);
    for attempt in launched {
        executor.yielded(attempt, &rows(1)).await;
    }
    let last = executor.launched(1).await[0];
    executor.yielded(last, &rows(1)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [1, 1, 1]);
    let error = rig.run(wide(5)).await.unwrap().unwrap_err();
    let words =
        "The number of cores per executor (=4) has to be >= the number of cpus per task = 5.";
    assert_eq!(error.to_string(), words);
}
