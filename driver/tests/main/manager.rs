//! What the driver and its cluster manager tell each other.

use crate::rig::{Executor, Rig, VOLUME, map_and_result, result_only, rows, values};
use driver::WithoutManager;
use proto::pb;
use proto::pb::cluster_client::ClusterClient;
use proto::pb::executor_fact::{Ended, Leaving, Running, State};
use proto::pb::from_executor::Message as Said;
use proto::pb::to_manager::Fact;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const DEADLINE: Duration = Duration::from_secs(20);

/// A cluster manager that says what the test says.
struct Manager {
    to: mpsc::Sender<pb::FromManager>,
    from: Streaming<pb::ToManager>,
    epoch: u64,
}

impl Manager {
    async fn attach(rig: &Rig) -> Self {
        let (to, outgoing) = mpsc::channel(16);
        let mut client = ClusterClient::with_interceptor(rig.channel().await, rig.token().sender());
        let attached = timeout(DEADLINE, client.attach(ReceiverStream::new(outgoing))).await;
        let from = attached.expect("the driver answers").expect("it accepts").into_inner();
        Self { to, from, epoch: rig.epoch }
    }

    async fn say(&self, fact: pb::from_manager::Fact) {
        let said = pb::FromManager { epoch: self.epoch, fact: Some(fact) };
        self.to.send(said).await.expect("the stream is open");
    }

    async fn knows(&self, executors: &[(u64, State)]) {
        let executors = executors
            .iter()
            .map(|(executor, state)| pb::ExecutorFact {
                executor: *executor,
                state: Some(state.clone()),
            })
            .collect();
        self.say(pb::from_manager::Fact::Executors(pb::ExecutorFacts { executors })).await;
    }

    /// The next fact that is one of those sought.
    async fn told<T>(&mut self, mut sought: impl FnMut(Fact) -> Option<T>) -> T {
        let found = timeout(DEADLINE, async {
            loop {
                let told = self.from.next().await.expect("more comes").expect("the stream holds");
                if let Some(found) = told.fact.and_then(&mut sought) {
                    return found;
                }
            }
        });
        found.await.expect("the driver says it")
    }

    async fn wish(&mut self) -> pb::Wish {
        self.told(|fact| match fact {
            Fact::Wish(wish) => Some(wish),
            _ => None,
        })
        .await
    }
}

fn ended(app_caused: bool) -> State {
    let (reason, message) = ("Error".to_owned(), "the last line of its log".to_owned());
    State::Ended(Ended { exit_code: Some(3), reason, message, app_caused, lost_volumes: vec![] })
}

#[tokio::test]
async fn the_wish_comes_first_and_names_executors_whose_end_was_seen() {
    let rig = Rig::start(&[("spark.master", "local-cluster[2,3,512]")]).await;
    let mut manager = Manager::attach(&rig).await;
    let wish = manager.wish().await;
    assert_eq!((wish.executors, wish.cores, wish.memory_bytes), (2, 3, 512 << 20));
    assert!(wish.release.is_empty());
    manager.knows(&[(0, ended(true)), (1, State::Running(Running {}))]).await;
    assert_eq!(manager.wish().await.release, [0]);

    let mut second = Manager::attach(&rig).await;
    assert_eq!(second.wish().await.release, [0], "all that counts is told again");
}

#[tokio::test]
async fn a_crash_that_the_manager_explains_counts_against_the_task() {
    let rig = Rig::start(&[("spark.task.maxFailures", "2")]).await;
    let manager = Manager::attach(&rig).await;
    let job = rig.run(result_only(1));
    for id in 0..2 {
        let mut executor = rig.executor(id, 1).await;
        executor.launched(1).await;
        drop(executor);
        manager.knows(&[(id, ended(true))]).await;
    }
    let error = job.await.unwrap().unwrap_err();
    assert!(error.message.contains("Task 0 in stage 0.0 failed 2 times"), "{error}");
    assert!(error.message.contains("Error, exit code 3: the last line of its log"), "{error}");
}

