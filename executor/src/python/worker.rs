//! One worker: a process group, and what the executor holds of it.

use super::failure::Exit;
use super::printed::Printed;
use super::requests::Serving;
use model::Attempt;
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long the end of a worker that has closed its socket may take to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker. Whoever drops it kills it, and everything that it has started.
#[derive(Debug)]
pub(super) struct Worker {
    pub pid: Pid,
    /// The data socket; does not block.
    pub data: UnixStream,
    pub printed: Printed,
    /// Its end, once it is known.
    pub exit: watch::Receiver<Option<Exit>>,
    /// What answers its requests.
    pub requests: AbortHandle,
    /// The attempt that it runs.
    pub serving: Serving,
}

impl Worker {
    /// How it ended, if it has; waits for the news.
    pub(super) async fn ended(&mut self) -> Option<Exit> {
        let exit = timeout(PATIENCE, self.exit.wait_for(Option::is_some)).await;
        match exit {
            Ok(Ok(exit)) => *exit,
            // Nobody is left to tell.
            Ok(Err(_)) => Some(Exit::Unknown),
            Err(_) => None,
        }
    }

    /// Notes the attempt that it runs from now on, for its requests.
    pub(super) fn serve(&self, attempt: Option<Attempt>) {
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = attempt;
    }

    /// Whether it waits for a task: nothing lies on its socket, which is open.
    pub(super) fn is_waiting(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let peeked = recv(&self.data, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        self.exit.borrow().is_none() && peeked == Err(rustix::io::Errno::AGAIN)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.requests.abort();
        // The server has killed the group of a worker that has ended.
        if self.exit.borrow().is_none() {
            kill(self.pid);
        }
    }
}

/// Kills a worker and everything in its group.
pub(super) fn kill(pid: Pid) {
    // It may have ended by itself.
    let _ = kill_process_group(pid, Signal::KILL);
}
