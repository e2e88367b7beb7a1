"""Texts of the error conditions that a worker raises: those of PySpark 4.2 with every installed version, but for a few of 3.5."""

_CALL = (
    "Please update the query so that this table function call provides arguments matching the expected signature, or "
    "else update the table function so that its 'eval' method accepts the provided arguments, and then try the query "
    "again."
)
_CONSTRUCTOR = "Failed to evaluate the user-defined table function '<name>' because its constructor is invalid: "

TEXTS = {
    "AXIS_LENGTH_MISMATCH": (
        "Length mismatch: Expected axis has <expected_length> elements, new values have <actual_length> elements."
    ),
    "DATA_SOURCE_EXTRANEOUS_FILTERS": (
        "<type>.pushFilters() returned filters that are not part of the input. Make sure that each returned filter is one "
        "of the input filters by reference."
    ),
    "DATA_SOURCE_INVALID_RETURN_TYPE": (
        "Unsupported return type ('<type>') from Python data source '<name>'. Expected types: <supported_types>."
    ),
    "DATA_SOURCE_PUSHDOWN_DISABLED": (
        "<type> implements pushFilters() but filter pushdown is disabled because configuration '<conf>' is false. Set it "
        "to true to enable filter pushdown."
    ),
    "DATA_SOURCE_RETURN_SCHEMA_MISMATCH": (
        "Return schema mismatch in the result from 'read' method. Expected: <expected> columns, Found: <actual> columns. "
        "Make sure the returned values match the required output schema."
    ),
    "DATA_SOURCE_TYPE_MISMATCH": "Expected <expected>, but got <actual>.",
    "INPUT_NOT_FULLY_CONSUMED": "The input iterator must be fully consumed.",
    "INVALID_ARROW_UDTF_TABLE_ARGUMENT": (
        "Arrow UDTFs with PARTITION BY must have a TABLE argument that results in a PyArrow RecordBatch, but got "
        "<actual_type>."
    ),
    "MALFORMED_VARIANT": "Variant binary is malformed. Please check the data source is valid.",
    "OUTPUT_EXCEEDS_INPUT_ROWS": "The number of output rows must not exceed the number of input rows.",
    "PYTHON_VERSION_MISMATCH": (
        "Python in worker has different version: <worker_version> than that in driver: <driver_version>, PySpark cannot "
        "run with different minor versions.\nPlease check environment variables PYSPARK_PYTHON and "
        "PYSPARK_DRIVER_PYTHON are correctly set."
    ),
    "RESULT_COLUMN_NAMES_MISMATCH": (
        "Column names of the returned data do not match specified schema.<missing><extra>"
    ),
    "RESULT_COLUMN_SCHEMA_MISMATCH": (
        "Number of columns of the returned data doesn't match specified schema. Expected: <expected> Actual: <actual>"
    ),
    "RESULT_COLUMN_TYPES_MISMATCH": (
        "Column types of the returned data do not match specified schema. Mismatch: <mismatch>."
    ),
    "RESULT_ROWS_MISMATCH": (
        "The number of output rows (<output_length>) must match the number of input rows (<input_length>)."
    ),
    "SCHEMA_MISMATCH_FOR_PANDAS_UDF": (
        "Result vector from <udf_type> was not the required length: expected <expected>, got <actual>."
    ),
    "STOP_ITERATION_OCCURRED": "Caught StopIteration thrown from user's code; failing the task: <exc>",
    "UDF_RETURN_TYPE": "Return type of the user-defined function should be <expected>, but is <actual>.",
    "UDTF_ARROW_DATA_CONVERSION_ERROR": (
        "Cannot convert UDTF output to Arrow. Data: <data>. Schema: <schema>. Arrow Schema: <arrow_schema>."
    ),
    "UDTF_ARROW_TYPE_CONVERSION_ERROR": (
        "PyArrow UDTF must return an iterator of pyarrow.Table or pyarrow.RecordBatch objects."
    ),
    "UDTF_CONSTRUCTOR_INVALID_IMPLEMENTS_ANALYZE_METHOD": _CONSTRUCTOR + (
        "the function implements the 'analyze' method, but its constructor has more than two arguments (including the "
        "'self' reference). Please update the table function so that its constructor accepts exactly one 'self' "
        "argument, or one 'self' argument plus another argument for the result of the 'analyze' method, and try the "
        "query again."
    ),
    "UDTF_CONSTRUCTOR_INVALID_NO_ANALYZE_METHOD": _CONSTRUCTOR + (
        "the function does not implement the 'analyze' method, and its constructor has more than one argument "
        "(including the 'self' reference). Please update the table function so that its constructor accepts exactly "
        "one 'self' argument, and try the query again."
    ),
    "UDTF_EVAL_METHOD_ARGUMENTS_DO_NOT_MATCH_SIGNATURE": (
        "Failed to evaluate the user-defined table function '<name>' because the function arguments did not match the "
        "expected signature of the 'eval' method (<reason>). " + _CALL
    ),
    "UDTF_EXEC_ERROR": (
        "User defined table function encountered an error in the '<method_name>' method: <error>"
    ),
    "UDTF_INVALID_OUTPUT_ROW_TYPE": (
        "The type of an individual output row in the '<func>' method of the UDTF is invalid. Each row should be a "
        "tuple, list, or dict, but got '<type>'. Please make sure that the output rows are of the correct type."
    ),
    "UDTF_RETURN_NOT_ITERABLE": (
        "The return value of the '<func>' method of the UDTF is invalid. It should be an iterable (e.g., generator or "
        "list), but got '<type>'. Please make sure that the UDTF returns one of these types."
    ),
    "UDTF_RETURN_SCHEMA_MISMATCH": (
        "The number of columns in the result does not match the specified schema. Expected column count: <expected>, "
        "Actual column count: <actual>. Please make sure the values returned by the '<func>' method have the same "
        "number of columns as specified in the output schema."
    ),
    # Only in PySpark 3.5:
    "RESULT_COLUMNS_MISMATCH_FOR_PANDAS_UDF": (
        "Column names of the returned pandas.DataFrame do not match specified schema.<missing><extra>"
    ),
    "RESULT_LENGTH_MISMATCH_FOR_PANDAS_UDF": (
        "Number of columns of the returned pandas.DataFrame doesn't match specified schema. Expected: <expected> "
        "Actual: <actual>"
    ),
    "RESULT_LENGTH_MISMATCH_FOR_SCALAR_ITER_PANDAS_UDF": (
        "The length of output in Scalar iterator pandas UDF should be the same with the input's; however, the length of "
        "output was <output_length> and the length of input was <input_length>."
    ),
    "STOP_ITERATION_OCCURRED_FROM_SCALAR_ITER_PANDAS_UDF": "pandas iterator UDF should exhaust the input iterator.",
    "UDTF_ARROW_TYPE_CAST_ERROR": (
        "Cannot convert the output value of the column '<col_name>' with type '<col_type>' to the specified return type "
        "of the column: '<arrow_type>'. Please check if the data types match and try again."
    ),
}

# What 3.5 calls a condition with the same parameters.
NAMES_IN_3_5 = {
    "INPUT_NOT_FULLY_CONSUMED": "STOP_ITERATION_OCCURRED_FROM_SCALAR_ITER_PANDAS_UDF",
    "RESULT_COLUMN_NAMES_MISMATCH": "RESULT_COLUMNS_MISMATCH_FOR_PANDAS_UDF",
    "RESULT_COLUMN_SCHEMA_MISMATCH": "RESULT_LENGTH_MISMATCH_FOR_PANDAS_UDF",
    "RESULT_ROWS_MISMATCH": "RESULT_LENGTH_MISMATCH_FOR_SCALAR_ITER_PANDAS_UDF",
}
