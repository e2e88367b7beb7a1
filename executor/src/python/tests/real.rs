//! The real workers, with the Python that `FIRESTEEL_PYTHON` names.

use super::*;
use std::process::Command;

/// A pool of real workers, and their interpreter; none without `FIRESTEEL_PYTHON`.
fn real() -> Option<(Pool, PathBuf)> {
    let Some(python) = std::env::var_os("FIRESTEEL_PYTHON").map(PathBuf::from) else {
        eprintln!("skipped: FIRESTEEL_PYTHON names no Python with PySpark");
        return None;
    };
    let pool = Pool::with(|settings| {
        settings.environment.python.clone_from(&python);
        // Many interpreters start at once here, and import much.
        settings.patience = Duration::from_mins(10);
        settings.environment.python_path =
            vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../python")];
    });
    Some((pool, python))
}

/// The function `f` of a text, pickled as clients do it.
fn pickled(python: &Path, text: &str) -> Bytes {
    let script = format!(
        "import sys\nfrom pyspark import cloudpickle\n{text}\n\
         sys.stdout.buffer.write(cloudpickle.dumps((f, None)))"
    );
    let out = Command::new(python).args(["-c", &script]).output().expect("a Python");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout.into()
}

/// A task that maps batches of one column of numbers.
fn map(command: &Bytes) -> PythonTask {
    let numbers_only = json!({"type": "struct", "fields": [
        {"name": "n", "type": "long", "nullable": true, "metadata": {}},
    ]});
    let header = json!({
        "kind": "map",
        "functions": [{"name": "f", "evalType": 207, "command": 0, "arguments": []}],
        "blobs": [command.len()],
        "inputs": [numbers_only],
        "output": numbers_only,
        "arguments": [[0]],
        "settings": {},
    });
    let inputs = vec![numbers(0..0).schema()];
    PythonTask { header: header.to_string().into(), blobs: vec![command.clone()], inputs }
}

async fn run(pool: &Pool, command: &Bytes, batches: Vec<RecordBatch>) -> Ran {
    let input = futures::stream::iter(batches.into_iter().map(|batch| Ok(batch_of(batch))));
    collect(pool.workers.run(map(command), input.boxed())).await
}

const ECHO: &str = "def f(batches):\n    yield from batches";

#[tokio::test]
async fn batches_of_all_sizes_come_back() {
    let Some((pool, python)) = real() else { return };
    let echo = pickled(&python, ECHO);
    let batches = vec![numbers(0..1), numbers(0..0), numbers(0..1_000_000), numbers(5..10_000)];
    for _ in 0..3 {
        assert_eq!(run(&pool, &echo, batches.clone()).await.batches, batches);
    }
    let rows = 10_000;
    let batches: Vec<_> = (0..1000).map(|at| numbers(at * rows..(at + 1) * rows)).collect();
    let start = Instant::now();
    let ran = run(&pool, &echo, batches.clone()).await;
    let seconds = start.elapsed().as_secs_f64();
    println!("10 million numbers in batches of {rows}: {seconds:.2} s");
    assert_eq!(ran.batches, batches);
}

#[tokio::test]
async fn what_a_function_does_wrong_is_told() {
    let Some((pool, python)) = real() else { return };
    let cases = [
        (
            "def f(batches):\n    raise ValueError('bad number')\n    yield",
            &["An exception was thrown from the Python worker", "ValueError: bad number"][..],
        ),
        (
            "def f(batches):\n    import os\n    print('bye')\n    os._exit(3)\n    yield",
            &["(crashed): exit code 3\nbye"],
        ),
        (
            "def f(batches):\n    import ctypes\n    yield ctypes.string_at(0)",
            &["signal 11 (SIGSEGV)", "Fatal Python error: Segmentation fault", "string_at"],
        ),
    ];
    for (text, words) in cases {
        let ran = run(&pool, &pickled(&python, text), vec![numbers(0..10)]).await;
        let told = ran.end.unwrap_err().to_string();
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
}

#[tokio::test]
async fn a_function_that_stops_early_leaves_a_worker_that_can_be_used() {
    let Some((pool, python)) = real() else { return };
    let first = pickled(&python, "def f(batches):\n    yield next(batches)");
    let batches: Vec<_> = (0..100).map(|at| numbers(at..at + 50_000)).collect();
    for _ in 0..5 {
        assert_eq!(run(&pool, &first, batches.clone()).await.batches, batches[..1]);
    }
}

#[tokio::test]
async fn a_dropped_task_leaves_no_process() {
    let Some((pool, python)) = real() else { return };
    let text = "def f(batches):\n    import os, subprocess, time\n    \
                child = subprocess.Popen(['sleep', '3600']).pid\n    \
                open('new', 'w').write(f'{os.getpid()} {child}')\n    \
                os.rename('new', 'family')\n    time.sleep(3600)\n    yield";
    let input = futures::stream::iter([Ok(batch_of(numbers(0..10)))]).boxed();
    let mut output = pool.workers.run(map(&pickled(&python, text)), input);
    let family = tokio::select! {
        _ = output.next() => panic!("it never ends"),
        family = pids(pool.directory.path().join("family")) => family,
    };
    drop(output);
    until("worker and child are killed", || family.iter().all(|pid| !lives(*pid))).await;
}

#[tokio::test]
async fn much_output_blocks_no_function() {
    let Some((pool, python)) = real() else { return };
    let text = "def f(batches):\n    import sys\n    for _ in range(1000):\n        \
                sys.stderr.write(('x' * 99 + '\\n') * 1000)\n    yield from batches";
    let ran = run(&pool, &pickled(&python, text), vec![numbers(0..10)]).await;
    assert_eq!(ran.batches, [numbers(0..10)]);
}
