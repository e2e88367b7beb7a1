"""The functions over rows that read a partition of a Python data source and write one."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any, Iterator

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import Row
from pyspark.sql.types import StructType, _create_row

from firesteel.worker import rows
from firesteel.worker.arrow_rows import converter
from firesteel.worker.arrow_types import arrow_schema, arrow_type
from firesteel.worker.errors import runtime_error
from firesteel.worker.output import batch_of
from firesteel.worker.settings import Settings

SUPPORTED = "tuple, list, `pyspark.sql.types.Row`, `pyarrow.RecordBatch`"


class Read:
    """Reads the partition that it gets as a row with the pickled partition."""

    def __init__(self, name: str, reader: Any, schema: StructType, settings: Settings) -> None:
        self.name, self.reader, self.schema = name, reader, schema
        self.rows = settings.batch_rows

    @property
    def of_program(self) -> Any:
        """The method of the program that is called."""
        return self.reader.read

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        (pickled,) = [row for batch in batches for row in batch.column(0).to_pylist()]
        found = self.reader.read(cloudpickle.loads(pickled))
        if not isinstance(found, Iterator):
            raise self._wrong_type(found, "iterator")
        yield from self._batches(found)

    def _batches(self, found: Iterator[Any]) -> Iterator[pa.RecordBatch]:
        """Batches as they are, or batches of rows."""
        for first in found:
            found = chain([first], found)
            if isinstance(first, pa.RecordBatch):
                self._check(first)
                return found
            return self._converted(found)
        return iter(())

    def _check(self, batch: pa.RecordBatch) -> None:
        names = self.schema.names
        if batch.num_columns != len(names):
            raise _mismatch(len(names), batch.num_columns)
        if not set(names) <= set(batch.schema.names):
            raise _mismatch(names, batch.schema.names)
        expected = pa.schema(arrow_schema(self.schema))
        if not expected.equals(batch.schema):
            raise _mismatch(expected, batch.schema)

    def _converted(self, found: Iterator[Any]) -> Iterator[pa.RecordBatch]:
        fields = self.schema.fields
        convert = [converter(field.dataType, field.nullable) or (lambda value: value) for field in fields]
        kinds = [arrow_type(field.dataType) for field in fields]
        schema = pa.schema(arrow_schema(self.schema))
        while True:
            batch = list(islice(found, self.rows if self.rows > 0 else None))
            if not batch:
                return
            columns = zip(*[self._values(row) for row in batch])
            arrays = [
                pa.array([one(value) for value in column], kind)
                for one, column, kind in zip(convert, columns, kinds)
            ]
            yield batch_of(arrays, schema, len(batch))

    def _values(self, row: Any) -> Any:
        """The values of a row in the order of the schema."""
        names = self.schema.names
        if hasattr(row, "__len__") and len(row) != len(names):
            raise _mismatch(len(names), len(row))
        if not isinstance(row, (list, tuple)):
            raise self._wrong_type(row, SUPPORTED)
        if isinstance(row, Row) and hasattr(row, "__fields__"):
            if set(row.__fields__) != set(names):
                raise _mismatch(names, row.__fields__)
            return [row[name] for name in names]
        return row

    def _wrong_type(self, found: Any, expected: str) -> PySparkRuntimeError:
        kind = type(found).__name__
        return runtime_error("DATA_SOURCE_INVALID_RETURN_TYPE", type=kind, name=self.name, supported_types=expected)


class Write:
    """Writes the rows of a partition and yields the pickled message about them."""

    def __init__(self, writer: Any, schema: StructType, settings: Settings) -> None:
        self.writer, self.schema = writer, schema
        self.binary_as_bytes = settings.binary_as_bytes

    @property
    def of_program(self) -> Any:
        """The method of the program that is called."""
        return self.writer.write

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark.sql import datasource

        # Since 4.1.
        arrow = getattr(datasource, "DataSourceArrowWriter", ())
        message = self.writer.write(batches if isinstance(self.writer, arrow) else self._rows(batches))
        if not isinstance(message, datasource.WriterCommitMessage):
            expected = "'WriterCommitMessage' as the return type of the `write` method"
            raise runtime_error("DATA_SOURCE_TYPE_MISMATCH", expected=expected, actual=type(message).__name__)
        yield pa.RecordBatch.from_arrays([pa.array([cloudpickle.dumps(message)], pa.binary())], names=["message"])

    def _rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[Row]:
        names = self.schema.names
        for batch in batches:
            columns = [
                rows.values(column, field.dataType, self.binary_as_bytes)
                for column, field in zip(batch.columns, self.schema.fields)
            ]
            for values in zip(*columns) if columns else ((),) * batch.num_rows:
                yield _create_row(names, values)


def _mismatch(expected: Any, actual: Any) -> PySparkRuntimeError:
    return runtime_error("DATA_SOURCE_RETURN_SCHEMA_MISMATCH", expected=str(expected), actual=str(actual))
