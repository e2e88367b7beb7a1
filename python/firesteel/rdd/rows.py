"""Rows between Arrow and Python, in workers."""

from itertools import islice

import pyarrow as pa
from pyspark.sql.types import Row, StructType, _create_row

#: Rows of a batch of a DataFrame that is made from an RDD.
ROWS = 10_000


def _conversion():
    """PySpark's conversions, which have moved."""
    try:
        from pyspark.sql import conversion

        conversion.ArrowTableToRowsConversion  # noqa: B018
    except (ImportError, AttributeError):
        from pyspark.sql.connect import conversion
    return conversion


class Rows:
    """Reads the rows of a DataFrame."""

    def __init__(self, schema):
        self.schema = schema

    def read(self, batches):
        names = self.schema.fieldNames()
        make = _create_row if not _is_plain(names) else None
        for batch in batches:
            columns = self._columns(batch)
            if not names:
                yield from (_create_row([], []) for _ in range(batch.num_rows))
            elif make is not None:
                yield from (make(names, values) for values in zip(*columns))
            else:
                yield from _quick_rows(names, columns)

    def _columns(self, batch):
        slow = []
        columns = []
        for place, field in enumerate(self.schema.fields):
            column = batch.column(place)
            columns.append(_quick(column))
            if columns[-1] is None:
                slow.append(place)
        if slow:
            fields = [self.schema.fields[place] for place in slow]
            # Under names that are unique: those of the program need not be.
            names = [f"_{place}" for place in slow]
            table = pa.Table.from_arrays([batch.column(place) for place in slow], names)
            renamed = StructType([type(f)(n, f.dataType, f.nullable) for n, f in zip(names, fields)])
            converted = _conversion().ArrowTableToRowsConversion.convert(table, renamed)
            for place, values in zip(slow, zip(*converted) if converted else [()] * len(slow)):
                columns[place] = values
        return columns


def _quick(column):
    """The values of a column of a simple type; None for the others."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.to_numpy(zero_copy_only=False).tolist() if column.null_count == 0 else column.to_pylist()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return column.to_pylist()
    return None


def _is_plain(names):
    return hasattr(Row, "__slots__") is False and bool(names)


def _quick_rows(names, columns):
    """Rows without a call of Python's for each."""
    new = tuple.__new__
    for values in zip(*columns):
        row = new(Row, values)
        row.__fields__ = names
        yield row


class Values:
    """Reads the first column, of strings."""

    def __init__(self, use_unicode=True):
        self.use_unicode = use_unicode

    def read(self, batches):
        for batch in batches:
            values = batch.column(0).to_pylist()
            yield from values if self.use_unicode else (value.encode("utf-8") for value in values)


class Contents:
    """Reads pairs of the columns `path` and `content`."""

    def read(self, batches):
        for batch in batches:
            names = batch.schema.names
            paths = batch.column(names.index("path")).to_pylist()
            yield from zip(paths, batch.column(names.index("content")).to_pylist())


class Columns:
    """Writes rows as columns."""

    def __init__(self, schema, verify=True):
        self.schema = schema
        self.verify = verify

    def write(self, rows):
        convert = _conversion().LocalDataToArrowConversion.convert
        arguments = (False,) if "use_large_var_types" in convert.__code__.co_varnames else ()
        check = self._check()
        rows = iter(rows)
        while chunk := list(islice(rows, ROWS)):
            if check is not None:
                for row in chunk:
                    check(row)
            table = convert(chunk, self.schema, *arguments)
            yield from table.to_batches()

    def _check(self):
        if not self.verify:
            return None
        from pyspark.sql.types import _make_type_verifier

        return _make_type_verifier(self.schema)