#[tokio::test]
async fn a_loss_that_the_program_did_not_cause_does_not_count() {
    let rig = Rig::start(&[("spark.task.maxFailures", "1")]).await;
    let manager = Manager::attach(&rig).await;
    let job = rig.run(result_only(1));
    let mut first = rig.executor(0, 1).await;
    first.launched(1).await;
    manager.knows(&[(0, ended(false))]).await;
    drop(first);
    let mut second = rig.executor(1, 1).await;
    let attempt = second.launched(1).await[0];
    second.yielded(attempt, &rows(1)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [1]);
}

#[tokio::test]
async fn progress_reaches_the_manager_and_so_does_the_end() {
    let rig = Rig::start(&[]).await;
    let mut manager = Manager::attach(&rig).await;
    let mut executor = rig.executor(0, 1).await;
    let job = rig.run(result_only(2));
    for attempt in [executor.launched(1).await[0], {
        let first = pb::Attempt { stage: 0, partition: 0, number: 0 };
        executor.yielded(first.into(), &rows(1)).await;
        executor.launched(1).await[0]
    }]
    .into_iter()
    .skip(1)
    {
        executor.yielded(attempt, &rows(2)).await;
    }
    job.await.unwrap().unwrap();
    let last = manager
        .told(|fact| match fact {
            Fact::Status(status) => {
                status.jobs.into_iter().find(|job| job.state() == pb::JobState::Succeeded)
            }
            _ => None,
        })
        .await;
    assert_eq!((last.stages[0].tasks, last.stages[0].done, last.stages[0].running), (2, 2, 0));
    rig.end(5).await;
    let code = manager
        .told(|fact| match fact {
            Fact::Ended(ended) => Some(ended.exit_code),
            _ => None,
        })
        .await;
    assert_eq!(code, 5);
}

#[tokio::test]
async fn the_driver_wants_to_end_when_it_is_told_to() {
    let rig = Rig::start(&[]).await;
    let manager = Manager::attach(&rig).await;
    manager.say(pb::from_manager::Fact::Stop(pb::Stop { reason: "killed".into() })).await;
    let reason = timeout(DEADLINE, rig.driver.stopped()).await.expect("it is told");
    assert_eq!(reason, "killed");
}

#[tokio::test]
async fn a_driver_without_its_manager_wants_to_end() {
    let rig = Rig::start_with(&[], |settings| {
        settings.without_manager = WithoutManager::EndAfterMs(300);
    })
    .await;
    let mut manager = Manager::attach(&rig).await;
    manager.wish().await;
    drop(manager);
    let reason = timeout(DEADLINE, rig.driver.stopped()).await.expect("it notices");
    assert_eq!(reason, "the cluster manager is gone");
}

#[tokio::test]
async fn a_message_for_another_incarnation_is_not_heard() {
    let rig = Rig::start(&[]).await;
    let mut manager = Manager::attach(&rig).await;
    manager.wish().await;
    manager.epoch -= 1;
    manager.say(pb::from_manager::Fact::Stop(pb::Stop { reason: "killed".into() })).await;
    manager.epoch += 1;
    // Its stream is over; the next one is heard.
    let end = timeout(DEADLINE, async {
        while manager.from.next().await.is_some_and(|told| told.is_ok()) {}
    });
    end.await.expect("the stream ends");
    let manager = Manager::attach(&rig).await;
    manager.say(pb::from_manager::Fact::Stop(pb::Stop { reason: "now".into() })).await;
    let reason = timeout(DEADLINE, rig.driver.stopped()).await.expect("it is told");
    assert_eq!(reason, "now");
}

