//! Settings that driver and executors get at their start, as environment variables of their pods;
//! Kubernetes fills in the token from its secret and the pod's own address. A pod is therefore
//! created by one write and never meets settings of another submission.

use super::volumes::{local_dir, shuffle_volume};
use super::{BuildContext, NewExecutor};
use crate::names;
use crd::Language;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};
use model::conf::{self, Retain};
use model::launch::{
    Access, Dependencies, DriverSettings, ExecutorSettings, Forget, Home, IDENTITY_VARIABLE, Mount,
    PeerPatience, Program, ReaperSettings, Secret, TOKEN_VARIABLE, WithoutManager, WorkerSettings,
    settings_variable,
};
use model::{ApplicationId, ExecutorId};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Variable that holds the pod's address.
const ADDRESS_VARIABLE: &str = "FIRESTEEL_POD_IP";
/// Spark's Pi example, in the product's image.
const PI: &str = "/opt/firesteel/examples/pi.py";
/// Value of `spark.master` in a cluster. Nothing dials it.
const MASTER: &str = "k8s://https://kubernetes.default.svc";
/// File in which the driver announces its addresses; its standard output belongs to the program.
const ANNOUNCE: &str = "/tmp/firesteel-driver.json";

/// The driver's settings, without its token.
pub fn driver_settings(context: &BuildContext<'_>) -> DriverSettings {
    let BuildContext { app, valid, settings, submission, .. } = context;
    let id = ApplicationId(names::application_id(&app.uid));
    let mut settings_json = DriverSettings::new(id, app.name.clone(), String::new());
    settings_json.epoch = submission.epoch;
    settings_json.conf = valid.settings.clone();
    settings_json.conf.set(conf::MASTER.name, MASTER);
    settings_json.conf.set(conf::DEPLOY_MODE.name, "cluster");
    if let Some(name) = settings_json.conf.given(conf::APP_NAME.name) {
        settings_json.name = name.to_owned();
    }
    if settings_json.conf.given(conf::LOCAL_DIR.name).is_none() {
        settings_json.conf.set(conf::LOCAL_DIR.name, local_dir(&valid.driver));
    }
    let given = |key: &str| settings_json.conf.given(key);
    let python = given(conf::PYSPARK_DRIVER_PYTHON.name).or(given(conf::PYSPARK_PYTHON.name));
    let python = PathBuf::from(python.unwrap_or("python3"));
    let file = match &valid.program.language {
        Language::Python { file } | Language::Sql { file } => file.as_str(),
        Language::SparkPi => PI,
    };
    settings_json.program = Some(Program {
        file: PathBuf::from(file),
        arguments: valid.program.arguments.clone(),
        python,
        python_path: Vec::new(),
        files: None,
        dependencies: dependencies(context),
        name: None,
    });
    settings_json.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, settings.driver_port));
    settings_json.connect = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.connect_port));
    settings_json.connect_access = Access::Token;
    settings_json.forget = forget(context);
    settings_json.without_manager = WithoutManager::Continue;
    settings_json.announce = Some(PathBuf::from(ANNOUNCE));
    settings_json
}

/// The files that both driver and executors bring together.
fn dependencies(context: &BuildContext<'_>) -> Dependencies {
    let given = &context.valid.program.dependencies;
    given.clone().with_settings(&context.valid.settings).unwrap_or_else(|_| given.clone())
}

/// The outcome of this run after which its shuffles are deleted: none if the program may run again
/// or if they are retained.
fn forget(context: &BuildContext<'_>) -> Forget {
    let restart = &context.valid.restart;
    let retain = context.valid.settings.get(&conf::SHUFFLE_RETAIN).unwrap_or(Retain::Never);
    if restart.again_after_success() || retain == Retain::Always {
        Forget::Never
    } else if restart.wait_after_failure(context.run).is_some() || retain == Retain::OnFailure {
        Forget::AfterSuccess
    } else {
        Forget::AfterEachEnd
    }
}

