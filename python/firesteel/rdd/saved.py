"""Saving RDDs as files, and reading such files."""

import bz2
import zlib

from pyspark.errors import PySparkRuntimeError
from pyspark.serializers import AutoBatchedSerializer, BatchedSerializer, CPickleSerializer

from firesteel.errors import not_implemented
from firesteel.rdd import execution
from firesteel.rdd.places import Place, is_local, read

_CODECS = {"GzipCodec": ".gz", "BZip2Codec": ".bz2", "DefaultCodec": ".deflate", "DeflateCodec": ".deflate"}

_COMPRESSIONS = {"": "none", ".gz": "gzip", ".bz2": "bzip2", ".deflate": "deflate"}


class Saved:
    """The part of `RDD` that writes files."""

    def saveAsTextFile(self, path, compressionCodecClass=None):
        """Writes each element as a line, a file for each partition."""
        ending = ""
        if compressionCodecClass:
            ending = _CODECS.get(compressionCodecClass.rpartition(".")[2])
            if ending is None:
                raise not_implemented(f"The codec {compressionCodecClass}")
        if is_local(path):
            _write(self, path, TextFile(_new(path), ending))
            return
        # Executors have the credentials of object stores; functions have none.
        lines = self.map(lambda x: (_text(x),)).toDF("value string")
        lines.write.text(path, compression=_COMPRESSIONS[ending])

    def saveAsPickleFile(self, path, batchSize=10):
        """Writes pickled elements, a file for each partition."""
        if batchSize == 0:
            serializer = AutoBatchedSerializer(CPickleSerializer())
        else:
            serializer = BatchedSerializer(CPickleSerializer(), batchSize)
        _write(self, path, PickleFile(_new(path), serializer))

    def saveAsSequenceFile(self, path, compressionCodecClass=None):
        """Needs Hadoop's formats."""
        raise not_implemented("RDD.saveAsSequenceFile")

    def saveAsHadoopFile(self, path, outputFormatClass, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("RDD.saveAsHadoopFile")

    def saveAsHadoopDataset(self, conf, keyConverter=None, valueConverter=None):
        """Needs Hadoop's formats."""
        raise not_implemented("RDD.saveAsHadoopDataset")

    def saveAsNewAPIHadoopFile(self, path, outputFormatClass, *args, **kwargs):
        """Needs Hadoop's formats."""
        raise not_implemented("RDD.saveAsNewAPIHadoopFile")

    def saveAsNewAPIHadoopDataset(self, conf, keyConverter=None, valueConverter=None):
        """Needs Hadoop's formats."""
        raise not_implemented("RDD.saveAsNewAPIHadoopDataset")


def _new(path):
    place = Place(path)
    if place.exists():
        raise PySparkRuntimeError(f"Output directory {path} already exists")
    place.create()
    return path


def _write(rdd, path, writer):
    for _ in rdd.ctx._elements(rdd.mapPartitionsWithIndex(writer)):
        pass
    Place(path).finish()


class TextFile:
    """Writes a partition's elements as lines."""

    def __init__(self, directory, ending):
        self.directory = directory
        self.ending = ending

    def __call__(self, split, iterator):
        lines = execution.joined(_line(x) for x in iterator)
        Place(self.directory).write(f"part-{split:05}{self.ending}", _compressed(lines, self.ending))
        return iter(())


def _line(element):
    return (element if isinstance(element, bytes) else _text(element).encode("utf-8")) + b"\n"


def _text(element):
    return element.decode("utf-8") if isinstance(element, bytes) else str(element)


def _compressed(parts, ending):
    if not ending:
        yield from parts
        return
    if ending == ".bz2":
        compressor = bz2.BZ2Compressor()
    else:
        compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if ending == ".gz" else 0))
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()


class PickleFile:
    """Writes a partition's elements as a stream of pickles."""

    def __init__(self, directory, serializer):
        self.directory = directory
        self.serializer = serializer

    def __call__(self, split, iterator):
        parts = execution.joined(execution.frames(self.serializer, iterator))
        Place(self.directory).write(f"part-{split:05}", parts)
        return iter(())


class Unpickled:
    """Reads the files that `PickleFile` has written, one for each partition."""

    def __init__(self, directory, files, serializer):
        self.directory = directory
        self.files = files
        self.serializer = serializer

    def __call__(self, split, _):
        return self.serializer.load_stream(execution.Stream(read(self.directory, self.files[split])))


class WholeFiles:
    """Reads files, of which each partition has some."""

    def __init__(self, groups):
        self.groups = groups

    def __call__(self, split, _):
        for path in self.groups[split]:
            with open(path, "rb") as file:
                yield f"file:{path}", file.read()


class PieceFile:
    """Writes a partition's stream as it is."""

    def __init__(self, directory):
        self.directory = directory

    def __call__(self, split, parts):
        Place(self.directory).write(f"part-{split:05}", parts)
        return iter(())


class PiecesOfFile:
    """Reads a stream as it is."""

    def __init__(self, directory, files):
        self.directory = directory
        self.files = files

    def __call__(self, split, _):
        return read(self.directory, self.files[split])


class RawPieces:
    """Elements that are pieces of another RDD's stream."""

    def read(self, batches):
        return execution.pieces(batches)

    def write(self, parts):
        return execution.batches_of(parts)


def write_pieces(context, node, directory):
    """Writes the streams of a node's partitions to files, in a job of its own."""
    from firesteel.rdd.rdd import PipelinedRDD

    Place(directory).create()
    written = PipelinedRDD.reading(context, node, RawPieces(), PieceFile(directory))
    for _ in context._elements(written, checkpoints=False):
        pass
    Place(directory).finish()


def pieces_node(context, directory, count=None):
    """A node with the streams of the files in a directory."""
    from firesteel.rdd.plan import Local
    from firesteel.rdd.rdd import PipelinedRDD

    files = Place(directory).files()
    if count is not None and len(files) != count:
        raise PySparkRuntimeError(f"Checkpoint {directory} has {len(files)} partitions, but the RDD has {count}")
    source = PipelinedRDD.reading(
        context, Local([[] for _ in files]), execution.Elements(context.serializer), PiecesOfFile(directory, files)
    )
    source._target = RawPieces()
    return source._node
