//! A snapshot of an application's child objects, reduced to what decisions depend on.

use crate::names;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use model::{ExecutorRequest, ProfileId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything observed of an application's children.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Driver pods of this application, of any submission.
    pub drivers: Vec<PodFacts>,
    /// Whether a pod of another owner has the name of this application's driver.
    pub name_taken: bool,
    /// When the API server last reported that a secret of another owner has the name of this
    /// application's token secret.
    pub secret_taken: Option<Timestamp>,
    /// Whether the token secret of a running driver is gone or has another owner now.
    pub token_lost: bool,
    /// Executor pods of this application, by number.
    pub executors: BTreeMap<u64, ExecutorFacts>,
    /// Names of the existing claims.
    pub claims: BTreeSet<String>,
    /// Whether the token secret exists.
    pub token: bool,
    /// The driver's last report, while its stream is open.
    pub attached: Option<Attached>,
    /// The API server's refusal to create a submission's driver.
    pub refused: Option<Refused>,
    /// The API server's refusal to create an executor.
    pub refused_executor: Option<RefusedExecutor>,
    /// Why passes fail, if several in a row have.
    pub obstacle: Option<String>,
    /// Freshness of the snapshot.
    pub view: View,
}

/// Freshness of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    /// From a watch: objects may have been created or deleted since.
    #[default]
    Cached,
    /// Read from the API server for this pass.
    Live,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The submission it belongs to.
    pub submission: String,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Whether it was created with encrypted connections.
    pub encrypted: bool,
    /// When its grace period ends or ended, if its deletion was requested.
    pub ends_by: Option<Timestamp>,
    /// State of its Spark container.
    pub state: PodState,
}

/// An executor's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorFacts {
    /// The pod.
    pub pod: PodFacts,
    /// The slot whose claims it may mount.
    pub slot: u32,
    /// Its resource profile.
    pub profile: ProfileId,
    /// Whether its end was recorded and the pod is only kept for inspection.
    pub inactive: bool,
}

/// State of a pod's Spark container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodState {
    /// Not started yet.
    Pending {
        /// The obstacle to its start, if waiting alone will not help.
        trouble: Option<Trouble>,
    },
    /// Running.
    Running,
    /// Ended, whatever the pod's other containers do.
    Ended(End),
    /// Its node does not report.
    Unknown,
}

/// An obstacle to a pod's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One word, such as `ErrImagePull` or `Unschedulable`.
    pub reason: String,
    /// Explanation for people.
    pub message: String,
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its exit code, if it ran.
    pub exit_code: Option<i32>,
    /// One word, such as `Completed`, `Error`, `OOMKilled` or `Evicted`.
    pub reason: String,
    /// Last known message, possibly the end of its log.
    pub message: String,
}

impl End {
    /// The end of a pod that no longer exists.
    pub fn deleted() -> Self {
        let message = "the pod was deleted".to_owned();
        Self { exit_code: None, reason: "Deleted".to_owned(), message }
    }

    /// The end of a pod whose node did not end it in time.
    pub fn node_lost() -> Self {
        let message =
            "its node did not end it in time; it is deleted without confirmation".to_owned();
        Self { exit_code: None, reason: "NodeLost".to_owned(), message }
    }

    /// Notes that the pod's deletion was requested, which explains an end by a signal of which
    /// nothing else is known.
    fn deletion_requested(&mut self) {
        if self.reason == "Error" && matches!(self.exit_code, Some(137 | 143)) {
            let Self { reason, message, .. } = Self::deleted();
            self.reason = reason;
            if self.message.is_empty() {
                self.message = message;
            }
        }
    }

    /// Whether it ended before running, for a reason that may not recur on another node.
    pub fn never_ran(&self) -> bool {
        let elsewhere = matches!(
            self.reason.as_str(),
            "Deleted" | "NodeLost" | "Preempted" | "NodeShutdown" | "Terminated"
        );
        self.exit_code.is_none() && !elsewhere
    }

    /// Whether it ended successfully.
    pub fn is_success(&self) -> bool {
        self.exit_code == Some(0)
    }

    /// Whether the container itself caused its end. An exit code above 128 means that it was
    /// killed; exceeding its memory limit gives one too, as does a crash, but these are its own
    /// doing.
    pub fn is_own_doing(&self) -> bool {
        match (self.reason.as_str(), self.exit_code) {
            ("OOMKilled" | "InitContainerFailed", _) => true,
            ("Error" | "ContainerCannotRun" | "StartError", Some(code)) => {
                (1..=128).contains(&code) || is_crash(code - 128)
            }
            _ => false,
        }
    }
}