/// An executor's settings, without its token and address.
pub fn executor_settings(
    context: &BuildContext<'_>,
    executor: &NewExecutor<'_>,
) -> ExecutorSettings {
    let BuildContext { app, valid, settings, submission, .. } = context;
    let volume = shuffle_volume(app, &valid.executor, executor.id, executor.slot);
    ExecutorSettings {
        application: ApplicationId(names::application_id(&app.uid)),
        executor: ExecutorId(executor.id),
        driver: names::host_port(executor.driver, settings.driver_port),
        token: Secret::default(),
        identity: None,
        epoch: submission.epoch,
        profile: executor.profile,
        slots: valid.executor.cpu.slots,
        memory_bytes: valid.executor.memory.program.0,
        memory_fraction: valid.settings.get(&conf::MEMORY_FRACTION).unwrap_or_default(),
        volume: Mount {
            volume: volume.id,
            path: volume.path,
            last: volume.stays_behind,
            private: volume.goes_with_pod,
        },
        home: volume.home.and_then(|path| Home::of(path, &valid.settings).ok()),
        scratch: volume.scratch,
        host: String::new(),
        sync: valid.settings.get(&conf::SHUFFLE_SYNC).unwrap_or(false),
        python: valid.settings.given(conf::PYSPARK_PYTHON.name).unwrap_or("python3").into(),
        python_path: Vec::new(),
        python_workers: WorkerSettings::of(&valid.settings).unwrap_or_default(),
        peers: PeerPatience::of(&valid.settings).unwrap_or_default(),
        reaper: ReaperSettings::of(&valid.settings).unwrap_or_default(),
        files: None,
        dependencies: dependencies(context),
    }
}

/// The environment of the driver's container, ordered so that variables refer only to earlier ones.
pub(super) fn driver_environment(context: &BuildContext<'_>) -> Vec<EnvVar> {
    let mut all = secrets(context);
    all.push(address());
    all.extend(settings_variables(&driver_text(context)));
    all
}

/// The environment of an executor's container, in the same order.
pub(super) fn executor_environment(
    context: &BuildContext<'_>,
    executor: &NewExecutor<'_>,
) -> Vec<EnvVar> {
    let settings_json = serde_json::to_string(&executor_settings(context, executor));
    let mut references = secret_references(context).to_vec();
    references.push(("host", ADDRESS_VARIABLE));
    let settings_json = with_references(&settings_json.expect("settings are JSON"), &references);
    let mut all = secrets(context);
    all.push(address());
    all.extend(settings_variables(&settings_json));
    all
}

/// The driver's settings as the environment holds them, before they are split into parts.
pub(super) fn driver_text(context: &BuildContext<'_>) -> String {
    let settings_json =
        serde_json::to_string(&driver_settings(context)).expect("settings are JSON");
    with_references(&settings_json, secret_references(context))
}

/// Settings fields that are secrets, and the variables that hold them.
fn secret_references(context: &BuildContext<'_>) -> &'static [(&'static str, &'static str)] {
    const ALL: &[(&str, &str)] = &[("token", TOKEN_VARIABLE), ("identity", IDENTITY_VARIABLE)];
    if context.app.is_encrypted() { ALL } else { &ALL[..1] }
}

/// The settings with the given fields replaced by references to variables. The user's own dollar
/// signs are doubled, so that Kubernetes does not expand them.
fn with_references(settings: &str, references: &[(&str, &str)]) -> String {
    let escaped = settings.replace('$', "$$");
    let mut value: Value =
        serde_json::from_str(&escaped).expect("dollar signs mean nothing in JSON");
    for (field, variable) in references {
        value[*field] = Value::String(format!("$({variable})"));
    }
    value.to_string()
}

/// Size of one part of the settings. The kernel refuses a variable of 128 KiB or more, and a
/// reference grows when Kubernetes expands it.
const PART: usize = 96 << 10;

/// The variables that hold the settings. No part ends inside a token that Kubernetes interprets: a
/// reference or a doubled dollar sign.
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

/// The variables taken from the application's secret; its keys are named like the fields.
fn secrets(context: &BuildContext<'_>) -> Vec<EnvVar> {
    let variable = |(key, variable): &(&str, &str)| {
        let selector = SecretKeySelector {
            name: names::token_secret(&context.app.name),
            key: (*key).to_owned(),
            optional: None,
        };
        let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
        EnvVar { name: (*variable).to_owned(), value: None, value_from: Some(source) }
    };
    secret_references(context).iter().map(variable).collect()
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
