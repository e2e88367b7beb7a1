"""RDDs: `RDD` itself, its fused transformations, and barriers."""

import sys

from pyspark.errors import PySparkRuntimeError
from pyspark.serializers import AutoBatchedSerializer, CPickleSerializer
from pyspark.storagelevel import StorageLevel

from firesteel.errors import error
from firesteel.rdd import execution, lineage, resources
from firesteel.rdd.actions import Actions
from firesteel.rdd.callsite import current
from firesteel.rdd.narrow import Narrow
from firesteel.rdd.numeric import Numeric
from firesteel.rdd.pairs import Pairs
from firesteel.rdd.plan import ELEMENTS, KEYED, Mapped
from firesteel.rdd.saved import Saved
from firesteel.rdd.storage import Storage


class RDD(Narrow, Actions, Pairs, Numeric, Saved):
    """A distributed collection. Transformations describe another one; actions run jobs."""

    def __init__(self, node, ctx, jrdd_deserializer=None):
        self._plan_node = node
        self.ctx = ctx
        self.is_cached = False
        self.is_checkpointed = False
        self.has_resource_profile = False
        self.partitioner = None
        self._jrdd_deserializer = jrdd_deserializer or AutoBatchedSerializer(CPickleSerializer())
        self._profile = None

    def __class_getitem__(cls, _):
        return cls

    @property
    def _node(self):
        return self._plan_node

    @property
    def context(self):
        """The `SparkContext` that made this RDD."""
        return self.ctx

    def id(self):
        """The number of this RDD."""
        return self._node.id

    def __repr__(self):
        return lineage.described(self._node)

    def __getnewargs__(self):
        # An RDD in a closure or a broadcast value.
        raise error(PySparkRuntimeError, "RDD_TRANSFORM_ONLY_VALID_ON_DRIVER")

    def __reduce_ex__(self, protocol):
        self.__getnewargs__()

    def mapPartitionsWithIndex(self, f, preservesPartitioning=False):
        """Applies a function to the number and the iterator of each partition."""
        return PipelinedRDD(self, f, preservesPartitioning)

    def getNumPartitions(self):
        """The number of partitions."""
        return self._node.partitions(self.ctx._client)

    def cache(self):
        """Keeps the elements once they were computed."""
        return self.persist(StorageLevel.MEMORY_ONLY)

    def persist(self, storageLevel=StorageLevel.MEMORY_ONLY):
        """Keeps the elements once they were computed, at a level."""
        self._storage.persist(storageLevel)
        self.is_cached = True
        return self

    def unpersist(self, blocking=False):
        """Forgets what `persist` has kept."""
        self.is_cached = False
        storage = self._storage
        if storage.kept is not None:
            self.ctx._forget(self._node, blocking)
            storage.unpersist()
        return self

    def checkpoint(self):
        """Writes the elements to the checkpoint directory after the next job, and forgets their lineage."""
        if self.ctx.getCheckpointDir() is None:
            raise PySparkRuntimeError("Checkpoint directory has not been set in the SparkContext")
        self.is_checkpointed = True
        self._storage.want("reliable")

    def localCheckpoint(self):
        """Keeps the elements after the next job."""
        self._storage.want("local")

    def isCheckpointed(self):
        """Whether a checkpoint was made."""
        return self._storage.is_checkpointed

    def isLocallyCheckpointed(self):
        """Whether a local checkpoint was asked for."""
        return self._storage.wanted == "local"

    def getCheckpointFile(self):
        """The directory with the checkpoint, if there is one."""
        return self._storage.file

    def getStorageLevel(self):
        """The level at which this RDD is persisted."""
        return self._storage.level

    def cleanShuffleDependencies(self, blocking=False):
        """Spark's way of deleting map outputs early; ours are deleted when their volume needs room."""

    @property
    def _storage(self):
        node = self._node
        if node.storage is None:
            node.storage = Storage()
        return node.storage

    def name(self):
        """The name of this RDD, or None."""
        return self._node.name or None

    def setName(self, name):
        """Gives this RDD a name."""
        self._node.name = name
        return self

    def toDebugString(self):
        """This RDD and those that it depends on."""
        return lineage.debug_string(self._node, self.ctx._client).encode("utf-8")

    def barrier(self):
        """Makes all tasks of the next transformation run at once."""
        return RDDBarrier(self)

    def _is_barrier(self):
        return getattr(self._node, "is_barrier", False)

    def withResources(self, profile):
        """Has this RDD computed by executors and tasks with the resources that a profile says."""
        self._node.profiles |= {resources.profile_id(profile, self.ctx._client)}
        self.has_resource_profile = True
        self._profile = profile
        return self

    def getResourceProfile(self):
        """What `withResources` has set."""
        return self._profile

    def toDF(self, schema=None, sampleRatio=None):
        """A DataFrame of these rows, tuples or dictionaries."""
        from firesteel.rdd import frames

        return frames.to_frame(self, schema, sampleRatio)

    def _pickled(self):
        return self._reserialize(AutoBatchedSerializer(CPickleSerializer()))

    def _reserialize(self, serializer=None):
        serializer = serializer or self.ctx.serializer
        if self._jrdd_deserializer == serializer:
            return self
        copied = self.map(lambda x: x, preservesPartitioning=True)
        copied._jrdd_deserializer = serializer
        return copied

    def _of(self, node, serializer):
        """An RDD of the same context."""
        return RDD(node, self.ctx, serializer)

    def _source(self):
        """What a function of this RDD reads: a node, and how."""
        return self._node, execution.Elements(self._jrdd_deserializer)

    def _keyed(self, function, names):
        """The node of a function that yields pairs of a partition and a piece of its stream."""
        keyed = PipelinedRDD(self, function, True)
        keyed._target, keyed._output = execution.Keyed(), KEYED
        keyed._more_names = names
        return keyed._node


