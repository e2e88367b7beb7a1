"""Functions of the batches of a partition: `map`."""

import pyarrow as pa
import pytest
from worker.harness import Failed, batch, command, function, header

A = "a long"


def longs(*values):
    return batch(A, a=list(values))


def mapped(worker, kind, call, result, *inputs, **settings):
    head = header("map", [function(kind, result, ())], [A] * len(inputs), result, arguments=[[0]] * len(inputs), settings=settings)
    return worker.run(head, inputs, [command(call, result)])


def test_batches_of_arrow(worker):
    def f(batches):
        for one in batches:
            yield one.filter(pa.compute.greater(one.column("a"), 1))

    assert mapped(worker, 207, f, A, [longs(1, 2), longs(3)]).column() == [2, 3]


def test_several_inputs(worker):
    def f(left, right):
        for one, other in zip(left, right):
            yield pa.RecordBatch.from_arrays([pa.compute.add(one.column(0), other.column(0))], names=["a"])

    found = mapped(worker, 207, f, A, [longs(1), longs(2)], [longs(10), longs(20)])
    assert found.column() == [11, 22]


def test_data_frames(worker):
    def f(frames):
        for one in frames:
            yield one[one.a > 1]

    assert mapped(worker, 205, f, A, [longs(1, 2), longs(3)]).column() == [2, 3]


def test_data_frames_by_name_with_other_types(worker):
    def f(frames):
        for one in frames:
            one["b"] = one.a.astype(str)
            yield one[["b", "a"]]

    found = mapped(worker, 205, f, "a int, b string", [longs(1, 2)])
    assert found.rows == [(1, "1"), (2, "2")]


def test_only_the_arguments_are_given(worker):
    head = header("map", [function(207, "b string", ())], ["a long, b string"], "b string", arguments=[[1]])
    found = worker.run(head, [[batch("a long, b string", a=[1], b=["x"])]], [command(lambda it: it, "b string")])
    assert found.rows == [("x",)]


NESTED = "s string, b binary, l array<string>, m map<string,string>, r struct<s:string>"


@pytest.mark.parametrize("kind", ["map", "group"])
def test_offsets_of_64_bits(worker, kind):
    def f(found):
        def check(one):
            assert [str(field.type) for field in one.schema] == [
                "large_string",
                "large_binary",
                "list<element: large_string>",
                "map<large_string, large_string>",
                "struct<s: large_string>",
            ]
            return one

        return check(found) if isinstance(found, pa.Table) else map(check, found)

    values = {"s": ["x", None], "b": [b"y", b""], "l": [["z"], None], "m": [[("k", "v")], []], "r": [{"s": "t"}, None]}
    one = batch(NESTED, **values)
    settings = {"spark.sql.execution.arrow.useLargeVarTypes": "true"}
    call = function(207 if kind == "map" else 209, NESTED, ())
    head = header(kind, [call], [NESTED], NESTED, keys=[[0]], arguments=[list(range(5))], settings=settings)
    given = [one] if kind == "map" else [((0,), one)]
    assert worker.run(head, [given], [command(f, NESTED)]).table.to_pydict() == values


def test_dictionaries_become_plain(worker):
    def f(batches):
        for _ in batches:
            yield pa.RecordBatch.from_arrays([pa.array(["x", "y", "x"]).dictionary_encode()], names=["s"])

    assert mapped(worker, 207, f, "s string", [longs(1)]).table.schema.field(0).type == pa.string()


@pytest.mark.parametrize("kind, name", [(205, "pandas.DataFrame"), (207, "pyarrow.RecordBatch")])
def test_what_is_not_an_iterator_of_the_right_type(executor, kind, name):
    with pytest.raises(Failed) as error:
        mapped(executor.fork(), kind, lambda it: 1, A, [longs(1)])
    assert error.value.parameters == {"expected": f"iterator of {name}", "actual": "int"}
    with pytest.raises(Failed) as error:
        mapped(executor.fork(), kind, lambda it: ("x" for _ in it), A, [longs(1)])
    assert error.value.message == (
        f"[UDF_RETURN_TYPE] Return type of the user-defined function should be iterator of {name}, "
        "but is iterator of str."
    )


def test_columns_of_other_names(worker):
    with pytest.raises(Failed) as error:
        mapped(worker, 205, lambda it: (one.rename(columns={"a": "c"}) for one in it), "a long", [longs(1)])
    assert error.value.condition == "RESULT_COLUMN_NAMES_MISMATCH"
    assert error.value.parameters == {"missing": " Missing: a.", "extra": " Unexpected: c."}


def test_batches_of_different_schemas_are_refused(worker):
    def f(batches):
        for one in batches:
            yield one
            yield pa.RecordBatch.from_arrays([one.column(0).cast(pa.int32())], names=["a"])

    with pytest.raises(Failed, match="different schema"):
        mapped(worker, 207, f, A, [longs(1)])
