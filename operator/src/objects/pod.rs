//! Pods. A pod starts as the manifest's template; the manifest's fields override the template, and
//! settings that only the operator decides override both.

use super::volumes::{self, Whose};
use super::{BuildContext, NewExecutor, child_metadata, environment, security};
use crate::names;
use crd::Role;
use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, LocalObjectReference, Pod, PodSpec, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use model::ProfileId;
use model::launch::FROM_ENVIRONMENT;
use std::collections::BTreeMap;

/// Name of the driver's RPC port.
const DRIVER_PORT: &str = "driver-rpc";

/// The driver's pod.
pub fn driver_pod(context: &BuildContext<'_>) -> Pod {
    let BuildContext { app, valid, settings, .. } = context;
    let role = &valid.driver;
    let spark = Spark {
        container: names::DRIVER_CONTAINER,
        process: "driver",
        environment: environment::driver_environment(context),
        port: Some((DRIVER_PORT, settings.driver_port)),
    };
    let labels = BTreeMap::from([
        (names::ROLE.to_owned(), "driver".to_owned()),
        (names::ENCRYPTED.to_owned(), app.is_encrypted().to_string()),
    ]);
    let metadata = metadata(context, role, app.driver_name(), labels);
    pod(context, role, Whose::Driver, spark, metadata)
}

/// An executor's pod.
pub fn executor_pod(context: &BuildContext<'_>, executor: &NewExecutor<'_>) -> Pod {
    let role = &context.valid.executor;
    let spark = Spark {
        container: names::EXECUTOR_CONTAINER,
        process: "executor",
        environment: environment::executor_environment(context, executor),
        port: None,
    };
    let mut labels = BTreeMap::from([
        (names::ROLE.to_owned(), "executor".to_owned()),
        (names::EXECUTOR_ID.to_owned(), executor.id.to_string()),
        (names::SLOT.to_owned(), executor.slot.to_string()),
    ]);
    if executor.profile != ProfileId::DEFAULT {
        labels.insert(names::RESOURCE_PROFILE.to_owned(), executor.profile.0.to_string());
    }
    let name = context.app.executor_name(executor.id);
    let metadata = metadata(context, role, name, labels);
    pod(context, role, Whose::Executor { slot: executor.slot }, spark, metadata)
}

