"""Filters that are offered to the reader of a Python data source."""

from __future__ import annotations

import base64
import datetime
import decimal
from typing import Any, List

from pyspark.errors import PySparkValueError

from firesteel.worker.errors import with_condition

_EPOCH = datetime.datetime(1970, 1, 1)


def push(reader: Any, content: List[dict]) -> List[int]:
    """Offers the filters; the numbers of those that the reader applies itself."""
    if not content:
        return []
    filters = [_filter(one) for one in content]
    left = {id(one): one for one in reader.pushFilters(list(filters))}
    pushed = [number for number, one in enumerate(filters) if left.pop(id(one), None) is None]
    if left:
        raise with_condition(
            PySparkValueError, "DATA_SOURCE_EXTRANEOUS_FILTERS", {"type": type(reader).__name__}
        )
    return pushed


def _filter(content: dict) -> Any:
    from pyspark.sql import datasource

    kind = getattr(datasource, content["name"])
    column = tuple(content["column"])
    made = kind(column, _value(content["value"])) if "value" in content else kind(column)
    return datasource.Not(made) if content["negated"] else made


def _value(content: Any) -> Any:
    """A value that JSON has, a list of values, or one of another type under the type's name."""
    if isinstance(content, list):
        return [_value(one) for one in content]
    if not isinstance(content, dict):
        return content
    ((kind, value),) = content.items()
    return _TYPES[kind](value)


def _timestamp(micros: int) -> datetime.datetime:
    try:
        from zoneinfo import ZoneInfo

        zone = ZoneInfo("UTC")
    except Exception:  # Python 3.8, or no data of time zones
        zone = datetime.timezone.utc
    return (_EPOCH + datetime.timedelta(microseconds=micros)).replace(tzinfo=zone)


_TYPES = {
    "double": float,
    "decimal": decimal.Decimal,
    "binary": base64.b64decode,
    "date": lambda days: _EPOCH.date() + datetime.timedelta(days=days),
    "timestamp": _timestamp,
    "timestamp_ntz": lambda micros: _EPOCH + datetime.timedelta(microseconds=micros),
}
