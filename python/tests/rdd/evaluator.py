"""A server of Spark Connect that knows only the relations of RDDs, and runs their functions in one worker process.

For tests of the client without a driver: `python evaluator.py` prints its port. Partitions are computed when they are asked for, one after the
other.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import uuid

import grpc
import pyarrow as pa
from pyspark.sql.connect import proto
from pyspark.sql.connect.proto import base_pb2_grpc
from pyspark.sql.connect.types import proto_schema_to_pyspark_data_type, pyspark_types_to_proto_types
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import LongType, StringType, StructField, StructType
from worker import receive, send

from firesteel.rdd import messages

DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.execution.pyspark.binaryAsBytes": "true",
    "spark.sql.session.localRelationCacheThreshold": str(1 << 26),
    "spark.sql.session.localRelationSizeLimit": str(3 << 30),
    "spark.sql.session.localRelationChunkSizeRows": "10000",
    "spark.sql.session.localRelationChunkSizeBytes": str(1 << 24),
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": str(1 << 29),
    "spark.sql.execution.pandas.convertToArrowArraySafely": "false",
    "spark.sql.execution.pandas.inferPandasDictAsMap": "false",
    "spark.sql.execution.pandas.structHandlingMode": "legacy",
    "spark.sql.execution.arrow.pyspark.selfDestruct.enabled": "false",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
    "spark.sql.pyspark.inferNestedDictAsStruct.enabled": "false",
    "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled": "false",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "false",
    "spark.connect.session.planCompression.threshold": "-1",
    "spark.connect.session.planCompression.defaultAlgorithm": "NONE",
    "spark.sql.connect.serverStacktrace.enabled": "true",
    "spark.app.id": "evaluator",
    "spark.app.name": "evaluator",
    "spark.app.startTime": "1700000000000",
    "spark.master": "local[4]",
    "firesteel.parallelism": "4",
}


class Worker:
    """The process that runs functions."""

    def __init__(self, blobs, root):
        here = pathlib.Path(__file__).parent
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        command = [sys.executable, str(here / "worker.py"), blobs, root]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.lock = threading.Lock()

    def run(self, command, partition, inputs, properties, barrier):
        """The batches that a function yields for the batches of its inputs, and the updates of accumulators."""
        with self.lock:
            send(self.process.stdin, (command, partition, inputs, properties, barrier))
            answer = receive(self.process.stdout)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["batches"], answer["updates"]


class Session:
    """What a session has computed, and the values of its settings."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.blobs = os.path.join(self.directory.name, "blobs")
        self.root = os.path.join(self.directory.name, "files")
        os.makedirs(self.blobs)
        os.makedirs(self.root)
        self.worker = Worker(self.blobs, self.root)
        self.configuration = {}
        self.kept = {}
        self.requests = 0


