//! A backend that answers by the name of the table or the SQL text in the request, and a server
//! with it on loopback.

use async_trait::async_trait;
use bytes::Bytes;
use connect::pb::spark_connect_service_client::SparkConnectServiceClient;
use connect::{
    Backend, Operation, Progress, Response, Responses, Session, SessionKey, StageProgress, Work,
    routes,
};
use errors::{Condition, condition};
use model::conf::Conf;
use model::{AddedFile, Properties};
use plan::{
    DataType, ExplainMode, Field, Literal, Relation, RelationKind, SparkError, StorageLevel,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::transport::Channel;

/// An Arrow IPC stream with a column `id` and three rows.
pub(crate) const THREE_ROWS: &[u8] = include_bytes!("three_rows.arrow");

pub(crate) type Client = SparkConnectServiceClient<Channel>;

/// The requests that the backend has seen, of all sessions.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) started: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    pub(crate) produced: AtomicUsize,
    pub(crate) closed: AtomicUsize,
    pub(crate) work: Mutex<Vec<Work>>,
    pub(crate) properties: Mutex<Vec<Properties>>,
    pub(crate) relations: Mutex<Vec<Relation>>,
    pub(crate) files: Mutex<Vec<AddedFile>>,
    pub(crate) blobs: Mutex<Vec<(String, usize)>>,
    pub(crate) dropped_blobs: Mutex<Vec<(String, bool)>>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) seen: Arc<Seen>,
}

#[async_trait]
impl Backend for Fake {
    async fn open(&self, _: &SessionKey) -> Result<Arc<dyn Session>, SparkError> {
        Ok(Arc::new(FakeSession { seen: Arc::clone(&self.seen), conf: Mutex::default() }))
    }
}

struct FakeSession {
    seen: Arc<Seen>,
    conf: Mutex<Conf>,
}

/// Counts operations dropped before their end.
struct Running(Arc<Seen>, bool);

impl Drop for Running {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, SeqCst);
        }
    }
}

fn schema() -> DataType {
    DataType::Struct(vec![Field::new("id", DataType::Long, false)])
}

fn batch() -> Response {
    Response::Batch { ipc: Bytes::from_static(THREE_ROWS), rows: 3 }
}

impl FakeSession {
    async fn query(&self, table: &str, out: &Responses) -> Result<(), SparkError> {
        let send = async |response| {
            self.seen.produced.fetch_add(1, SeqCst);
            out.send(response).await.map_err(|_| SparkError::internal("the receiver is gone"))
        };
        match table {
            "never" => std::future::pending().await,
            "panics" => panic!("on purpose"),
            "fails" => return Err(failure()),
            "large" => {
                for _ in 0..100 {
                    send(Response::Batch { ipc: vec![7; 4 << 20].into(), rows: 3 }).await?;
                }
            }
            "one_large" => {
                send(Response::Batch { ipc: (0..=255).cycle().take(10_000).collect(), rows: 3 })
                    .await?;
            }
            batches => {
                send(Response::Schema(schema())).await?;
                for _ in 0..batches.trim_start_matches("batches_").parse().unwrap_or(1) {
                    send(batch()).await?;
                }
                send(Response::Progress(progress())).await?;
                let values = vec![("n".to_owned(), Literal::Long(3))];
                send(Response::Observed { name: "seen".into(), values }).await?;
            }
        }
        Ok(())
    }
}

fn progress() -> Progress {
    let stage =
        StageProgress { stage_id: 1, tasks: 8, completed_tasks: 8, input_bytes: 24, done: true };
    Progress { stages: vec![stage], running_tasks: 0 }
}

fn failure() -> SparkError {
    let message = "A column, variable, or function parameter with name `b` cannot be resolved. Did you mean one of the following? [`a`].";
    let parameters = [("objectName", "`b`"), ("proposal", "`a`")];
    let mut error =
        SparkError::analysis(condition::UNRESOLVED_COLUMN_WITH_SUGGESTION, message, &parameters);
    error.causes = vec!["first cause".into(), "second cause".into()];
    error
}

#[async_trait]
impl Session for FakeSession {
    async fn execute(&self, operation: Operation, out: Responses) -> Result<(), SparkError> {
        self.seen.started.fetch_add(1, SeqCst);
        self.seen.work.lock().expect("no panic").push(operation.work.clone());
        self.seen.properties.lock().expect("no panic").push(operation.properties.clone());
        let mut running = Running(Arc::clone(&self.seen), false);
        let send = async |response| out.send(response).await.map_err(|_| failure());
        match &operation.work {
            Work::Query(relation) => match &*relation.kind {
                RelationKind::Table { name, .. } => self.query(&name.join("."), &out).await?,
                _ => self.query("batches_1", &out).await?,
            },
            Work::Sql(relation) => match &*relation.kind {
                RelationKind::Sql { text, .. } if text.starts_with("SHOW") => {
                    send(Response::Schema(schema())).await?;
                    send(batch()).await?;
                    send(batch()).await?;
                }
                RelationKind::Sql { text, .. } if text.starts_with("DROP") => {}
                _ => send(Response::LazyQuery).await?,
            },
            Work::Checkpoint(_) => send(Response::Checkpoint("held".to_owned())).await?,
            Work::Command(_) => {}
        }
        running.1 = true;
        Ok(())
    }

