"""`map`: a function of the iterators over a partition's batches, and what it yields."""

from __future__ import annotations

from typing import Any, Iterator

import pyarrow as pa

from firesteel.worker import checks
from firesteel.worker.arrow_types import arrow_schema
from firesteel.worker.errors import failing_on_stop_iteration
from firesteel.worker.inputs import Inputs
from firesteel.worker.output import batch_of
from firesteel.worker.task import Task

PANDAS, ARROW = 205, 207


def run(task: Task, inputs: Inputs) -> None:
    """Calls the function with an iterator per input and writes what it yields."""
    (function,) = task.functions
    call = failing_on_stop_iteration(function.call)
    places = task.header.get("arguments") or [None] * len(task.input_types)
    selected = [_selected(inputs.batches(which), columns) for which, columns in enumerate(places)]
    if function.eval_type == ARROW:
        def process() -> None:
            for batch in checks.each(call(*selected), pa.RecordBatch, "pyarrow.RecordBatch"):
                task.output.send(batch)

        # That of an RDD measures all of the task, as in Spark.
        of_rdd = type(function.original).__module__.startswith("firesteel.rdd.")
        profiler = getattr(function.original, "profiler", None) if of_rdd else None
        if profiler is None:
            process()
        else:
            profiler.profile(process)
    elif function.eval_type == PANDAS:
        _run_pandas(task, function.result, call(*[
            _frames(task, which, batches, places[which]) for which, batches in enumerate(selected)
        ]))
    else:
        raise ValueError(f"Unknown eval type: {function.eval_type}")


def _selected(batches: Iterator[pa.RecordBatch], columns: Any) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if columns is None or columns == list(range(batch.num_columns)):
            yield batch
        else:
            yield select(batch, columns)


def select(batch: pa.RecordBatch, columns: list) -> pa.RecordBatch:
    """Some columns of a batch."""
    schema = pa.schema([batch.schema.field(place) for place in columns])
    return batch_of([batch.column(place) for place in columns], schema, batch.num_rows)


def _frames(task: Task, which: int, batches: Iterator[pa.RecordBatch], columns: Any) -> Iterator[Any]:
    """The batches as data frames."""
    from firesteel.worker.series import data_frame

    fields = task.input_types[which].fields
    if columns is not None:
        fields = [fields[place] for place in columns]
    for batch in batches:
        yield data_frame(batch.columns, fields, batch.num_rows, task.settings)


def _run_pandas(task: Task, kind: Any, found: Any) -> None:
    import pandas as pd

    from firesteel.worker.series import FromPandas

    build = FromPandas(kind, "_0", task.settings)
    schema = pa.schema(arrow_schema(kind, task.settings.large_types))
    for frame in checks.each(found, pd.DataFrame, "pandas.DataFrame"):
        checks.pandas_result(frame, kind, by_name=True, truncate=True)
        task.output.send(build.batch(frame, schema))
