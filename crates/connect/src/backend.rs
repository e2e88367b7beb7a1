//! The interface between this crate and the server behind it: the driver implements these traits.

use bytes::Bytes;
use model::{AddedFile, Properties};
use plan::{Command, DataType, ExplainMode, Relation, SparkError, StorageLevel};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Identity of a session: user and session id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct SessionKey {
    pub user_id: String,
    pub session_id: String,
}

/// Opens sessions for the service.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens a session. Called at a key's first request, and again after an error or once the
    /// session was closed, but never while the key's session is open.
    async fn open(&self, key: &SessionKey) -> Result<Arc<dyn Session>, SparkError>;
}

/// One session: its settings, views and operations.
///
/// # Expected flow
///
/// 1. The service obtains the session from [`Backend::open`] or from [`fork`](Self::fork) of
///    another session, and keeps it until the client releases it or it has been idle for long.
/// 2. It calls the other methods any number of times, concurrently, from several threads.
/// 3. [`close`](Self::close) comes last, once. Running operations have been asked to stop by then,
///    but calls in progress may still overlap with it; no call starts afterwards.
///
/// [`execute`](Self::execute) is called once per operation: a repeated request attaches to the
/// running operation instead. While its future runs, the service reads the responses:
///
/// - [`Work::Query`]: [`Response::Schema`], then at least one [`Response::Batch`], since clients
///   need the Arrow schema even without rows.
/// - [`Work::Command`]: the same if the command yields rows, else nothing.
/// - [`Work::Sql`]: for a query [`Response::LazyQuery`] alone; for a command as above.
/// - [`Work::Checkpoint`]: one [`Response::Checkpoint`].
/// - [`Response::Progress`] and [`Response::Observed`] may come anywhere in between.
///
/// The service itself sends the end of the operation when the future returns `Ok`.
///
/// # Guarantees
///
/// The service guarantees that there is one open session per key, that plans are nested at most
/// 2,000 levels deep, and that the responses are consumed as long as the future is polled. The
/// implementation guarantees that responses come in the order above, that every batch is an Arrow
/// IPC stream with the announced schema, and that dropping the future of `execute` cancels the
/// operation's jobs: this is how operations are interrupted. What must not be left half done (the
/// commit of a data source, or its abort) goes on.
///
/// # Assumptions
///
/// Methods that are not `async` answer from memory and do not block. Equal relations have the same
/// [`semantic_hash`](Self::semantic_hash), and so do relations for which
/// [`same_semantics`](Self::same_semantics) is true.
///
/// # Errors
///
/// An error is sent to the client as it is, with its condition and parameters. It ends the request,
/// never the session. A panic in `execute` fails that operation with `INTERNAL_ERROR`.
///
/// # Caveats
///
/// [`Responses`] is bounded: sending waits for a slow client, which thereby slows the operation
/// down. Sending fails once nothing reads the responses any more; that is not an error, as the
/// future is about to be dropped. A batch must fit into one message (128 MiB) for clients that do
/// not take results in chunks.
#[async_trait::async_trait]
pub trait Session: Send + Sync + 'static {
    /// Runs an operation and sends its responses in order. Dropping the future cancels its jobs.
    async fn execute(&self, operation: Operation, responses: Responses) -> Result<(), SparkError>;

    /// The schema of a relation: a struct.
    async fn schema(&self, relation: &Relation) -> Result<DataType, SparkError>;

    /// The plans of a relation as text.
    async fn explain(&self, relation: &Relation, mode: ExplainMode) -> Result<String, SparkError>;

    /// The files that a relation reads.
    async fn input_files(&self, relation: &Relation) -> Result<Vec<String>, SparkError>;

    /// Whether the relation can be computed without executors.
    async fn is_local(&self, relation: &Relation) -> Result<bool, SparkError>;

    /// A number that is equal for relations that certainly compute the same.
    async fn semantic_hash(&self, relation: &Relation) -> Result<i32, SparkError>;

    /// Whether two relations certainly compute the same.
    async fn same_semantics(&self, left: &Relation, right: &Relation) -> Result<bool, SparkError>;

    /// Caches a relation's rows with a storage level; `None` drops them.
    async fn persist(
        &self,
        relation: &Relation,
        level: Option<StorageLevel>,
    ) -> Result<(), SparkError>;

    /// The storage level of a relation.
    async fn storage_level(&self, relation: &Relation) -> Result<StorageLevel, SparkError>;

    /// Parses a type from DDL text.
    fn parse_ddl(&self, text: &str) -> Result<DataType, SparkError>;

    /// The effective value of a key; `None` if neither given nor declared with a default.
    fn setting(&self, key: &str) -> Option<String>;

    /// All given settings, by key.
    fn settings(&self) -> BTreeMap<String, String>;

    /// Sets a key for this session.
    fn set(&self, key: &str, value: &str) -> Result<(), SparkError>;

    /// Removes a key, so that its default applies again.
    fn unset(&self, key: &str) -> Result<(), SparkError>;

    /// Whether a key may be set now.
    fn is_modifiable(&self, key: &str) -> bool;

    /// A copy of the session with the same settings and views, for another key.
    async fn fork(&self, key: &SessionKey) -> Result<Arc<dyn Session>, SparkError>;

    /// Keeps bytes that functions of the program refer to by their hash.
    fn keep_blob(&self, hash: &str, bytes: Bytes);

    /// Drops what executors have of such bytes; `forever`: the session does not use them again.
    fn drop_blob(&self, hash: &str, forever: bool);

    /// Adds a file, whose bytes are a blob, for functions that run from now on.
    fn add_file(&self, file: AddedFile);

    /// Ends the session.
    async fn close(&self);
}

