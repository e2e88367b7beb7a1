"""The evaluator's worker: runs functions of tasks, one after the other, without the executor around it."""

import os
import pickle
import struct
import sys
import traceback

import pyarrow as pa

_LENGTH = struct.Struct("<Q")


def send(stream, message):
    data = pickle.dumps(_packed(message))
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream):
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    return _unpacked(pickle.loads(stream.read(_LENGTH.unpack(header)[0])))


def _packed(value):
    """Record batches are sent as streams: a part of one would take its whole memory along."""
    if isinstance(value, pa.RecordBatch):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return pa.py_buffer(sink.getvalue().to_pybytes())
    if isinstance(value, (list, tuple)):
        return type(value)(map(_packed, value))
    return {key: _packed(of) for key, of in value.items()} if isinstance(value, dict) else value


def _unpacked(value):
    if isinstance(value, pa.Buffer):
        return pa.ipc.open_stream(value).read_next_batch()
    if isinstance(value, (list, tuple)):
        return type(value)(map(_unpacked, value))
    return {key: _unpacked(of) for key, of in value.items()} if isinstance(value, dict) else value


def run(command, partition, inputs, properties, barrier):
    from pyspark import accumulators, cloudpickle
    from pyspark.taskcontext import BarrierTaskContext, TaskContext

    from firesteel.worker import context as worker_context

    accumulators._accumulatorRegistry.clear()
    context = object.__new__(BarrierTaskContext if barrier else TaskContext)
    context._partitionId, context._localProperties = partition, properties
    context._stageId, context._attemptNumber, context._taskAttemptId, context._cpus = 0, 0, partition, 1
    context._resources = {}
    TaskContext._taskContext = context
    worker_context.split = partition
    function, _ = cloudpickle.loads(command)
    zeros = {number: pickle.dumps(one._value) for number, one in accumulators._accumulatorRegistry.items()}
    batches = list(function(*map(iter, inputs)))
    updates = [
        pickle.dumps((number, one._value))
        for number, one in accumulators._accumulatorRegistry.items()
        if pickle.dumps(one._value) != zeros.get(number)
    ]
    return {"batches": batches, "updates": updates}


def main():
    directory, root = sys.argv[1:]
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import pyspark.files

    from firesteel.worker import blobs

    pyspark.files.SparkFiles._root_directory, pyspark.files.SparkFiles._is_running_on_worker = root, True
    blobs.path = lambda hash: os.path.join(directory, hash)
    sys.path.insert(1, root)
    while True:
        try:
            task = receive(requests)
        except EOFError:
            return
        try:
            answer = run(*task)
        except BaseException:
            answer = {"error": traceback.format_exc()}
        send(answers, answer)


if __name__ == "__main__":
    main()
