//! What driver and executors are told at their start, and how it comes into their pods: as variables of the environment, into which
//! Kubernetes puts the token from its secret and the pod's own address. So a pod is made by one write, and cannot meet settings that are
//! not its own.

use super::volumes::{keeps_shuffles, local_dir, shuffle_volume};
use super::{Making, NewExecutor};
use crate::names;
use crd::Language;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};
use model::conf::{self};
use model::launch::{
    Access, DriverSettings, ExecutorSettings, Forget, IDENTITY_VARIABLE, Mount, Program, Secret,
    TOKEN_VARIABLE, WithoutManager, settings_variable,
};
use model::{ApplicationId, ExecutorId};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Variable with the pod's address.
const ADDRESS_VARIABLE: &str = "FIRESTEEL_POD_IP";
/// Spark's first example, in our image.
const PI: &str = "/opt/firesteel/examples/pi.py";
/// What `spark.master` is in a cluster. Nobody dials it.
const MASTER: &str = "k8s://https://kubernetes.default.svc";
/// Where the driver writes its addresses; its standard output belongs to the program.
const ANNOUNCE: &str = "/tmp/firesteel-driver.json";

/// What the driver is told. Its token is not among it.
pub fn driver_settings(making: &Making<'_>) -> DriverSettings {
    let Making { app, valid, settings, submission, .. } = making;
    let id = ApplicationId(names::application_id(&app.uid));
    let mut told = DriverSettings::new(id, app.name.clone(), String::new());
    told.epoch = submission.epoch;
    told.conf = valid.settings.clone();
    told.conf.set(conf::MASTER.name, MASTER);
    told.conf.set(conf::DEPLOY_MODE.name, "cluster");
    if let Some(name) = told.conf.given(conf::APP_NAME.name) {
        told.name = name.to_owned();
    }
    if told.conf.given(conf::LOCAL_DIR.name).is_none() {
        told.conf.set(conf::LOCAL_DIR.name, local_dir(&valid.driver));
    }
    let python = told.conf.given(conf::PYSPARK_PYTHON.name).unwrap_or("python3");
    let python = PathBuf::from(python);
    let file = match &valid.program.language {
        Language::Python { file } | Language::Sql { file } => file.as_str(),
        Language::SparkPi => PI,
    };
    told.program = Some(Program {
        file: PathBuf::from(file),
        arguments: valid.program.arguments.clone(),
        python,
        python_path: valid.program.py_files.iter().map(PathBuf::from).collect(),
    });
    told.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, settings.driver_port));
    told.connect = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.connect_port));
    told.connect_access = Access::Token;
    told.forget = forget(making);
    told.without_manager = WithoutManager::Continue;
    told.announce = Some(PathBuf::from(ANNOUNCE));
    told
}

/// After which end of this run nobody uses the shuffles again: not if the program runs again, or if they are to stay.
fn forget(making: &Making<'_>) -> Forget {
    let restart = &making.valid.restart;
    if restart.again_after_success() || keeps_shuffles(&making.valid.executor) {
        Forget::Never
    } else if restart.wait_after_failure(making.run).is_some() {
        Forget::AfterSuccess
    } else {
        Forget::AfterEachEnd
    }
}

/// What an executor is told. Its token and its address are not among it.
pub fn executor_settings(making: &Making<'_>, executor: &NewExecutor<'_>) -> ExecutorSettings {
    let Making { app, valid, settings, submission, .. } = making;
    let volume = shuffle_volume(app, &valid.executor, executor.id, executor.slot);
    ExecutorSettings {
        application: ApplicationId(names::application_id(&app.uid)),
        executor: ExecutorId(executor.id),
        driver: names::dialled(executor.driver, settings.driver_port),
        token: Secret::default(),
        identity: None,
        epoch: submission.epoch,
        slots: valid.executor.cpu.slots,
        memory_bytes: valid.executor.memory.program.0,
        volume: Mount { volume: volume.id, path: volume.path, last: volume.stays_behind },
        scratch: volume.scratch,
        host: String::new(),
        sync: valid.settings.get(&conf::SHUFFLE_SYNC).unwrap_or(false),
    }
}