#[tokio::test]
async fn what_was_on_a_volume_that_went_with_its_executor_is_lost_at_once() {
    let rig = Rig::start(&[]).await;
    let mut manager = Manager::attach(&rig).await;
    let mut first = rig.executor(0, 2).await;
    let job = rig.run(map_and_result(2, 1));
    let maps = first.launched(2).await;
    first.wrote(maps[0], 1).await;
    first.wrote(maps[1], 1).await;
    first.launched(1).await;
    drop(first);
    let State::Ended(ended) = ended(false) else { unreachable!("it is an end") };
    let ended = State::Ended(Ended { lost_volumes: vec![VOLUME.to_owned()], ..ended });
    manager.knows(&[(0, ended.clone())]).await;
    while manager.wish().await.release != [0] {}
    let mut second = rig.executor(1, 2).await;
    let again = second.launched(2).await;
    assert_eq!(again.iter().map(|a| a.task).collect::<Vec<_>>(), [maps[0].task, maps[1].task]);
    second.wrote(again[0], 1).await;
    // Told again it is no news, and what was written since stays.
    manager.knows(&[(0, ended)]).await;
    while manager.wish().await.release != [0] {}
    second.wrote(again[1], 1).await;
    let work = second.work().await;
    second.yielded(Executor::launches(&work)[0], &rows(4)).await;
    assert_eq!(values(&job.await.unwrap().unwrap()), [4]);
}

#[tokio::test]
async fn an_executor_that_will_leave_gets_no_new_tasks() {
    let rig = Rig::start(&[]).await;
    let mut manager = Manager::attach(&rig).await;
    let mut leaving = rig.executor(0, 1).await;
    let job = rig.run(result_only(3));
    let first = leaving.launched(1).await[0];
    let state = Leaving { reason: "decommissioned".to_owned(), grace_ms: 1000 };
    let also = State::Leaving(state.clone());
    // The end of another one shows when the driver has taken the facts in.
    manager.knows(&[(0, State::Leaving(state)), (1, also), (7, ended(false))]).await;
    while manager.wish().await.release != [7] {}
    // What it runs may finish; one that was told to leave before it came gets nothing either.
    leaving.yielded(first, &rows(1)).await;
    let mut late = rig.executor(1, 1).await;
    let mut staying = rig.executor(2, 1).await;
    for value in 2..4 {
        let attempt = staying.launched(1).await[0];
        staying.yielded(attempt, &rows(value)).await;
    }
    assert_eq!(values(&job.await.unwrap().unwrap()), [1, 2, 3]);
    rig.end(0).await;
    // All that they hear after that is the end.
    assert!(leaving.left_without_work().await && late.left_without_work().await);
}

#[tokio::test]
async fn an_executor_that_is_told_to_end_is_let_go_when_it_is_idle() {
    let rig = Rig::start(&[]).await;
    let mut ending = rig.executor(0, 2).await;
    let job = rig.run(result_only(4));
    let first = ending.launched(2).await;
    let reason = "it was told to end".to_owned();
    ending.say(Said::Decommission(pb::Decommission { reason })).await;
    ending.yielded(first[0], &rows(1)).await;
    // What it still runs is awaited; what is left goes elsewhere.
    let mut staying = rig.executor(1, 1).await;
    for value in 3..5 {
        let attempt = staying.launched(1).await[0];
        staying.yielded(attempt, &rows(value)).await;
    }
    ending.yielded(first[1], &rows(2)).await;
    assert!(ending.left_without_work().await);
    assert_eq!(values(&job.await.unwrap().unwrap()), [1, 2, 3, 4]);
    // One that runs nothing is let go at once.
    let mut idle = rig.executor(2, 1).await;
    idle.say(Said::Decommission(pb::Decommission { reason: String::new() })).await;
    assert!(idle.left_without_work().await);
}

#[tokio::test]
async fn the_driver_wants_executors_within_the_bounds_that_the_manager_tells() {
    let rig = Rig::start(&[
        ("spark.master", "k8s"),
        ("spark.dynamicAllocation.enabled", "true"),
        ("spark.dynamicAllocation.minExecutors", "1"),
    ])
    .await;
    let mut manager = Manager::attach(&rig).await;
    assert_eq!(manager.wish().await.executors, 1);
    let bounds = |min, max| pb::from_manager::Fact::Bounds(pb::Bounds { min, max });
    manager.say(bounds(3, 5)).await;
    assert_eq!(manager.wish().await.executors, 3);
    manager.say(bounds(0, 2)).await;
    assert_eq!(manager.wish().await.executors, 2);
}
