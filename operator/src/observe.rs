//! What is seen of an application's children, in the few words that decisions need.

use crate::names;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};

/// All that is seen of an application's children.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Driver pods that belong to this application, of whatever submission.
    pub drivers: Vec<PodFacts>,
    /// Whether a pod that is not this application's has the name of its driver.
    pub name_taken: bool,
    /// When the API server last said that a secret which is not this application's has the name of its token's.
    pub secret_taken: Option<Timestamp>,
    /// Whether the secret with the token of a driver that runs is gone, or is somebody else's now.
    pub token_lost: bool,
    /// Executor pods that belong to this application, by number.
    pub executors: BTreeMap<u64, ExecutorFacts>,
    /// Names of the claims that are there.
    pub claims: BTreeSet<String>,
    /// Whether the secret with the token is there.
    pub token: bool,
    /// What the driver said, if its stream is open.
    pub attached: Option<Attached>,
    /// That the API server would not make the driver of a submission.
    pub refused: Option<Refused>,
    /// That it would not make an executor.
    pub refused_executor: Option<RefusedExecutor>,
    /// How old this may be.
    pub view: View,
}

/// How old an observation may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    /// From a watch: something may have been made or have gone since.
    #[default]
    Cached,
    /// Asked of the API server for this pass.
    Live,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The submission that it belongs to.
    pub submission: String,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Whether it was made to encrypt its connections.
    pub encrypted: bool,
    /// When its grace period ends or has ended, if it was told to end.
    pub ends_by: Option<Timestamp>,
    /// What its Spark container does.
    pub state: PodState,
}

/// An executor's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorFacts {
    /// The pod.
    pub pod: PodFacts,
    /// Which claims it may mount.
    pub slot: u32,
    /// Whether its end was written down and it is only kept.
    pub inactive: bool,
}

/// What a pod's Spark container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodState {
    /// It has not started.
    Pending {
        /// What keeps it from starting, if that is more than time.
        trouble: Option<Trouble>,
    },
    /// It runs.
    Running,
    /// It ended, whatever the pod's other containers do.
    Ended(End),
    /// Its node does not say.
    Unknown,
}

/// What keeps a pod from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One word: `ErrImagePull`, `Unschedulable`.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its exit code, if it ran.
    pub exit_code: Option<i32>,
    /// One word: `Completed`, `Error`, `OOMKilled`, `Evicted`.
    pub reason: String,
    /// The last that is known, perhaps the end of its log.
    pub message: String,
}

impl End {
    /// A pod that is not there any more.
    pub fn deleted() -> Self {
        let message = "the pod was deleted".to_owned();
        Self { exit_code: None, reason: "Deleted".to_owned(), message }
    }

    /// A pod that its node did not end when it was told to.
    pub fn node_lost() -> Self {
        let message = "its node did not end it in time; it is removed without its word".to_owned();
        Self { exit_code: None, reason: "NodeLost".to_owned(), message }
    }

    /// Its pod was told to end. If it ended by a signal, and nothing else is known, that is why.
    fn was_told(&mut self) {
        if self.reason == "Error" && matches!(self.exit_code, Some(137 | 143)) {
            let Self { reason, message, .. } = Self::deleted();
            self.reason = reason;
            if self.message.is_empty() {
                self.message = message;
            }
        }
    }

    /// Whether it ended before it ran, for a reason that the next one on another node may not have.
    pub fn never_ran(&self) -> bool {
        let elsewhere = matches!(
            self.reason.as_str(),
            "Deleted" | "NodeLost" | "Preempted" | "NodeShutdown" | "Terminated"
        );
        self.exit_code.is_none() && !elsewhere
    }

    /// Whether it ended as it should.
    pub fn is_success(&self) -> bool {
        self.exit_code == Some(0)
    }

    /// Whether what it did ended it, and not its surroundings. A container that somebody killed has an exit code above 128; one that
    /// took too much memory, too, but that was its own doing.
    pub fn is_own_doing(&self) -> bool {
        match (self.reason.as_str(), self.exit_code) {
            ("OOMKilled" | "InitContainerFailed", _) => true,
            ("Error" | "ContainerCannotRun" | "StartError", Some(code)) => code != 0 && code <= 128,
            _ => false,
        }
    }
}

/// What a driver said over its stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attached {
    /// The submission whose driver it is.
    pub submission: String,
    /// What it wants; `None` until it said so.
    pub wish: Option<Wish>,
    /// How far it is.
    pub progress: Option<crd::Progress>,
    /// Executors that it knows, and whether they are there.
    pub executors: BTreeMap<u64, bool>,
    /// Executors that it was told of over this stream.
    pub told: BTreeSet<u64>,
    /// How its program ended.
    pub ended: Option<End>,
}

/// The executors that a driver wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// How many in all.
    pub executors: u32,
    /// Those that it needs no more, or has seen the end of.
    pub release: BTreeSet<u64>,
}

/// The API server would not make the driver of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The submission.
    pub submission: String,
    /// What it said.
    pub message: String,
}

/// The API server would not make an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedExecutor {
    /// One word.
    pub reason: String,
    /// What it said.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl Observed {
    /// Sorts pods: what belongs to the application with this uid, and what only has the name of its driver. A pod of an application of
    /// the same name that was deleted is somebody else's.
    pub fn of_pods<'a>(
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
    /// Reads a pod. `container`: the name of its Spark container.
    pub fn read(pod: &Pod, container: &str) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let mut state = state(&status, container);
        if let PodState::Ended(end) = &mut state
            && pod.metadata.deletion_timestamp.is_some()
        {
            end.was_told();
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

    /// Whether its Spark container has ended.
    pub fn end(&self) -> Option<&End> {
        match &self.state {
            PodState::Ended(end) => Some(end),
            PodState::Pending { .. } | PodState::Running | PodState::Unknown => None,
        }
    }

    /// Whether it was told to end.
    pub fn is_ending(&self) -> bool {
        self.ends_by.is_some()
    }
}

impl ExecutorFacts {
    /// Reads an executor's pod, with its number; `None` if it has none.
    pub fn read(pod: &Pod) -> Option<(u64, Self)> {
        let labels = pod.labels();
        let id = labels.get(names::EXECUTOR_ID)?.parse().ok()?;
        let slot = labels.get(names::SLOT).and_then(|slot| slot.parse().ok()).unwrap_or_default();
        let facts = Self {
            pod: PodFacts::read(pod, names::EXECUTOR_CONTAINER),
            slot,
            inactive: labels.contains_key(names::INACTIVE),
        };
        Some((id, facts))
    }

    /// Whether it runs or may come to run, and nobody told it to end.
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
        // Who ended the pod says more than how its container took it.
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
                (phase.to_owned(), "the pod ended and nothing is known of its container".to_owned())
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

/// Why the pod as a whole ended: its own reason (`Evicted`, `NodeShutdown`), or who disrupted it.
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
    let said = ended.message.as_deref().unwrap_or_default();
    let message = format!(
        "init container {} ended with exit code {}: {said}",
        container.name, ended.exit_code
    );
    Some(("InitContainerFailed".to_owned(), message.trim_end_matches([':', ' ']).to_owned()))
}

/// Reasons for waiting that pass by themselves.
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