/// The environment of the driver's container, in the order in which variables may refer to earlier ones.
pub(super) fn driver_environment(making: &Making<'_>) -> Vec<EnvVar> {
    let mut all = secrets(making);
    all.push(address());
    all.extend(settings_variables(&driver_text(making)));
    all
}

/// The same of an executor's.
pub(super) fn executor_environment(making: &Making<'_>, executor: &NewExecutor<'_>) -> Vec<EnvVar> {
    let told = serde_json::to_string(&executor_settings(making, executor));
    let mut references = secret_references(making).to_vec();
    references.push(("host", ADDRESS_VARIABLE));
    let told = with_references(&told.expect("settings are JSON"), &references);
    let mut all = secrets(making);
    all.push(address());
    all.extend(settings_variables(&told));
    all
}

/// The driver's settings as its environment has them, in however many parts.
pub(super) fn driver_text(making: &Making<'_>) -> String {
    let told = serde_json::to_string(&driver_settings(making)).expect("settings are JSON");
    with_references(&told, secret_references(making))
}

/// Fields of the settings that are secrets, and the variables that have them.
fn secret_references(making: &Making<'_>) -> &'static [(&'static str, &'static str)] {
    const ALL: &[(&str, &str)] = &[("token", TOKEN_VARIABLE), ("identity", IDENTITY_VARIABLE)];
    if making.app.is_encrypted() { ALL } else { &ALL[..1] }
}

/// The settings with the fields replaced by references to variables. A dollar sign of the user's own is doubled, so that Kubernetes takes
/// it for itself.
fn with_references(settings: &str, references: &[(&str, &str)]) -> String {
    let escaped = settings.replace('$', "$$");
    let mut value: Value =
        serde_json::from_str(&escaped).expect("dollar signs mean nothing in JSON");
    for (field, variable) in references {
        value[*field] = Value::String(format!("$({variable})"));
    }
    value.to_string()
}

/// Bytes of one part of the settings. The kernel starts no process with a variable of 128 KiB or more, and a reference grows when
/// Kubernetes puts a secret into its place.
const PART: usize = 96 << 10;

/// The variables that hold settings. No part ends within what means something to Kubernetes: a reference or a doubled dollar sign.
fn settings_variables(settings: &str) -> Vec<EnvVar> {
    let mut parts = vec![String::new()];
    let mut rest = settings;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("$$") {
            2
        } else if rest.starts_with("$(") {
            rest.find(')').map_or(rest.len(), |end| end + 1)
        } else {
            first.len_utf8()
        };
        let (unit, after) = rest.split_at(length);
        rest = after;
        match parts.last_mut().filter(|part| part.len() + unit.len() <= PART) {
            Some(part) => part.push_str(unit),
            None => parts.push(unit.to_owned()),
        }
    }
    let parts = parts.into_iter().enumerate();
    parts.map(|(part, text)| variable(&settings_variable(part), text)).collect()
}

/// The variables that come from the application's secret; its keys are named as the fields.
fn secrets(making: &Making<'_>) -> Vec<EnvVar> {
    let variable = |(key, variable): &(&str, &str)| {
        let selector = SecretKeySelector {
            name: names::token_secret(&making.app.name),
            key: (*key).to_owned(),
            optional: None,
        };
        let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
        EnvVar { name: (*variable).to_owned(), value: None, value_from: Some(source) }
    };
    secret_references(making).iter().map(variable).collect()
}

fn address() -> EnvVar {
    let selector = ObjectFieldSelector { api_version: None, field_path: "status.podIP".to_owned() };
    EnvVar {
        name: ADDRESS_VARIABLE.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(selector), ..EnvVarSource::default() }),
    }
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value), value_from: None }
}
