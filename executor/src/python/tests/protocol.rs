//! What workers do when all goes well.

use super::*;

#[tokio::test]
async fn more_than_the_sockets_hold_goes_through_in_both_directions() {
    let pool = Pool::stand_in();
    let batches: Vec<_> = (0..200).map(|at| numbers(at * 10_000..(at + 1) * 10_000)).collect();
    let ran = pool.run(json!({"do": "echo"}), batches.clone()).await;
    assert_eq!(ran.end.unwrap()["frames"], 202);
    assert_eq!(ran.batches, batches);
    let batches = vec![texts(100_000), texts(0), texts(1)];
    assert_eq!(pool.run(json!({"do": "echo"}), batches.clone()).await.batches, batches);
}

#[tokio::test]
async fn large_batches_go_through_memory_files() {
    let pool = Pool::with(|settings| settings.mapped_from = 100_000);
    let batches = vec![texts(50_000), texts(10), texts(100_000)];
    for mapped in [false, true] {
        let header = json!({"do": "echo", "mapped": mapped});
        let ran = pool.run(header, batches.clone()).await;
        assert_eq!(ran.batches, batches);
        assert_eq!(ran.end.unwrap()["seen"], json!([["M", 0], ["M", 0], ["E", 0]]));
    }
}

#[tokio::test]
async fn a_worker_gets_blobs_groups_and_the_ends_of_all_inputs() {
    let pool = Pool::stand_in();
    let batch = |input, groups| ToWorker::Batch { input, batch: numbers(0..9), groups };
    let input = vec![
        batch(0, Some(vec![0, 4])),
        batch(1, None),
        ToWorker::EndOfGroups,
        ToWorker::End { input: 1 },
        ToWorker::End { input: 1 },
    ];
    let input = futures::stream::iter(input.into_iter().map(Ok)).boxed();
    let schema = numbers(0..0).schema();
    let mut task = task(json!({"do": "echo", "inputs": 2}), Arc::clone(&schema));
    task.inputs.push(schema);
    let ran = collect(pool.workers.run(task, input)).await;
    let end = ran.end.unwrap();
    assert_eq!(end["seen"], json!([["G", 0, 0, 4], ["N", 0], ["E", 1], ["E", 0]]));
    assert_eq!((end["blobs"].as_str(), ran.batches.len()), (Some("one two"), 2));
}

#[tokio::test]
async fn a_worker_runs_one_task_after_another_with_the_same_files() {
    let pool = Pool::stand_in();
    let pid = async |files: &str| {
        let header = json!({"do": "echo", "files": {"path": [files]}});
        pool.run(header, vec![numbers(0..3)]).await.end.unwrap()["pid"].clone()
    };
    let first = pid("a").await;
    assert_eq!(pid("a").await, first);
    assert_ne!(pid("b").await, first);
    assert_eq!(pid("a").await, first);
}

#[tokio::test]
async fn workers_are_not_reused_if_that_is_not_wanted() {
    let pool = Pool::with(|settings| settings.reuse = false);
    let pid =
        async || pool.run(json!({"do": "finish_early"}), vec![]).await.end.unwrap()["pid"].clone();
    let first = pid().await;
    assert_ne!(pid().await, first);
    until("the first worker ends", || !lives(first.as_i64().unwrap())).await;
}

#[tokio::test]
async fn a_worker_that_finishes_early_skips_its_input_and_is_used_again() {
    let pool = Pool::stand_in();
    let batches: Vec<_> = (0..200).map(|at| numbers(at..at + 20_000)).collect();
    let mut known = Vec::new();
    until_reused(&pool, &batches, &mut known).await;
}

/// Runs tasks that finish early until one gets the worker of another.
async fn until_reused(pool: &Pool, batches: &[RecordBatch], known: &mut Vec<Value>) {
    for _ in 0..50 {
        let ran = pool.run(json!({"do": "finish_early"}), batches.to_vec()).await;
        let pid = ran.end.unwrap()["pid"].clone();
        if known.contains(&pid) {
            // It is at the beginning of a task again.
            let ran = pool.run(json!({"do": "echo"}), batches[..2].to_vec()).await;
            assert_eq!(ran.batches, batches[..2]);
            return;
        }
        known.push(pid);
    }
    panic!("no worker was used again");
}