class Job:
    """The evaluation of one request. A dataset is a schema and a list of functions, one for each partition."""

    def __init__(self, session, request):
        self.session = session
        self.properties = {}
        for extension in request.user_context.extensions:
            message = messages.unpacked(extension)
            if message is not None:
                self.properties = {of.key: of.value for of in message.properties}
        self.updates = []

    def evaluate(self, relation):
        kind = relation.WhichOneof("rel_type")
        if kind == "extension":
            message = messages.unpacked(relation.extension)
            return getattr(self, type(message).DESCRIPTOR.name)(message)
        return getattr(self, kind)(getattr(relation, kind))

    def inner(self, serialized):
        return self.evaluate(proto.Relation.FromString(serialized))

    def LocalPartitions(self, message):  # noqa: N802
        schema = pa.schema([("batch", pa.binary())])

        def partition(batches):
            return lambda: [pa.record_batch([pa.array(batches, pa.binary())], schema=schema)]

        return schema, [partition(list(of.batches)) for of in message.partitions]

    def SelectPartitions(self, message):  # noqa: N802
        schema, parts = self.inner(message.input)

        def group(numbers):
            return lambda: [batch for number in numbers for batch in parts[number]()]

        return schema, [group(list(of.partitions)) for of in message.groups]

    def ZipPartitions(self, message):  # noqa: N802
        inputs = [self.inner(one) for one in message.inputs]
        counts = {len(parts) for _, parts in inputs}
        assert len(counts) == 1, f"inputs with {counts} partitions"
        function = proto.CommonInlineUserDefinedFunction.FromString(message.function)
        return self.called(function, [parts for _, parts in inputs], message.barrier)

    def ShufflePartitions(self, message):  # noqa: N802
        schema, parts = self.inner(message.input)
        key = ("shuffle", hashlib.sha256(message.SerializeToString()).hexdigest())
        place = schema.get_field_index(message.column)

        def shuffled():
            if key not in self.session.kept:
                found = [[] for _ in range(message.partitions)]
                for part in parts:
                    for batch in part():
                        for row, number in enumerate(batch.column(place).to_pylist()):
                            found[number].append(batch.slice(row, 1))
                self.session.kept[key] = found
            return self.session.kept[key]

        return schema, [lambda number=number: shuffled()[number] for number in range(message.partitions)]

    def KeepPartitions(self, message):  # noqa: N802
        schema, parts = self.inner(message.input)
        key = hashlib.sha256(message.SerializeToString()).hexdigest()

        def kept(number):
            found = self.session.kept.setdefault(("kept", key), {})
            if number not in found:
                found[number] = parts[number]()
            return found[number]

        return schema, [lambda number=number: kept(number) for number in range(len(parts))]

    def CountPartitions(self, message):  # noqa: N802
        _, parts = self.inner(message.input)
        return one_row("count", pa.int64(), len(parts))

    def ApplicationStatus(self, message):  # noqa: N802
        return one_row("status", pa.string(), json.dumps({"jobs": [], "stages": [], "executors": []}))

    def map_partitions(self, message):
        _, parts = self.evaluate(message.input)
        return self.called(message.func, [parts], message.is_barrier)

    def called(self, function, inputs, barrier):
        schema = to_arrow_schema(proto_schema_to_pyspark_data_type(function.python_udf.output_type))

        def partition(number):
            batches = [parts[number]() for parts in inputs]
            found, updates = self.session.worker.run(
                function.python_udf.command, number, batches, self.properties, barrier
            )
            self.updates += updates
            return [pa.RecordBatch.from_arrays(batch.columns, names=schema.names) for batch in found]

        return schema, [lambda number=number: partition(number) for number in range(len(inputs[0]))]

    def set_op(self, message):
        schema, left = self.evaluate(message.left_input)
        _, right = self.evaluate(message.right_input)
        return schema, left + right

    def range(self, message):
        slices = message.num_partitions or 4
        numbers = range(message.start, message.end, message.step)
        schema = pa.schema([("id", pa.int64())])

        def part(i):
            chosen = numbers[i * len(numbers) // slices : (i + 1) * len(numbers) // slices]
            return [pa.record_batch([pa.array(list(chosen), pa.int64())], schema=schema)]

        return schema, [lambda i=i: part(i) for i in range(slices)]

    def local_relation(self, message):
        table = pa.ipc.open_stream(message.data).read_all()
        return table.schema, [lambda: table.to_batches()]

    def to_df(self, message):
        schema, parts = self.evaluate(message.input)
        names = list(message.column_names)
        renamed = pa.schema([pa.field(name, field.type) for name, field in zip(names, schema)])
        return renamed, [
            lambda part=part: [pa.RecordBatch.from_arrays(b.columns, schema=renamed) for b in part()] for part in parts
        ]

    def project(self, message):
        schema, parts = self.evaluate(message.input)
        names = [of.unresolved_attribute.unparsed_identifier for of in message.expressions]
        chosen = pa.schema([schema.field(name) for name in names])
        return chosen, [lambda part=part: [batch.select(names) for batch in part()] for part in parts]

    def read(self, message):
        source = message.data_source
        paths = [entry for path in source.paths for entry in files(path)]
        if source.format == "text":
            schema = pa.schema([("value", pa.string())])
            return schema, [lambda p=p: [column(schema, p.read_text().splitlines())] for p in paths]
        schema = pa.schema([("path", pa.string()), ("content", pa.binary())])
        return schema, [lambda p=p: [column(schema, [f"file:{p}"], [p.read_bytes()])] for p in paths]


def one_row(name, kind, value):
    schema = pa.schema([(name, kind)])
    return schema, [lambda: [column(schema, [value])]]


def column(schema, *values):
    return pa.record_batch([pa.array(of, field.type) for of, field in zip(values, schema)], schema=schema)


def files(path):
    path = pathlib.Path(path.removeprefix("file://").removeprefix("file:"))
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    return [of for of in found if of.name[0] not in "_."]


class Service(base_pb2_grpc.SparkConnectServiceServicer):
    """The methods of the protocol that the client needs for RDDs."""

    def __init__(self):
        self.sessions = {}
        self.lock = threading.Lock()

    def session(self, request):
        with self.lock:
            if request.session_id not in self.sessions:
                self.sessions[request.session_id] = Session()
            return self.sessions[request.session_id]

    def ExecutePlan(self, request, context):  # noqa: N802
        session = self.session(request)
        job = Job(session, request)
        session.requests += 1
        identity = {"session_id": request.session_id, "server_side_session_id": "evaluator"}

        def response(**content):
            made = proto.ExecutePlanResponse(
                **identity, operation_id=request.operation_id or str(uuid.uuid4()), response_id=str(uuid.uuid4())
            )
            for name, value in content.items():
                getattr(made, name).CopyFrom(value) if name != "observed_metrics" else made.observed_metrics.append(value)
            return made

        if request.plan.HasField("command"):
            dropped = messages.unpacked(request.plan.command.extension)
            if dropped.forever:
                os.remove(os.path.join(session.blobs, dropped.hash))
            yield response(result_complete=proto.ExecutePlanResponse.ResultComplete())
            return
        try:
            schema, parts = job.evaluate(request.plan.root)
            start = 0
            for part in parts:
                for batch in part():
                    yield response(arrow_batch=encoded(batch, start))
                    start += batch.num_rows
                if job.updates:
                    metrics = proto.ExecutePlanResponse.ObservedMetrics(name="__python_accumulator__")
                    for update in job.updates:
                        metrics.keys.append("update")
                        metrics.values.append(proto.Expression.Literal(binary=update))
                    job.updates = []
                    yield response(observed_metrics=metrics)
            if not parts:
                yield response(arrow_batch=encoded(pa.RecordBatch.from_pylist([], schema=schema), 0))
        except Exception as failure:
            context.abort(grpc.StatusCode.INTERNAL, f"{type(failure).__name__}: {failure}")
        yield response(result_complete=proto.ExecutePlanResponse.ResultComplete())

    def ReattachExecute(self, request, context):  # noqa: N802
        context.abort(grpc.StatusCode.NOT_FOUND, "INVALID_HANDLE.OPERATION_NOT_FOUND")

    def ReleaseExecute(self, request, context):  # noqa: N802
        return proto.ReleaseExecuteResponse(session_id=request.session_id, server_side_session_id="evaluator")

    def ReleaseSession(self, request, context):  # noqa: N802
        with self.lock:
            session = self.sessions.pop(request.session_id, None)
        if session is not None:
            session.worker.process.kill()
        return proto.ReleaseSessionResponse(session_id=request.session_id, server_side_session_id="evaluator")

    def Interrupt(self, request, context):  # noqa: N802
        return proto.InterruptResponse(session_id=request.session_id, server_side_session_id="evaluator")

    def Config(self, request, context):  # noqa: N802
        known = self.session(request).configuration
        answer = proto.ConfigResponse(session_id=request.session_id, server_side_session_id="evaluator")
        operation = request.operation
        kind = operation.WhichOneof("op_type")
        if kind == "set":
            known.update({pair.key: pair.value for pair in operation.set.pairs})
            return answer
        found = {**DEFAULTS, **known}
        if kind == "get_all":
            wanted = found.items()
        elif kind == "get_with_default":
            pairs = operation.get_with_default.pairs
            wanted = [(p.key, found.get(p.key, p.value if p.HasField("value") else None)) for p in pairs]
        else:
            wanted = [(key, found.get(key)) for key in getattr(operation, kind).keys]
        for key, value in wanted:
            answer.pairs.add(key=key, value=value)
        return answer

    def AnalyzePlan(self, request, context):  # noqa: N802
        answer = proto.AnalyzePlanResponse(session_id=request.session_id, server_side_session_id="evaluator")
        kind = request.WhichOneof("analyze")
        if kind == "schema":
            schema, _ = Job(self.session(request), request).evaluate(request.schema.plan.root)
            answer.schema.schema.CopyFrom(pyspark_types_to_proto_types(spark_schema(schema)))
        elif kind == "spark_version":
            answer.spark_version.version = "4.2.0"
        elif kind == "ddl_parse":
            fields = [field.split() for field in request.ddl_parse.ddl_string.split(",")]
            kinds = {"int": LongType(), "long": LongType(), "bigint": LongType(), "string": StringType()}
            if len(fields[0]) == 1:
                parsed = kinds[fields[0][0].lower()]
            else:
                parsed = StructType([StructField(name.rstrip(":"), kinds[of.lower()]) for name, of in fields])
            answer.ddl_parse.parsed.CopyFrom(pyspark_types_to_proto_types(parsed))
        elif kind == "unpersist":
            self.session(request).kept.clear()
            answer.unpersist.SetInParent()
        return answer

    def ArtifactStatus(self, request, context):  # noqa: N802
        session = self.session(request)
        answer = proto.ArtifactStatusesResponse(session_id=request.session_id)
        for name in request.names:
            answer.statuses[name].exists = os.path.exists(os.path.join(session.blobs, os.path.basename(name)))
        return answer

    def AddArtifacts(self, requests, context):  # noqa: N802
        answer = proto.AddArtifactsResponse()
        current, content = None, b""
        for request in requests:
            session = self.session(request)
            kind = request.WhichOneof("payload")
            if kind == "batch":
                for one in request.batch.artifacts:
                    add(session, one.name, one.data.data)
            elif kind == "begin_chunk":
                current, left = request.begin_chunk.name, request.begin_chunk.num_chunks - 1
                content = [request.begin_chunk.initial_chunk.data]
            else:
                content.append(request.chunk.data)
                left -= 1
            if current is not None and left == 0:
                add(session, current, b"".join(content))
                current = None
        return answer


def add(session, name, content):
    prefix, _, rest = name.partition("/")
    path = pathlib.Path(session.blobs if prefix == "cache" else session.root, rest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def spark_schema(schema):
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def encoded(batch, start):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    made = proto.ExecutePlanResponse.ArrowBatch(row_count=batch.num_rows, data=sink.getvalue().to_pybytes())
    if "start_offset" in made.DESCRIPTOR.fields_by_name:
        made.start_offset = start
    return made


def main():
    limit = 1 << 28
    options = [("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=options)
    base_pb2_grpc.add_SparkConnectServiceServicer_to_server(Service(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    # The tests close this when they end.
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
