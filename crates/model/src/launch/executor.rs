//! Settings of an executor.

use super::{Dependencies, Secret};
use crate::conf::{self, BadSetting, Conf, Fraction, Name, Retain};
use crate::{ApplicationId, Epoch, ExecutorId, ProfileId, VolumeId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that an executor needs to know at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorSettings {
    /// The application that it belongs to.
    pub application: ApplicationId,
    /// Its number.
    pub executor: ExecutorId,
    /// Address of the driver: `host:port`.
    pub driver: String,
    /// The application's token.
    pub token: Secret,
    /// The application's TLS identity, if connections between its processes are encrypted.
    #[serde(default)]
    pub identity: Option<Secret>,
    /// Incarnation of the driver that it serves.
    pub epoch: Epoch,
    /// Number of its resource profile.
    #[serde(default)]
    pub profile: ProfileId,
    /// Number of tasks that it runs at once.
    pub slots: u32,
    /// Memory of the process.
    pub memory_bytes: u64,
    /// The part of it that operators of its tasks share; all of it by default.
    #[serde(default)]
    pub memory_fraction: Fraction,
    /// The volume for map outputs.
    pub volume: Mount,
    /// The application's directory with that volume, if other applications have theirs beside it.
    #[serde(default)]
    pub home: Option<Home>,
    /// Directory for spill files; deleted by its creator.
    pub scratch: PathBuf,
    /// IP address on which it serves blocks to peers, without port.
    #[serde(default = "loopback")]
    pub host: String,
    /// Whether map outputs are forced to the disk before they count.
    #[serde(default)]
    pub sync: bool,
    /// The Python interpreter of workers.
    #[serde(default = "python")]
    pub python: PathBuf,
    /// Entries to put in front of the workers' Python path.
    #[serde(default)]
    pub python_path: Vec<PathBuf>,
    /// How long workers live.
    #[serde(default)]
    pub python_workers: WorkerSettings,
    /// How long it waits for peers.
    #[serde(default)]
    pub peers: PeerPatience,
    /// What becomes of tasks that do not stop; nothing without.
    #[serde(default)]
    pub reaper: Option<ReaperSettings>,
    /// Directory with the application's files: the workers' working directory, and the root of
    /// `SparkFiles`.
    #[serde(default)]
    pub files: Option<PathBuf>,
    /// What is still to be brought there.
    #[serde(default)]
    pub dependencies: Dependencies,
}

/// How long Python workers live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// Whether a worker runs one task after another.
    pub reuse: bool,
    /// Seconds without a sign of a worker that has a task until this is logged; zero: never.
    pub idle_seconds: u64,
    /// Whether such a worker is killed, so that the task fails.
    pub kill_idle: bool,
}

impl WorkerSettings {
    /// From an application's settings.
    pub fn of(conf: &Conf) -> Result<Self, BadSetting> {
        Ok(Self {
            reuse: conf.get(&conf::PYTHON_WORKER_REUSE)?,
            idle_seconds: conf.get(&conf::PYTHON_WORKER_IDLE)?.into(),
            kill_idle: conf.get(&conf::PYTHON_WORKER_KILL_IDLE)?,
        })
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { reuse: true, idle_seconds: 0, kill_idle: false }
    }
}

/// How long an executor waits for a peer until that is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerPatience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub silence: Duration,
}

impl PeerPatience {
    /// From an application's settings.
    pub fn of(conf: &Conf) -> Result<Self, BadSetting> {
        Ok(Self {
            connect: conf.get(&conf::SHUFFLE_CONNECTION_CREATION_TIMEOUT)?,
            silence: conf.get(&conf::SHUFFLE_CONNECTION_TIMEOUT)?,
        })
    }
}

impl Default for PeerPatience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

/// What becomes of tasks that were stopped and compute nevertheless (`spark.task.reaper.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaperSettings {
    /// Milliseconds between two looks at them, of which each is logged.
    pub poll_ms: u64,
    /// Milliseconds after which the executor ends because of one; `None` for never.
    pub kill_ms: Option<u64>,
    /// Whether the plan that one runs is logged.
    pub dump: bool,
}

impl ReaperSettings {
    /// From an application's settings. As in Spark, a `local` executor, which is the only one, does
    /// not end.
    pub fn of(conf: &Conf) -> Result<Option<Self>, BadSetting> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let master = conf.get(&conf::MASTER)?;
        let is_local = master.starts_with("local") && !master.starts_with("local-cluster");
        let settings = Self {
            poll_ms: millis(conf.get(&conf::TASK_REAPER_INTERVAL)?),
            kill_ms: conf
                .get(&conf::TASK_REAPER_KILL_TIMEOUT)?
                .limit()
                .map(millis)
                .filter(|_| !is_local),
            dump: conf.get(&conf::TASK_REAPER_DUMP)?,
        };
        Ok(conf.get(&conf::TASK_REAPER)?.then_some(settings))
    }
}

/// A mounted volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The volume.
    pub volume: VolumeId,
    /// Its directory; made a volume if it is empty.
    pub path: PathBuf,
    /// Whether no other executor mounts it later, so that this one deletes it at its end.
    #[serde(default)]
    pub last: bool,
    /// Whether nobody can mount it once this executor has ended.
    #[serde(default)]
    pub private: bool,
}

/// The directory of an application beside those of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// Where it is.
    pub path: PathBuf,
    /// Seconds without a sign of life after which others delete it; `None`: never.
    pub keep_seconds: Option<u64>,
    /// The group of applications that use each other's shuffles; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
}

/// What an application leaves behind by accident is of use to its next run for that long.
const LEFTOVERS_KEPT: Duration = Duration::from_hours(24);

impl Home {
    /// Name of the file in it that says when the application last gave a sign of life.
    pub const MARK: &str = "alive";
    /// Least time without a sign of life after which an application counts as dead.
    pub const LEAST_SILENCE: Duration = Duration::from_hours(1);

    /// The directory of an application with these settings.
    pub fn of(path: PathBuf, conf: &Conf) -> Result<Self, BadSetting> {
        let retained = conf.get(&conf::SHUFFLE_RETAIN)? != Retain::Never;
        let time = conf.find(&conf::SHUFFLE_RETAIN_TIME)?;
        let keep = time.or((!retained).then_some(LEFTOVERS_KEPT));
        let group = conf.find(&conf::SHUFFLE_SHARE)?;
        Ok(Self { path, keep_seconds: keep.map(|time| time.as_secs()), group })
    }

    /// Time without a sign of life after which others delete it.
    pub fn keep(&self) -> Option<Duration> {
        self.keep_seconds.map(|seconds| Duration::from_secs(seconds).max(Self::LEAST_SILENCE))
    }
}

fn python() -> PathBuf {
    "python3".into()
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}