/// An operation to run.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Id chosen by the client, or generated here.
    pub id: String,
    /// Tags by which it can be interrupted and displayed.
    pub tags: Vec<String>,
    /// Properties of the thread that asked for it.
    pub properties: Properties,
    /// The work to do.
    pub work: Work,
}

/// The three kinds of work.
#[derive(Debug, Clone)]
pub enum Work {
    /// A query, which yields rows.
    Query(Relation),
    /// A command, which may yield rows.
    Command(Command),
    /// `spark.sql(…)`: a relation of kind `Sql`, or a `With` around one if the text names
    /// DataFrames. A query is only checked and answered with `LazyQuery`; a command is run, and its
    /// rows are sent as `Schema` and `Batch`es.
    Sql(Relation),
    /// A checkpoint, answered with [`Response::Checkpoint`].
    Checkpoint(plan::Checkpoint),
}

/// Channel for the responses of an operation. Bounded: a slow client slows the operation down.
pub type Responses = mpsc::Sender<Response>;

/// One response.
#[derive(Debug, Clone)]
pub enum Response {
    /// Schema of the batches that follow: a struct. Sent once, before the first batch.
    Schema(DataType),
    /// Rows as a complete Arrow IPC stream (schema, one batch, end).
    Batch {
        /// The stream.
        ipc: Bytes,
        /// Number of rows.
        rows: u64,
    },
    /// The SQL text was a query, which runs when the client uses its result.
    LazyQuery,
    /// The id of a checkpoint.
    Checkpoint(String),
    /// Progress of the operation.
    Progress(Progress),
    /// Updates of accumulators: pickled pairs of id and value.
    Accumulators(Vec<Bytes>),
    /// Metrics requested with `observe`.
    Observed {
        /// Name of the observation.
        name: String,
        /// Names and values of the metrics.
        values: Vec<(String, plan::Literal)>,
    },
}

/// Progress of an operation: the stages of all its jobs so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Stages, parents first.
    pub stages: Vec<StageProgress>,
    /// Number of running tasks.
    pub running_tasks: u64,
}

/// Progress of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct StageProgress {
    pub stage_id: u64,
    pub tasks: u64,
    pub completed_tasks: u64,
    pub input_bytes: u64,
    pub done: bool,
}
