"""Functions of columns: `eval`."""

import itertools

import pyarrow as pa
import pytest
from worker.harness import Failed, batch, command, evaluate, function, header

A = "a long"
AB = "a long, b string"


def rows(worker, call, result, *batches, schema=A, kind=100, columns=(0,), **more):
    return evaluate(worker, kind, call, result, list(batches), schema, columns, **more)


def longs(*values):
    return batch(A, a=list(values))


@pytest.mark.parametrize("kind", [100, 101])
def test_a_function_of_rows_gives_a_batch_for_each_batch(worker, kind):
    found = rows(worker, lambda x: x + 1, "long", longs(1, 2), longs(), longs(3), kind=kind)
    assert [one.num_rows for one in found.batches] == [2, 0, 1]
    assert found.column() == [2, 3, 4]


@pytest.mark.parametrize("kind", [100, 101])
def test_arguments_are_passed_by_place_and_by_name(worker, kind):
    def f(x, y="?", z="?"):
        return f"{x}{y}{z}"

    two = batch(AB, a=[1, None], b=["x", None])
    assert rows(worker, f, "string", two, schema=AB, kind=kind, columns=(0, 1), names=[None, "z"]).column() == ["1?x", "None?None"]
    assert rows(worker, f, "string", two, schema=AB, kind=kind, columns=(0, 1, 0)).column() == ["1x1", "NoneNoneNone"]
    assert rows(worker, lambda: 7, "long", longs(1, 2), kind=kind, columns=()).column() == [7, 7]


@pytest.mark.parametrize("kind", [100, 101])
def test_functions_of_functions(worker, kind):
    calls = [(lambda x: str(x), "string"), (lambda s: s + "!", "string"), (lambda a, b: f"{a}{b}", "string")]
    functions = [
        function(kind, "string", [{"column": 0}], blob=0),
        function(kind, "string", [{"function": 0}], blob=1),
        function(kind, "string", [{"function": 1}, {"column": 0}], blob=2),
    ]
    head = header("eval", functions, [A], outputs=[2, 0])
    found = worker.run(head, [[longs(1, 2)]], [command(*one) for one in calls])
    assert found.rows == [("1!1", "1"), ("2!2", "2")]


def test_a_function_of_one_function_gets_its_value_as_it_is(worker):
    # Spark chains them: the inner result is not converted.
    functions = [function(100, "long", [{"column": 0}], blob=0), function(100, "string", [{"function": 0}], blob=1)]
    head = header("eval", functions, [A], outputs=[1])
    calls = [command(lambda x: {"set": x}, "long"), command(lambda x: repr(x), "string")]
    assert worker.run(head, [[longs(1)]], calls).column() == ["{'set': 1}"]


@pytest.mark.parametrize("kind", [100, 101])
def test_stop_iteration_is_an_error(worker, kind):
    def f(x):
        raise StopIteration("enough")

    with pytest.raises(Failed) as error:
        rows(worker, f, "long", longs(1), kind=kind)
    assert error.value.condition == "STOP_ITERATION_OCCURRED"
    assert "Caught StopIteration thrown from user's code; failing the task: enough" in error.value.message


def test_row_functions_in_threads(worker):
    settings = {"spark.sql.execution.pythonUDF.arrow.concurrency.level": "3"}
    assert rows(worker, lambda x: x * 2, "long", longs(1, 2, 3), kind=101, **settings).column() == [2, 4, 6]


def test_row_functions_through_pandas(worker):
    settings = {"spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled": "true"}
    assert rows(worker, lambda x: x * 2, "string", longs(1, 2), kind=101, **settings).column() == ["2", "4"]
    structs = batch("s struct<a:int>", s=[{"a": 1}])
    found = rows(worker, lambda s: type(s).__name__ + str(s.a), "string", structs, schema="s struct<a:int>", kind=101, **settings)
    assert found.column() == ["Row1"]


def test_functions_of_series(worker):
    assert rows(worker, lambda s: s * 2, "double", longs(1, 2), kind=200).column() == [2.0, 4.0]
    with_null = longs(1, None)
    assert rows(worker, lambda s: s.fillna(5) + 1, "long", with_null, kind=200).column() == [2, 6]
    assert rows(worker, lambda s: s, "long", with_null, kind=200).column() == [1, None]
    categories = rows(worker, lambda s: s.astype(str).astype("category"), "string", longs(1, 2), kind=200)
    assert categories.column() == ["1", "2"]


def test_series_have_the_names_of_spark(worker):
    assert rows(worker, lambda s: s.map(lambda _: s.name), "string", longs(1), kind=200).column() == ["_0"]


@pytest.mark.parametrize("kind", [100, 101])
def test_functions_without_columns(worker, kind):
    none = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    assert rows(worker, lambda: "x", "string", none, schema="", kind=kind, columns=()).column() == ["x"] * 3


def test_structs_are_data_frames(worker):
    structs = batch("s struct<a:int,b:string>", s=[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])

    def f(frame):
        return frame.assign(a=frame.a + 1)[["b", "a"]]

    found = rows(worker, f, "struct<a:int,b:string>", structs, schema="s struct<a:int,b:string>", kind=200)
    assert found.column() == [{"a": 2, "b": "x"}, {"a": 3, "b": "y"}]


def test_series_of_a_wrong_length_or_type(worker, executor):
    with pytest.raises(Failed) as error:
        rows(worker, lambda s: s[:1], "long", longs(1, 2), kind=200)
    assert error.value.condition == "SCHEMA_MISMATCH_FOR_PANDAS_UDF"
    assert error.value.message == (
        "[SCHEMA_MISMATCH_FOR_PANDAS_UDF] Result vector from pandas_udf was not the required length: expected 2, got 1."
    )
    with pytest.raises(Failed) as error:
        rows(executor.fork(), lambda s: 1, "long", longs(1, 2), kind=200)
    assert error.value.condition == "UDF_RETURN_TYPE"
    assert error.value.parameters == {"expected": "pandas.Series", "actual": "int"}


