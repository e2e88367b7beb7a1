//! The world around the driver under test: executors that do what the test says, and jobs made of
//! nothing.

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use driver::{Driver, Ending, Forget, Settings};
use engine::{JobPlan, StageOutput, StagePlan};
use model::{
    ApplicationId, Attempt, BlockProblem, Epoch, Fingerprint, MapOutput, MapOutputId,
    ResourceProfile, ShuffleId, StageId, TaskFailure, TaskId, Unreadable, VolumeId,
};
use plan::SparkError;
use proto::pb::cluster_client::ClusterClient;
use proto::pb::executors_client::ExecutorsClient;
use proto::pb::from_executor::Message as Said;
use proto::pb::task_end::Outcome;
use proto::pb::to_executor::Message as Told;
use proto::{Credentials, Identity, Token, VERSION, pb};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

const DEADLINE: Duration = Duration::from_secs(20);
const EPOCH: u64 = 3;
pub(crate) const VOLUME: &str = "v";

/// A driver, and who talks to it.
pub(crate) struct Rig {
    pub(crate) driver: Arc<Driver>,
    pub(crate) epoch: u64,
    credentials: Credentials,
}

impl Rig {
    pub(crate) async fn start(conf: &[(&str, &str)]) -> Self {
        Self::start_with(conf, |_| ()).await
    }

    pub(crate) async fn start_with(
        conf: &[(&str, &str)],
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = Settings::new(ApplicationId("app-1".into()), "test", "s3cret");
        settings.epoch = Epoch(EPOCH);
        settings.conf = conf.iter().copied().collect();
        if settings.conf.given("spark.master").is_none() {
            settings.conf.set("spark.master", "local-cluster[1,4,1024]");
        }
        change(&mut settings);
        let driver = Arc::new(Driver::start(&settings).await.expect("the driver starts"));
        let credentials = Credentials::read(&settings.token, settings.identity.as_deref());
        Self { driver, epoch: EPOCH, credentials: credentials.expect("credentials") }
    }

