"""What the tasks of an RDD need: `RDD.withResources`. All executors of an application are alike, so only tasks can differ."""

from pyspark.errors import PySparkRuntimeError


def task_cpus(profile, master, conf):
    """The cores that each task takes by a profile, 0 if it does not say. A profile that cannot be met is refused as in Spark."""
    dynamic = conf.get("spark.dynamicAllocation.enabled", "false").strip().lower() == "true"
    clustered = not master.startswith("local") or master.startswith("local-cluster")
    if profile.executorResources:
        if dynamic and clustered:
            raise PySparkRuntimeError(
                "All executors of an application are alike: a ResourceProfile can have task resources and no executor resources."
            )
        raise PySparkRuntimeError(
            "ResourceProfiles are only supported on YARN and Kubernetes and Standalone with dynamic allocation enabled."
        )
    if not dynamic and not clustered:
        raise PySparkRuntimeError(
            "TaskResourceProfiles are only supported for Standalone, Yarn and Kubernetes cluster for now when dynamic "
            "allocation is disabled."
        )
    others = ", ".join(sorted(set(profile.taskResources) - {"cpus"}))
    if others:
        raise PySparkRuntimeError(
            f"No executor resource configs were specified for the following task configs: {others}"
        )
    asked = profile.taskResources.get("cpus")
    return int(asked.amount) if asked is not None else 0
