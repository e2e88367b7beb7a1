"""Functions of groups: `group`, `cogroup`, `aggregate` and `window`."""

import pandas as pd
import pyarrow as pa
import pytest
from worker.harness import Failed, batch, command, function, header

KV = "k long, v double"
# Groups 1, 2, 3 and 4, of which 3 goes on in the second batch, and 4 in the third.
GROUPS = [
    ((0, 2, 3), batch(KV, k=[1, 1, 2, 3], v=[1.0, 3.0, 5.0, 1.0])),
    ((1,), batch(KV, k=[3, 4], v=[3.0, 9.0])),
    ((), batch(KV, k=[4], v=[11.0])),
]


def grouped(worker, kind, call, result=KV, groups=None, schema=KV, **settings):
    head = header("group", [function(kind, result, ())], [schema], result, keys=[[0]], arguments=[[0, 1]], settings=settings)
    return worker.run(head, [GROUPS if groups is None else groups], [command(call, result)])


CENTRED = [(1, -1.0), (1, 1.0), (2, 0.0), (3, -1.0), (3, 1.0), (4, -1.0), (4, 1.0)]


def test_data_frames(worker):
    assert grouped(worker, 201, lambda frame: frame.assign(v=frame.v - frame.v.mean())).rows == CENTRED


def test_data_frames_with_key(worker):
    def f(key, frame):
        assert list(frame.index) == list(range(len(frame))) and type(key[0]).__name__ == "int64"
        return pd.DataFrame({"k": [key[0]], "v": [frame.v.sum()]})

    assert grouped(worker, 201, f).rows == [(1, 4.0), (2, 5.0), (3, 4.0), (4, 20.0)]


def test_a_group_may_be_changed(worker):
    def f(frame):
        frame["v"] = 0.0
        frame.loc[0, "k"] = 7
        return frame

    assert grouped(worker, 201, f).rows == [(7, 0.0), (1, 0.0), (7, 0.0), (7, 0.0), (3, 0.0), (7, 0.0), (4, 0.0)]
    assert "Warning" not in worker.output


def test_nulls_change_the_type_of_their_group_only(worker):
    schema = "k long, v long"
    groups = [((0, 1, 2, 3), batch(schema, k=[1, 2, 3, 4], v=[1, None, 3, 4]))]
    result = "k long, t string"
    found = grouped(worker, 201, lambda f: pd.DataFrame({"k": f.k, "t": str(f.v.dtype)}), result, groups, schema)
    assert found.rows == [(1, "int64"), (2, "float64"), (3, "int64"), (4, "int64")]


def test_results_of_different_types_are_converted_one_by_one(worker):
    values = {1: 2**53 + 1, 2: 1.0, 3: None, 4: 3}
    result = "v long"
    found = grouped(worker, 201, lambda key, f: pd.DataFrame({"v": [values[int(key[0])]]}), result)
    assert found.column() == [2**53 + 1, 1, None, 3]


