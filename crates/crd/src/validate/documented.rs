//! The keys of `sparkConf` that shape pods, volumes and claims, as the documentation lists them.

/// A key, or a family of keys; words in capitals stand for names.
#[derive(Debug, Clone, Copy)]
pub struct PodKey {
    /// Its name.
    pub name: &'static str,
    /// What holds if it is not given.
    pub default: &'static str,
    /// Meaning, one sentence.
    pub doc: &'static str,
}

const fn key(name: &'static str, default: &'static str, doc: &'static str) -> PodKey {
    PodKey { name, default, doc }
}

/// All of them. `ROLE` is `driver` or `executor`.
pub const POD_KEYS: &[PodKey] = &[
    key("spark.ROLE.cores", "1", "Task slots of an executor, and CPUs that a pod asks for."),
    key("spark.ROLE.memory", "1g", "Memory of the program in a pod."),
    key("spark.ROLE.memoryOverhead", "by the factor", "Memory of a pod on top of that."),
    key(
        "spark.ROLE.memoryOverheadFactor",
        "0.1, with Python 0.4",
        "The same as a share of the memory.",
    ),
    key("spark.ROLE.minMemoryOverhead", "384m", "The least that the share comes to."),
    key("spark.kubernetes.memoryOverheadFactor", "-", "The share for both roles."),
    key(
        "spark.executor.pyspark.memory",
        "-",
        "Memory on top of all that, for Python in an executor.",
    ),
    key("spark.memory.offHeap.size", "0", "The same, if `spark.memory.offHeap.enabled` is true."),
    key("spark.kubernetes.ROLE.request.cores", "the cores", "CPUs that a pod asks for."),
    key("spark.kubernetes.ROLE.limit.cores", "-", "CPUs that a pod gets at most."),
    key("spark.kubernetes.ROLE.label.NAME", "-", "A label of the pods."),
    key("spark.kubernetes.ROLE.annotation.NAME", "-", "An annotation of the pods."),
    key("spark.kubernetes.ROLE.node.selector.NAME", "-", "A label of the nodes that they run on."),
    key("spark.kubernetes.node.selector.NAME", "-", "The same for both roles."),
    key(
        "spark.kubernetes.driver.pod.name",
        "APPLICATION-driver",
        "Name of the driver's pod; `spec.driver.podName` takes precedence.",
    ),
    key(
        "spark.kubernetes.executor.podNamePrefix",
        "APPLICATION",
        "What the names of executors' pods begin with: `PREFIX-exec-NUMBER`.",
    ),
    key(
        "spark.kubernetes.executor.deleteOnTermination",
        "true",
        "Whether pods of executors that ended are deleted; the field of this name takes precedence.",
    ),
    key("spark.kubernetes.ROLE.scheduler.name", "-", "The scheduler of the pods."),
    key("spark.kubernetes.scheduler.name", "-", "The same for both roles."),
    key("spark.kubernetes.ROLE.secrets.NAME", "-", "Where a secret is mounted."),
    key(
        "spark.kubernetes.ROLE.secretKeyRef.VARIABLE",
        "-",
        "A variable of the environment from a secret: `secret:key`.",
    ),
    key("spark.kubernetes.driverEnv.VARIABLE", "-", "A variable of the driver's environment."),
    key("spark.executorEnv.VARIABLE", "-", "A variable of the executors' environment."),
    key(
        "spark.kubernetes.container.image.pullPolicy",
        "Kubernetes' own",
        "When images are pulled.",
    ),
    key(
        "spark.kubernetes.container.image.pullSecrets",
        "-",
        "Secrets for that, separated by commas.",
    ),
    key("spark.kubernetes.namespace", "the resource's", "Nothing else is accepted."),
    key(
        "spark.kubernetes.ROLE.volumes.KIND.NAME.mount.path",
        "-",
        "Mounts a volume of the kind `hostPath`, `emptyDir`, `nfs` or `persistentVolumeClaim`. Volumes named `spark-local-dir-…` hold shuffles.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.KIND.NAME.mount.readOnly",
        "false",
        "Whether it is only read; likewise `mount.subPath` and `mount.subPathExpr`.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.hostPath.NAME.options.path",
        "-",
        "The directory of the node; `options.type` as in Kubernetes.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.emptyDir.NAME.options.sizeLimit",
        "-",
        "Its size; `options.medium` as in Kubernetes.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.nfs.NAME.options.server",
        "-",
        "The server, and `options.path` there.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.persistentVolumeClaim.NAME.options.claimName",
        "-",
        "The claim. `OnDemand` makes one for each pod; another name is a claim that exists, or, with a size, one that is made for all pods.",
    ),
    key(
        "spark.kubernetes.ROLE.volumes.persistentVolumeClaim.NAME.options.sizeLimit",
        "-",
        "Size of a claim that is made; `options.storageClass`, `label.…` and `annotation.…` likewise.",
    ),
    key(
        "spark.kubernetes.legacy.useReadWriteOnceAccessMode",
        "false",
        "Whether several pods of one node may mount a claim that is made.",
    ),
    key(
        "spark.kubernetes.driver.ownPersistentVolumeClaim",
        "true",
        "Whether the claims of executors stay as long as the application; if not, each goes with its pod.",
    ),
    key(
        "spark.kubernetes.driver.reusePersistentVolumeClaim",
        "true",
        "Whether an executor mounts the claim that an earlier one left; if not, each goes with its pod.",
    ),
    key(
        super::keys::RETAIN_CLAIMS,
        "never",
        "`always`: claims that are made outlive the application, until somebody deletes them.",
    ),
];
