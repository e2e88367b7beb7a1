"""A task: its header, its functions, and what happens before and after they run."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, Callable, List, Optional, Tuple

import pyarrow as pa
from pyspark import accumulators, cloudpickle
from pyspark.sql.types import DataType, StructType, _parse_datatype_json_string

from firesteel.worker import blobs, context, errors, frames
from firesteel.worker.arrow_types import arrow_type
from firesteel.worker.frames import Channel, Frame
from firesteel.worker.inputs import Inputs
from firesteel.worker.output import Output
from firesteel.worker.profiles import Profiles
from firesteel.worker.settings import Settings

_KINDS = {
    "eval": "scalar",
    "map": "mapped",
    "group": "grouped",
    "cogroup": "grouped",
    "aggregate": "aggregate",
    "window": "window",
    "table": "table",
    "analyze": "analysis",
    "source": "source",
}


class Function:
    """A function of the program and how it is called."""

    def __init__(self, content: dict, command: Any) -> None:
        self.content = content
        self.name: str = content.get("name") or "function"
        self.eval_type: int = content["evalType"]
        self.arguments: list = content.get("arguments") or []
        self.names: list = content.get("names") or [None] * len(self.arguments)
        if isinstance(command, type):
            self.original, self.result = command, None
        else:
            self.original, self.result = command
        if not isinstance(self.result, DataType) and content.get("result") is not None:
            self.result = read_type(content["result"])
        # A profiler may wrap it.
        self.call: Callable = self.original if self.result is None else with_names(self.original, self.names)
        self.is_profiled = False

    @property
    def columns(self) -> List[int]:
        """The columns of a function whose arguments are all columns."""
        return [argument["column"] for argument in self.arguments]


class Task:
    """A task's header with its parts in their types, and its connection."""

    def __init__(self, channel: Channel, header: dict, blob: Callable[[int], pa.Buffer]) -> None:
        self.header = header
        self.kind: str = header["kind"]
        self.blob = blob
        self.settings = Settings(header.get("settings") or {})
        self.input_types: List[StructType] = [read_type(kind) for kind in header.get("inputs") or []]
        self.output_type: Optional[StructType] = read_type(header["output"]) if header.get("output") else None
        # What cannot be unpickled is an answer of a data source, not the failure of a task.
        called = [] if self.kind == "source" else header.get("functions") or []
        self.functions = [Function(content, self.command(content)) for content in called]
        self.profiles = Profiles(self.settings)
        self.profiles.attach(self.functions)
        self.output = Output(channel, self.settings.batch_rows, self.settings.batch_bytes)

    def command(self, content: dict) -> Any:
        """Unpickles a function. Always anew: a function's own state is that of one task."""
        index = content.get("command")
        if index is None:
            with blobs.opened(content["hash"]) as file:
                return cloudpickle.loads(file.read())
        return cloudpickle.loads(self.blob(index))


def serve(channel: Channel) -> Tuple[bool, bool]:
    """Runs the next task. Whether there may be another, and whether this one has failed."""
    frame = channel.receive()
    if frame is None:
        return False, False
    settings = None
    try:
        if frame.kind != frames.TASK:
            raise RuntimeError(f"a frame of kind {chr(frame.kind)!r} instead of a task")
        header = json.loads(memoryview(frame.payload)[: frame.extra].tobytes())
        settings = Settings(header.get("settings") or {})
        inputs = _inputs(channel, header, settings)
        context.limit_memory(settings.memory)
        finished, updates = _run(channel, frame, header, inputs)
        _flush()
        channel.send(frames.FINISHED, extra=len(finished), parts=(finished, *updates))
        inputs.skip()
        return True, False
    except (BrokenPipeError, ConnectionResetError) as error:
        if _is_of_executor(error):
            return False, True
        return _failed(channel, error, settings)
    except BaseException as error:
        return _failed(channel, error, settings)


def _inputs(channel: Channel, header: dict, settings: Settings) -> Inputs:
    kinds = header.get("inputs") or []
    # The executor sends offsets of 32 bits.
    large = [arrow_type(read_type(kind), large=True) for kind in kinds] if settings.large_types else None
    return Inputs(channel, len(kinds), large)


def _run(channel: Channel, frame: Frame, header: dict, inputs: Inputs) -> Tuple[bytes, list]:
    """Runs a task to its end: the content of its `F` frame."""
    _check_version(header.get("python") or "")
    accumulators._accumulatorRegistry.clear()
    context.set_context(header.get("context"))
    context.split = header.get("split", 0)
    blobs.forget_dropped()
    try:
        context.set_files(header.get("files"))
        task = Task(channel, header, _blobs(frame, header))
        zeros = {id: _pickled(one._value) for id, one in accumulators._accumulatorRegistry.items()}
        importlib.import_module("firesteel.worker." + _KINDS[task.kind]).run(task, inputs)
        task.output.flush()
        return _finished(task, zeros)
    finally:
        context.set_context(None)


def _blobs(frame: Frame, header: dict) -> Callable[[int], pa.Buffer]:
    offsets = [frame.extra]
    for length in header.get("blobs") or []:
        offsets.append(offsets[-1] + length)
    return lambda index: frame.payload.slice(offsets[index], offsets[index + 1] - offsets[index])


def _finished(task: Task, zeros: dict) -> Tuple[bytes, list]:
    """The updates of accumulators that have changed, as the client reads them: pickled pairs of id and update."""
    entries, updates = [], []
    changed = [
        (id, one._value)
        for id, one in accumulators._accumulatorRegistry.items()
        if zeros.get(id) is None or zeros[id] != _pickled(one._value)
    ]
    for pair in changed + task.profiles.updates():
        update = cloudpickle.dumps(pair)
        entries.append([pair[0], len(update)])
        updates.append(update)
    accumulators._accumulatorRegistry.clear()
    return json.dumps({"accumulators": entries}).encode(), updates


def _pickled(value: object) -> Optional[bytes]:
    try:
        return cloudpickle.dumps(value)
    except Exception:
        return None


def _failed(channel: Channel, error: BaseException, settings: Optional[Settings]) -> Tuple[bool, bool]:
    _flush()
    payload = errors.report(error, settings)
    try:
        channel.send(frames.FAILED, parts=(payload,))
    except OSError:
        pass
    return False, True


def _is_of_executor(error: BaseException) -> bool:
    """Whether it was our own socket that broke, not one of the function's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = (frames.__file__, Inputs.__init__.__code__.co_filename)
    return trace is not None and trace.tb_frame.f_code.co_filename in ours


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def _check_version(version: str) -> None:
    mine = "%d.%d" % sys.version_info[:2]
    if version and version != mine:
        raise errors.runtime_error("PYTHON_VERSION_MISMATCH", worker_version=mine, driver_version=version)


def read_type(content: Any) -> DataType:
    """A Spark type from its JSON, as text or already parsed."""
    text = content if isinstance(content, str) and content.startswith(("{", '"')) else json.dumps(content)
    return _parse_datatype_json_string(text)


def with_names(function: Callable, names: list) -> Callable:
    """A function of positional arguments only, of which some are passed by name."""
    if not any(name is not None for name in names):
        return function

    def call(*values: Any) -> Any:
        positional = [value for value, name in zip(values, names) if name is None]
        named = {name: value for value, name in zip(values, names) if name is not None}
        return function(*positional, **named)

    return call
