//! The resource, read once: its specification with defaults filled in or with all its problems, and
//! its last status.

use crate::names;
use crate::objects;
use crate::settings::Settings;
use crate::submission::specification_hash;
use crd::{FieldPath, Problem, SparkApplication, SparkApplicationStatus, Validated};
use kube::ResourceExt;
use model::conf;
use std::time::Duration;

/// An application.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Generation of its specification.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Spark version that its program was written for.
    pub spark_version: String,
    /// Hash of its specification.
    pub specification: String,
    /// The specification's meaning, or its problems.
    pub valid: Result<Box<Validated>, Vec<Problem>>,
    /// Time that it is kept after its end, even if its specification is refused.
    pub time_to_live: Option<Duration>,
    /// Fields that have no effect.
    pub unsupported: Vec<FieldPath>,
    /// Its last written status.
    pub status: SparkApplicationStatus,
}

impl Application {
    /// Reads a resource.
    pub fn read(resource: &SparkApplication, settings: &Settings) -> Self {
        let namespace = resource.namespace().unwrap_or_default();
        let valid = crd::validate(&resource.spec, &namespace).map(Box::new);
        let mut app = Self {
            name: resource.name_any(),
            uid: resource.uid().unwrap_or_default(),
            generation: resource.metadata.generation.unwrap_or_default(),
            deleting: resource.metadata.deletion_timestamp.is_some(),
            suspended: resource.spec.suspend.unwrap_or(false),
            spark_version: resource.spec.spark_version.clone(),
            specification: specification_hash(&resource.spec),
            valid: Err(Vec::new()),
            time_to_live: crd::time_to_live(&resource.spec),
            unsupported: crd::unsupported(&resource.spec),
            status: resource.status.clone().unwrap_or_default(),
            namespace,
        };
        app.valid = valid.and_then(|valid| {
            let problems = objects::problems(&app, &valid, settings);
            if problems.is_empty() { Ok(valid) } else { Err(problems) }
        });
        app
    }

    /// The validated specification, if it is valid.
    pub fn validated(&self) -> Option<&Validated> {
        self.valid.as_ref().ok().map(Box::as_ref)
    }

    /// Whether connections between its processes are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.validated().is_some_and(|valid| valid.settings.get(&conf::SSL_RPC).unwrap_or(false))
    }

    /// Name of its driver's pod.
    pub fn driver_name(&self) -> String {
        let given = self.validated().and_then(|valid| valid.driver_pod_name.clone());
        given.unwrap_or_else(|| names::driver_pod(&self.name))
    }

    /// Name of an executor's pod.
    pub fn executor_name(&self, id: u64) -> String {
        let prefix = self.validated().and_then(|valid| valid.executor_pod_prefix.as_deref());
        names::executor_pod(prefix.unwrap_or(&self.name), id)
    }

    /// All its problems, in one line.
    pub(super) fn problems(&self) -> Option<String> {
        let problems = self.valid.as_ref().err()?;
        Some(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}
