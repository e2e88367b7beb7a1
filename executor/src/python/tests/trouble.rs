//! What happens when functions crash, hang, and send what they should not.

use super::*;
use futures::FutureExt;

#[tokio::test]
async fn a_crash_is_reported_with_its_reason_and_what_was_printed_last() {
    let pool = Pool::stand_in();
    let cases = [
        (json!({"do": "exit", "code": 3, "text": "bye\n"}), "exit code 3\nbye"),
        (json!({"do": "exit", "code": 0}), "exit code 0"),
        (
            json!({"do": "kill", "signal": 11}),
            "signal 11 (SIGSEGV)\nFatal Python error: Segmentation fault",
        ),
        (
            json!({"do": "kill", "signal": 9}),
            "signal 9 (SIGKILL), perhaps for lack of memory\nFatal Python error: Segmentation fault",
        ),
    ];
    for (header, how) in cases {
        let expected = format!("Python worker exited unexpectedly (crashed): {how}");
        assert_eq!(pool.failure(header).await, expected);
    }
    assert!(pool.run(json!({"do": "echo"}), vec![numbers(0..3)]).await.end.is_ok());
}

#[tokio::test]
async fn much_output_blocks_nothing_and_only_its_end_is_kept() {
    let pool = Pool::stand_in();
    let batches = vec![numbers(0..3)];
    let ran = pool.run(json!({"do": "print", "bytes": 100_000_000}), batches.clone()).await;
    assert_eq!(ran.batches, batches);
    let text = pool.failure(json!({"do": "print", "bytes": 100_000_000, "code": 1})).await;
    assert!(text.ends_with("xx\nthe last line"), "{}", &text[text.len() - 100..]);
    assert!((8_000..9_000).contains(&text.len()), "{}", text.len());
}

