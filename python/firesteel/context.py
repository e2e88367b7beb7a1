"""`SparkContext` over a session of Spark Connect."""

import getpass
import os
import re
import sys
import threading
import time

from pyspark import SparkConf
from pyspark.errors import PySparkRuntimeError, PySparkValueError
from pyspark.serializers import AutoBatchedSerializer, BatchedSerializer, CPickleSerializer, NoOpSerializer
from pyspark.taskcontext import TaskContext

from firesteel.accumulators import Accumulators
from firesteel.broadcast import Blobs, Broadcast, BroadcastPickleRegistry
from firesteel.errors import error
from firesteel.files import Files, SparkFiles
from firesteel.jobs import CHECKPOINT_DIR, Jobs
from firesteel.profiling import Profiling
from firesteel.rdd import execution
from firesteel.rdd.callsite import CallSite, first_spark_call
from firesteel.rdd.narrow import united
from firesteel.rdd.plan import Local
from firesteel.rdd.rdd import RDD, PipelinedRDD
from firesteel.rdd.sources import Sources
from firesteel.running import Running
from firesteel.status import StatusTracker

#: Data that a plan may hold; more of it goes to the driver as blobs.
INLINE = 1 << 20


class SparkContext(Jobs, Files, Sources, Accumulators, Profiling, Running):
    """The entry point to RDDs. One context belongs to one session."""

    # What programs and PySpark ask for to see whether there is a JVM.
    _gateway = None
    _jvm = None
    _jsc = None
    _next_accum_id = 0
    _active_spark_context = None
    _lock = threading.RLock()
    PACKAGE_EXTENSIONS = (".zip", ".egg", ".jar")

    def __init__(
        self,
        master=None,
        appName=None,
        sparkHome=None,
        pyFiles=None,
        environment=None,
        batchSize=0,
        serializer=CPickleSerializer(),
        conf=None,
        gateway=None,
        jsc=None,
        profiler_cls=None,
        udf_profiler_cls=None,
        memory_profiler_cls=None,
    ):
        if gateway is not None and gateway.gateway_parameters.auth_token is None:
            raise ValueError(
                "You are trying to pass an insecure Py4j gateway to Spark. This is not allowed as it is a security risk."
            )
        given = dict(conf.getAll()) if conf is not None else {}
        if given.get("spark.executor.allowSparkContext", "false").lower() != "true":
            SparkContext._assert_on_driver()
        with SparkContext._lock:
            self._refuse_second()
            _check_master(master or given.get("spark.master"))
            named = {"spark.master": master, "spark.app.name": appName, "spark.home": sparkHome}
            given.update({key: value for key, value in named.items() if value})
            given.update({f"spark.executorEnv.{key}": value for key, value in (environment or {}).items()})
            self._start(_session(given), given, batchSize, serializer)
        self._start_profiling(profiler_cls, udf_profiler_cls, memory_profiler_cls)
        for path in [*(pyFiles or []), *filter(None, given.get("spark.submit.pyFiles", "").split(","))]:
            self.addPyFile(path)

    @classmethod
    def _of_session(cls, session):
        """The context of a session, made when it is first asked for."""
        with cls._lock:
            found = session.__dict__.get("_firesteel_context")
            if found is None:
                found = cls.__new__(cls)
                found._start(session, {}, 0, CPickleSerializer())
                found._start_profiling(None, None, None)
            return found

    def _start(self, session, given, batch_size, serializer):
        self._session = session
        session.__dict__["_firesteel_context"] = self
        self._callsite = first_spark_call() or CallSite(None, None, None)
        self._conf = _conf(session, given)
        self.master = self._conf.get("spark.master")
        self.appName = self._conf.get("spark.app.name")
        self.sparkHome = self._conf.get("spark.home", None)
        prefix = "spark.executorEnv."
        self.environment = {k[len(prefix) :]: v for k, v in self._conf.getAll() if k.startswith(prefix)}
        self.environment["PYTHONHASHSEED"] = os.environ.get("PYTHONHASHSEED", "0")
        self.pythonExec = os.environ.get("PYSPARK_PYTHON", "python3")
        self.pythonVer = "%d.%d" % sys.version_info[:2]
        self._version = session.version
        self._batchSize = batch_size
        self._unbatched_serializer = serializer
        self.serializer = BatchedSerializer(serializer, batch_size) if batch_size else AutoBatchedSerializer(serializer)
        self._rdd_ids = -1
        self._started = str(int(time.time() * 1000))
        self._pickled_broadcast_vars = BroadcastPickleRegistry()
        self._broadcasts = Blobs(self._upload, self._drop_blob)
        self._checkpoint_directory = None
        directory = self._conf.get(CHECKPOINT_DIR, None)
        if directory is not None:
            self.setCheckpointDir(directory)
        self._start_files()
        SparkFiles._sc = self
        active = SparkContext._active_spark_context
        if active is None or active._is_stopped:
            SparkContext._active_spark_context = self

    @classmethod
    def _refuse_second(cls):
        active = cls._active_spark_context
        if active is not None and not active._is_stopped:
            site = active._callsite
            raise ValueError(
                "Cannot run multiple SparkContexts at once; existing SparkContext(app=%s, master=%s) created by %s at %s:%s "
                % (active.appName, active.master, site.function, site.file, site.linenum)
            )

    @classmethod
    def getOrCreate(cls, conf=None):
        """The active context, or a new one."""
        with cls._lock:
            active = cls._active_spark_context
            if active is None or active._is_stopped:
                return SparkContext(conf=conf or SparkConf())
            return active

    @property
    def _is_stopped(self):
        return self._session is None or self._session.is_stopped

    @property
    def _client(self):
        """The client of the session; an error once the context was stopped."""
        if self._is_stopped:
            raise PySparkRuntimeError("Cannot call methods on a stopped SparkContext.")
        return self._session.client

    def stop(self):
        """Ends the session, and with it the context."""
        session = self._session
        if session is not None and not session.is_stopped:
            session.stop()
        self._stopped()

    def _stopped(self):
        self._stop_files()
        # A cycle would leave the session to whatever thread collects it.
        if self._session is not None:
            self._session.__dict__.pop("_firesteel_context", None)
            self._session = None
        with SparkContext._lock:
            if SparkContext._active_spark_context is self:
                SparkContext._active_spark_context = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def __getnewargs__(self):
        # A context in a closure or a broadcast value.
        raise error(PySparkRuntimeError, "CONTEXT_ONLY_VALID_ON_DRIVER")

    def __reduce_ex__(self, protocol):
        self.__getnewargs__()

    @staticmethod
    def _assert_on_driver():
        if TaskContext.get() is not None:
            raise error(PySparkRuntimeError, "CONTEXT_ONLY_VALID_ON_DRIVER")

    def __repr__(self):
        return f"<SparkContext master={self.master} appName={self.appName}>"

    def _repr_html_(self):
        return f"""
        <div>
            <p><b>SparkContext</b></p>
            <p><a href="{self.uiWebUrl}">Spark UI</a></p>
            <dl>
              <dt>Version</dt><dd><code>v{self.version}</code></dd>
              <dt>Master</dt><dd><code>{self.master}</code></dd>
              <dt>AppName</dt><dd><code>{self.appName}</code></dd>
            </dl>
        </div>
        """

    def parallelize(self, c, numSlices=None):
        """An RDD of the elements of a collection."""
        slices = int(numSlices) if numSlices is not None else self.defaultParallelism
        if isinstance(c, range):
            return self._ranges(c, slices)
        if not hasattr(c, "__len__"):
            c = list(c)
        size = max(1, min(len(c) // slices, self._batchSize or 1024))
        serializer = BatchedSerializer(self._unbatched_serializer, size)
        # Spark cuts the pickled batches, not the elements.
        batches = list(execution.frames(serializer, c))
        count = len(batches)
        parts = [batches[i * count // slices : (i + 1) * count // slices] for i in range(slices)]
        if sum(map(len, batches)) > INLINE:
            return self._large(parts, serializer)
        return RDD(self._local([[b"".join(part)] if part else [] for part in parts]), self, serializer)

    def _large(self, parts, serializer):
        """Elements that are too large for a plan, as a blob for each partition."""
        blobs = self._upload([b"".join(part) for part in parts])
        empty = self._local([[] for _ in parts])
        source = execution.Elements(serializer)
        return PipelinedRDD.reading(self, empty, source, execution.Pieces(blobs, serializer))

    def _ranges(self, numbers, slices):
        """Numbers, of which a plan only holds the bounds."""
        empty = self._local([[] for _ in range(slices)])
        return PipelinedRDD.reading(self, empty, execution.Elements(self.serializer), execution.Ranges(numbers, slices))

    def _local(self, pieces):
        node = Local(pieces)
        self._name(node, [("ParallelCollectionRDD", "readRDDFromFile at PythonRDD.scala:326")])
        return node

    def range(self, start, end=None, step=1, numSlices=None):
        """An RDD of numbers."""
        if end is None:
            start, end = 0, start
        return self.parallelize(range(start, end, step), numSlices)

    def emptyRDD(self):
        """An RDD without elements or partitions."""
        node = Local([])
        self._name(node, [("EmptyRDD", "emptyRDD")])
        return RDD(node, self, NoOpSerializer())

    def union(self, rdds):
        """The elements of several RDDs."""
        if any(rdd._jrdd_deserializer != rdds[0]._jrdd_deserializer for rdd in rdds):
            rdds = [rdd._reserialize() for rdd in rdds]
        first = rdds[0].partitioner
        return self._united(rdds, first if all(rdd.partitioner == first for rdd in rdds) else None)

    def _united(self, rdds, partitioner):
        """The union of RDDs with one serializer; partition by partition if they have one partitioner."""
        if any(rdd._is_barrier() for rdd in rdds):
            next(rdd for rdd in rdds if rdd._is_barrier())._refuse_barrier()
        node = united([rdd._node for rdd in rdds], partitioner.numPartitions if partitioner is not None else None)
        self._name(node, [("UnionRDD" if partitioner is None else "PartitionerAwareUnionRDD", "union")])
        return RDD(node, self, rdds[0]._jrdd_deserializer)

    def broadcast(self, value):
        """Sends a value to the executors once."""
        return Broadcast(self, value, self._pickled_broadcast_vars)

    def statusTracker(self):
        """What jobs and stages are doing."""
        return StatusTracker(self)

    def getConf(self):
        """A copy of the settings."""
        return SparkConf().setAll(self._conf.getAll())

    @property
    def version(self):
        """The version of Spark that is spoken."""
        return self._version

    @property
    def applicationId(self):
        """The id of the application."""
        return self._conf.get("spark.app.id", None) or self._client._session_id

    @property
    def uiWebUrl(self):
        """The address of the pages about this application, if there are any."""
        return self._conf.get("firesteel.ui.url", None)

    @property
    def startTime(self):
        """When the application was started, in milliseconds."""
        return int(self._conf.get("spark.app.startTime", self._started))

    @property
    def defaultParallelism(self):
        """The number of partitions if none is given: as many as tasks can run at once."""
        chosen = self._conf.get("spark.default.parallelism", None)
        if chosen is None:
            chosen = self._client.get_config_with_defaults(("firesteel.parallelism", None))[0]
        return int(chosen) if chosen is not None else max(_slots(self.master or "", self._conf), 1)

    @property
    def defaultMinPartitions(self):
        """The number of partitions of a file if none is given."""
        return min(self.defaultParallelism, 2)

    @property
    def resources(self):
        """Resources of the driver, such as GPUs."""
        return self._client._resources()

    def setLogLevel(self, logLevel):
        """Takes Spark's levels. Executors log as they were started."""
        if logLevel.upper() not in ("ALL", "DEBUG", "ERROR", "FATAL", "INFO", "OFF", "TRACE", "WARN"):
            raise PySparkRuntimeError(
                f"Supplied level {logLevel} did not match one of: ALL,DEBUG,ERROR,FATAL,INFO,OFF,TRACE,WARN"
            )

    @classmethod
    def setSystemProperty(cls, key, value):
        """Sets a default of the settings of contexts that start later."""
        _properties[key] = value

    @classmethod
    def getSystemProperty(cls, key):
        """What `setSystemProperty` has set."""
        return _properties.get(key)

    def sparkUser(self):
        """The user of the application."""
        return os.environ.get("SPARK_USER") or getpass.getuser()


_properties = {}


def _check_master(master):
    """Refuses what no Spark would understand, although the master was chosen when the program was started."""
    known = r"local(\[.*\])?|local-cluster\[.*\]|(spark|k8s|mesos|sc)://.*|yarn"
    if master is not None and not re.fullmatch(known, master):
        raise PySparkValueError(f"Could not parse Master URL: '{master}'")


def _session(given):
    """The session of a new context, with a driver of its own if no address is known."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    settings = {**{k: v for k, v in _properties.items() if k.startswith("spark.")}, **given}
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _conf(session, given):
    """The settings of the driver, under those of the program."""
    from pyspark.sql.connect import proto

    operation = proto.ConfigRequest.Operation(get_all=proto.ConfigRequest.GetAll())
    found = dict(session.client.config(operation).pairs)
    conf = SparkConf()
    for key, value in {**found, **given}.items():
        if value is not None:
            conf.set(key, value)
    # The master was chosen when the program was started.
    master = os.environ.get("FIRESTEEL_MASTER") or found.get("spark.master") or given.get("spark.master")
    conf.set("spark.master", master or "local[*]")
    conf.setIfMissing("spark.app.name", os.path.basename(sys.argv[0]) or "pyspark-shell")
    return conf


def _slots(master, conf):
    """How many tasks run at once, by the master's name."""
    local = re.fullmatch(r"local(?:\[(\d+|\*)(?:,\s*\d+)?\])?", master)
    if local:
        found = local.group(1)
        return len(os.sched_getaffinity(0)) if found == "*" else int(found or 1)
    cluster = re.fullmatch(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,.*\]", master)
    if cluster:
        return max(int(cluster.group(1)) * int(cluster.group(2)), 2)
    cores, executors = conf.get("spark.executor.cores", "1"), conf.get("spark.executor.instances", "2")
    return max(int(cores) * int(executors), 2)