class PipelinedRDD(RDD):
    """A function of the partitions of another RDD; functions of functions are one."""

    def __init__(self, prev, func, preservesPartitioning=False, isFromBarrier=False):
        super().__init__(None, prev.ctx, prev.ctx.serializer)
        self.prev = prev
        self._target, self._output = None, ELEMENTS
        self._more_names = []
        fused = isinstance(prev, PipelinedRDD) and prev._is_pipelinable()
        self.func = execution.Piped(prev.func, func) if fused else func
        self.preservesPartitioning = preservesPartitioning and (not fused or prev.preservesPartitioning)
        self._from = prev._from if fused else prev._source()
        self.partitioner = prev.partitioner if self.preservesPartitioning else None
        self.is_barrier = isFromBarrier or prev._is_barrier()

    @classmethod
    def reading(cls, ctx, node, source, func=None):
        """The elements that a source reads from any relation."""
        made = cls(_Source(ctx, node, source), func or execution.unchanged)
        return made

    @property
    def _node(self):
        if self._plan_node is None:
            self._plan_node = self._built()
        return self._plan_node

    def _built(self):
        ctx, (child, source) = self.ctx, self._from
        number = ctx._new_rdd_id()
        profiler = ctx._new_profiler(number)
        target = self._target or execution.Elements(self._jrdd_deserializer)
        transform = execution.Transform(self.func, source, target, number, profiler)
        site = current()
        function = ctx._function(site or "RDD", transform, number, self._output)
        node = Mapped(child, function, barrier=self.is_barrier)
        origin = site or "RDD at PythonRDD.scala:59"
        names = [("PythonRDD", origin), *((kind, at or origin) for kind, at in self._more_names)]
        ctx._name(node, names, numbers=[number])
        return node

    def getNumPartitions(self):
        """The number of partitions."""
        return self._from[0].partitions(self.ctx._client)

    def _is_pipelinable(self):
        return not (self.is_cached or self.is_checkpointed or self.has_resource_profile)

    def _is_barrier(self):
        return self.is_barrier


class _Source:
    """What a `PipelinedRDD` reads if it is not an RDD."""

    partitioner = None

    def __init__(self, ctx, node, source):
        self.ctx = ctx
        self._read = (node, source)

    def _source(self):
        return self._read

    def _is_barrier(self):
        return False


class RDDBarrier:
    """An RDD whose next transformation runs all its tasks at once."""

    def __init__(self, rdd):
        self.rdd = rdd

    def __class_getitem__(cls, _):
        return cls

    def mapPartitions(self, f, preservesPartitioning=False):
        """Applies a function to the iterator of each partition."""

        def func(_, iterator):
            return f(iterator)

        return PipelinedRDD(self.rdd, func, preservesPartitioning, isFromBarrier=True)

    def mapPartitionsWithIndex(self, f, preservesPartitioning=False):
        """Applies a function to the number and the iterator of each partition."""
        return PipelinedRDD(self.rdd, f, preservesPartitioning, isFromBarrier=True)


def python_version():
    return "%d.%d" % sys.version_info[:2]
