//! Settings of a driver.

use super::{Dependencies, Secret};
use crate::conf::Conf;
use crate::{ApplicationId, Epoch};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Everything that a driver needs to know at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriverSettings {
    /// The application that it owns.
    pub application: ApplicationId,
    /// Name of the application, for people.
    pub name: String,
    /// Its incarnation.
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
    /// Address for executors and the cluster manager; port 0 picks a free one.
    #[serde(default = "any_port")]
    pub listen: SocketAddr,
    /// Address for Spark Connect; port 0 picks a free one.
    #[serde(default = "any_port")]
    pub connect: SocketAddr,
    /// Access to Spark Connect.
    #[serde(default)]
    pub connect_access: Access,
    /// Directories to delete at the end: volumes that only this application uses.
    #[serde(default)]
    pub remove: Vec<PathBuf>,
    /// Outcomes of the program after which executors delete its data from their volumes.
    #[serde(default)]
    pub forget: Forget,
    /// Behaviour while no cluster manager is attached.
    #[serde(default)]
    pub without_manager: WithoutManager,
    /// File, pipe or `/dev/fd/N` to announce its addresses on, as one line of JSON; standard output
    /// by default.
    #[serde(default)]
    pub announce: Option<PathBuf>,
}

/// Access to Spark Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Holders of the application's token.
    #[default]
    Token,
    /// Anyone who can reach the address.
    Open,
}

/// Outcomes of the program after which its shuffles are deleted from volumes. A driver that is told
/// to stop deletes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forget {
    /// None: another run of the program may reuse them, or the volumes are deleted anyway.
    #[default]
    Never,
    /// Success only; a run that repairs a failure reuses them.
    AfterSuccess,
    /// Every outcome.
    AfterEachEnd,
}

impl Forget {
    /// Whether shuffles are deleted after this exit code.
    pub fn after(self, exit_code: i32) -> bool {
        match self {
            Self::Never => false,
            Self::AfterSuccess => exit_code == 0,
            Self::AfterEachEnd => true,
        }
    }
}

/// A driver's behaviour while no cluster manager is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutManager {
    /// Keeps running with its executors.
    #[default]
    Continue,
    /// Exits after this many milliseconds: on one machine nothing else would end it.
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
    /// The Python interpreter.
    #[serde(default = "python")]
    pub python: PathBuf,
    /// Entries to put in front of the Python path: files, directories, zip files.
    #[serde(default)]
    pub python_path: Vec<PathBuf>,
    /// Directory with the application's files, the root of `SparkFiles`.
    #[serde(default)]
    pub files: Option<PathBuf>,
    /// What is still to be brought there.
    #[serde(default)]
    pub dependencies: Dependencies,
    /// Name of an SQL program in messages; by default its path.
    #[serde(default)]
    pub name: Option<String>,
}

impl DriverSettings {
    /// Settings with defaults for everything that has one.
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

/// Addresses of a driver, as it announces them.
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
