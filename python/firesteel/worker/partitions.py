"""Table functions over a TABLE argument with PARTITION BY: a new instance of the handler for each partition.

The argument has further columns with the values of the partitioning expressions, which the handler does not see; rows of
a partition follow one another.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, List, Optional

import pyarrow as pa
from pyspark.sql.types import Row, _create_row

from firesteel.worker.errors import runtime_error

try:
    from pyspark.sql.udtf import SkipRestOfInputTableException
except ImportError:  # PySpark 3.5

    class SkipRestOfInputTableException(Exception):  # type: ignore[no-redef]
        """The handler wants no more rows of this partition."""


class Partitioned:
    """A handler of rows."""

    def __init__(self, create: Callable, columns: List[int]) -> None:
        self._create = create
        self._columns = columns
        self._handler = create()
        self._last: Optional[list] = None
        self._skipping = False

    def eval(self, *arguments: Any, **named: Any) -> Iterator:
        table = next(one for one in (*arguments, *named.values()) if type(one) is Row)
        key = [table[place] for place in self._columns]
        if self._last is not None and key != self._last:
            yield from self._next()
        self._last = key
        if self._skipping:
            return
        try:
            found = self._handler.eval(
                *map(self._without, arguments), **{name: self._without(value) for name, value in named.items()}
            )
            if found is not None:
                yield from found
        except SkipRestOfInputTableException:
            self._skipping = True

    def terminate(self) -> Any:
        return self._handler.terminate() if hasattr(self._handler, "terminate") else iter(())

    def cleanup(self) -> None:
        if hasattr(self._handler, "cleanup"):
            self._handler.cleanup()

    def _next(self) -> Iterator:
        """Ends a partition."""
        found = self.terminate()
        if found is not None:
            yield from found
        self._handler = self._create()
        self._skipping = False

    def _without(self, value: Any) -> Any:
        """An argument without the columns of the partitioning."""
        if not isinstance(value, Row):
            return value
        kept = [place for place in range(len(value)) if place not in self._columns]
        names = value.__fields__
        return _create_row([names[place] for place in kept], [value[place] for place in kept])


class PartitionedArrow(Partitioned):
    """A handler of batches."""

    def eval(self, *arguments: Any, **named: Any) -> Iterator:
        tables = [one for one in (*arguments, *named.values()) if isinstance(one, pa.RecordBatch)]
        if len(tables) != 1:
            raise runtime_error("INVALID_ARROW_UDTF_TABLE_ARGUMENT", actual_type="None")
        (table,) = tables
        keys = list(zip(*[table.column(place).to_pylist() for place in self._columns]))
        bounds = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]] + [len(keys)]
        for start, end in zip(bounds, bounds[1:]):
            if self._last is not None and keys[start] != self._last:
                yield from self._next()
            self._last = keys[start]
            if self._skipping:
                continue

            def cut(value: Any, start: int = start, end: int = end) -> Any:
                return self._without(value).slice(start, end - start) if isinstance(value, pa.RecordBatch) else value

            try:
                found = self._handler.eval(*map(cut, arguments), **{name: cut(value) for name, value in named.items()})
                if found is not None:
                    yield from found
            except SkipRestOfInputTableException:
                self._skipping = True

    def _without(self, value: Any) -> Any:
        from firesteel.worker.mapped import select

        return select(value, [place for place in range(value.num_columns) if place not in self._columns])
