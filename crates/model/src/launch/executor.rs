//! What an executor is told.

use super::Secret;
use crate::{ApplicationId, Epoch, ExecutorId, VolumeId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that an executor needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorSettings {
    /// Which application it works for.
    pub application: ApplicationId,
    /// Which executor it is.
    pub executor: ExecutorId,
    /// The driver: `host:port`.
    pub driver: String,
    /// The application's token.
    pub token: Secret,
    /// The application's TLS identity, if connections between its processes are encrypted.
    #[serde(default)]
    pub identity: Option<Secret>,
    /// The incarnation of the driver that it serves.
    pub epoch: Epoch,
    /// Tasks that it runs at once.
    pub slots: u32,
    /// Memory that its tasks share.
    pub memory_bytes: u64,
    /// Where it writes map outputs.
    pub volume: Mount,
    /// Where it spills; removed by whoever made it.
    pub scratch: PathBuf,
    /// Address on which it serves blocks to peers: an IP address without port.
    #[serde(default = "loopback")]
    pub host: String,
    /// Whether a map output is forced to the disk before it counts.
    #[serde(default)]
    pub sync: bool,
}

/// A volume in a directory of this executor's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Which volume.
    pub volume: VolumeId,
    /// Where it is mounted; it is made a volume if it is empty.
    pub path: PathBuf,
    /// Whether nobody mounts it after this executor, which therefore removes it at its end.
    #[serde(default)]
    pub last: bool,
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}
