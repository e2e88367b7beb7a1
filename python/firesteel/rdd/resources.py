"""What the tasks of an RDD need, and the executors that run them: `RDD.withResources`."""

from pyspark.sql.connect import proto


def profile_id(profile, client):
    """The number by which plans name a profile. One that cannot be met is refused as in Spark."""
    executors = {
        name: proto.ExecutorResourceRequest(
            resource_name=one.resourceName, amount=one.amount, discovery_script=one.discoveryScript, vendor=one.vendor
        )
        for name, one in profile.executorResources.items()
    }
    tasks = {
        name: proto.TaskResourceRequest(resource_name=one.resourceName, amount=one.amount)
        for name, one in profile.taskResources.items()
    }
    return client._create_profile(proto.ResourceProfile(executor_resources=executors, task_resources=tasks))
