"""Errors of tasks: how they are reported, and PySpark's errors by name."""

from __future__ import annotations

import json
import os
import traceback
import types
from typing import Any, Callable, Optional

import pyspark
from pyspark.errors import PySparkException, PySparkRuntimeError, PySparkTypeError

import firesteel
from firesteel.worker.conditions import NAMES_IN_3_5, TEXTS
from firesteel.worker.settings import Settings
from firesteel.worker.version import IS_3_5

_INTERNAL = tuple(os.path.dirname(os.path.abspath(package.__file__)) + os.sep for package in (pyspark, firesteel))

# Of an error that no function of the program has raised. Clients cut long messages, and its causes matter more than its way.
_LAST_FRAMES = 4


def runtime_error(condition: str, **parameters: str) -> PySparkRuntimeError:
    """An error that PySpark's worker raises, with its condition."""
    return with_condition(PySparkRuntimeError, condition, parameters)


def return_type_error(expected: str, actual: object) -> PySparkTypeError:
    """The error for a function that returned a value of the wrong type."""
    return with_condition(PySparkTypeError, "UDF_RETURN_TYPE", {"expected": expected, "actual": str(actual)})


def with_condition(kind: type, condition: str, parameters: dict) -> PySparkException:
    """An error of PySpark. Not by PySpark's own table of conditions, which differs between versions."""
    if IS_3_5:
        condition = NAMES_IN_3_5.get(condition, condition)
    text = TEXTS[condition]
    for name, value in parameters.items():
        text = text.replace(f"<{name}>", value)
    error = kind(f"[{condition}] {text}")
    error.worker_condition = (condition, parameters)
    return error


def failing_on_stop_iteration(function: Callable) -> Callable:
    """The function, whose StopIteration is an error instead of an end that nobody notices."""

    def call(*positional: Any, **named: Any) -> Any:
        try:
            return function(*positional, **named)
        except StopIteration as error:
            raise runtime_error("STOP_ITERATION_OCCURRED", exc=str(error)) from error

    return call


class SparkError(Exception):
    """An error of Spark itself, by its condition; `kind` is the Java exception's name."""

    def __init__(self, kind: str, condition: str, message: str, **parameters: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.condition = condition
        self.parameters = parameters


def report(error: BaseException, settings: Optional[Settings]) -> bytes:
    """The payload of an `X` frame."""
    content = {"type": type(error).__name__, "message": _text(error), "traceback": traceback_of(error, settings)}
    if isinstance(error, SparkError):
        content.update({"type": error.kind, "condition": error.condition, "parameters": error.parameters})
    elif hasattr(error, "worker_condition"):
        content["condition"], content["parameters"] = error.worker_condition
    elif isinstance(error, PySparkException):
        get = getattr(error, "getCondition", None) or error.getErrorClass
        condition = get()
        if condition is not None:
            content["condition"] = condition
            parameters = error.getMessageParameters() or {}
            content["parameters"] = {str(key): str(value) for key, value in parameters.items()}
    return json.dumps(content).encode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} without a readable message>"


def traceback_of(error: BaseException, settings: Optional[Settings]) -> str:
    """The traceback of an error as the session wants it."""
    try:
        if settings is not None and settings.hidden:
            return "".join(traceback.format_exception_only(type(error), error))
        if settings is not None and settings.simplified:
            simple = _simplified(error.__traceback__)
            if simple is not None:
                error.__cause__ = None
                return "".join(traceback.format_exception(type(error), error, simple))
            return "".join(traceback.format_exception(type(error), error, error.__traceback__, -_LAST_FRAMES))
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        return f"{type(error).__name__}: {_text(error)}\n"


def _simplified(trace: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    """The traceback without the frames of the worker at its top; none if nothing else is left."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_INTERNAL):
        trace = trace.tb_next
    return trace
