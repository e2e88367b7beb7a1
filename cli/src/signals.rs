//! Termination signals, from a user or a system shutdown, and the end of the process that this
//! command runs for.

use crate::parent::Parent;
use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receivers of the termination signals.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The process that this command runs for.
    parent: Option<Parent>,
}

impl Signals {
    /// Exit code after an interrupt.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// Starts receiving them; from now on they no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            parent: None,
        })
    }

    /// The same, and the end of the parent process.
    pub(crate) fn and_end_of(mut self, parent: i32) -> Result<Self> {
        self.parent = Some(Parent::watch(parent)?);
        Ok(self)
    }

    /// Waits for the next signal; returns its name and exit code.
    pub(crate) async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.interrupt.recv() => ("interrupted", Self::INTERRUPTED),
            _ = self.terminate.recv() => ("terminated", 143),
            () = gone(&mut self.parent) => ("the program has ended", 0),
        }
    }
}

async fn gone(parent: &mut Option<Parent>) {
    match parent {
        Some(parent) => parent.gone().await,
        None => std::future::pending().await,
    }
}