    async fn schema(&self, relation: &Relation) -> Result<DataType, SparkError> {
        self.seen.relations.lock().expect("no panic").push(relation.clone());
        match &*relation.kind {
            RelationKind::Table { name, .. } if name[0] == "fails" => Err(failure()),
            _ => Ok(schema()),
        }
    }

    async fn explain(&self, _: &Relation, mode: ExplainMode) -> Result<String, SparkError> {
        Ok(format!("{mode:?}"))
    }

    async fn input_files(&self, _: &Relation) -> Result<Vec<String>, SparkError> {
        Ok(vec!["file:/a".into()])
    }

    async fn is_local(&self, _: &Relation) -> Result<bool, SparkError> {
        Ok(true)
    }

    async fn semantic_hash(&self, relation: &Relation) -> Result<i32, SparkError> {
        Ok(i32::try_from(format!("{:?}", relation.kind).len()).expect("a short text"))
    }

    async fn same_semantics(&self, left: &Relation, right: &Relation) -> Result<bool, SparkError> {
        Ok(left == right)
    }

    async fn persist(&self, _: &Relation, _: Option<StorageLevel>) -> Result<(), SparkError> {
        Ok(())
    }

    async fn storage_level(&self, _: &Relation) -> Result<StorageLevel, SparkError> {
        Ok(StorageLevel { use_memory: true, replication: 1, ..StorageLevel::default() })
    }

    fn parse_ddl(&self, text: &str) -> Result<DataType, SparkError> {
        match text {
            "int" => Ok(DataType::Integer),
            "id bigint" => Ok(DataType::Struct(vec![Field::new("id", DataType::Long, true)])),
            _ => Err(SparkError::new(condition::PARSE_SYNTAX_ERROR, "no such type", &[])),
        }
    }

    fn setting(&self, key: &str) -> Option<String> {
        self.conf.lock().expect("no panic").effective(key).map(str::to_owned)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let conf = self.conf.lock().expect("no panic");
        conf.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn set(&self, key: &str, value: &str) -> Result<(), SparkError> {
        if key == RAISED {
            let known = Condition::find(value).expect("a condition of the catalogue");
            return Err(SparkError::new(known, "raised", &[]));
        }
        if !self.is_modifiable(key) {
            return Err(SparkError::analysis(condition::CANNOT_MODIFY_CONFIG, "it is static", &[]));
        }
        self.conf.lock().expect("no panic").set(key, value);
        Ok(())
    }

    fn unset(&self, key: &str) -> Result<(), SparkError> {
        self.conf.lock().expect("no panic").unset(key);
        Ok(())
    }

    fn is_modifiable(&self, key: &str) -> bool {
        !["spark.master", "spark.executor.memory"].contains(&key)
    }

    async fn fork(&self, _: &SessionKey) -> Result<Arc<dyn Session>, SparkError> {
        let conf = Mutex::new(self.conf.lock().expect("no panic").clone());
        Ok(Arc::new(Self { seen: Arc::clone(&self.seen), conf }))
    }

    fn drop_blob(&self, hash: &str, forever: bool) {
        self.seen.dropped_blobs.lock().expect("not poisoned").push((hash.to_owned(), forever));
    }

    fn keep_blob(&self, hash: &str, bytes: Bytes) {
        self.seen.blobs.lock().expect("not poisoned").push((hash.to_owned(), bytes.len()));
    }

    fn add_file(&self, file: AddedFile) {
        self.seen.files.lock().expect("not poisoned").push(file);
    }

    async fn close(&self) {
        self.seen.closed.fetch_add(1, SeqCst);
    }
}

/// Setting this key fails with the condition whose class is the value.
pub(crate) const RAISED: &str = "test.raised";

/// A server on a free port of loopback.
pub(crate) async fn serve(fake: Fake, token: Option<&str>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let service = routes(Arc::new(fake), token.map(str::to_owned));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_routes(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

/// A server and a client of it.
pub(crate) async fn connected() -> (Arc<Seen>, Client) {
    let fake = Fake::default();
    let seen = Arc::clone(&fake.seen);
    let address = serve(fake, None).await;
    (seen, client(&address).await)
}

pub(crate) async fn client(address: &str) -> Client {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    let channel = endpoint.expect("an address").connect().await.expect("the server listens");
    Client::new(channel).max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
