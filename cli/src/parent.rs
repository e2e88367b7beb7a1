//! The process on whose behalf this command runs: it ends when the parent closes its pipe, and when
//! the parent dies while a child of the parent still holds the pipe.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, getppid};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Interval of asking whether the parent lives; usually its pipe tells that at once.
const INTERVAL: Duration = Duration::from_millis(500);

/// The parent, watched.
#[derive(Debug)]
pub(crate) struct Parent {
    id: Pid,
    pipe: pipe::Receiver,
}

impl Parent {
    /// Watches the parent, which has this id, and whose pipe is standard input.
    pub(crate) fn watch(id: i32) -> Result<Self> {
        let id = Pid::from_raw(id).context("0 is not a process")?;
        ensure!(getppid() == Some(id), "the parent process has ended");
        let pipe = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3)?;
        let pipe = pipe::Receiver::from_owned_fd(pipe).context("watching the parent's pipe")?;
        Ok(Self { id, pipe })
    }

    /// Waits until it has ended or wants no more.
    pub(crate) async fn gone(&mut self) {
        let mut buffer = [0; 64];
        while getppid() == Some(self.id) {
            let read = tokio::time::timeout(INTERVAL, self.pipe.read(&mut buffer));
            if let Ok(Ok(0) | Err(_)) = read.await {
                return;
            }
        }
    }
}
