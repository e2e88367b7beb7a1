//! The keys of `sparkConf` that shape pods, volumes and claims, for the documentation.

/// A key, or a family of keys; words in capitals stand for names.
#[derive(Debug, Clone, Copy)]
pub struct PodKey {
    /// Its name.
    pub name: &'static str,
    /// The value if the key is not set.
    pub default: &'static str,
    /// Meaning, in one sentence.
    pub doc: &'static str,
}

const fn key(name: &'static str, default: &'static str, doc: &'static str) -> PodKey {
    PodKey { name, default, doc }
}

/// All keys that shape pods. `ROLE` is `driver` or `executor`.
pub const POD_KEYS: &[PodKey] = &[
    key("spark.ROLE.cores", "1", "Task slots of an executor, and the CPU request of a pod."),
    key("spark.ROLE.memory", "1g", "Memory of the program in a pod."),
    key("spark.ROLE.memoryOverhead", "from the factor", "Additional memory of a pod."),
    key(
        "spark.ROLE.memoryOverheadFactor",
        "0.1, with Python 0.4",
        "The same as a fraction of the memory.",
    ),
    key("spark.ROLE.minMemoryOverhead", "384m", "Lower bound of that fraction."),
    key("spark.kubernetes.memoryOverheadFactor", "-", "The fraction for both roles."),
    key("spark.executor.pyspark.memory", "-", "Further memory, for Python in an executor."),
    key("spark.memory.offHeap.size", "0", "The same, if `spark.memory.offHeap.enabled` is true."),
    key("spark.kubernetes.ROLE.request.cores", "the cores", "CPU request of a pod."),
    key("spark.kubernetes.ROLE.limit.cores", "-", "CPU limit of a pod."),
    key("spark.kubernetes.ROLE.label.NAME", "-", "A label of the pods."),
    key("spark.kubernetes.ROLE.annotation.NAME", "-", "An annotation of the pods."),
    key("spark.kubernetes.ROLE.node.selector.NAME", "-", "A label of the nodes to run on."),
    key("spark.kubernetes.node.selector.NAME", "-", "The same for both roles."),
    key(
        "spark.kubernetes.driver.pod.name",
        "APPLICATION-driver",
        "Name of the driver's pod; `spec.driver.podName` takes precedence.",
    ),
    key(
        "spark.kubernetes.executor.podNamePrefix",
        "APPLICATION",
        "Prefix of the names of executors' pods: `PREFIX-exec-NUMBER`.",
    ),
    key(
        "spark.kubernetes.executor.deleteOnTermination",
        "true",
        "Whether pods of ended executors are deleted; the field of this name takes precedence.",
    ),
    key("spark.kubernetes.ROLE.scheduler.name", "-", "The scheduler of the pods."),
    key("spark.kubernetes.scheduler.name", "-", "The same for both roles."),
    key("spark.kubernetes.ROLE.secrets.NAME", "-", "Mount path of a secret."),
    key(
        "spark.kubernetes.ROLE.secretKeyRef.VARIABLE",
        "-",
        "An environment variable from a secret: `secret:key`.",
    ),
    key("spark.kubernetes.driverEnv.VARIABLE", "-", "An environment variable of the driver."),
    key("spark.executorEnv.VARIABLE", "-", "An environment variable of the executors."),
    key("spark.kubernetes.container.image.pullPolicy", "Kubernetes' own", "When to pull images."),
    key(
        "spark.kubernetes.container.image.pullSecrets",
        "-",
        "Secrets for pulling images, comma-separated.",
    ),
    key("spark.kubernetes.namespace", "the resource's", "No other value is accepted."),
    key(
        "spark.kubernetes.ROLE.volumes.KIND.NAME.mount.path",
        "-",
        "Mounts a volume of the kind `hostPath`, `emptyDir`, `nfs` or `persistentVolumeClaim`. Volumes named `spark-local-dir-…` hold shuffles.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.KIND.NAME.mount.readOnly",
        "false",
        "Whether the mount is read-only; likewise `mount.subPath` and `mount.subPathExpr`.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.hostPath.NAME.options.path",
        "-",
        "Directory on the node; `options.type` as in Kubernetes.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.emptyDir.NAME.options.sizeLimit",
        "-",
        "Its size; `options.medium` as in Kubernetes.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.nfs.NAME.options.server",
        "-",
        "The server; `options.path` is the path on it.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.persistentVolumeClaim.NAME.options.claimName",
        "-",
        "The claim. `OnDemand` creates one for each pod; another name is an existing claim or, with a size, one created for all pods.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.persistentVolumeClaim.NAME.options.sizeLimit",
        "-",
        "Size of a created claim; likewise `options.storageClass`, `label.…` and `annotation.…`.",
    ),
    key(
        "spark.kubernetes.legacy.useReadWriteOnceAccessMode",
        "false",
        "Whether several pods of one node may mount a created claim.",
    ),
    key(
        "spark.kubernetes.driver.ownPersistentVolumeClaim",
        "true",
        "Whether executors' claims live as long as the application; if not, each ends with its pod.",
    ),
    key(
        "spark.kubernetes.driver.reusePersistentVolumeClaim",
        "true",
        "Whether an executor mounts the claim that an earlier one left; if not, each ends with its pod.",
    ),
    key(
        super::keys::RETAIN_CLAIMS,
        "never",
        "Older name of `firesteel.shuffle.retain`: `never` or `always`.",
    ),
];