/// Whether a process brings this signal on itself: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
fn is_crash(signal: i32) -> bool {
    [4, 5, 6, 7, 8, 11, 31].contains(&signal)
}

/// A driver's report over its stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attached {
    /// The submission whose driver is attached.
    pub submission: String,
    /// The executors it wants; `None` until it has sent that.
    pub wish: Option<Wish>,
    /// Progress of its jobs.
    pub progress: Option<crd::Progress>,
    /// Executors it knows, and whether they are connected.
    pub executors: BTreeMap<u64, bool>,
    /// Executors that were reported to it over this stream.
    pub reported: BTreeSet<u64>,
    /// The end of its program.
    pub ended: Option<End>,
}

/// The executors that a driver wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Total number.
    pub executors: u32,
    /// Executors that it no longer needs, or whose end it has acknowledged.
    pub release: BTreeSet<u64>,
    /// Executors for resource profiles, beside the former.
    pub profiles: Vec<ProfileWish>,
}

/// The executors that a driver wants for a resource profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileWish {
    /// Its number.
    pub profile: ProfileId,
    /// What it says of an executor.
    pub request: ExecutorRequest,
    /// Number of executors.
    pub executors: u32,
}

/// The API server's refusal to create a submission's driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The submission.
    pub submission: String,
    /// The server's message.
    pub message: String,
}

/// The API server's refusal to create an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedExecutor {
    /// One word.
    pub reason: String,
    /// The server's message.
    pub message: String,
    /// The time.
    pub at: Timestamp,
}

impl Observed {
    /// Sorts pods into those of the application with this uid and a foreign pod that has its
    /// driver's name. Pods of a deleted application of the same name are foreign.
    pub fn from_pods<'a>(
        uid: &str,
        driver_name: &str,
        pods: impl IntoIterator<Item = &'a Pod>,
    ) -> Self {
        let mut seen = Self::default();
        for pod in pods {
            let is_ours = pod.owner_references().iter().any(|owner| owner.uid == uid);
            let role = pod.labels().get(names::ROLE).map(String::as_str);
            match role {
                Some("driver") if is_ours => {
                    seen.drivers.push(PodFacts::read(pod, names::DRIVER_CONTAINER));
                }
                Some("executor") if is_ours => seen.executors.extend(ExecutorFacts::read(pod)),
                _ => seen.name_taken |= pod.name_any() == driver_name,
            }
        }
        seen
    }
}

impl PodFacts {
    /// Reads a pod; `container` names its Spark container.
    pub fn read(pod: &Pod, container: &str) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let mut state = state(&status, container);
        if let PodState::Ended(end) = &mut state
            && pod.metadata.deletion_timestamp.is_some()
        {
            end.deletion_requested();
        }
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            submission: pod.labels().get(names::SUBMISSION_ID).cloned().unwrap_or_default(),
            address: status.pod_ip.clone().filter(|ip| !ip.is_empty()),
            encrypted: pod.labels().get(names::ENCRYPTED).is_some_and(|value| value == "true"),
            ends_by: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
            state,
        }
    }

    /// The end of its Spark container, if it has ended.
    pub fn end(&self) -> Option<&End> {
        match &self.state {
            PodState::Ended(end) => Some(end),
            PodState::Pending { .. } | PodState::Running | PodState::Unknown => None,
        }
    }

    /// Whether its deletion was requested.
    pub fn is_ending(&self) -> bool {
        self.ends_by.is_some()
    }
}

impl ExecutorFacts {
    /// Reads an executor's pod and its number; `None` if it has none.
    pub fn read(pod: &Pod) -> Option<(u64, Self)> {
        let labels = pod.labels();
        let id = labels.get(names::EXECUTOR_ID)?.parse().ok()?;
        let slot = labels.get(names::SLOT).and_then(|slot| slot.parse().ok()).unwrap_or_default();
        let profile = labels.get(names::RESOURCE_PROFILE).and_then(|number| number.parse().ok());
        let facts = Self {
            pod: PodFacts::read(pod, names::EXECUTOR_CONTAINER),
            slot,
            profile: ProfileId(profile.unwrap_or_default()),
            inactive: labels.contains_key(names::INACTIVE),
        };
        Some((id, facts))
    }

