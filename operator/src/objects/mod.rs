//! Building an application's children. It is pure and cannot fail: what could make it fail is refused when the application is read.

mod pod;
mod processes;
mod run;
mod security;
mod volumes;

pub use pod::{driver_pod, executor_pod};
pub use processes::{driver_settings, executor_settings};
pub use run::run;
pub use volumes::{driver_claims, executor_claims, lost_volume, remaining};

use crate::names;
use crate::plan::{Application, Secrets};
use crate::settings::Settings;
use crate::submission::SubmissionId;
use crd::{FieldPath, Problem, Validated};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use std::collections::BTreeMap;

/// All that objects are made from.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// The application.
    pub app: &'a Application,
    /// What its specification means.
    pub valid: &'a Validated,
    /// Settings of the operator.
    pub settings: &'a Settings,
    /// What the objects belong to.
    pub submission: &'a SubmissionId,
    /// Which run of the specification this is; the first has the number 1.
    pub run: u32,
}

/// An executor to make.
#[derive(Debug, Clone, Copy)]
pub struct NewExecutor<'a> {
    /// Its number.
    pub id: u64,
    /// Which claims it mounts.
    pub slot: u32,
    /// Address of the driver's pod.
    pub driver: &'a str,
}

/// Bytes of settings in a pod: more do not fit into an object of Kubernetes, with all else that it has.
const LONGEST_SETTINGS: usize = 1 << 20;

/// What keeps objects from being made from a specification that is right in itself.
pub fn problems(app: &Application, valid: &Validated, settings: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    for (role, name) in [(&valid.driver, "driver"), (&valid.executor, "executor")] {
        if role.image.is_none() && settings.image.is_none() {
            let problem = format!(
                "is missing, and so is spec.{name}.image; the operator has no image of its own"
            );
            found.push(Problem::new(FieldPath::new("spec.image"), problem));
            break;
        }
    }
    let submission = SubmissionId::first(String::new());
    let making = Making { app, valid, settings, submission: &submission, run: 1 };
    let bytes = processes::driver_text(&making).len();
    if bytes > LONGEST_SETTINGS {
        let problem = format!(
            "is too large: the driver is told {bytes} bytes in all, and {LONGEST_SETTINGS} fit into its pod"
        );
        found.push(Problem::new(largest(valid), problem));
    }
    found
}

/// The field that has the most of what a driver is told.
fn largest(valid: &Validated) -> FieldPath {
    let bytes = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let settings = valid.settings.iter().map(|(key, value)| key.len() + value.len()).sum();
    let fields = [
        ("spec.sparkConf", settings),
        ("spec.arguments", bytes(&valid.program.arguments)),
        ("spec.deps.pyFiles", bytes(&valid.program.py_files)),
    ];
    let largest = fields.into_iter().max_by_key(|(_, bytes)| *bytes);
    FieldPath::new(largest.map_or("spec", |(field, _)| field))
}

/// The secret that holds what only the application's processes know. It has an identity even where nothing is encrypted: it cannot be
/// changed, and the next specification may ask for encryption.
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

/// Metadata of a child: its name, what it belongs to, and its one owner.
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
        // Blocking would need a right on finalizers of applications, and nothing is gained by it.
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests;
