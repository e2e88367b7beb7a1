"""`group` and `cogroup`: a function of each group, or of each pair of groups, and the rows that it returns."""

from __future__ import annotations

import inspect
import itertools
from typing import Callable, List, Optional

import pyarrow as pa

from firesteel.worker import checks
from firesteel.worker.errors import failing_on_stop_iteration
from firesteel.worker.groups import groups, whole_groups
from firesteel.worker.inputs import Inputs
from firesteel.worker.mapped import select
from firesteel.worker.task import Function, Task

PANDAS, COGROUPED_PANDAS, ARROW, COGROUPED_ARROW, ARROW_ITER, PANDAS_ITER = 201, 206, 209, 210, 215, 216


def run(task: Task, inputs: Inputs) -> None:
    """Calls the function for each group and writes what it returns."""
    (function,) = task.functions
    kind = function.eval_type
    if kind == PANDAS:
        from firesteel.worker.pandas_groups import run_groups

        return run_groups(task, function, inputs)
    if kind == COGROUPED_PANDAS:
        from firesteel.worker.pandas_groups import run_pairs

        return run_pairs(task, function, inputs)
    if kind == PANDAS_ITER:
        from firesteel.worker.pandas_groups import run_iterators

        return run_iterators(task, function, inputs)
    run_arrow = {ARROW: _arrow, ARROW_ITER: _arrow_iterators, COGROUPED_ARROW: _arrow_pairs}.get(kind)
    if run_arrow is None:
        raise ValueError(f"Unknown eval type: {kind}")
    return run_arrow(task, function, inputs)


class Columns:
    """Which columns of an input are its key and which are the function's argument."""

    def __init__(self, task: Task, which: int) -> None:
        fields = task.input_types[which].fields
        self.keys: List[int] = task.header["keys"][which]
        self.values: List[int] = task.header["arguments"][which]
        self.key_fields = [fields[place] for place in self.keys]
        self.value_fields = [fields[place] for place in self.values]
        self.all = self.values == list(range(len(fields)))

    def argument(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The function's columns of a batch."""
        return batch if self.all else select(batch, self.values)

    def key(self, batch: pa.RecordBatch) -> tuple:
        """The key of a group as Arrow scalars, from its first row."""
        return tuple(batch.column(place)[0] for place in self.keys)


def takes_key(function: Function, without: int) -> bool:
    """Whether a function has an argument for the key before its `without` others."""
    return len(inspect.getfullargspec(function.original).args) != without


def with_key(function: Function, without: int) -> Callable:
    """The function with the key as its first argument, whether it wants it or not."""
    call = failing_on_stop_iteration(function.call)
    return call if takes_key(function, without) else lambda _, *values: call(*values)


def _arrow(task: Task, function: Function, inputs: Inputs) -> None:
    columns = Columns(task, 0)
    call = with_key(function, 1)
    result = checks.ArrowResult(function.result, task.settings)
    for group in whole_groups(inputs):
        table = pa.Table.from_batches([columns.argument(batch) for batch in group])
        _gather_table(task, result.table(call(columns.key(group[0]), table)))


def _arrow_iterators(task: Task, function: Function, inputs: Inputs) -> None:
    columns = Columns(task, 0)
    call = with_key(function, 1)
    result = checks.ArrowResult(function.result, task.settings)
    for group in groups(inputs):
        first = next(group)
        batches = map(columns.argument, itertools.chain((first,), group))
        for batch in call(columns.key(first), batches):
            task.output.gather(result.batch(batch))


def _arrow_pairs(task: Task, function: Function, inputs: Inputs) -> None:
    sides = [Columns(task, 0), Columns(task, 1)]
    call = with_key(function, 2)
    result = checks.ArrowResult(function.result, task.settings)
    for pair in inputs.pairs():
        tables = [_side_table(task, inputs, which, side, pair[which]) for which, side in enumerate(sides)]
        key = _pair_key(sides, pair)
        _gather_table(task, result.table(call(key, *tables)))


def _side_table(task: Task, inputs: Inputs, which: int, side: Columns, batches: list) -> pa.Table:
    batches = batches or [inputs.empty(task.input_types[which], which)]
    return pa.Table.from_batches([side.argument(batch) for batch in batches])


def _pair_key(sides: List[Columns], pair: tuple) -> Optional[tuple]:
    for side, batches in zip(sides, pair):
        for batch in batches:
            if batch.num_rows:
                return side.key(batch)
    return None


def _gather_table(task: Task, table: pa.Table) -> None:
    for batch in table.to_batches():
        task.output.gather(batch)
