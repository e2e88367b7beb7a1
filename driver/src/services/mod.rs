//! The doors: what executors and the cluster manager say becomes messages of the event loop, and
//! what it answers becomes theirs.

mod cluster;
mod executors;

pub(crate) use cluster::ClusterService;
pub(crate) use executors::ExecutorsService;

use crate::event_loop::{Inbox, Input};
use crate::rows::RowStore;
use model::Epoch;
use std::sync::Arc;
use tonic::Status;

/// What both services know.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub inbox: Inbox,
    pub epoch: Epoch,
    pub rows: Arc<RowStore>,
}

impl Door {
    async fn send(&self, input: Input) -> Result<(), Status> {
        self.inbox.send(input).await.map_err(|_| Status::unavailable("the driver is ending"))
    }

    /// Refuses what was meant for another incarnation of the driver.
    fn check(&self, epoch: u64) -> Result<(), Status> {
        if epoch == self.epoch.0 {
            return Ok(());
        }
        let own = self.epoch.0;
        Err(Status::failed_precondition(format!("this driver has epoch {own}, not {epoch}")))
    }
}
