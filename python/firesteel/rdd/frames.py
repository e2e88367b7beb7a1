"""Between RDDs and DataFrames."""

from itertools import islice

from pyspark.errors import PySparkTypeError, PySparkValueError
from pyspark.sql.types import DataType, StructField, StructType, _has_nulltype, _infer_schema, _merge_type

from firesteel.errors import error
from firesteel.rdd import execution
from firesteel.rdd.plan import Frame, RddPlan, parameters
from firesteel.rdd.rdd import RDD, PipelinedRDD
from firesteel.rdd.rows import Columns, Rows

_CONFIGURATION = {
    "infer_dict_as_struct": ("spark.sql.pyspark.inferNestedDictAsStruct.enabled", "false", "true"),
    "infer_array_from_first_element": (
        "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled",
        "false",
        "true",
    ),
    "infer_map_from_first_pair": ("spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled", "false", "true"),
    "prefer_timestamp_ntz": ("spark.sql.timestampType", "TIMESTAMP_LTZ", "TIMESTAMP_NTZ"),
}


def rows_of(context, frame):
    """The RDD of a DataFrame's rows."""
    node = Frame(frame)
    context._name(node, [("MapPartitionsRDD", "javaToPython")])
    return PipelinedRDD.reading(context, node, Rows(frame.schema))


def to_frame(rdd, schema=None, ratio=None):
    """The DataFrame of an RDD's rows."""
    return create_frame(rdd.ctx._session, rdd, schema, ratio)


def create_frame(session, rdd, schema=None, ratio=None, verify=None):
    """What `createDataFrame` does with an RDD: finds the schema, and writes the elements as columns."""
    if isinstance(schema, str):
        schema = session.client._analyze(method="ddl_parse", ddl_string=schema).parsed
    if isinstance(schema, (list, tuple)):
        schema = [name.decode("utf-8") if isinstance(name, bytes) else name for name in schema]
    if schema is not None and not isinstance(schema, (list, DataType)):
        raise error(
            PySparkTypeError,
            "NOT_LIST_OR_NONE_OR_STRUCT",
            {"arg_name": "schema", "arg_type": type(schema).__name__},
        )
    if isinstance(schema, DataType) and not isinstance(schema, StructType):
        rdd = rdd.map(lambda value: (value,))
        schema = StructType([StructField("value", schema)])
    if not isinstance(schema, StructType):
        schema = _named(inferred(session, rdd, ratio, schema), schema)
    return _frame(session, rdd, schema, verify is not False)


def _named(schema, names):
    """The schema with the program's names, which replace those that were inferred."""
    if not names:
        return schema
    found = schema.fieldNames()
    return StructType(
        [
            StructField(names[place] if place < len(names) else name, schema.fields[place].dataType, True)
            for place, name in enumerate(found)
        ]
    )


def _frame(session, rdd, schema, verify):
    if rdd.getNumPartitions() == 0:
        return session.createDataFrame([], schema)
    written = PipelinedRDD(rdd, execution.unchanged, True)
    written._target, written._output = Columns(schema, verify), schema
    return of_plan(RddPlan(written._node), session)


def of_plan(plan, session):
    """The DataFrame of a plan."""
    from pyspark.sql.connect.dataframe import DataFrame

    # The constructor takes a plan since 4.0.
    return getattr(DataFrame, "withPlan", DataFrame)(plan, session)


def inferred(session, rdd, ratio, names=None):
    """The schema of the first element, or of a sample. Runs jobs."""
    infer = _inference(session, names)
    first = rdd.first()
    if isinstance(first, (list, tuple, dict, str)) and len(first) == 0:
        raise error(PySparkValueError, "CANNOT_INFER_EMPTY_SCHEMA")
    if ratio is not None:
        sampled = rdd.sample(False, float(ratio)) if ratio < 0.99 else rdd
        return sampled.map(infer).reduce(_merge_type)
    schema = infer(first)
    if _has_nulltype(schema):
        for row in islice(rdd.take(100), 1, None):
            schema = _merge_type(schema, infer(row))
            if not _has_nulltype(schema):
                break
        else:
            raise error(PySparkValueError, "CANNOT_DETERMINE_TYPE")
    return schema


def _inference(session, names):
    known = parameters(_infer_schema)
    wanted = {name: of for name, of in _CONFIGURATION.items() if name in known}
    values = session.client.get_config_with_defaults(*((key, default) for key, default, _ in wanted.values()))
    flags = {name: value == of[2] for (name, of), value in zip(wanted.items(), values)}

    def infer(row):
        return _infer_schema(row, names, **flags)

    return infer


def is_rdd(data):
    return isinstance(data, RDD)