    /// The same driver, met with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        let token = Token::new(token).expect("a token");
        let credentials = Credentials { token, ..self.credentials.clone() };
        Self { driver: Arc::clone(&self.driver), epoch: self.epoch, credentials }
    }

    /// The same driver, met with another TLS identity, or with none.
    pub(crate) fn with_identity(&self, identity: Option<Identity>) -> Self {
        let credentials = Credentials { identity, ..self.credentials.clone() };
        Self { driver: Arc::clone(&self.driver), epoch: self.epoch, credentials }
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.try_channel().await.expect("the driver listens")
    }

    pub(crate) async fn try_channel(&self) -> Result<Channel, tonic::transport::Error> {
        let endpoint = self.credentials.endpoint(&self.driver.addresses().cluster)?;
        endpoint.connect().await
    }

    /// Whether the driver answers.
    pub(crate) async fn is_heard(&self) -> bool {
        let Ok(channel) = self.try_channel().await else { return false };
        let mut client = ClusterClient::with_interceptor(channel, self.token().sender());
        timeout(DEADLINE, client.status(pb::StatusRequest {})).await.expect("an answer").is_ok()
    }

    pub(crate) fn token(&self) -> &Token {
        &self.credentials.token
    }

    pub(crate) fn register(&self, executor: u64, slots: u32) -> pb::FromExecutor {
        let register = pb::Register {
            profile: 0,
            executor,
            host: format!("host-{executor}"),
            slots,
            block_address: format!("127.0.0.1:{}", 10_000 + executor),
            version: VERSION.to_owned(),
            volumes: vec![pb::Inventory { volume: VOLUME.to_owned(), outputs: Vec::new() }],
            process_id: 0,
            private: Vec::new(),
        };
        pb::FromExecutor { epoch: self.epoch, message: Some(Said::Register(register)) }
    }

    pub(crate) async fn try_executor(
        &self,
        register: pb::FromExecutor,
    ) -> Result<Executor, Status> {
        let (to, outgoing) = mpsc::channel(1024);
        to.send(register).await.expect("there is room");
        let mut client =
            ExecutorsClient::with_interceptor(self.channel().await, self.token().sender());
        let attached = timeout(DEADLINE, client.attach(ReceiverStream::new(outgoing))).await;
        let from = attached.expect("the driver answers")?.into_inner();
        Ok(Executor { to, from, epoch: self.epoch })
    }

    pub(crate) async fn executor(&self, id: u64, slots: u32) -> Executor {
        self.executor_with(id, slots, Vec::new()).await
    }

    /// An executor whose volume holds map outputs already.
    pub(crate) async fn executor_with(
        &self,
        id: u64,
        slots: u32,
        outputs: Vec<MapOutput>,
    ) -> Executor {
        let mut register = self.register(id, slots);
        if let Some(Said::Register(register)) = &mut register.message {
            register.volumes = vec![(VolumeId(VOLUME.into()), outputs).into()];
        }
        let mut executor = self.try_executor(register).await.expect("the executor is accepted");
        assert!(matches!(executor.told().await, Some(Told::Welcome(_))));
        executor
    }

    pub(crate) fn run(
        &self,
        plan: JobPlan,
    ) -> JoinHandle<Result<Vec<Vec<RecordBatch>>, SparkError>> {
        let runner = self.driver.runner("a job");
        tokio::spawn(
            async move { timeout(DEADLINE, runner.run(plan)).await.expect("the job ends") },
        )
    }

    pub(crate) async fn status(&self) -> pb::ApplicationStatus {
        let mut client =
            ClusterClient::with_interceptor(self.channel().await, self.token().sender());
        client.status(pb::StatusRequest {}).await.expect("the driver answers").into_inner()
    }

    /// The first status of which that holds.
    pub(crate) async fn until(
        &self,
        holds: impl Fn(&pb::ApplicationStatus) -> bool,
    ) -> pb::ApplicationStatus {
        let found = timeout(DEADLINE, async {
            loop {
                let status = self.status().await;
                if holds(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        });
        found.await.expect("the status comes")
    }

    pub(crate) async fn end(self, exit_code: i32) {
        let driver = Arc::into_inner(self.driver).expect("nobody else has the driver");
        driver.end(Ending::of_itself(exit_code, Forget::AfterSuccess)).await;
    }

    /// A map output of `map_and_result` that an earlier incarnation wrote.
    pub(crate) fn found_output(&self, map: u32, readers: usize) -> MapOutput {
        let task = TaskId { stage: StageId(0), partition: map };
        MapOutput { epoch: Epoch(self.epoch - 1), ..output(Attempt { task, number: 0 }, readers) }
    }
}

/// A reader met a damaged block of that attempt.
pub(crate) fn fetch_failed(writer: Attempt) -> TaskFailure {
    TaskFailure::FetchFailed {
        unreadable: vec![Unreadable::new(&output(writer, 1), BlockProblem::Damaged)],
        message: "checksum".into(),
    }
}

/// An executor that does what the test says.
#[derive(Debug)]
pub(crate) struct Executor {
    to: mpsc::Sender<pb::FromExecutor>,
    from: Streaming<pb::ToExecutor>,
    pub(crate) epoch: u64,
}

impl Executor {
    async fn told(&mut self) -> Option<Told> {
        let next = timeout(DEADLINE, self.from.next()).await.expect("the driver says something");
        next?.ok()?.message
    }

    pub(crate) async fn work(&mut self) -> pb::Work {
        match self.told().await {
            Some(Told::Work(work)) => work,
            other => panic!("work was expected, not {other:?}"),
        }
    }

    pub(crate) fn launches(work: &pb::Work) -> Vec<Attempt> {
        let attempt = |stage, task: &pb::launch::Task| {
            pb::Attempt { stage, partition: task.partition, number: task.number }.into()
        };
        let launches = work.launches.iter();
        launches.flat_map(|l| l.tasks.iter().map(move |task| attempt(l.stage, task))).collect()
    }

    /// The next launches, so many.
    pub(crate) async fn launched(&mut self, count: usize) -> Vec<Attempt> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(Self::launches(&self.work().await));
        }
        assert_eq!(all.len(), count);
        all
    }

    /// The next cancels, so many.
    pub(crate) async fn cancelled(&mut self, count: usize) -> Vec<Attempt> {
        let mut all = Vec::new();
        while all.len() < count {
            let cancels = self.work().await.cancels.into_iter();
            all.extend(cancels.map(|cancel| Attempt::from(cancel.attempt.expect("an attempt"))));
        }
        all
    }

    /// Why it was sent away.
    pub(crate) async fn left(&mut self) -> String {
        self.leave().await.reason
    }

    /// What it was told when it was sent away.
    pub(crate) async fn leave(&mut self) -> pb::Leave {
        loop {
            match self.told().await {
                Some(Told::Leave(leave)) => return leave,
                Some(_) => {}
                None => panic!("the stream ended without a word"),
            }
        }
    }

    /// Whether it was sent away without having been launched anything on.
    pub(crate) async fn left_without_work(&mut self) -> bool {
        loop {
            match self.told().await {
                Some(Told::Leave(_)) => return true,
                Some(Told::Work(work)) if !work.launches.is_empty() => return false,
                Some(_) => {}
                None => panic!("the stream ended without a word"),
            }
        }
    }

    pub(crate) async fn say(&self, message: Said) {
        let said = pb::FromExecutor { epoch: self.epoch, message: Some(message) };
        self.to.send(said).await.expect("the stream is open");
    }

    async fn end(&self, attempt: Attempt, outcome: Outcome) {
        self.end_with(attempt, outcome, pb::TaskMetrics::default()).await;
    }

    pub(crate) async fn end_with(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        metrics: pb::TaskMetrics,
    ) {
        let end = pb::TaskEnd {
            attempt: Some(attempt.into()),
            outcome: Some(outcome),
            metrics: Some(metrics),
            accumulators: Vec::new(),
        };
        self.say(Said::Ends(pb::TaskEnds { ends: vec![end] })).await;
    }

    pub(crate) async fn yielded(&self, attempt: Attempt, ipc: &[u8]) {
        let place = Some(pb::rows::Place::Inline(Bytes::copy_from_slice(ipc)));
        self.end(attempt, Outcome::Rows(pb::Rows { place })).await;
    }

    pub(crate) async fn part(&self, attempt: Attempt, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.say(Said::Part(pb::RowsPart { attempt: Some(attempt.into()), bytes })).await;
    }

    pub(crate) async fn wrote(&self, attempt: Attempt, readers: usize) {
        self.end(attempt, Outcome::MapOutput(output(attempt, readers).into())).await;
    }

    pub(crate) async fn failed(&self, attempt: Attempt, failure: TaskFailure) {
        self.end(attempt, Outcome::Failure(failure.into())).await;
    }
}

