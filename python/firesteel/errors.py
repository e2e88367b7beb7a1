"""PySpark's exceptions, across the versions that name their parameters differently."""

import inspect

from pyspark.errors import PySparkNotImplementedError


def error(kind, condition, parameters=None):
    """An exception of PySpark with one of its conditions."""
    parameters = parameters or {}
    names = inspect.signature(kind.__init__).parameters
    try:
        if "errorClass" in names:
            return kind(errorClass=condition, messageParameters=parameters)
        # Until 3.5 the keywords had underscores.
        return kind(error_class=condition, message_parameters=parameters)
    except ValueError:
        # This version does not know the condition.
        details = ", ".join(f"{name}: {value}" for name, value in parameters.items())
        return kind(f"[{condition}] {details}".rstrip())


def not_implemented(feature):
    """What needs a JVM is refused by its name."""
    return error(PySparkNotImplementedError, "NOT_IMPLEMENTED", {"feature": feature})