def test_numbers_of_the_declared_types_are_joined(worker):
    schema = "k long, v double"
    groups = [(tuple(range(100)), batch(schema, k=list(range(100)), v=[None if k % 3 == 0 else k / 2 for k in range(100)]))]

    def f(frame):
        frame = frame.assign(half=(frame.k // 2).astype("int32"), odd=frame.k % 2 == 1)
        # Some have other memory, types or columns than the one before.
        return frame[::-1] if frame.k[0] < 50 else frame.astype({"half": "int64"}) if frame.k[0] < 60 else frame[["odd", "half", "v", "k"]]

    found = grouped(worker, 201, f, schema + ", half int, odd boolean", groups, schema)
    assert found.rows == [(k, None if k % 3 == 0 else k / 2, k // 2, k % 2 == 1) for k in range(100)]


def test_small_results_are_gathered(worker):
    groups = [(tuple(range(0, 1000)), batch(KV, k=list(range(1000)), v=[1.0] * 1000))]
    found = grouped(worker, 201, lambda f: f, groups=groups, **{"spark.sql.execution.arrow.maxRecordsPerBatch": "300"})
    assert [one.num_rows for one in found.batches] == [300, 300, 300, 100]


def test_columns_by_place(worker):
    settings = {"spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName": "false"}
    found = grouped(worker, 201, lambda f: f.rename(columns={"k": "x", "v": "y"}), **settings)
    assert found.rows[0] == (1, 1.0)


@pytest.mark.parametrize(
    "call, condition, parameters",
    [
        (lambda f: f.k, "UDF_RETURN_TYPE", {"expected": "pandas.DataFrame", "actual": "Series"}),
        (lambda f: f[["k"]], "RESULT_COLUMN_NAMES_MISMATCH", {"missing": " Missing: v.", "extra": ""}),
        (lambda f: pd.DataFrame([[1, 2, 3]]), "RESULT_COLUMN_SCHEMA_MISMATCH", {"expected": "2", "actual": "3"}),
    ],
)
def test_wrong_data_frames(worker, call, condition, parameters):
    with pytest.raises(Failed) as error:
        grouped(worker, 201, call)
    assert (error.value.condition, error.value.parameters) == (condition, parameters)


def test_an_empty_frame_without_columns(worker):
    assert grouped(worker, 201, lambda f: pd.DataFrame()).batches == []


def test_tables(worker):
    def f(table):
        return table.set_column(1, "v", pa.compute.subtract(table.column("v"), pa.compute.mean(table.column("v"))))

    assert grouped(worker, 209, f).rows == CENTRED
    assert grouped(worker, 209, lambda key, t: t.select(["v", "k"]).slice(0, key[0].as_py() % 2)).rows == [(1, 1.0), (3, 1.0)]


def test_wrong_tables(executor):
    with pytest.raises(Failed) as error:
        grouped(executor.fork(), 209, lambda t: t.to_pandas())
    assert error.value.parameters == {"expected": "pyarrow.Table", "actual": "DataFrame"}
    with pytest.raises(Failed) as error:
        grouped(executor.fork(), 209, lambda t: t.cast(pa.schema([("k", pa.int32()), ("v", pa.float64())])))
    assert error.value.parameters == {"mismatch": "column 'k' (expected int64, actual int32)"}


def test_iterators(worker):
    def arrow(batches):
        for one in batches:
            yield one.slice(0, 1)

    def pandas(key, frames):
        for one in frames:
            yield one.assign(k=key[0] * 10)[:1]

    assert grouped(worker, 215, arrow).rows == [(1, 1.0), (2, 5.0), (3, 1.0), (3, 3.0), (4, 9.0), (4, 11.0)]
    assert grouped(worker, 216, pandas).rows == [(10, 1.0), (20, 5.0), (30, 1.0), (30, 3.0), (40, 9.0), (40, 11.0)]


def test_iterators_that_leave_rows_unread(worker):
    assert grouped(worker, 215, lambda key, batches: [next(batches)]).rows[-1] == (4, 9.0)


def cogrouped(worker, kind, call, left, right, result="n long, m long"):
    head = header("cogroup", [function(kind, result, ())], [KV, KV], result, keys=[[0], [0]], arguments=[[1], [0, 1]])
    return worker.run(head, [left, right], [command(call, result)])


ONE, TWO = batch(KV, k=[1, 1], v=[1.0, 2.0]), batch(KV, k=[2], v=[3.0])


def test_pairs(worker):
    left, right = [[ONE], [], [TWO, TWO]], [[], [TWO], [TWO]]
    frames = cogrouped(worker, 206, lambda a, b: pd.DataFrame({"n": [len(a)], "m": [len(b)]}), left, right)
    assert frames.rows == [(2, 0), (0, 1), (2, 1)]

    def keyed(key, a, b):
        assert list(a.columns) == ["v"] and list(b.columns) == ["k", "v"]
        return pd.DataFrame({"n": [int(key[0])], "m": [len(a) + len(b)]})

    assert cogrouped(worker, 206, keyed, left, right).rows == [(1, 2), (2, 1), (2, 3)]

    def tables(key, a, b):
        return pa.table({"n": [key[0].as_py()], "m": [len(a) + len(b)]})

    assert cogrouped(worker, 210, tables, left, right).rows == [(1, 2), (2, 1), (2, 3)]


def aggregated(worker, kind, calls, results, groups=None, keys=(0,)):
    functions = [function(kind, one, [1], blob=place) for place, one in enumerate(results)]
    head = header("aggregate", functions, [KV], keys=[list(keys)], arguments=[[1]])
    blobs = [command(*one) for one in zip(calls, results)]
    return worker.run(head, [GROUPS if groups is None else groups], blobs)


def test_aggregates(worker):
    calls = [lambda v: v.sum(), lambda v: len(v)]
    assert aggregated(worker, 202, calls, ["double", "int"]).rows == [(1, 4.0, 2), (2, 5.0, 1), (3, 4.0, 2), (4, 20.0, 2)]
    arrow = [lambda v: pa.compute.sum(v), lambda v: len(v)]
    assert aggregated(worker, 252, arrow, ["double", "int"]).rows == [(1, 4.0, 2), (2, 5.0, 1), (3, 4.0, 2), (4, 20.0, 2)]


@pytest.mark.parametrize("kind", [217, 254])
def test_aggregates_of_iterators(worker, kind):
    found = aggregated(worker, kind, [lambda it: sum(len(one) for one in it)], ["int"])
    assert found.rows == [(1, 2), (2, 1), (3, 2), (4, 2)]


def test_values_of_aggregates_are_converted_one_by_one(worker):
    def f(v):
        return {2: 2**53 + 1, 1: 1.0}.get(len(v)) if v.iloc[0] != 9.0 else None

    assert aggregated(worker, 202, [f], ["long"]).rows == [(1, 2**53 + 1), (2, 1), (3, 2**53 + 1), (4, None)]
    assert aggregated(worker, 202, [lambda v: list(v)], ["array<double>"]).rows[0] == (1, [1.0, 3.0])


def test_aggregates_keep_no_input(executor):
    def peak(_):
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    groups = [((0,), batch(KV, k=[key] * 50_000, v=[1.0] * 50_000)) for key in range(200)]
    found = aggregated(executor.fork(), 252, [peak], ["double"], groups=groups)
    # In KiB: half of the input, which has 150 MiB.
    assert found.rows[-1][1] - found.rows[0][1] < 64 << 10


@pytest.mark.parametrize("kind, call", [(202, lambda v: len(v)), (252, lambda v: len(v)), (217, lambda it: len(list(it)))])
def test_without_keys_no_rows_are_a_group(worker, kind, call):
    assert aggregated(worker, kind, [call], ["int"], groups=[], keys=()).rows == [(0,)]


def windows(worker, kind, calls, frames):
    schema = "k long, v double, b int, e int"
    batches = [
        ((0, 3), batch(schema, k=[1, 1, 1, 2], v=[1.0, 2.0, 3.0, 4.0], b=[0, 0, 1, 0], e=[1, 2, 3, 1])),
        ((), batch(schema, k=[2], v=[5.0], b=[0], e=[2])),
    ]
    functions = [function(kind, "double", [1], blob=place, frame=one) for place, one in enumerate(frames)]
    head = header("window", functions, [schema], keys=[[0]], arguments=[[1]])
    return worker.run(head, [batches], [command(one, "double") for one in calls])


def test_windows(worker):
    expected = [(6.0, 1.0), (6.0, 3.0), (6.0, 5.0), (9.0, 4.0), (9.0, 9.0)]
    found = windows(worker, 203, [lambda v: v.sum(), lambda v: v.sum()], [None, [2, 3]])
    assert found.rows == expected and [one.num_rows for one in found.batches] == [4, 1]
    arrow = [lambda v: pa.compute.sum(v)] * 2
    assert windows(worker, 253, arrow, [None, [2, 3]]).rows == expected
