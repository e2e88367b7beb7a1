"""What jobs and stages are doing, as the driver says."""

import json
from typing import List, NamedTuple

from firesteel.rdd import messages
from firesteel.rdd.plan import extension, fetched, fresh_plan_id


class SparkJobInfo(NamedTuple):
    """A job."""

    jobId: int
    stageIds: List[int]
    status: str


class SparkStageInfo(NamedTuple):
    """A stage."""

    stageId: int
    currentAttemptId: int
    name: str
    numTasks: int
    numActiveTasks: int
    numCompletedTasks: int
    numFailedTasks: int


class SparkExecutorInfo(NamedTuple):
    """An executor."""

    host: str
    port: int
    cacheSize: int
    numRunningTasks: int
    usedOnHeapStorageMemory: int
    usedOffHeapStorageMemory: int
    totalOnHeapStorageMemory: int
    totalOffHeapStorageMemory: int


class StatusTracker:
    """Reports on the jobs of the application."""

    def __init__(self, context):
        self._context = context

    def getJobIdsForGroup(self, jobGroup=None):
        """The jobs of a group, or those without one."""
        return [job["id"] for job in reversed(self._status()["jobs"]) if job.get("group") == jobGroup]

    def getActiveStageIds(self):
        """The stages that are running."""
        return sorted(stage["id"] for stage in self._status()["stages"] if stage["active"])

    def getActiveJobsIds(self):
        """The jobs that are running."""
        return sorted(job["id"] for job in self._status()["jobs"] if job["status"] == "RUNNING")

    def getJobInfo(self, jobId):
        """A job, or None."""
        found = (job for job in self._status()["jobs"] if job["id"] == jobId)
        return next((SparkJobInfo(jobId, list(job["stages"]), job["status"]) for job in found), None)

    def getStageInfo(self, stageId):
        """A stage, or None."""
        stage = next((stage for stage in self._status()["stages"] if stage["id"] == stageId), None)
        if stage is None:
            return None
        counts = (stage[name] for name in ("tasks", "running", "completed", "failed"))
        return SparkStageInfo(stageId, stage["attempt"], stage["name"], *counts)

    def getExecutorInfos(self):
        """The executors."""
        return [
            SparkExecutorInfo(
                executor["host"],
                executor["port"],
                executor.get("cached", 0),
                executor["running"],
                executor.get("usedMemory", 0),
                0,
                executor.get("memory", 0),
                0,
            )
            for executor in self._status()["executors"]
        ]

    def _status(self):
        client = self._context._client
        relation = extension(messages.ApplicationStatus(), fresh_plan_id())
        for batch in fetched(client, relation):
            if batch.num_rows:
                return json.loads(batch.column(0)[0].as_py())
        return {"jobs": [], "stages": [], "executors": []}


__all__ = ["SparkExecutorInfo", "SparkJobInfo", "SparkStageInfo", "StatusTracker"]
