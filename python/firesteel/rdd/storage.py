"""Which RDDs are kept: persisted, and checkpointed."""

import posixpath

from pyspark import StorageLevel
from pyspark.errors import PySparkRuntimeError

from firesteel.rdd.plan import fresh_plan_id

_NONE = StorageLevel(False, False, False, False)


class Storage:
    """The state of one RDD."""

    def __init__(self):
        self.level = _NONE
        self.plan_id = fresh_plan_id()
        #: The relation as it was when it was first stored. It stays, whatever else is persisted or not, so that it is found again.
        self.relation = None
        #: "reliable" or "local" once a checkpoint was asked for.
        self.wanted = None
        self.is_checkpointed = False
        self.file = None
        #: What reads the elements in the place of their lineage.
        self.replacement = None
        self.checkpoint_name = None

    @property
    def kept(self):
        """The description of the level at which partitions are stored, or None."""
        return str(self.level) if self.level != _NONE else None

    def level_description(self):
        return self.kept or ""

    def unpersist(self):
        """What is persisted again is stored again."""
        self.level = _NONE
        self.plan_id = fresh_plan_id()
        self.relation = None

    def persist(self, level):
        """Sets the level; another one than before is an error."""
        if not isinstance(level, StorageLevel):
            raise TypeError("storageLevel must be of type pyspark.StorageLevel")
        if self.wanted == "local":
            level = _on_disk(level)
        elif self.level not in (_NONE, level):
            raise _unsupported("Cannot change storage level of an RDD after it was already assigned a level")
        self.level = level

    def want(self, how):
        """Asks for a checkpoint; the first way asked for counts if it has been made."""
        if not self.is_checkpointed:
            self.wanted = how
            if how == "local" and self.level == _NONE:
                self.level = StorageLevel.MEMORY_AND_DISK_DESER
            elif how == "local":
                self.level = _on_disk(self.level)


def _on_disk(level):
    """The level of a local checkpoint, whose elements are never evicted."""
    return StorageLevel(True, level.useMemory, level.useOffHeap, level.deserialized, level.replication)


def _unsupported(message):
    try:
        from pyspark.errors import UnsupportedOperationException
    except ImportError:
        return PySparkRuntimeError(message)
    return UnsupportedOperationException(message)


def finish(context, node):
    """After a job: makes the checkpoints that were asked for, of this RDD or else of those that it depends on."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if getattr(node, "is_finished", False):
            continue
        node.is_finished = True
        if node.storage is not None and node.storage.wanted is not None:
            _checkpoint(context, node)
        else:
            waiting.extend(getattr(node, "lineage_children", node.children))


def _checkpoint(context, node):
    storage = node.storage
    if storage.is_checkpointed:
        return
    if storage.wanted == "local":
        storage.is_checkpointed = True
        return
    from firesteel.rdd import saved

    directory = posixpath.join(context.getCheckpointDir(), f"rdd-{node.id}")
    saved.write_pieces(context, node, directory)
    replacement = saved.pieces_node(context, directory, node.partitions(context._client))
    storage.checkpoint_name = context._named("ReliableCheckpointRDD", context._site_or("checkpoint"))
    storage.file, storage.replacement, storage.is_checkpointed = directory, replacement, True
