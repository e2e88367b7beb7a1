//! What this room asks of whoever serves its requests: the driver implements these traits.

use bytes::Bytes;
use plan::{Command, DataType, ExplainMode, Relation, SparkError, StorageLevel};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Who talks: sessions are kept apart by user and id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct SessionKey {
    pub user_id: String,
    pub session_id: String,
}

/// Opens sessions.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// A new session. Called once per key, at its first request.
    async fn open(&self, key: &SessionKey) -> Result<Arc<dyn Session>, SparkError>;
}

/// One session: its settings, views and requests.
#[async_trait::async_trait]
pub trait Session: Send + Sync + 'static {
    /// Runs an operation and sends what it yields in order. When the future is dropped, its jobs are cancelled.
    async fn execute(&self, operation: Operation, responses: Responses) -> Result<(), SparkError>;

    /// The schema of a relation; a struct.
    async fn schema(&self, relation: &Relation) -> Result<DataType, SparkError>;

    /// The plans of a relation as text.
    async fn explain(&self, relation: &Relation, mode: ExplainMode) -> Result<String, SparkError>;

    /// The files that a relation reads.
    async fn input_files(&self, relation: &Relation) -> Result<Vec<String>, SparkError>;

    /// Whether the relation can be computed without executors.
    async fn is_local(&self, relation: &Relation) -> Result<bool, SparkError>;

    /// A number that is equal for relations that surely compute the same.
    async fn semantic_hash(&self, relation: &Relation) -> Result<i32, SparkError>;

    /// Whether two relations surely compute the same.
    async fn same_semantics(&self, left: &Relation, right: &Relation) -> Result<bool, SparkError>;

    /// Keeps what a relation yields, with a storage level, or with `None` forgets it.
    async fn persist(
        &self,
        relation: &Relation,
        level: Option<StorageLevel>,
    ) -> Result<(), SparkError>;

    /// How a relation is kept.
    async fn storage_level(&self, relation: &Relation) -> Result<StorageLevel, SparkError>;

    /// A type from DDL text.
    fn parse_ddl(&self, text: &str) -> Result<DataType, SparkError>;

    /// The value that holds for a key; `None` if neither given nor declared with a default.
    fn setting(&self, key: &str) -> Option<String>;

    /// All settings that were given, by key.
    fn settings(&self) -> BTreeMap<String, String>;

    /// Sets a key for this session.
    fn set(&self, key: &str, value: &str) -> Result<(), SparkError>;

    /// Forgets a key.
    fn unset(&self, key: &str) -> Result<(), SparkError>;

    /// Whether a key may be set now.
    fn is_modifiable(&self, key: &str) -> bool;

    /// A copy with the same settings and views, for another key.
    async fn fork(&self, key: &SessionKey) -> Result<Arc<dyn Session>, SparkError>;

    /// The session is over.
    async fn close(&self);
}

/// What a request asks to run.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Id that the client chose, or one made here.
    pub id: String,
    /// Tags by which it can be interrupted and is shown.
    pub tags: Vec<String>,
    /// What to do.
    pub work: Work,
}

/// The three forms of a request.
#[derive(Debug, Clone)]
pub enum Work {
    /// Yields rows: `Schema`, then `Batch`es, at least one: a client needs the Arrow schema even of no rows.
    Query(Relation),
    /// Does something; may yield rows.
    Command(Command),
    /// `spark.sql(…)`: a relation of kind `Sql`, or `With` over one where the text names DataFrames. A query is only
    /// checked and answered with `LazyQuery`; a command is run and its rows are answered as `Schema` and `Batch`es.
    Sql(Relation),
}

/// Where the answers of an operation go. Bounded: a slow client slows the operation down.
pub type Responses = mpsc::Sender<Response>;

/// One answer.
#[derive(Debug, Clone)]
pub enum Response {
    /// Schema of the batches to come; a struct. Sent once, before the first batch.
    Schema(DataType),
    /// Rows as an Arrow IPC stream of their own (schema, one batch, end).
    Batch {
        /// The stream.
        ipc: Bytes,
        /// Rows in it.
        rows: u64,
    },
    /// The text was a query: it runs when the client uses it.
    LazyQuery,
    /// How far it is.
    Progress(Progress),
    /// Metrics asked for with `observe`, by name of the observation.
    Observed {
        /// Name of the observation.
        name: String,
        /// Names and values.
        values: Vec<(String, plan::Literal)>,
    },
}

/// How far an operation is: its stages, of all its jobs so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Stages, parents first.
    pub stages: Vec<StageProgress>,
    /// Tasks running now.
    pub running_tasks: u64,
}

/// How far a stage is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct StageProgress {
    pub stage_id: u64,
    pub tasks: u64,
    pub completed_tasks: u64,
    pub input_bytes: u64,
    pub done: bool,
}
