//! Builders of an application's children. They are pure and cannot fail: validation has already
//! refused whatever could make them fail.

mod environment;
mod pod;
mod scheduled_run;
mod security;
mod volumes;

pub use environment::{driver_settings, executor_settings};
pub use pod::{driver_pod, executor_pod};
pub use scheduled_run::scheduled_run;
pub use volumes::{driver_claims, executor_claims, lost_volume, remaining};

use crate::names;
use crate::plan::{Application, Secrets};
use crate::settings::Settings;
use crate::submission::SubmissionId;
use crd::{FieldPath, Problem, Validated};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use model::ProfileId;
use std::collections::BTreeMap;

/// Inputs that all objects are built from.
#[derive(Debug, Clone, Copy)]
pub struct BuildContext<'a> {
    /// The application.
    pub app: &'a Application,
    /// The validated specification.
    pub valid: &'a Validated,
    /// Settings of the operator.
    pub settings: &'a Settings,
    /// The submission that the objects belong to.
    pub submission: &'a SubmissionId,
    /// Number of this run of the specification, from 1.
    pub run: u32,
}

/// An executor to create.
#[derive(Debug, Clone, Copy)]
pub struct NewExecutor<'a> {
    /// Its number.
    pub id: u64,
    /// The slot whose claims it mounts.
    pub slot: u32,
    /// Its resource profile; `context.valid.executor` is what that says of it.
    pub profile: ProfileId,
    /// Address of the driver's pod.
    pub driver: &'a str,
}

/// Size limit of the settings in a pod: with more, the pod would exceed what Kubernetes accepts as
/// one object.
const MAX_SETTINGS_BYTES: usize = 1 << 20;

/// Problems that keep objects from being built although the specification is valid in itself.
pub fn problems(app: &Application, valid: &Validated, settings: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    for (role, name) in [(&valid.driver, "driver"), (&valid.executor, "executor")] {
        if role.image.is_none() && settings.image.is_none() {
            let problem = format!(
                "is missing, and so is spec.{name}.image; the operator has no default image"
            );
            found.push(Problem::new(FieldPath::new("spec.image"), problem));
            break;
        }
    }
    let submission = SubmissionId::first(String::new());
    let context = BuildContext { app, valid, settings, submission: &submission, run: 1 };
    let bytes = environment::driver_text(&context).len();
    if bytes > MAX_SETTINGS_BYTES {
        let problem = format!(
            "is too large: the driver's settings take {bytes} bytes, and its pod has room for {MAX_SETTINGS_BYTES}"
        );
        found.push(Problem::new(largest(valid), problem));
    }
    found
}

/// The field that contributes most to the driver's settings.
fn largest(valid: &Validated) -> FieldPath {
    let bytes = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let settings = valid.settings.iter().map(|(key, value)| key.len() + value.len()).sum();
    let fields = [
        ("spec.sparkConf", settings),
        ("spec.arguments", bytes(&valid.program.arguments)),
        ("spec.deps.pyFiles", bytes(&valid.program.dependencies.py_files)),
        ("spec.deps.files", bytes(&valid.program.dependencies.files)),
        ("spec.deps.archives", bytes(&valid.program.dependencies.archives)),
    ];
    let largest = fields.into_iter().max_by_key(|(_, bytes)| *bytes);
    FieldPath::new(largest.map_or("spec", |(field, _)| field))
}

/// The secret shared by the application's processes. It always holds a TLS identity: the secret is
/// immutable, and the next specification may ask for encryption.
pub fn token_secret(app: &Application, secrets: Secrets) -> Secret {
    let data = [(names::TOKEN_KEY, secrets.token), (names::IDENTITY_KEY, secrets.identity)];
    Secret {
        metadata: child_metadata(app, names::token_secret(&app.name)),
        string_data: Some(data.map(|(key, text)| (key.to_owned(), text.to_string())).into()),
        type_: Some("Opaque".to_owned()),
        immutable: Some(true),
        ..Secret::default()
    }
}

/// Metadata of a child: its name, its labels, and its only owner.
fn child_metadata(app: &Application, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(app.namespace.clone()),
        labels: Some(BTreeMap::from([
            (names::APP_NAME.to_owned(), app.name.clone()),
            (names::APP_SELECTOR.to_owned(), names::application_id(&app.uid)),
        ])),
        owner_references: Some(vec![owner(app)]),
        ..ObjectMeta::default()
    }
}

fn owner(app: &Application) -> OwnerReference {
    OwnerReference {
        api_version: crd::SparkApplication::api_version(&()).into_owned(),
        kind: crd::SparkApplication::kind(&()).into_owned(),
        name: app.name.clone(),
        uid: app.uid.clone(),
        controller: Some(true),
        // Blocking deletion would need a permission on the applications' finalizers and gain
        // nothing.
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests;
