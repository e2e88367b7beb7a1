//! Workers as real processes: a stand-in that does what a test asks for, and the real ones.

mod protocol;
mod real;
mod trouble;

use super::*;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a condition may take to come true on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// A pool, and the directory in which its functions run.
struct Pool {
    workers: Workers,
    directory: tempfile::TempDir,
}

/// Barriers of stages with one task.
#[derive(Debug)]
struct Alone;

#[async_trait::async_trait]
impl Barriers for Alone {
    async fn gather(
        &self,
        attempt: Attempt,
        message: Option<String>,
    ) -> Result<Vec<String>, String> {
        match message.as_deref() {
            Some("fail") => Err(format!("{attempt} failed")),
            other => Ok(other.map(str::to_owned).into_iter().collect()),
        }
    }
}

/// What became of a task.
#[derive(Debug)]
struct Ran {
    batches: Vec<RecordBatch>,
    end: Result<Value, TaskFailure>,
}

impl Pool {
    /// Workers of the stand-in.
    fn stand_in() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut PoolSettings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment {
            python: "python3".into(),
            python_path: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/python/tests")],
            directory: directory.path().to_owned(),
        };
        let mut settings = PoolSettings::new(environment, 2);
        change(&mut settings);
        let blobs = BlobDirectory(directory.path().to_owned());
        let workers = Workers::new(settings, Arc::new(blobs), Arc::new(Alone)).unwrap();
        Self { workers, directory }
    }

    fn start(&self, header: Value, batches: Vec<RecordBatch>) -> Output {
        let input = batches.clone().into_iter().map(|batch| Ok(batch_of(batch)));
        self.start_with(header, batches.first(), futures::stream::iter(input).boxed())
    }

    fn start_with(&self, header: Value, like: Option<&RecordBatch>, input: Input) -> Output {
        let schema = like.map_or_else(|| numbers(0..0).schema(), RecordBatch::schema);
        self.workers.run(task(header, schema), input)
    }

    async fn run(&self, header: Value, batches: Vec<RecordBatch>) -> Ran {
        collect(self.start(header, batches)).await
    }

    async fn failure(&self, header: Value) -> String {
        let ran = self.run(header, vec![numbers(0..10)]).await;
        ran.end.unwrap_err().to_string()
    }
}

type Input = BoxStream<'static, Result<ToWorker, TaskFailure>>;
type Output = BoxStream<'static, Result<FromWorker, TaskFailure>>;

fn task(header: Value, schema: SchemaRef) -> PythonTask {
    let blobs = vec!["one ".into(), Bytes::new(), "two".into()];
    PythonTask { header: header.to_string().into(), blobs, inputs: vec![schema] }
}

fn batch_of(batch: RecordBatch) -> ToWorker {
    ToWorker::Batch { input: 0, batch, groups: None }
}

async fn collect(mut output: Output) -> Ran {
    let mut batches = Vec::new();
    loop {
        match output.next().await.expect("an end") {
            Ok(FromWorker::Batch(batch)) => batches.push(batch),
            Ok(FromWorker::Finished { accumulators }) => {
                assert!(output.next().await.is_none());
                let found = accumulators.first().map_or(Value::Null, |(id, found)| {
                    assert_eq!(*id, 7);
                    serde_json::from_slice(found).unwrap()
                });
                return Ran { batches, end: Ok(found) };
            }
            Err(failure) => return Ran { batches, end: Err(failure) },
        }
    }
}

fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

fn texts(rows: usize) -> RecordBatch {
    let texts = (0..rows).map(|row| (row % 7 > 0).then(|| "é".repeat(row % 90)));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows).unwrap()));
    RecordBatch::try_from_iter_with_nullable([("t", texts, true), ("n", numbers, true)]).unwrap()
}

/// Waits until a condition holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs: one that has ended may be there until its parent asks.
fn lives(pid: i64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

/// The numbers in a file that a worker writes.
async fn pids(file: PathBuf) -> Vec<i64> {
    until("the worker has written its file", || file.exists()).await;
    let text = std::fs::read_to_string(file).unwrap();
    text.split(' ').map(|pid| pid.parse().unwrap()).collect()
}
