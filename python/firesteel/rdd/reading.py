"""Reads CSV, JSON and XML from RDDs of text."""

import functools
import json

from pyspark.sql.connect import proto
from pyspark.sql.connect.plan import LogicalPlan
from pyspark.sql.connect.types import pyspark_types_to_proto_types
from pyspark.sql.types import StructType

from firesteel.rdd.plan import own_id, started


def patch(module) -> None:
    """Patches the imported module `pyspark.sql.connect.readwriter`."""
    reader = module.DataFrameReader
    for name in ("csv", "json", "xml"):
        if hasattr(reader, name):
            setattr(reader, name, _reading(getattr(reader, name), name))


def _reading(original, kind):
    @functools.wraps(original)
    def read(self, path, *args, **kwargs):
        if not hasattr(path, "mapPartitionsWithIndex"):
            return original(self, path, *args, **kwargs)
        from firesteel.rdd import frames

        # Only for the options and the schema, which it notes in the reader.
        original(self, [], *args, **kwargs)
        session = self._client
        lines = frames.create_frame(session, path.map(_text), "string")
        return frames.of_plan(Parsed(lines._plan, kind, _schema(session, self._schema), self._options), session)

    return read


class Parsed(LogicalPlan):
    """The records in lines of text."""

    def __init__(self, child, kind, schema, options):
        super().__init__(child)
        self._kind = kind
        self._schema = schema
        self._options = dict(options)

    def plan(self, session):
        """The relation of the stock protocol, which older clients do not make."""
        relation = started(own_id(self))
        relation.parse.input.CopyFrom(self._child.plan(session))
        relation.parse.format = getattr(proto.Parse, f"PARSE_FORMAT_{self._kind.upper()}")
        if self._schema is not None:
            relation.parse.schema.CopyFrom(pyspark_types_to_proto_types(self._schema))
        for key, value in self._options.items():
            relation.parse.options[key] = value
        return relation


def _text(line):
    return line.decode("utf-8") if isinstance(line, bytes) else line


def _schema(session, text):
    """The type that a reader keeps as text, JSON or DDL."""
    if not text:
        return None
    if text.startswith("{"):
        return StructType.fromJson(json.loads(text))
    return session.client._analyze(method="ddl_parse", ddl_string=text).parsed
