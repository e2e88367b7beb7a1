//! Blobs of the program (values of broadcasts, large closures) as files: each is fetched from the
//! driver once, when a function first asks for it, and mapped by all workers.

use crate::python::Blobs;
use model::Epoch;
use proto::pb::executors_client::ExecutorsClient;
use proto::{Credentials, pb};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

/// How long the driver may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The blobs of the driver (see the module).
pub(crate) struct DriverBlobs {
    credentials: Credentials,
    /// Address of the driver.
    driver: String,
    epoch: Epoch,
    directory: PathBuf,
    /// By hash: whoever asks while a blob is on its way waits for it.
    known: Mutex<BTreeMap<String, Arc<OnceCell<PathBuf>>>>,
}

impl fmt::Debug for DriverBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriverBlobs({} in {})", self.driver, self.directory.display())
    }
}

impl DriverBlobs {
    /// `directory`: where the files are kept.
    pub(crate) fn new(
        credentials: Credentials,
        driver: String,
        epoch: Epoch,
        directory: PathBuf,
    ) -> Self {
        Self { credentials, driver, epoch, directory, known: Mutex::default() }
    }

    async fn fetch(&self, hash: &str) -> Result<PathBuf, String> {
        let path = self.directory.join(hash);
        let part = self.directory.join(format!("{hash}.part"));
        tokio::time::timeout(PATIENCE, self.receive(hash, &part))
            .await
            .map_err(|_| format!("the driver did not send blob {hash} in time"))??;
        let moved = tokio::fs::rename(&part, &path).await;
        moved.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    async fn receive(&self, hash: &str, part: &Path) -> Result<(), String> {
        let failed = |error: &dyn fmt::Display| format!("fetching blob {hash}: {error}");
        let endpoint = self.credentials.endpoint(&self.driver).map_err(|e| failed(&e))?;
        let channel = endpoint.connect().await.map_err(|error| failed(&error))?;
        let mut client =
            ExecutorsClient::with_interceptor(channel, self.credentials.token.sender())
                .max_decoding_message_size(proto::MESSAGE_LIMIT);
        let blob = pb::Blob { epoch: self.epoch.0, hash: hash.to_owned() };
        let answer = client.fetch(blob).await.map_err(|status| failed(&status.message()))?;
        let mut parts = answer.into_inner();
        let made = tokio::fs::create_dir_all(&self.directory).await;
        made.map_err(|error| failed(&error))?;
        let mut file = tokio::fs::File::create(part).await.map_err(|error| failed(&error))?;
        while let Some(part) = parts.message().await.map_err(|status| failed(&status.message()))? {
            file.write_all(&part.bytes).await.map_err(|error| failed(&error))?;
        }
        file.flush().await.map_err(|error| failed(&error))
    }
}

#[async_trait::async_trait]
impl Blobs for DriverBlobs {
    async fn path(&self, hash: &str) -> Result<PathBuf, String> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Err(format!("{hash:?} is not the hash of a blob"));
        }
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(hash.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.fetch(hash)).await.cloned()
    }
}
