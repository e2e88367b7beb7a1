"""RDDs of files."""

import uuid

from pyspark.errors import PySparkRuntimeError
from pyspark.serializers import AutoBatchedSerializer, CPickleSerializer

from firesteel.errors import not_implemented
from firesteel.jobs import ALL_THREADS, CHECKPOINT_DIR
from firesteel.rdd import execution, saved
from firesteel.rdd.places import Place, is_local, matching
from firesteel.rdd.plan import Frame
from firesteel.rdd.rdd import RDD, PipelinedRDD
from firesteel.rdd.rows import Contents, Values


class Sources:
    """The part of `SparkContext` that reads files."""

    def textFile(self, name, minPartitions=None, use_unicode=True):
        """The lines of files."""
        frame = self._reader("text", minPartitions).load(_paths(name))
        node = self._frame_node(frame, name, ["HadoopRDD", "MapPartitionsRDD"], "textFile")
        return PipelinedRDD.reading(self, node, Values(use_unicode))

    def wholeTextFiles(self, path, minPartitions=None, use_unicode=True):
        """Pairs of a file's path and its content."""
        found = self.binaryFiles(path, minPartitions)
        return found.mapValues(_decoded) if use_unicode else found

    def binaryFiles(self, path, minPartitions=None):
        """Pairs of a file's path and its bytes."""
        if all(map(is_local, _paths(path))):
            return self._local_files(path, minPartitions or self.defaultMinPartitions)
        frame = self._reader("binaryFile", minPartitions).load(_paths(path)).select("path", "content")
        node = self._frame_node(frame, path, ["BinaryFileRDD"], "binaryFiles")
        return PipelinedRDD.reading(self, node, Contents())

    def _local_files(self, path, partitions):
        """Files that all workers reach, as evenly distributed as whole files can be."""
        found = [file for one in _paths(path) for file in matching(one)]
        count = min(partitions, len(found))
        groups = [found[i * len(found) // count : (i + 1) * len(found) // count] for i in range(count)]
        empty = self._local([[] for _ in groups])
        return PipelinedRDD.reading(self, empty, execution.Elements(self.serializer), saved.WholeFiles(groups))

    def binaryRecords(self, path, recordLength):
        """Records of a fixed length."""

        def records(pair):
            content = pair[1]
            return (content[i : i + recordLength] for i in range(0, len(content) // recordLength * recordLength, recordLength))

        return self.binaryFiles(path).flatMap(records)

    def _reader(self, kind, min_partitions):
        wanted = min_partitions or self.defaultMinPartitions
        return self._session.read.format(kind).option("minPartitions", str(wanted))

    def _frame_node(self, frame, name, kinds, method):
        node = Frame(frame)
        self._name(node, [(f"{name} {kind}" if name else kind, method) for kind in kinds])
        return node

    def pickleFile(self, name, minPartitions=None):
        """The elements that `saveAsPickleFile` has written."""
        files = Place(name).files()
        unpickled = saved.Unpickled(name, files, AutoBatchedSerializer(CPickleSerializer()))
        empty = self._local([[] for _ in files])
        return PipelinedRDD.reading(self, empty, execution.Elements(self.serializer), unpickled)

    def setCheckpointDir(self, dirName):
        """Sets the directory for checkpoints, which all executors must reach."""
        directory = Place(dirName)
        name = str(uuid.uuid4())
        base = dirName if "://" in dirName or dirName.startswith("file:") else f"file:{directory.root}"
        self._checkpoint_directory = f"{base.rstrip('/')}/{name}"
        Place(self._checkpoint_directory).create()
        setattr(self._client, ALL_THREADS, {CHECKPOINT_DIR: self._checkpoint_directory})

    def getCheckpointDir(self):
        """The directory for checkpoints of this application."""
        return self._checkpoint_directory

    def _checkpointFile(self, name, input_deserializer):
        """The RDD that a checkpoint was made of."""
        if not Place(name).exists():
            raise PySparkRuntimeError(f"Checkpoint directory does not exist: {name}")
        return RDD(saved.pieces_node(self, name), self, input_deserializer)

    def sequenceFile(self, path, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("SparkContext.sequenceFile")

    def hadoopFile(self, path, inputFormatClass, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("SparkContext.hadoopFile")

    def hadoopRDD(self, inputFormatClass, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("SparkContext.hadoopRDD")

    def newAPIHadoopFile(self, path, inputFormatClass, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("SparkContext.newAPIHadoopFile")

    def newAPIHadoopRDD(self, inputFormatClass, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("SparkContext.newAPIHadoopRDD")


def _paths(names):
    """Hadoop takes several paths, with commas between them."""
    return [name.strip() for name in names.split(",") if name.strip()]


def _decoded(content):
    return bytes(content).decode("utf-8")
