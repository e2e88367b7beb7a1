//! A schedule and its runs, each read once.

use crate::names;
use crate::objects;
use crate::plan::Application;
use crate::settings::Settings;
use crd::{
    FieldPath, Problem, ScheduledSparkApplication, ScheduledSparkApplicationStatus,
    SparkApplication, SparkApplicationSpec, State, ValidSchedule,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};

/// Length limit of a schedule's name: followed by the time of a run, it names an application.
const MAX_NAME_LENGTH: usize = 52;

/// A schedule.
#[derive(Debug, Clone)]
pub struct ScheduledApplication {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Generation of its specification.
    pub generation: i64,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its labels, which its runs inherit.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, likewise.
    pub annotations: BTreeMap<String, String>,
    /// Its cron expression and time zone, as text.
    pub when: String,
    /// Specification of its runs.
    pub template: SparkApplicationSpec,
    /// The specification's meaning, or its problems.
    pub valid: Result<Box<ValidSchedule>, Vec<Problem>>,
    /// Its last written status.
    pub status: ScheduledSparkApplicationStatus,
}

impl ScheduledApplication {
    /// Reads a resource.
    pub fn read(resource: &ScheduledSparkApplication, settings: &Settings) -> Self {
        let namespace = resource.namespace().unwrap_or_default();
        let spec = &resource.spec;
        let valid = crd::validate_scheduled(spec, &namespace).map(Box::new);
        let zone = spec.time_zone.as_ref().filter(|zone| !zone.is_empty());
        let zone = zone.map(|zone| format!("TZ={zone} ")).unwrap_or_default();
        let mut schedule = Self {
            name: resource.name_any(),
            uid: resource.uid().unwrap_or_default(),
            generation: resource.metadata.generation.unwrap_or_default(),
            created: resource.metadata.creation_timestamp.as_ref().map(|time| time.0),
            deleting: resource.metadata.deletion_timestamp.is_some(),
            labels: resource.labels().clone(),
            annotations: resource.annotations().clone(),
            when: format!("{zone}{}", spec.schedule.trim()),
            template: spec.template.clone(),
            valid: Err(Vec::new()),
            status: resource.status.clone().unwrap_or_default(),
            namespace,
        };
        schedule.valid = valid.and_then(|valid| {
            let problems = schedule.problems_of_runs(settings);
            if problems.is_empty() { Ok(valid) } else { Err(problems) }
        });
        schedule
    }

    /// Problems that would keep every run from being created.
    fn problems_of_runs(&self, settings: &Settings) -> Vec<Problem> {
        if self.name.len() > MAX_NAME_LENGTH {
            let problem = format!(
                "must have at most {MAX_NAME_LENGTH} characters; the names of its runs are longer by 11"
            );
            return vec![Problem::new(FieldPath::new("metadata.name"), problem)];
        }
        let run = objects::scheduled_run(self, Timestamp::UNIX_EPOCH);
        let problems = Application::read(&run, settings).valid.err().unwrap_or_default();
        let inside = |problem: Problem| Problem { field: problem.field.in_template(), ..problem };
        problems.into_iter().map(inside).collect()
    }

    /// All its problems, in one line.
    pub(super) fn problems(&self) -> Option<String> {
        let problems = self.valid.as_ref().err()?;
        Some(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// Everything observed of a schedule's runs.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// Applications that it started.
    pub runs: Vec<Run>,
    /// Names of applications that it did not start.
    pub others: BTreeSet<String>,
    /// Names of its runs, including deleted ones, whose driver has not ended.
    pub driven: BTreeSet<String>,
    /// The API server's refusal to create a run.
    pub refused: Option<RefusedRun>,
    /// Freshness of the snapshot.
    pub view: crate::observe::View,
}

/// A run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Version of the resource that was observed.
    pub version: Option<String>,
    /// When it was due.
    pub due: Timestamp,
    /// Its state.
    pub state: State,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// The API server's refusal to create a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRun {
    /// Its name.
    pub name: String,
    /// The server's message.
    pub message: String,
    /// The time.
    pub at: Timestamp,
}

impl Runs {
    /// Sorts the applications and pods of a schedule's namespace. Unrelated ones do no harm.
    pub fn of<'a>(
        schedule: &ScheduledApplication,
        applications: impl IntoIterator<Item = &'a SparkApplication>,
        pods: impl IntoIterator<Item = &'a Pod>,
    ) -> Self {
        let mut seen = Self::default();
        for application in applications {
            let mut owners = application.owner_references().iter();
            if owners.any(|owner| owner.uid == schedule.uid) {
                seen.runs.push(Run::read(application));
            } else {
                seen.others.insert(application.name_any());
            }
        }
        for pod in pods {
            let labels = pod.labels();
            let is_driver = labels.get(names::ROLE).is_some_and(|role| role == "driver");
            let Some(name) = labels.get(names::APP_NAME).filter(|_| is_driver) else { continue };
            let ended =
                crate::observe::PodFacts::read(pod, names::DRIVER_CONTAINER).end().is_some();
            if !ended && is_run_of(&schedule.name, name) && !seen.others.contains(name) {
                seen.driven.insert(name.clone());
            }
        }
        seen
    }
}

/// Whether an application, of which perhaps only pods are left, is named like a run of this
/// schedule.
fn is_run_of(schedule: &str, name: &str) -> bool {
    let time = name.strip_prefix(schedule).and_then(|rest| rest.strip_prefix('-'));
    time.is_some_and(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Run {
    /// Reads an application.
    pub fn read(application: &SparkApplication) -> Self {
        let due = application.annotations().get(names::SCHEDULED_FOR);
        let due = due.and_then(|text| text.parse().ok());
        let created = application.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let status = application.status.as_ref();
        Self {
            name: application.name_any(),
            uid: application.uid().unwrap_or_default(),
            version: application.resource_version(),
            due: due.or(created).unwrap_or_default(),
            state: status.map(|status| status.application_state.state).unwrap_or_default(),
            deleting: application.metadata.deletion_timestamp.is_some(),
        }
    }
}