def test_functions_of_arrow_arrays(worker, executor):
    assert rows(worker, lambda a: pa.compute.add(a, 1), "int", longs(1, None), kind=250).column() == [2, None]
    with pytest.raises(Failed) as error:
        rows(worker, lambda a: a[:1], "long", longs(1, 2), kind=250)
    assert error.value.condition == "SCHEMA_MISMATCH_FOR_PANDAS_UDF"
    with pytest.raises(Failed) as error:
        rows(executor.fork(), lambda a: pa.array(["x"]), "long", longs(1), kind=250)
    assert error.value.message == "Result type of column '_0' does not match the expected type. Expected: int64, got: string."


@pytest.mark.parametrize("kind", [204, 251])
def test_iterators_keep_the_lengths_of_the_input(worker, kind):
    def f(columns):
        for one in columns:
            if len(one):
                yield one[:1]
                yield one[1:]

    found = rows(worker, f, "long", longs(1, 2, 3), longs(), longs(4), longs(), kind=kind)
    assert [one.column(0).to_pylist() for one in found.batches] == [[1, 2, 3], [], [4], []]


@pytest.mark.parametrize("kind", [204, 251])
def test_iterators_over_several_columns(worker, kind):
    def f(pairs):
        for a, b in pairs:
            yield a

    assert rows(worker, f, "long", batch(AB, a=[1], b=["x"]), schema=AB, kind=kind, columns=(0, 1)).column() == [1]


@pytest.mark.parametrize("kind", [204, 251])
@pytest.mark.parametrize(
    "wrong, condition",
    [
        (lambda it: (pa_or_pd for one in it for pa_or_pd in (one, one)), "OUTPUT_EXCEEDS_INPUT_ROWS"),
        (lambda it: itertools.islice(it, 1), "INPUT_NOT_FULLY_CONSUMED"),
        (lambda it: (one[:1] for one in it), "RESULT_ROWS_MISMATCH"),
        (lambda it: 1, "UDF_RETURN_TYPE"),
        (lambda it: ("x" for _ in it), "UDF_RETURN_TYPE"),
    ],
)
def test_iterators_of_wrong_lengths(worker, kind, wrong, condition):
    with pytest.raises(Failed) as error:
        rows(worker, wrong, "long", longs(1, 2), longs(3, 4), kind=kind)
    assert error.value.condition == condition


@pytest.mark.parametrize("kind, plain", [(204, 200), (251, 250)])
def test_iterators_among_functions_of_columns_and_rows(worker, kind, plain):
    def halves(pairs):
        for one, _ in pairs:
            yield one[:1]
            yield one[1:]

    functions = [
        function(100, "long", [{"column": 0}], blob=0),
        function(kind, "long", [{"function": 0}], blob=1),
        function(plain, "long", [{"function": 1}], blob=2),
        function(kind, "long", [{"function": 2}, {"column": 0}], blob=3),
        function(kind, "long", [{"column": 0}], blob=4),
    ]
    # One keeps the order of batches, one cuts them anew, and one reads all of them first.
    calls = [lambda x: x + 1, lambda it: it, lambda one: one, halves, lambda it: iter(list(it))]
    head = header("eval", functions, [A], outputs=[3, 4, 0, 1])
    found = worker.run(head, [[longs(1, 2), longs(), longs(3)]], [command(call, "long") for call in calls])
    assert [one.num_rows for one in found.batches] == [2, 0, 1]
    assert found.rows == [(2, 1, 2, 2), (3, 2, 3, 3), (4, 3, 4, 4)]


def test_an_iterator_function_of_another_gets_its_iterator(worker):
    functions = [function(204, "long", [{"column": 0}], blob=0), function(204, "long", [{"function": 0}], blob=1)]
    # What the inner one yields is neither checked nor converted.
    calls = [lambda it: ((one, "twice") for one in it), lambda it: (one * 2 for one, what in it if what == "twice")]
    head = header("eval", functions, [A], outputs=[1])
    assert worker.run(head, [[longs(1), longs(2)]], [command(call, "long") for call in calls]).column() == [2, 4]


def test_each_iterator_function_has_a_length_of_its_own(worker):
    functions = [function(204, "long", [{"column": 0}], blob=0), function(204, "long", [{"column": 0}], blob=1)]
    calls = [lambda it: it, lambda it: (one[:1] for one in it)]
    head = header("eval", functions, [A], outputs=[0, 1])
    with pytest.raises(Failed) as error:
        worker.run(head, [[longs(1, 2)]], [command(call, "long") for call in calls])
    assert error.value.condition == "RESULT_ROWS_MISMATCH"
    assert error.value.parameters == {"output_length": "1", "input_length": "2"}


def test_iterators_read_no_further_than_the_function_asks(worker):
    def f(columns):
        yield next(columns)
        raise ValueError("the second batch was not needed for the first result")

    def announce(column):
        print("evaluated", flush=True)
        return column

    functions = [function(200, "long", [{"column": 0}], blob=0), function(204, "long", [{"function": 0}], blob=1)]
    head = header("eval", functions, [A], outputs=[1])
    with pytest.raises(Failed):
        worker.run(head, [[longs(1), longs(2)]], [command(announce, "long"), command(f, "long")])
    worker.close()
    assert worker.output_ended.wait(60) and worker.output.count("evaluated") == 1


def test_data_frames_without_columns_for_a_struct_without_fields(worker):
    found = rows(worker, lambda s: s.to_frame()[[]], "struct<>", longs(1, 2), kind=200)
    assert found.column() == [{}, {}]
