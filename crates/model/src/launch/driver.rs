//! What a driver is told.

use super::Secret;
use crate::conf::Conf;
use crate::{ApplicationId, Epoch};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Everything that a driver needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriverSettings {
    /// Which application it owns.
    pub application: ApplicationId,
    /// Name of the application, for people.
    pub name: String,
    /// Which incarnation of the driver this is.
    pub epoch: Epoch,
    /// The application's token.
    pub token: Secret,
    /// The application's TLS identity, if connections between its processes are encrypted.
    #[serde(default)]
    pub identity: Option<Secret>,
    /// The application's settings.
    #[serde(default, serialize_with = "write_conf", deserialize_with = "read_conf")]
    pub conf: Conf,
    /// The user's program; without one it serves Spark Connect until it is stopped.
    #[serde(default)]
    pub program: Option<Program>,
    /// Where executors and the cluster manager reach it; port 0 takes a free one.
    #[serde(default = "any_port")]
    pub listen: SocketAddr,
    /// Where it serves Spark Connect; port 0 takes a free one.
    #[serde(default = "any_port")]
    pub connect: SocketAddr,
    /// Who may use Spark Connect.
    #[serde(default)]
    pub connect_access: Access,
    /// Directories that it removes at its end: volumes that are this application's alone.
    #[serde(default)]
    pub remove: Vec<PathBuf>,
    /// After which end of the program executors remove what is on its volumes.
    #[serde(default)]
    pub forget: Forget,
    /// What it does while no cluster manager is attached.
    #[serde(default)]
    pub without_manager: WithoutManager,
    /// File, pipe or `/dev/fd/N` to which it writes its addresses, one line of JSON; standard output if there is none.
    #[serde(default)]
    pub announce: Option<PathBuf>,
}

/// Who may use Spark Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Who has the application's token.
    #[default]
    Token,
    /// Everybody who reaches the address.
    Open,
}

/// After which end of the program its shuffles are removed from volumes. A driver that is told to end removes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forget {
    /// After none: another run of the program may use them, or the volumes go anyway.
    #[default]
    Never,
    /// If it ends well; a run that is to repair a failure uses them.
    AfterSuccess,
    /// However it ends.
    AfterEachEnd,
}

impl Forget {
    /// Whether they are removed after this exit code.
    pub fn after(self, exit_code: i32) -> bool {
        match self {
            Self::Never => false,
            Self::AfterSuccess => exit_code == 0,
            Self::AfterEachEnd => true,
        }
    }
}

/// What a driver does while no cluster manager is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutManager {
    /// It runs with the executors it has.
    #[default]
    Continue,
    /// It ends, after that many milliseconds: on one machine nobody else would end it.
    EndAfterMs(u64),
}

/// A user's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// A Python or an SQL file.
    pub file: PathBuf,
    /// Arguments of a Python program.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The Python that runs it.
    #[serde(default = "python")]
    pub python: PathBuf,
    /// Put in front of the Python path: files, directories, zip files.
    #[serde(default)]
    pub python_path: Vec<PathBuf>,
}

impl DriverSettings {
    /// Settings with the defaults of everything that has one.
    pub fn new(
        application: ApplicationId,
        name: impl Into<String>,
        token: impl Into<Secret>,
    ) -> Self {
        Self {
            application,
            name: name.into(),
            epoch: Epoch(1),
            token: token.into(),
            identity: None,
            conf: Conf::default(),
            program: None,
            listen: any_port(),
            connect: any_port(),
            connect_access: Access::default(),
            remove: Vec::new(),
            forget: Forget::default(),
            without_manager: WithoutManager::default(),
            announce: None,
        }
    }
}

/// Where a driver is reached, as it announces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// For executors and the cluster manager: `host:port`.
    pub cluster: String,
    /// For Spark Connect: `sc://localhost:port`.
    pub connect: String,
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn python() -> PathBuf {
    "python3".into()
}

fn write_conf<S: Serializer>(conf: &Conf, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(conf.iter())
}

fn read_conf<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Conf, D::Error> {
    BTreeMap::<String, String>::deserialize(deserializer).map(|map| map.into_iter().collect())
}
