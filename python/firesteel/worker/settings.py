"""The settings of a session that matter to a worker, read once per task."""

from __future__ import annotations

from typing import Optional

from firesteel.worker.version import IS_3_5


class Settings:
    """Typed view of a task's settings; defaults are those of Spark 4.2, or of 3.5 where its PySpark is installed."""

    def __init__(self, values: dict) -> None:
        self._values = values
        flag = self._flag
        self.zone: str = values.get("spark.sql.session.timeZone") or "UTC"
        self.by_name = flag("spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName", True)
        self.large_types = flag("spark.sql.execution.arrow.useLargeVarTypes", False)
        self.safe = flag("spark.sql.execution.pandas.convertToArrowArraySafely", not IS_3_5)
        self.binary_as_bytes = flag("spark.sql.execution.pyspark.binaryAsBytes", True)
        # Spark 3.5 knows no other way.
        self.legacy_rows = flag("spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled", IS_3_5)
        self.legacy_table = flag("spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled", IS_3_5)
        self.int_to_decimal = flag("spark.sql.execution.pythonUDF.pandas.intToDecimalCoercionEnabled", False)
        self.extension_ints = flag("spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype", False)
        self.simplified = flag("spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled", True)
        self.hidden = flag("spark.sql.execution.pyspark.udf.hideTraceback.enabled", False)
        self.concurrency = self._number("spark.sql.execution.pythonUDF.arrow.concurrency.level", -1)
        self.batch_rows = self._number("spark.sql.execution.arrow.maxRecordsPerBatch", 10_000)
        self.batch_bytes = self._number("spark.sql.execution.arrow.maxBytesPerBatch", 64 << 20)
        self.memory = self._number("spark.executor.pyspark.memory", 0)
        self.profiler = self._word("spark.sql.pyspark.udf.profiler")
        self.source_profiler = self._word("spark.sql.pyspark.dataSource.profiler")

    def _flag(self, key: str, default: bool) -> bool:
        value = self._values.get(key)
        return default if value in (None, "") else str(value).lower() == "true"

    def _word(self, key: str) -> Optional[str]:
        value = self._values.get(key)
        return value.strip().lower() if value else None

    def _number(self, key: str, default: int) -> int:
        value = self._values.get(key)
        # Numbers of bytes come as `67108864b`.
        return default if value in (None, "", "None") else int(str(value).rstrip("b"))