fn output(attempt: Attempt, readers: usize) -> MapOutput {
    MapOutput {
        id: MapOutputId { shuffle: ShuffleId(MAP), map: attempt.task.partition },
        attempt,
        epoch: Epoch(EPOCH),
        volume: VolumeId(VOLUME.into()),
        block_bytes: vec![8; readers],
        rows: 1,
        row_checksum: 1,
    }
}

const MAP: Fingerprint = Fingerprint([1; 32]);

fn stage(fingerprint: Fingerprint, tasks: usize, parents: Vec<usize>) -> StagePlan {
    StagePlan {
        fingerprint,
        template: Bytes::from_static(b"template"),
        bindings: vec![Bytes::new(); tasks],
        parents,
        output: StageOutput::Rows,
        deterministic: true,
        barrier: false,
        profile: ResourceProfile::default(),
        time_limit: None,
        schema: Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, false)])),
        label: "nothing".to_owned(),
    }
}

/// A job of one stage.
pub(crate) fn result_only(tasks: u32) -> JobPlan {
    let stages = vec![stage(Fingerprint([2; 32]), tasks as usize, Vec::new())];
    let (result_partitions, kept) = ((0..tasks).collect(), Vec::new());
    JobPlan { stages, result_partitions, single_attempt: false, kept }
}

/// A job of two stages; the first is the same shuffle each time.
pub(crate) fn map_and_result(maps: u32, readers: u32) -> JobPlan {
    let output = StageOutput::Shuffle { readers };
    let map = StagePlan { output, ..stage(MAP, maps as usize, Vec::new()) };
    let result = stage(Fingerprint([3; 32]), readers as usize, vec![0]);
    let (stages, result_partitions) = (vec![map, result], (0..readers).collect());
    JobPlan { stages, result_partitions, single_attempt: false, kept: Vec::new() }
}

/// One row of one number.
pub(crate) fn rows(value: i64) -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    let batch = RecordBatch::try_from_iter([("v", column)]).expect("a batch");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.into_inner().expect("memory")
}

/// The numbers in the rows of a job.
pub(crate) fn values(partitions: &[Vec<RecordBatch>]) -> Vec<i64> {
    let batches = partitions.iter().flatten();
    batches.flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}
