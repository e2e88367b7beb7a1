//! Blobs of the program (values of broadcasts, large closures, added files) as files: each is
//! fetched once, when somebody first asks for it, piece by piece from where the driver says, and
//! mapped by all workers. Other executors get pieces here.

mod copies;
mod fetching;
#[cfg(test)]
mod tests;

pub(crate) use copies::Copies;

use crate::blocks::Peers;
use crate::python::Blobs;
use fetching::{Fetching, Want};
use model::Epoch;
use proto::Credentials;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What fetching needs.
#[derive(Clone)]
pub(crate) struct Sources {
    /// For the driver.
    pub credentials: Credentials,
    /// Address of the driver.
    pub driver: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// Where other executors reach this one.
    pub block_address: String,
    /// The other executors.
    pub peers: Arc<Peers>,
}

/// The blobs of the driver (see the module).
pub(crate) struct DriverBlobs {
    wants: mpsc::UnboundedSender<Want>,
    driver: String,
}

impl fmt::Debug for DriverBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DriverBlobs").field(&self.driver).finish()
    }
}

impl DriverBlobs {
    /// Begins to answer; the copies are kept in `copies`.
    pub(crate) fn start(sources: Sources, copies: Arc<Copies>) -> Self {
        let driver = sources.driver.clone();
        let (wants, wanted) = mpsc::unbounded_channel();
        tokio::spawn(Fetching::new(sources, copies).run(wanted));
        Self { wants, driver }
    }
}

#[async_trait::async_trait]
impl Blobs for DriverBlobs {
    async fn path(&self, hash: &str) -> Result<PathBuf, String> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Err(format!("{hash:?} is not the hash of a blob"));
        }
        let (answer, answered) = oneshot::channel();
        let ending = || "the executor ends".to_owned();
        self.wants.send(Want { hash: hash.to_owned(), answer }).map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }
}
