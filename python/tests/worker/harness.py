"""An executor in Python: starts a fork server, forks workers, sends tasks and receives what they answer."""

import array
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql.types import StructField, StructType

PYTHON = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PYTHON))
# Classes and functions of the tests go to workers by value: they have no such modules.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
HEADER = struct.Struct("<BBHIQ")
DEADLINE = 60


class Failed(Exception):
    """An `X` frame."""

    def __init__(self, content):
        super().__init__(content["traceback"])
        self.content = content
        self.type = content["type"]
        self.message = content["message"]
        self.traceback = content["traceback"]
        self.condition = content.get("condition")
        self.parameters = content.get("parameters")


class Died(Exception):
    """The worker closed its socket within a task."""


class Finished:
    """An `F` frame and what came before it."""

    def __init__(self, batches, content, updates):
        self.batches = batches
        self.content = content
        self.updates = updates

    @property
    def table(self):
        return pa.Table.from_batches(self.batches)

    @property
    def rows(self):
        return [tuple(row.values()) for batch in self.batches for row in batch.to_pylist()]

    def column(self, index=0):
        return [value for batch in self.batches for value in batch.column(index).to_pylist()]


class Executor:
    """A fork server and its answers."""

    def __init__(self, environment=None):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(DEADLINE)
        path = os.pathsep.join(filter(None, [str(PYTHON), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "firesteel.worker"], stdin=theirs, env=env
        )
        theirs.close()
        self._lines = b""
        self._answers = []
        self.workers = []

    def fork(self):
        """A new worker."""
        data, their_data = socket.socketpair()
        requests, their_requests = socket.socketpair()
        readable, writable = os.pipe()
        descriptors = array.array("i", [their_data.fileno(), their_requests.fileno(), writable])
        self.socket.sendmsg([b'{"fork": true}\n'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        their_data.close()
        their_requests.close()
        os.close(writable)
        pid = self.answer("forked")["forked"]
        worker = Worker(pid, data, requests, readable)
        self.workers.append(worker)
        return worker

    def exit_of(self, worker):
        """How a worker ended."""
        return {key: value for key, value in self.answer("exited", worker.pid).items() if key != "exited"}

    def answer(self, key, value=None):
        """The next answer of the server with this key; others are kept."""
        while True:
            for position, found in enumerate(self._answers):
                if key in found and value in (None, found[key]):
                    return self._answers.pop(position)
            received = self.socket.recv(65536)
            assert received, "the server has ended"
            *lines, self._lines = (self._lines + received).split(b"\n")
            self._answers.extend(json.loads(line) for line in lines)

    def close(self):
        self.socket.close()
        self.process.wait(timeout=DEADLINE)
        for worker in self.workers:
            worker.close()


class Worker:
    """The executor's side of a worker."""

    def __init__(self, pid, data, requests, output):
        self.pid = pid
        self.data = data
        self.data.settimeout(DEADLINE)
        self.requests = requests
        self.blobs = {}
        self.asked = []
        self.answers = {}
        self._output = b""
        self.output_size = 0
        self.output_ended = threading.Event()
        threading.Thread(target=self._read_output, args=(output,), daemon=True).start()
        threading.Thread(target=self._answer_requests, daemon=True).start()

    @property
    def output(self):
        return self._output.decode(errors="replace")

    def said(self, text):
        """Whether its output has this text, which may come later than an answer."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.output and not self.output_ended.is_set() and time.monotonic() < deadline:
            time.sleep(0.01)
        return text in self.output

    def run(self, header, inputs=(), blobs=()):
        """Runs a task. An input is a list of batches, or of (starts, batch) for groups, or None between pairs."""
        writer = threading.Thread(target=self.send_task, args=(header, inputs, blobs), daemon=True)
        writer.start()
        try:
            return self.receive()
        finally:
            writer.join(timeout=DEADLINE)

    def send_task(self, header, inputs=(), blobs=()):
        with contextlib.suppress(OSError):
            header = {**header, "blobs": [len(blob) for blob in blobs]}
            encoded = json.dumps(header).encode()
            self.frame("T", b"".join([encoded, *blobs]), extra=len(encoded))
            if header["kind"] == "cogroup":
                self._send_pairs(*inputs)
            else:
                for which, batches in enumerate(inputs):
                    self._send_input(which, batches)

    def _send_input(self, which, batches):
        described = False
        for batch in batches:
            starts, batch = batch if isinstance(batch, tuple) else (None, batch)
            if not described:
                described = True
                self.frame("S", batch.schema.serialize(), which)
            if starts is not None:
                self.frame("G", struct.pack(f"<{len(starts)}I", *starts), which)
            self.frame("B", batch.serialize(), which)
        self.frame("E", b"", which)

    def _send_pairs(self, left, right):
        described = set()
        for pair in zip(left, right):
            for which, batches in enumerate(pair):
                for batch in batches:
                    if which not in described:
                        described.add(which)
                        self.frame("S", batch.schema.serialize(), which)
                    self.frame("B", batch.serialize(), which)
            self.frame("N", b"")
        self.frame("E", b"", 0)
        self.frame("E", b"", 1)

    def frame(self, kind, payload, which=0, extra=0):
        self.data.sendall(HEADER.pack(ord(kind), which, 0, extra, len(payload)))
        self.data.sendall(payload)

    def mapped(self, payload, which=0):
        """Sends a message as a memory file."""
        descriptor = os.memfd_create("batch")
        os.write(descriptor, payload)
        header = HEADER.pack(ord("M"), which, 0, 0, len(payload))
        self.data.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
        os.close(descriptor)

    def receive(self):
        """Reads frames to the end of the task."""
        schema, batches = None, []
        while True:
            header = self._exactly(HEADER.size)
            kind, _, _, extra, length = HEADER.unpack(header)
            payload = self._exactly(length)
            if kind == ord("S"):
                schema = pa.ipc.read_schema(pa.py_buffer(payload))
            elif kind == ord("B"):
                batches.append(pa.ipc.read_record_batch(pa.py_buffer(payload), schema))
            elif kind == ord("F"):
                content, updates, position = json.loads(payload[:extra]), [], extra
                for _, size in content["accumulators"]:
                    updates.append(cloudpickle.loads(payload[position : position + size]))
                    position += size
                return Finished(batches, content, updates)
            elif kind == ord("X"):
                raise Failed(json.loads(payload))
            else:
                raise AssertionError(f"a frame of kind {chr(kind)}")

    def _exactly(self, length):
        data = bytearray()
        while len(data) < length:
            try:
                received = self.data.recv(min(length - len(data), 1 << 20))
            except ConnectionResetError:
                received = b""
            if not received:
                raise Died()
            data += received
        return bytes(data)

    def _read_output(self, descriptor):
        while received := os.read(descriptor, 1 << 20):
            self.output_size += len(received)
            if len(self._output) < 1 << 20:
                self._output += received
        os.close(descriptor)
        self.output_ended.set()

    def _answer_requests(self):
        with contextlib.suppress(OSError):
            while header := self.requests.recv(4, socket.MSG_WAITALL):
                content = json.loads(self.requests.recv(struct.unpack("<I", header)[0], socket.MSG_WAITALL))
                self.asked.append(content)
                if "blob" in content:
                    path = self.blobs.get(content["blob"])
                    answer = {"path": path} if path else {"error": f"no blob {content['blob']}"}
                else:
                    answer = {"texts": [content["gather"], "other"] if "gather" in content else []}
                encoded = json.dumps(answer).encode()
                self.requests.sendall(struct.pack("<I", len(encoded)) + encoded)

    def close(self):
        self.data.close()
        self.requests.close()


def ddl(text):
    """A Spark type from its text, without a session."""
    return TYPES.get(text) or TYPES.setdefault(text, _parse(text))


TYPES = {}


def _parse(text):
    from pyspark.sql import types as t

    simple = {
        "boolean": t.BooleanType(), "byte": t.ByteType(), "short": t.ShortType(), "int": t.IntegerType(),
        "long": t.LongType(), "float": t.FloatType(), "double": t.DoubleType(), "string": t.StringType(),
        "binary": t.BinaryType(), "date": t.DateType(), "timestamp": t.TimestampType(),
        "timestamp_ntz": t.TimestampNTZType(), "interval": t.DayTimeIntervalType(), "null": t.NullType(),
    }  # fmt: skip
    if text in simple:
        return simple[text]
    if text.startswith("decimal("):
        precision, scale = text[8:-1].split(",")
        return t.DecimalType(int(precision), int(scale))
    if text.startswith("array<"):
        return t.ArrayType(_parse(text[6:-1]))
    if text.startswith("map<"):
        key, value = _split(text[4:-1])
        return t.MapType(_parse(key), _parse(value))
    if text.startswith("struct<"):
        text = text[7:-1]
    fields = []
    for part in _split(text) if text else []:
        name, kind = part.strip().split(":", 1) if ":" in part.split("<")[0] else part.strip().split(" ", 1)
        fields.append(StructField(name, _parse(kind.strip())))
    return StructType(fields)


def _split(text):
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


CONTEXT = {
    "stage": 3, "attempt": 1, "partition": 7, "partitions": 8, "task": 31, "cpus": 1, "properties": {"key": "value"},
    "barrier": None,
}  # fmt: skip


def header(kind, functions, inputs, output="", **more):
    """A task's header."""
    return {
        "kind": kind,
        "functions": functions,
        "inputs": [json.loads(ddl(one).json()) if isinstance(one, str) else json.loads(one.json()) for one in inputs],
        "output": json.loads((ddl(output) if isinstance(output, str) else output).json()) if output else None,
        "context": CONTEXT,
        "settings": {"spark.sql.session.timeZone": "UTC", **more.pop("settings", {})},
        "python": "%d.%d" % sys.version_info[:2],
        "files": {"root": "", "path": []},
        **more,
    }


def function(eval_type, result, columns=(0,), blob=0, names=None, **more):
    """A function of columns in a header."""
    arguments = [one if isinstance(one, dict) else {"column": one} for one in columns]
    result = ddl(result) if isinstance(result, str) else result
    return {
        "name": "f", "evalType": eval_type, "command": blob, "hash": "", "deterministic": True,
        "arguments": arguments, "names": names or [None] * len(arguments),
        "result": json.loads(result.json()) if result is not None else None, **more,
    }  # fmt: skip


def command(call, result):
    """The pickled function, as a client sends it."""
    return cloudpickle.dumps((call, ddl(result) if isinstance(result, str) else result))


def batch(schema, **columns):
    """A batch of the columns of a Spark struct."""
    from firesteel.worker.arrow_types import arrow_schema

    fields = arrow_schema(ddl(schema) if isinstance(schema, str) else schema)
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name], field.type) for field in fields], schema=pa.schema(fields)
    )


def evaluate(worker, eval_type, call, result, batches, schema, columns=(0,), names=None, **settings):
    """Evaluates one function over batches."""
    head = header(
        "eval", [function(eval_type, result, columns, names=names)], [schema], outputs=[0], settings=settings
    )
    return worker.run(head, [batches], [command(call, result)])