    /// Whether it runs or may yet run, and its deletion was not requested.
    pub fn is_living(&self) -> bool {
        self.pod.end().is_none() && !self.pod.is_ending()
    }
}

fn state(status: &PodStatus, container: &str) -> PodState {
    let phase = status.phase.as_deref().unwrap_or_default();
    let containers = status.container_statuses.iter().flatten();
    let spark = containers.clone().find(|known| known.name == container);
    let current = spark.and_then(|spark| spark.state.as_ref());
    if let Some(ended) = current.and_then(|state| state.terminated.as_ref()) {
        let own = ended.reason.clone().filter(|reason| !reason.is_empty());
        let fallback = if ended.exit_code == 0 { "Completed" } else { "Error" };
        // What ended the pod says more than the container's exit code.
        let outer = if ended.exit_code == 0 { None } else { outer_reason(status) };
        let (reason, more) = match outer {
            Some((reason, message)) if own.as_deref() != Some("OOMKilled") => (reason, message),
            _ => (own.unwrap_or_else(|| fallback.to_owned()), String::new()),
        };
        let message = ended.message.clone().filter(|message| !message.is_empty()).unwrap_or(more);
        return PodState::Ended(End { exit_code: Some(ended.exit_code), reason, message });
    }
    if phase == "Failed" || phase == "Succeeded" {
        let (reason, message) =
            outer_reason(status).or_else(|| init_failure(status)).unwrap_or_else(|| {
                (phase.to_owned(), "the pod ended without a status of its container".to_owned())
            });
        return PodState::Ended(End { exit_code: None, reason, message });
    }
    if phase == "Unknown" {
        return PodState::Unknown;
    }
    if current.is_some_and(|state| state.running.is_some()) {
        return PodState::Running;
    }
    PodState::Pending { trouble: trouble(status) }
}

/// The reason why the pod as a whole ended: its own (`Evicted`, `NodeShutdown`), or that of its
/// disruption.
fn outer_reason(status: &PodStatus) -> Option<(String, String)> {
    if let Some(reason) = status.reason.clone().filter(|reason| !reason.is_empty()) {
        return Some((reason, status.message.clone().unwrap_or_default()));
    }
    let disrupted =
        status.conditions.iter().flatten().find(|condition| {
            condition.type_ == "DisruptionTarget" && condition.status == "True"
        })?;
    let reason = match disrupted.reason.as_deref() {
        Some("PreemptionByScheduler") => "Preempted",
        Some("EvictionByEvictionAPI" | "TerminationByKubelet") => "Evicted",
        Some("DeletionByTaintManager" | "DeletionByPodGC") => "NodeLost",
        Some(other) if !other.is_empty() => other,
        _ => "Evicted",
    };
    Some((reason.to_owned(), disrupted.message.clone().unwrap_or_default()))
}

fn init_failure(status: &PodStatus) -> Option<(String, String)> {
    let failed = status.init_container_statuses.iter().flatten().find_map(|container| {
        let ended = container.state.as_ref()?.terminated.as_ref()?;
        (ended.exit_code != 0).then_some((container, ended))
    });
    let (container, ended) = failed?;
    let message = ended.message.as_deref().unwrap_or_default();
    let message = format!(
        "init container {} ended with exit code {}: {message}",
        container.name, ended.exit_code
    );
    Some(("InitContainerFailed".to_owned(), message.trim_end_matches([':', ' ']).to_owned()))
}

/// Waiting reasons that resolve by themselves.
const PASSING: &[&str] = &["ContainerCreating", "PodInitializing", ""];

fn trouble(status: &PodStatus) -> Option<Trouble> {
    let waiting = |containers: &Option<Vec<ContainerStatus>>| {
        containers.iter().flatten().find_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            let reason = waiting.reason.clone().unwrap_or_default();
            let message = waiting.message.clone().unwrap_or_default();
            (!PASSING.contains(&reason.as_str())).then_some(Trouble { reason, message })
        })
    };
    waiting(&status.init_container_statuses)
        .or_else(|| waiting(&status.container_statuses))
        .or_else(|| {
            let conditions = status.conditions.iter().flatten();
            let unscheduled = conditions.clone().find(|condition| {
                condition.type_ == "PodScheduled" && condition.status == "False"
            })?;
            Some(Trouble {
                reason: unscheduled.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned()),
                message: unscheduled.message.clone().unwrap_or_default(),
            })
        })
}

#[cfg(test)]
mod tests;
