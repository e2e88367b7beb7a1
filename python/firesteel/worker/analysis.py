"""`analyze`: calls the `analyze` method of a table function, before there is a plan.

The input is one row with the values of the constant arguments. The output is one row with a JSON object: the schema and
what the method wants from its TABLE argument; the result itself goes, pickled, to the constructor of the handler. An
error is an answer, too: the program is wrong, not the task.
"""

from __future__ import annotations

import base64
import inspect
import json
import traceback
from typing import Any, List

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql.types import StructType

from firesteel.worker import rows
from firesteel.worker.inputs import Inputs
from firesteel.worker.task import Function, Task


def run(task: Task, inputs: Inputs) -> None:
    """Calls the method and yields its result."""
    (function,) = task.functions
    try:
        content = _content(_analyzed(task, function, inputs))
    except _Problem as problem:
        content = {"error": str(problem)}
    except Exception:
        content = {"error": traceback.format_exc()}
    task.output.send(pa.RecordBatch.from_arrays([pa.array([json.dumps(content)])], names=["analysis"]))


def _analyzed(task: Task, function: Function, inputs: Inputs) -> Any:
    from pyspark.sql.udtf import AnalyzeResult

    handler = function.original
    if not isinstance(inspect.getattr_static(handler, "analyze", None), staticmethod):
        raise _Problem(
            "Failed to execute the user defined table function because it has not implemented the 'analyze' static "
            "method or specified a fixed return type during registration time. Please add the 'analyze' static method "
            "or specify the return type, and try the query again."
        )
    arguments = _arguments(task, function, inputs)
    positional = [one for one, name in zip(arguments, function.names) if name is None]
    named = {name: one for one, name in zip(arguments, function.names) if name is not None}
    try:
        inspect.signature(handler.analyze).bind(*positional, **named)
    except TypeError as error:
        raise _problem(
            function,
            f"the function arguments did not match the expected signature of the static 'analyze' method ({error}). "
            "Please update the query so that this table function call provides arguments matching the expected "
            "signature, or else update the table function so that its static 'analyze' method accepts the provided "
            "arguments, and then try the query again.",
        ) from None
    result = handler.analyze(*positional, **named)
    if not isinstance(result, AnalyzeResult):
        raise _problem(
            function,
            "the static 'analyze' method expects a result of type pyspark.sql.udtf.AnalyzeResult, but instead this "
            f"method returned a value of type: {type(result)}",
        )
    _check(function, result, any(one.isTable for one in arguments))
    return result


def _arguments(task: Task, function: Function, inputs: Inputs) -> List[Any]:
    from pyspark.sql.udtf import AnalyzeArgument

    known = inspect.signature(AnalyzeArgument).parameters
    batch = next(inputs.batches(), None) if task.input_types else None
    found = []
    for argument in function.arguments:
        kind = task.input_types[0].fields[argument["column"]].dataType
        constant = bool(argument.get("constant"))
        value = None
        if constant and batch is not None:
            value = rows.values(batch.column(argument["column"]), kind, task.settings.binary_as_bytes)[0]
        content = {
            "dataType": kind,
            "value": value,
            "isTable": bool(argument.get("table")),
            "isConstantExpression": constant,
        }
        found.append(AnalyzeArgument(**{name: one for name, one in content.items() if name in known}))
    return found


def _check(function: Function, result: Any, has_table: bool) -> None:
    from pyspark.sql import udtf

    if not isinstance(result.schema, StructType):
        raise _problem(
            function,
            "the static 'analyze' method expects a result of type pyspark.sql.udtf.AnalyzeResult with a 'schema' field "
            f"comprising a StructType, but the 'schema' field had the wrong type: {type(result.schema)}",
        )
    if not has_table:
        for name, wrong, state, other in (
            ("withSinglePartition' field", result.withSinglePartition, "'true'", "'false'"),
            ("partitionBy' list", len(result.partitionBy) > 0, "non-empty", "empty"),
        ):
            if wrong:
                raise _problem(
                    function,
                    f"the static 'analyze' method returned an 'AnalyzeResult' object with the '{name} set to {state}, "
                    "but the function call did not provide any table argument. Please update the query so that it "
                    "provides a table argument, or else update the table function so that its 'analyze' method returns "
                    f"an 'AnalyzeResult' object with the '{name} set to {other}, and then try the query again.",
                )
    for name, kind in (("partitionBy", "PartitioningColumn"), ("orderBy", "OrderingColumn"), ("select", "SelectedColumn")):
        found = getattr(result, name, ())
        if not isinstance(found, (list, tuple)) or not all(isinstance(one, getattr(udtf, kind)) for one in found):
            raise _problem(
                function,
                f"the static 'analyze' method returned an 'AnalyzeResult' object with the '{name}' field set to a "
                f"value besides a list or tuple of '{kind}' objects. Please update the table function and then try "
                "the query again.",
            )


class _Problem(Exception):
    """What is wrong with the function, without a traceback of ours."""


def _problem(function: Function, what: str) -> _Problem:
    return _Problem(f"Failed to evaluate the user-defined table function '{function.name}' because {what}")


def _content(result: Any) -> dict:
    return {
        "schema": json.loads(result.schema.json()),
        "withSinglePartition": bool(result.withSinglePartition),
        "partitionBy": [one.name for one in result.partitionBy],
        "orderBy": [
            {"name": one.name, "ascending": one.ascending, "nullsFirst": one.overrideNullsFirst}
            for one in result.orderBy
        ],
        "select": [{"name": one.name, "alias": one.alias} for one in getattr(result, "select", ())],
        "pickled": base64.b64encode(cloudpickle.dumps(result)).decode(),
    }