/// The Spark container of a role.
struct Spark {
    container: &'static str,
    process: &'static str,
    environment: Vec<EnvVar>,
    port: Option<(&'static str, u16)>,
}

/// Labels and annotations: the template's, overridden by the manifest's, overridden by the
/// operator's.
fn metadata(
    context: &BuildContext<'_>,
    role: &Role,
    name: String,
    own: BTreeMap<String, String>,
) -> ObjectMeta {
    let mut metadata = child_metadata(context.app, name);
    let template = role.shape.template.as_ref().and_then(|template| template.metadata.as_ref());
    let mut labels = template.and_then(|given| given.labels.clone()).unwrap_or_default();
    labels.extend(role.shape.labels.clone());
    labels.extend(metadata.labels.take().unwrap_or_default());
    labels.extend(own);
    labels.extend([
        (names::SUBMISSION_ID.to_owned(), context.submission.to_string()),
        (names::LAUNCHED_BY.to_owned(), "true".to_owned()),
        (names::SPARK_VERSION.to_owned(), context.app.spark_version.clone()),
    ]);
    // A version that is not a valid label value must not make the pod invalid.
    labels.retain(|name, value| name != names::SPARK_VERSION || crd::is_label_value(value));
    metadata.labels = Some(labels);
    let mut annotations = template.and_then(|given| given.annotations.clone()).unwrap_or_default();
    annotations.extend(role.shape.annotations.clone());
    metadata.annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
    metadata
}

fn pod(
    context: &BuildContext<'_>,
    role: &Role,
    whose: Whose,
    spark: Spark,
    metadata: ObjectMeta,
) -> Pod {
    let template = role.shape.template.as_ref().and_then(|template| template.spec.clone());
    let mut base = template.unwrap_or_default();
    let of_template = take_spark_container(&mut base, spark.container);
    let (volumes, mounts) = volumes::of_pod(context.app, role, whose);
    let mut container =
        Container { volume_mounts: Some(mounts), ..container(context, role, spark, &of_template) };
    let security = security::spark_context([
        of_template.security_context.clone(),
        role.shape.security_context.clone(),
    ]);
    container.security_context = Some(security);
    let mut merged = of_template;
    // Already merged above; the template's own values must not be mixed in again.
    merged.command = None;
    merged.args = None;
    merged.env = None;
    merged.merge_from(container);
    base.containers.insert(0, merged);
    base.containers.extend(role.shape.sidecars.iter().cloned());
    base.volumes.get_or_insert_default().extend(volumes);
    apply_overrides(&mut base, role);
    Pod { metadata, spec: Some(base), status: None }
}

/// Takes the Spark container out of the template: the one with the given name, or else the first,
/// as Spark does.
fn take_spark_container(template: &mut PodSpec, name: &str) -> Container {
    let position = template.containers.iter().position(|container| container.name == name);
    if template.containers.is_empty() {
        return Container::default();
    }
    template.containers.remove(position.unwrap_or(0))
}

fn container(
    context: &BuildContext<'_>,
    role: &Role,
    spark: Spark,
    template: &Container,
) -> Container {
    let shape = &role.shape;
    let mut env: Vec<EnvVar> = template.env.clone().unwrap_or_default();
    let home = EnvVar { name: "HOME".to_owned(), value: Some("/tmp".to_owned()), value_from: None };
    if !env.iter().chain(&shape.env).any(|variable| variable.name == "HOME") {
        env.push(home);
    }
    for variable in shape.env.iter().chain(&spark.environment) {
        // A later variable replaces an earlier one and moves to its own position, where it may
        // refer to others.
        env.retain(|earlier| earlier.name != variable.name);
        env.push(variable.clone());
    }
    let mut ports: Vec<ContainerPort> = shape
        .ports
        .iter()
        .map(|port| ContainerPort {
            name: Some(port.name.clone()),
            container_port: port.container_port,
            protocol: Some(port.protocol.clone()),
            ..ContainerPort::default()
        })
        .collect();
    if let Some((name, number)) = spark.port {
        ports.push(ContainerPort {
            name: Some(name.to_owned()),
            container_port: number.into(),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        });
    }
    Container {
        name: spark.container.to_owned(),
        image: role.image.clone().or_else(|| context.settings.image.clone()),
        image_pull_policy: role.pull_policy.clone(),
        // The image's entry point is the `firesteel` command.
        args: Some(vec![spark.process.to_owned(), FROM_ENVIRONMENT.to_owned()]),
        env: Some(env),
        env_from: Some(shape.env_from.clone()).filter(|from| !from.is_empty()),
        ports: Some(ports).filter(|ports| !ports.is_empty()),
        resources: Some(resources(role)),
        lifecycle: shape.lifecycle.clone(),
        // Puts the last output of a failed process into the pod's status.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn resources(role: &Role) -> ResourceRequirements {
    let bytes = |size: model::ByteSize| Quantity(crd::Amount::bytes(size).to_string());
    let mut requests = BTreeMap::from([
        ("cpu".to_owned(), Quantity(role.cpu.request.to_string())),
        ("memory".to_owned(), bytes(role.memory.request())),
    ]);
    let mut limits = BTreeMap::from([("memory".to_owned(), bytes(role.memory.limit))]);
    if let Some(limit) = &role.cpu.limit {
        limits.insert("cpu".to_owned(), Quantity(limit.to_string()));
    }
    if let Some(gpu) = &role.gpu {
        requests.insert(gpu.name.clone(), Quantity(gpu.quantity.to_string()));
        limits.insert(gpu.name.clone(), Quantity(gpu.quantity.to_string()));
    }
    ResourceRequirements { claims: None, limits: Some(limits), requests: Some(requests) }
}

/// Applies the manifest's pod fields over the template, and the operator's own decisions over both.
fn apply_overrides(spec: &mut PodSpec, role: &Role) {
    let shape = &role.shape;
    spec.init_containers.get_or_insert_default().extend(shape.init_containers.iter().cloned());
    let given = [spec.security_context.take(), shape.pod_security_context.clone()];
    security::apply(spec, given);
    spec.node_selector.get_or_insert_default().extend(shape.node_selector.clone());
    spec.tolerations.get_or_insert_default().extend(shape.tolerations.iter().cloned());
    spec.host_aliases.get_or_insert_default().extend(shape.host_aliases.iter().cloned());
    let secrets = role.pull_secrets.iter();
    let secrets = secrets.map(|name| LocalObjectReference { name: name.clone() });
    spec.image_pull_secrets.get_or_insert_default().extend(secrets);
    override_with(&mut spec.affinity, shape.affinity.as_ref());
    override_with(&mut spec.scheduler_name, shape.scheduler_name.as_ref());
    override_with(&mut spec.dns_config, shape.dns_config.as_ref());
    override_with(&mut spec.runtime_class_name, shape.runtime_class_name.as_ref());
    override_with(&mut spec.priority_class_name, shape.priority_class_name.as_ref());
    override_with(&mut spec.service_account_name, shape.service_account.as_ref());
    let grace = shape.termination_grace_period_seconds;
    override_with(&mut spec.termination_grace_period_seconds, grace.as_ref());
    if shape.share_process_namespace {
        spec.share_process_namespace = Some(true);
    }
    if shape.host_network {
        spec.host_network = Some(true);
        spec.dns_policy = Some("ClusterFirstWithHostNet".to_owned());
    }
    spec.restart_policy = Some("Never".to_owned());
    // User code runs in this pod and gets no Kubernetes credentials.
    spec.automount_service_account_token = Some(false);
    // One variable per service would make the environment too large in a namespace with thousands
    // of services.
    spec.enable_service_links = Some(false);
    drop_empty(&mut spec.init_containers);
    drop_empty(&mut spec.tolerations);
    drop_empty(&mut spec.host_aliases);
    drop_empty(&mut spec.image_pull_secrets);
    if spec.node_selector.as_ref().is_some_and(BTreeMap::is_empty) {
        spec.node_selector = None;
    }
}

fn override_with<T: Clone>(place: &mut Option<T>, given: Option<&T>) {
    if let Some(given) = given {
        *place = Some(given.clone());
    }
}

fn drop_empty<T>(list: &mut Option<Vec<T>>) {
    if list.as_ref().is_some_and(Vec::is_empty) {
        *list = None;
    }
}
