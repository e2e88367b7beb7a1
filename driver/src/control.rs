//! The thread of the event loop, and of the servers for executors and the cluster manager. What a
//! task needs of the driver happens here, one after the other: no message goes from thread to
//! thread, and no plan that is being made keeps one waiting.

use crate::error::Error;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The running thread.
#[derive(Debug)]
pub(crate) struct Control {
    runtime: Handle,
    /// The thread ends once this is dropped, with all that runs there.
    _running: oneshot::Sender<()>,
}

impl Control {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel();
        let run = move || {
            // Nothing is ever sent: this waits until the sender is dropped.
            let _ = runtime.block_on(ended);
            // A file that is being written is of no use to anybody.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("control".to_owned());
        thread.spawn(run).map_err(Error::Runtime)?;
        Ok(Self { runtime: handle, _running: running })
    }

    /// Where to run what belongs on the thread.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
