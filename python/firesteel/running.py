"""How a context runs jobs: functions become messages, and results come back as elements."""

import queue
import threading

from pyspark.cloudpickle import dumps
from pyspark.errors import PySparkValueError
from pyspark.serializers import CloudPickleSerializer

from firesteel.rdd import execution, messages, storage
from firesteel.rdd.callsite import Site, current, first_spark_call
from firesteel.rdd.plan import ELEMENTS, Selected, command, fetched, function_message
from firesteel.uploads import upload

#: Spark's default of `spark.broadcast.UDFCompressionThreshold`: larger closures are broadcast.
LARGEST_CLOSURE = 1 << 20


class Running:
    """The part of `SparkContext` that runs jobs."""

    def runJob(self, rdd, partitionFunc, partitions=None, allowLocal=False):
        """Runs a function on some partitions, and returns its results in their order."""
        mapped = rdd.mapPartitions(partitionFunc)
        if partitions is None:
            return mapped.collect()
        chosen, count = list(partitions), rdd.getNumPartitions()
        for partition in chosen:
            if not 0 <= partition < count:
                raise PySparkValueError(
                    f"Attempting to access a non-existent partition: {partition}. Total number of partitions: {count}"
                )
        if chosen == list(range(count)):
            return mapped.collect()
        if rdd._is_barrier():
            rdd._refuse_barrier()
        with Site():
            return list(self._some(mapped, chosen))

    def _some(self, rdd, partitions):
        """The elements of some partitions."""
        node = rdd._node
        return self._elements(rdd, Selected(node, [[partition] for partition in partitions]))

    def _elements(self, rdd, node=None, checkpoints=True):
        """Runs a job and yields the elements of an RDD as they come."""
        node = node if node is not None else rdd._node
        client = self._client
        if node.partitions(client) > 0:
            stream = execution.Stream(execution.pieces(fetched(client, node.relation(client))))
            yield from rdd._jrdd_deserializer.load_stream(stream)
        if checkpoints:
            storage.finish(self, rdd._node)

    def _iterator(self, rdd, prefetch):
        """Elements by partition; with prefetching the next partition is fetched while one is used."""
        count = rdd.getNumPartitions()
        if not prefetch:
            return (element for split in range(count) for element in self._some(rdd, [split]))
        return self._prefetched(rdd, count)

    def _prefetched(self, rdd, count):
        ready = queue.Queue(maxsize=1)
        attributes = self._thread_attributes()

        def fetch():
            self._set_thread_attributes(attributes)
            for split in range(count):
                try:
                    ready.put((list(self._some(rdd, [split])), None))
                except BaseException as failure:
                    ready.put((None, failure))
                    return

        threading.Thread(target=fetch, daemon=True).start()
        for _ in range(count):
            elements, failure = ready.get()
            if failure is not None:
                raise failure
            yield from elements

    def _function(self, name, function, rdd, output=ELEMENTS):
        """A function as a message; the code of large ones goes to the driver as a blob."""
        pickled = CloudPickleSerializer()
        command = pickled.dumps((function, output))
        self._pickled_broadcast_vars.clear()
        if len(command) > LARGEST_CLOSURE:
            blob = self._upload([dumps(function)])[0]
            command = pickled.dumps((execution.Large(blob, rdd, getattr(function, "profiler", None)), output))
        return function_message(name, command, output, self.pythonVer)

    def _upload(self, blobs):
        """Sends blobs to the driver, and returns their hashes."""
        return upload(self._client, blobs)

    def _drop_blob(self, hash, forever):
        """Drops a blob: everywhere, or only what executors have of it."""
        self._client.execute_command(command(messages.DropBlob(hash=hash, forever=forever)))

    def _forget(self, node, blocking):
        """Lets the driver delete what it has stored of a node."""
        client = self._client
        relation = node.relation(client)
        client._analyze(method="unpersist", relation=relation, blocking=blocking)

    def _new_rdd_id(self):
        with self._lock:
            self._rdd_ids += 1
            return self._rdd_ids

    def _named(self, kind, origin):
        return f"{kind}[{self._new_rdd_id()}] at {origin}"

    def _name(self, node, kinds, numbers=()):
        """Gives a node the names of Spark's RDDs that it stands for, the first one the lowest."""
        for place, (kind, origin) in enumerate(kinds):
            number = numbers[place] if place < len(numbers) else self._new_rdd_id()
            if " at " not in origin:
                origin += " at NativeMethodAccessorImpl.java:0"
            node.names.insert(0, f"{kind}[{number}] at {origin}")
            node.id = number

    def _site_or(self, otherwise):
        return current() or "%s at %s:%s" % first_spark_call() or otherwise
