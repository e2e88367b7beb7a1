//! Fields that are not supported. Every field of the specification is named here once, so that a
//! new one cannot be forgotten: it is either supported, or reported when set.

use crate::embedded::Embedded;
use crate::problem::FieldPath;
use crate::validate::{Keys, Problems};
use crate::{
    Dependencies, DriverSpec, ExecutorSpec, ScheduledSparkApplicationSpec, SecretType,
    SparkApplicationSpec, SparkPodSpec,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The set fields that have no effect here, in the order of the specification.
pub fn unsupported(spec: &SparkApplicationSpec) -> Vec<FieldPath> {
    let mut found = Found::default();
    let at = FieldPath::new("spec");
    application(spec, &at, &mut found);
    let conf = at.field("sparkConf");
    // Problems with keys are reported by `validate`.
    let keys = Keys::read(&spec.spark_conf, &conf, "", &mut Problems::default());
    found.0.extend(keys.unsupported.iter().map(|key| conf.key(key)));
    for key in spec.hadoop_conf.keys() {
        if model::conf::declared(&format!("spark.hadoop.{key}")).is_none() {
            found.0.push(at.field("hadoopConf").key(key));
        }
    }
    found.0
}

/// The same for a schedule, all of whose own fields are supported.
pub fn unsupported_scheduled(spec: &ScheduledSparkApplicationSpec) -> Vec<FieldPath> {
    unsupported(&spec.template).iter().map(FieldPath::in_template).collect()
}

#[derive(Default)]
struct Found(Vec<FieldPath>);

impl Found {
    fn set(&mut self, is_set: impl IsSet, at: &FieldPath, name: &str) {
        if is_set.is_set() {
            self.0.push(at.field(name));
        }
    }

    /// Fields inside an embedded object that Kubernetes does not know.
    fn inside<'a, T: DeserializeOwned + Serialize + 'a>(
        &mut self,
        objects: impl IntoIterator<Item = &'a Embedded<T>>,
        at: &FieldPath,
        name: &str,
    ) {
        for object in objects {
            self.0.extend(object.unknown(&at.field(name)));
        }
    }

    fn inside_all<T: DeserializeOwned + Serialize>(
        &mut self,
        objects: &[Embedded<T>],
        at: &FieldPath,
        name: &str,
    ) {
        let at = at.field(name);
        for (index, object) in objects.iter().enumerate() {
            self.0.extend(object.unknown(&at.index(index)));
        }
    }
}

/// Whether a field is set.
trait IsSet {
    fn is_set(&self) -> bool;
}

impl<T> IsSet for &Option<T> {
    fn is_set(&self) -> bool {
        self.is_some()
    }
}

impl<T> IsSet for &Vec<T> {
    fn is_set(&self) -> bool {
        !self.is_empty()
    }
}

impl<K, V> IsSet for &std::collections::BTreeMap<K, V> {
    fn is_set(&self) -> bool {
        !self.is_empty()
    }
}

impl IsSet for bool {
    fn is_set(&self) -> bool {
        *self
    }
}

fn application(spec: &SparkApplicationSpec, at: &FieldPath, found: &mut Found) {
    let SparkApplicationSpec {
        suspend: _,
        type_: _,
        spark_version: _,
        mode: _,
        proxy_user,
        image: _,
        image_pull_policy: _,
        image_pull_secrets: _,
        main_class: _,
        main_application_file: _,
        arguments: _,
        spark_conf: _,
        hadoop_conf: _,
        spark_config_map,
        hadoop_config_map,
        volumes,
        driver: of_driver,
        executor: of_executor,
        deps,
        restart_policy: _,
        node_selector: _,
        failure_retries,
        retry_interval,
        python_version: _,
        memory_overhead_factor: _,
        monitoring,
        batch_scheduler,
        batch_scheduler_options,
        time_to_live_seconds: _,
        spark_ui_options,
        driver_ingress_options,
        dynamic_allocation: _,
        driver_pod_disruption_budget,
    } = spec;
    found.set(proxy_user, at, "proxyUser");
    found.set(spark_config_map, at, "sparkConfigMap");
    found.set(hadoop_config_map, at, "hadoopConfigMap");
    found.inside_all(volumes, at, "volumes");
    driver(of_driver, &at.field("driver"), found);
    executor(of_executor, &at.field("executor"), found);
    if let Some(deps) = deps {
        dependencies(deps, &at.field("deps"), found);
    }
    found.set(failure_retries, at, "failureRetries");
    found.set(retry_interval, at, "retryInterval");
    found.set(monitoring, at, "monitoring");
    found.set(batch_scheduler, at, "batchScheduler");
    found.set(batch_scheduler_options, at, "batchSchedulerOptions");
    found.set(spark_ui_options, at, "sparkUIOptions");
    found.set(driver_ingress_options, at, "driverIngressOptions");
    found.set(driver_pod_disruption_budget.unwrap_or(false), at, "driverPodDisruptionBudget");
}

fn dependencies(deps: &Dependencies, at: &FieldPath, found: &mut Found) {
    let Dependencies {
        jars,
        files: _,
        py_files: _,
        packages,
        exclude_packages,
        repositories,
        archives: _,
    } = deps;
    found.set(jars, at, "jars");
    found.set(packages, at, "packages");
    found.set(exclude_packages, at, "excludePackages");
    found.set(repositories, at, "repositories");
}

fn driver(spec: &DriverSpec, at: &FieldPath, found: &mut Found) {
    let DriverSpec {
        pod: of_pod,
        pod_name: _,
        core_request: _,
        java_options,
        lifecycle,
        kubernetes_master,
        service_annotations,
        service_labels,
        ports: _,
        priority_class_name: _,
    } = spec;
    pod(of_pod, at, found);
    found.set(java_options, at, "javaOptions");
    found.inside(lifecycle, at, "lifecycle");
    found.set(kubernetes_master, at, "kubernetesMaster");
    found.set(service_annotations, at, "serviceAnnotations");
    found.set(service_labels, at, "serviceLabels");
}

fn executor(spec: &ExecutorSpec, at: &FieldPath, found: &mut Found) {
    let ExecutorSpec {
        pod: of_pod,
        instances: _,
        core_request: _,
        java_options,
        lifecycle,
        delete_on_termination: _,
        ports: _,
        priority_class_name: _,
    } = spec;
    pod(of_pod, at, found);
    found.set(java_options, at, "javaOptions");
    found.inside(lifecycle, at, "lifecycle");
}

fn pod(spec: &SparkPodSpec, at: &FieldPath, found: &mut Found) {
    let SparkPodSpec {
        template,
        cores: _,
        core_limit: _,
        memory: _,
        memory_limit: _,
        memory_overhead: _,
        gpu: _,
        image: _,
        config_maps: _,
        secrets,
        env,
        env_vars: _,
        env_from,
        env_secret_key_refs: _,
        labels: _,
        annotations: _,
        volume_mounts,
        affinity,
        tolerations,
        pod_security_context,
        security_context,
        scheduler_name: _,
        sidecars,
        init_containers,
        host_network: _,
        node_selector: _,
        dns_config,
        termination_grace_period_seconds: _,
        service_account: _,
        host_aliases,
        share_process_namespace: _,
        runtime_class_name: _,
    } = spec;
    found.inside(template, at, "template");
    for (index, secret) in secrets.iter().enumerate() {
        // The secret is mounted, but nothing here uses a Hadoop token.
        let is_token = secret.secret_type == SecretType::HadoopDelegationToken;
        found.set(is_token, &at.field("secrets").index(index), "secretType");
    }
    found.inside_all(env, at, "env");
    found.inside_all(env_from, at, "envFrom");
    found.inside_all(volume_mounts, at, "volumeMounts");
    found.inside(affinity, at, "affinity");
    found.inside_all(tolerations, at, "tolerations");
    found.inside(pod_security_context, at, "podSecurityContext");
    found.inside(security_context, at, "securityContext");
    found.inside_all(sidecars, at, "sidecars");
    found.inside_all(init_containers, at, "initContainers");
    found.inside(dns_config, at, "dnsConfig");
    found.inside_all(host_aliases, at, "hostAliases");
}
