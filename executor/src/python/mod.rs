//! Python workers of the executor, which run the functions of its tasks
//! (`docs/decisions/0014-python-workers.md`).
//!
//! `pool` owns the fork server (`server`) and the workers without a task (`idle`); a task takes a
//! worker (`worker`), talks to it (`run`: `feed` writes, `answers` reads) and gives it back. What a
//! worker prints is in `printed`, what it asks for in `requests`; `files` brings what sessions have
//! added to where it finds them.

mod answers;
mod failure;
mod feed;
mod files;
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

pub use requests::{Barriers, BlobDirectory, Blobs};
pub use settings::{Environment, PoolSettings, Silence};

use feed::Feed;
use files::AddedFiles;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use model::{Attempt, StageId, TaskFailure, TaskId};
use requests::Desk;
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
    files: Arc<AddedFiles>,
    limits: Limits,
    mapped_from: usize,
}

/// What a worker may do.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Most bytes of a frame.
    frame: u64,
    silence: Silence,
}

impl Workers {
    /// A pool of workers, whose functions get their blobs, and wait for each other, here.
    pub fn new(
        settings: PoolSettings,
        blobs: Arc<dyn Blobs>,
        barriers: Arc<dyn Barriers>,
    ) -> io::Result<Self> {
        let PoolSettings { frame_limit, mapped_from, silence, .. } = settings;
        let files = Arc::new(AddedFiles::new(&settings, Arc::clone(&blobs)));
        Ok(Self {
            pool: pool::start(settings, Desk { blobs, barriers })?,
            files,
            limits: Limits { frame: frame_limit, silence },
            mapped_from,
        })
    }
}

impl PythonWorkers for Workers {
    fn run(
        &self,
        task: PythonTask,
        input: BoxStream<'static, Result<ToWorker, TaskFailure>>,
    ) -> BoxStream<'static, Result<FromWorker, TaskFailure>> {
        let Self { pool, files, limits, mapped_from } = self.clone();
        let start = async move {
            let attempt = attempt(&task.header);
            let (header, files) = files.placed(task.header).await?;
            let feed = Feed::new(PythonTask { header, ..task }, input, mapped_from)?;
            Ok::<_, TaskFailure>(run::run(pool, (files, attempt), feed, limits))
        };
        futures::stream::once(start).try_flatten().boxed()
    }
}

/// The attempt that a task's header names.
fn attempt(header: &[u8]) -> Option<Attempt> {
    #[derive(Deserialize)]
    struct Header {
        context: Context,
    }
    #[derive(Deserialize)]
    struct Context {
        stage: u64,
        partition: u32,
        attempt: u32,
    }
    let Header { context: Context { stage, partition, attempt: number } } =
        serde_json::from_slice(header).ok()?;
    Some(Attempt { task: TaskId { stage: StageId(stage), partition }, number })
}