#[tokio::test]
async fn idle_workers_end_and_their_number_is_bounded() {
    let pool = Pool::with(|settings| {
        settings.idle_timeout = Duration::from_millis(100);
        settings.idle_limit = 1;
    });
    let tasks = (0..3).map(|_| pool.run(json!({"do": "finish_early"}), vec![]));
    for ran in futures::future::join_all(tasks).await {
        let pid = ran.end.unwrap()["pid"].as_i64().unwrap();
        until("an idle worker ends", || !lives(pid)).await;
    }
    assert!(pool.run(json!({"do": "echo"}), vec![numbers(0..3)]).await.end.is_ok());
}

#[tokio::test]
async fn workers_that_give_no_sign_are_killed_if_that_is_wanted() {
    let limit = Some(Duration::from_millis(50));
    let pool = Pool::with(|settings| settings.silence = Silence { limit, kill: true });
    let failed = pool.run(json!({"do": "sleep"}), vec![]).await.end.unwrap_err();
    assert!(failed.to_string().contains("it gave no sign for"), "{failed}");
    // Time that passes without input is not the worker's.
    assert!(pool.run(json!({"do": "echo"}), vec![numbers(0..3)]).await.end.is_ok());
    let pool = Pool::with(|settings| settings.silence = Silence { limit, kill: false });
    assert!(pool.run(json!({"do": "echo"}), vec![numbers(0..3)]).await.end.is_ok());
}

#[tokio::test]
async fn requests_are_answered_whatever_they_are() {
    let pool = Pool::stand_in();
    std::fs::write(pool.directory.path().join("abc123"), "blob").unwrap();
    let texts =
        [r#"{"blob": "abc123"}"#, r#"{"blob": "../abc123"}"#, r#"{"who": 1}"#, "nothing", ""];
    let context = json!({"stage": 3, "partition": 5, "attempt": 7});
    let asked = [r#"{"barrier": null}"#, r#"{"gather": "hi"}"#, r#"{"gather": "fail"}"#];
    let task = json!({"do": "ask", "texts": asked, "context": context});
    let answers = pool.run(task, vec![]).await.end.unwrap()["answers"].clone();
    let failed = json!({"error": "stage-3.5#7 failed"});
    assert_eq!(answers, json!([{"texts": []}, {"texts": ["hi"]}, failed]));
    // Without a context nobody knows who asks.
    let task = json!({"do": "ask", "texts": [r#"{"barrier": null}"#]});
    let answers = pool.run(task, vec![]).await.end.unwrap()["answers"].clone();
    assert_eq!(answers, json!([{"error": "no task runs here"}]));
    let ran = pool.run(json!({"do": "ask", "texts": texts}), vec![]).await;
    let answers = ran.end.unwrap()["answers"].clone();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers[0]["path"], json!(pool.directory.path().join("abc123")));
    assert_eq!(answers[1]["error"], "no blob \"../abc123\"");
    for answer in &answers[2..] {
        assert!(answer["error"].as_str().unwrap().starts_with("an unknown request"), "{answer}");
    }
}

#[tokio::test]
async fn a_worker_s_environment_is_that_of_the_settings() {
    let pool = Pool::stand_in();
    let found = pool.run(json!({"do": "environment"}), vec![]).await.end.unwrap();
    assert_eq!(found["environment"]["PYTHONHASHSEED"], "0");
    let directory = pool.directory.path().canonicalize().unwrap();
    assert_eq!(found["directory"], json!(directory));
    let (pid, server) = (found["pid"].as_i64().unwrap(), found["server"].as_i64().unwrap());
    assert!(lives(pid) && lives(server));
    drop(pool);
    until("nothing is left", || !lives(pid) && !lives(server)).await;
}
