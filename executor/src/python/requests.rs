//! What functions ask for while they run: a length and JSON on a worker's request socket, one
//! answer per request.

use model::Attempt;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Most bytes of a request.
const LIMIT: u32 = 16 << 20;

/// Finds the blobs that functions refer to by their hash: values of broadcasts, large closures.
#[async_trait::async_trait]
pub trait Blobs: fmt::Debug + Send + Sync + 'static {
    /// Returns the file of a blob, which stays where it is until the program drops the blob.
    ///
    /// # Errors
    ///
    /// A text for the function that asked.
    async fn path(&self, hash: &str) -> Result<PathBuf, String>;
}

/// Lets functions wait for those of the other tasks of their barrier stage.
#[async_trait::async_trait]
pub trait Barriers: fmt::Debug + Send + Sync + 'static {
    /// Waits until all tasks of the attempt's stage have asked. Returns their messages, in the
    /// order of their partitions; none if no messages were given.
    ///
    /// # Errors
    ///
    /// A text for the function that asked.
    async fn gather(
        &self,
        attempt: Attempt,
        message: Option<String>,
    ) -> Result<Vec<String>, String>;
}

/// What answers the requests of a worker: the same for all, but for the attempt at hand.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub blobs: Arc<dyn Blobs>,
    pub barriers: Arc<dyn Barriers>,
}

/// The attempt that a worker runs, as far as it is known.
pub(super) type Serving = Arc<Mutex<Option<Attempt>>>;

/// Blobs that lie in a directory, each under its hash.
#[derive(Debug)]
pub struct BlobDirectory(pub PathBuf);

#[async_trait::async_trait]
impl Blobs for BlobDirectory {
    async fn path(&self, hash: &str) -> Result<PathBuf, String> {
        let path = self.0.join(hash);
        let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_hash && path.is_file() { Ok(path) } else { Err(format!("no blob {hash:?}")) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Blob(String),
    Barrier(()),
    Gather(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Path(PathBuf),
    Texts(Vec<String>),
    Error(String),
}

/// Answers requests until the worker has closed its end, or sends what is no request.
pub(super) async fn serve(mut socket: UnixStream, desk: Desk, serving: Serving) -> io::Result<()> {
    loop {
        let length = match socket.read_u32_le().await {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if length > LIMIT {
            let error = format!("a request of {length} bytes is too long");
            return write(&mut socket, &Answer::Error(error)).await;
        }
        // Memory grows with what comes, not with what was announced.
        let mut request = Vec::new();
        (&mut socket).take(length.into()).read_to_end(&mut request).await?;
        if request.len() < length as usize {
            return Ok(());
        }
        let attempt = *serving.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answer(&request, &desk, attempt).await;
        write(&mut socket, &answer).await?;
    }
}

async fn answer(request: &[u8], desk: &Desk, attempt: Option<Attempt>) -> Answer {
    let message = match serde_json::from_slice(request) {
        Ok(Request::Blob(hash)) => {
            return desk.blobs.path(&hash).await.map_or_else(Answer::Error, Answer::Path);
        }
        Ok(Request::Barrier(())) => None,
        Ok(Request::Gather(message)) => Some(message),
        Err(error) => return Answer::Error(format!("an unknown request: {error}")),
    };
    let Some(attempt) = attempt else {
        return Answer::Error("no task runs here".to_owned());
    };
    let texts = desk.barriers.gather(attempt, message).await;
    texts.map_or_else(Answer::Error, Answer::Texts)
}

async fn write(socket: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let text = serde_json::to_vec(answer)?;
    let mut bytes = u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes().to_vec();
    bytes.extend(text);
    socket.write_all(&bytes).await
}
