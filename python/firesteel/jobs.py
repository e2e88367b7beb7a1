"""Names, groups and tags of jobs, and how they are cancelled.

Properties belong to a thread. They go with each request, as an extension of its user context; a group is also a tag of the request, because the
protocol interrupts by tag.
"""

import contextlib
import copy
from urllib.parse import quote

from firesteel.rdd import messages
from firesteel.rdd.callsite import current

GROUP = "spark.jobGroup.id"
DESCRIPTION = "spark.job.description"
INTERRUPT = "spark.job.interruptOnCancel"
_PROPERTIES = "firesteel_properties"
#: The property that says where checkpoints are written.
CHECKPOINT_DIR = "spark.checkpoint.dir"
#: Where a client has the properties of all its threads.
ALL_THREADS = "firesteel_properties_of_all"


def properties(client):
    """The properties of this thread."""
    local = client.thread_local
    if not hasattr(local, _PROPERTIES):
        setattr(local, _PROPERTIES, {})
    return getattr(local, _PROPERTIES)


def group_tag(group):
    """The tag of a group; a tag must not contain commas."""
    return "firesteel-group:" + quote(group, safe="")


def complete(client, request):
    """Adds this thread's properties to a request."""
    found = {**getattr(client, ALL_THREADS, {}), **properties(client)}
    site = current()
    if not found and site is None:
        return
    message = messages.JobProperties()
    for key, value in {**({"callSite.short": site} if site else {}), **found}.items():
        message.properties.add(key=key, value=value)
    request.user_context.extensions.append(messages.packed(message))
    if GROUP in found:
        request.tags.append(group_tag(found[GROUP]))


class Jobs:
    """The part of `SparkContext` about jobs."""

    def setLocalProperty(self, key, value):
        """Sets a property of the jobs of this thread; None removes it."""
        found = properties(self._client)
        if value is None:
            found.pop(key, None)
        else:
            found[key] = str(value)

    def getLocalProperty(self, key):
        """A property of the jobs of this thread, or None."""
        return properties(self._client).get(key)

    def setJobGroup(self, groupId, description, interruptOnCancel=False):
        """Puts the jobs of this thread into a group, which `cancelJobGroup` cancels."""
        self.setLocalProperty(GROUP, groupId)
        self.setLocalProperty(DESCRIPTION, description)
        self.setInterruptOnCancel(interruptOnCancel)

    @contextlib.contextmanager
    def _job_group(self, group, description, interrupt):
        before = dict(properties(self._client))
        self.setJobGroup(group, description, interrupt)
        try:
            yield
        finally:
            found = properties(self._client)
            found.clear()
            found.update(before)

    def setJobDescription(self, value):
        """Describes the jobs of this thread."""
        self.setLocalProperty(DESCRIPTION, value)

    def setInterruptOnCancel(self, interruptOnCancel):
        """Spark's choice whether a cancelled task's thread is interrupted; our workers are always ended."""
        self.setLocalProperty(INTERRUPT, str(bool(interruptOnCancel)).lower())

    def cancelJobGroup(self, groupId):
        """Cancels the jobs of a group."""
        self._client.interrupt_tag(group_tag(groupId))

    def cancelJobsWithTag(self, tag):
        """Cancels the jobs with a tag."""
        self._client.interrupt_tag(tag)

    def cancelAllJobs(self):
        """Cancels all jobs of the session."""
        self._client.interrupt_all()

    def addJobTag(self, tag):
        """Adds a tag to the jobs of this thread."""
        self._client.add_tag(tag)

    def removeJobTag(self, tag):
        """Removes a tag from the jobs of this thread."""
        self._client.remove_tag(tag)

    def getJobTags(self):
        """The tags of the jobs of this thread."""
        return set(self._client.get_tags())

    def clearJobTags(self):
        """Removes all tags from the jobs of this thread."""
        self._client.clear_tags()

    def _thread_attributes(self):
        """What a child thread inherits."""
        return copy.deepcopy(self._client.thread_local.__dict__)

    def _set_thread_attributes(self, attributes):
        for name, value in attributes.items():
            setattr(self._client.thread_local, name, copy.deepcopy(value))