#[tokio::test]
async fn what_is_no_answer_fails_the_task() {
    let pool = Pool::with(|settings| settings.frame_limit = 1 << 20);
    let frame = |kind: u8, extra: u32, length: u64, payload: &[u8]| {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(extra.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(payload);
        bytes
    };
    let cases = [
        (frame(b'?', 0, 0, b""), "no header"),
        (frame(b'B', 0, 1 << 60, b""), "more than 1048576"),
        (frame(b'S', 0, u64::MAX, b""), "more than 1048576"),
        (frame(b'S', 0, 0, b""), "no Arrow message"),
        (frame(b'S', 0, 16, b"garbage garbage!"), "no Arrow message"),
        (
            frame(b'S', 0, 16, b"\xff\xff\xff\xff\x08\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08"),
            "an invalid schema",
        ),
        (frame(b'S', 0, 16, b"\xff\xff\xff\xff\xff\xff\xff\x7f12345678"), "no Arrow message"),
        (frame(b'M', 0, 16, b""), "an unexpected frame Mapped"),
        (frame(b'T', 0, 0, b""), "an unexpected frame Task"),
        (frame(b'F', 9, 2, b"{}"), "an end longer than itself"),
        (frame(b'F', 2, 2, b"[["), "an invalid end"),
        (frame(b'X', 0, 2, b"no"), "an invalid failure"),
    ];
    for (bytes, problem) in cases {
        let text = pool.failure(json!({"do": "send", "bytes": bytes})).await;
        assert!(text.starts_with("Python worker sent what no worker sends"), "{text}");
        assert!(text.contains(problem), "{problem}: {text}");
    }
}

#[tokio::test]
async fn what_a_function_raises_is_a_python_exception() {
    let pool = Pool::stand_in();
    let raised = async |failure: Value| {
        let ran = pool.run(json!({"do": "raise", "failure": failure}), vec![numbers(0..3)]).await;
        let TaskFailure::Raised(raised) = ran.end.unwrap_err() else { panic!("another failure") };
        assert_eq!(raised.exception.as_deref(), Some("Python"));
        raised
    };
    let traceback = "Traceback (most recent call last):\nValueError: bad\n";
    let error =
        raised(json!({"type": "ValueError", "message": "bad", "traceback": traceback})).await;
    assert_eq!(error.class.as_deref(), Some("PYTHON_EXCEPTION"));
    assert_eq!(
        error.message,
        format!("An exception was thrown from the Python worker:\n{traceback}")
    );
    assert_eq!(error.parameters[1], ("traceback".to_owned(), traceback.to_owned()));
    let error = raised(json!({
        "type": "PySparkRuntimeError", "message": "m", "traceback": "",
        "condition": "UDTF_EXEC_ERROR", "parameters": {"a": "1"},
    }));
    let error = error.await;
    assert_eq!(error.class.as_deref(), Some("UDTF_EXEC_ERROR"));
    assert_eq!(error.parameters, [("a".to_owned(), "1".to_owned())]);
    assert!(error.message.ends_with("PySparkRuntimeError: m\n"), "{}", error.message);
}

#[tokio::test]
async fn dropping_the_output_kills_the_worker_and_its_children() {
    let pool = Pool::stand_in();
    let mut output = pool.start(json!({"do": "family"}), vec![numbers(0..3)]);
    let file = pool.directory.path().join("family");
    let family = tokio::select! {
        _ = output.next() => panic!("it never ends"),
        family = pids(file) => family,
    };
    assert!(family.iter().all(|pid| lives(*pid)));
    drop(output);
    until("worker and child are killed", || !lives(family[0]) && !lives(family[1])).await;
    assert!(lives(family[2]), "the server goes on");
}

#[tokio::test]
async fn children_end_with_a_worker_that_ends_by_itself() {
    let pool = Pool::stand_in();
    let text = pool.failure(json!({"do": "family", "code": 4})).await;
    assert!(text.ends_with("exit code 4"), "{text}");
    let family = pids(pool.directory.path().join("family")).await;
    until("the child is killed", || !lives(family[1])).await;
}

#[tokio::test]
async fn a_server_that_is_killed_takes_its_workers_along_and_is_started_again() {
    let pool = Pool::stand_in();
    let output = collect(pool.start(json!({"do": "family"}), vec![]));
    let file = pool.directory.path().join("family");
    let (ran, family) = futures::join!(output, async {
        let family = pids(file).await;
        let server = rustix::process::Pid::from_raw(family[2].try_into().unwrap()).unwrap();
        rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
        family
    });
    let text = ran.end.unwrap_err().to_string();
    assert!(text.ends_with("the process that started it is gone"), "{text}");
    until("nothing is left", || family.iter().all(|pid| !lives(*pid))).await;
    assert!(pool.run(json!({"do": "echo"}), vec![numbers(0..3)]).await.end.is_ok());
}

#[tokio::test]
async fn a_failure_of_the_input_is_passed_on_unchanged() {
    let pool = Pool::stand_in();
    let failed = TaskFailure::Killed { reason: "told to".to_owned() };
    let input = vec![Ok(batch_of(numbers(0..3))), Err(failed.clone())];
    let input = futures::stream::iter(input).boxed();
    let ran = collect(pool.start_with(json!({"do": "echo"}), None, input)).await;
    assert_eq!(ran.end.unwrap_err(), failed);
}

#[tokio::test]
async fn input_is_polled_only_while_the_worker_takes_it() {
    let pool = Pool::stand_in();
    let polled = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&polled);
    let input = futures::stream::iter(0..10_000).map(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(batch_of(numbers(0..10_000)))
    });
    let mut output = pool.start_with(json!({"do": "family"}), None, input.boxed());
    tokio::select! {
        _ = output.next() => panic!("it never ends"),
        _ = pids(pool.directory.path().join("family")) => {}
    }
    assert!(output.next().now_or_never().is_none());
    let polled = polled.load(std::sync::atomic::Ordering::Relaxed);
    assert!((1..100).contains(&polled), "{polled}");
}

#[tokio::test]
async fn an_interpreter_that_cannot_be_used_is_named() {
    let check = async |python: &str, path: Vec<PathBuf>, words: &[&str]| {
        let pool = Pool::with(|settings| {
            settings.environment.python = python.into();
            settings.environment.python_path = path;
        });
        let text = pool.failure(json!({"do": "echo"})).await;
        let start = format!("Cannot run Python workers with \"{python}\": ");
        assert!(text.starts_with(&start), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    check("/no/such/python", vec![], &["No such file"]).await;
    check("/bin/false", vec![], &["it ended with exit code 1"]).await;
    check("python3", vec![], &["it ended with exit code 1", "No module named"]).await;
}

#[tokio::test]
async fn an_interpreter_that_does_not_answer_is_given_up() {
    let pool = Pool::with(|settings| {
        let hangs = settings.environment.directory.join("firesteel");
        std::fs::create_dir(&hangs).unwrap();
        std::fs::write(hangs.join("worker.py"), "import time\ntime.sleep(3600)\n").unwrap();
        settings.environment.python_path = vec![settings.environment.directory.clone()];
        settings.patience = Duration::from_millis(50);
    });
    let text = pool.failure(json!({"do": "echo"})).await;
    assert!(text.ends_with("\"python3\": it did not answer within 50ms"), "{text}");
}
