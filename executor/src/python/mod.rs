//! Python workers of the executor, which run the functions of its tasks
//! (`docs/decisions/0014-python-workers.md`).
//!
//! `pool` owns the fork server (`server`) and the workers without a task (`idle`); a task takes a
//! worker (`worker`), talks to it (`run`: `feed` writes, `answers` reads) and gives it back. What a
//! worker prints is in `printed`, what it asks for in `requests`.

mod answers;
mod failure;
mod feed;
mod frames;
mod idle;
mod ipc;
mod pool;
mod printed;
mod requests;
mod run;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod worker;

pub use requests::{BlobDirectory, Blobs};
pub use settings::{Environment, PoolSettings};

use feed::Feed;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::TaskFailure;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use task::python::{FromWorker, PythonTask, PythonWorkers, ToWorker};
use tokio::sync::mpsc;

/// The workers of an executor. The first task starts the fork server; dropping the last clone, and
/// the last output, ends everything.
#[derive(Debug, Clone)]
pub struct Workers {
    pool: mpsc::UnboundedSender<pool::Request>,
    frame_limit: u64,
    mapped_from: usize,
}

impl Workers {
    /// A pool of workers, which get their blobs from here.
    pub fn new(settings: PoolSettings, blobs: Arc<dyn Blobs>) -> io::Result<Self> {
        let PoolSettings { frame_limit, mapped_from, .. } = settings;
        Ok(Self { pool: pool::start(settings, blobs)?, frame_limit, mapped_from })
    }
}

impl PythonWorkers for Workers {
    fn run(
        &self,
        task: PythonTask,
        input: BoxStream<'static, Result<ToWorker, TaskFailure>>,
    ) -> BoxStream<'static, Result<FromWorker, TaskFailure>> {
        let files = files(&task.header);
        match Feed::new(task, input, self.mapped_from) {
            Ok(feed) => run::run(self.pool.clone(), files, feed, self.frame_limit),
            Err(failure) => futures::stream::once(async { Err(failure) }).boxed(),
        }
    }
}

/// The files of a task. A worker that has imported from others is not used for it.
fn files(header: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Header {
        files: serde_json::Value,
    }
    serde_json::from_slice::<Header>(header).map(|it| it.files.to_string()).unwrap_or_default()
}
