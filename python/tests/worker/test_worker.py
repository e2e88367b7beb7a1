"""The process: its server, its context, its descriptors, and how it lives and dies."""

import ctypes
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from pyspark.accumulators import AccumulatorParam, Accumulator, _accumulatorRegistry
from worker.harness import CONTEXT, DEADLINE, Died, Executor, Failed, batch, cloudpickle, command, evaluate, function, header

cloudpickle.register_pickle_by_value(sys.modules[__name__])
A = "a long"
LONGS = batch(A, a=[1, 2, 3])


def call(worker, f, result="long", batches=None, **settings):
    return evaluate(worker, 100, f, result, [LONGS] if batches is None else batches, A, **settings)


def changed(f, result="long", **more):
    head = header("eval", [function(100, result)], [A], outputs=[0], **more)
    return head, [[LONGS]], [command(f, result)]


def test_a_worker_is_used_again(worker):
    assert call(worker, lambda x: os.getpid()).column() == [worker.pid] * 3
    assert call(worker, lambda x: os.getpid()).column() == [worker.pid] * 3


def test_a_worker_is_used_again_after_an_early_end(worker):
    def first(batches):
        yield next(batches)

    head = header("map", [function(207, A, ())], [A, A], A, arguments=[[0], [0]])
    batches = [LONGS] * 500
    for _ in range(3):
        assert worker.run(head, [batches, batches], [command(lambda a, b: first(a), A)]).column() == [1, 2, 3]
    assert call(worker, lambda x: x).column() == [1, 2, 3]


def test_a_batch_in_a_memory_file(worker):
    head = {**changed(lambda x: x + 1)[0], "blobs": [len(command(lambda x: x + 1, "long"))]}
    blob = command(lambda x: x + 1, "long")
    import json

    head["blobs"] = [len(blob)]
    encoded = json.dumps(head).encode()
    worker.frame("T", encoded + blob, extra=len(encoded))
    worker.frame("S", LONGS.schema.serialize())
    worker.mapped(LONGS.serialize().to_pybytes())
    worker.frame("E", b"")
    assert worker.receive().column() == [2, 3, 4]


def test_errors_name_the_user_code(worker):
    def f(x):
        raise KeyError("größer")

    with pytest.raises(Failed) as error:
        call(worker, f)
    assert (error.value.type, error.value.message) == ("KeyError", "'größer'")
    assert "firesteel/worker" not in error.value.traceback and "in f\n" in error.value.traceback
    assert error.value.traceback.endswith("KeyError: 'größer'\n")


def test_full_and_hidden_tracebacks(executor):
    simplified = {"spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "false"}
    with pytest.raises(Failed) as error:
        call(executor.fork(), lambda x: 1 // 0, **simplified)
    assert "firesteel/worker/scalar.py" in error.value.traceback
    hidden = {"spark.sql.execution.pyspark.udf.hideTraceback.enabled": "true"}
    with pytest.raises(Failed) as error:
        call(executor.fork(), lambda x: 1 // 0, **hidden)
    assert error.value.traceback == "ZeroDivisionError: integer division or modulo by zero\n"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_are_errors(executor, kind):
    def f(x):
        raise kind(3)

    worker = executor.fork()
    with pytest.raises(Failed) as error:
        call(worker, f)
    assert error.value.type == kind.__name__
    assert executor.exit_of(worker) == {"code": 1}


def test_an_error_of_a_socket_of_the_function_is_its_error(worker):
    def f(x):
        raise BrokenPipeError("mine")

    with pytest.raises(Failed, match="mine"):
        call(worker, f)


@pytest.mark.parametrize(
    "crash, end",
    [
        (lambda x: os._exit(7), {"code": 7}),
        (lambda x: os.kill(os.getpid(), signal.SIGKILL), {"signal": 9}),
        (lambda x: ctypes.string_at(0), {"signal": 11}),
    ],
)
def test_a_crash(executor, crash, end):
    worker = executor.fork()
    with pytest.raises(Died):
        call(worker, lambda x: (print("last words"), crash(x)))
    assert executor.exit_of(worker) == end
    assert worker.output_ended.wait(DEADLINE)
    assert "last words" in worker.output
    if end == {"signal": 11}:
        assert "Fatal Python error: Segmentation fault" in worker.output
    assert call(executor.fork(), lambda x: x).column() == [1, 2, 3]


def test_a_function_that_closes_descriptors(worker):
    assert call(worker, lambda x: os.closerange(3, 256) or x).column() == [1, 2, 3]
    assert call(worker, lambda x: x).column() == [1, 2, 3]


def test_prints_and_a_hundred_megabytes_of_errors(executor):
    worker = executor.fork()

    def f(x):
        print("out", x)
        for _ in range(100):
            sys.stderr.write("e" * 1_000_000 + "\n")
        return x

    assert call(worker, f, batches=[batch(A, a=[1])]).column() == [1]
    worker.close()
    assert worker.output_ended.wait(DEADLINE)
    assert worker.output.startswith("out 1\n") and worker.output_size == 6 + 100 * 1_000_001


def test_children_die_with_their_worker(executor):
    worker = executor.fork()
    child = call(worker, lambda x: subprocess.Popen(["sleep", "1000"]).pid, batches=[batch(A, a=[1])]).column()[0]
    worker.close()
    assert executor.exit_of(worker) == {"code": 0}
    deadline = time.monotonic() + DEADLINE
    while os.path.exists(f"/proc/{child}") and "Z" not in open(f"/proc/{child}/stat").read().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid):
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_workers_die_with_their_server():
    executor = Executor()
    workers = [executor.fork(), executor.fork()]
    executor.process.kill()
    executor.process.wait()
    assert all(gone(worker.pid) for worker in workers)


def test_a_server_ends_with_its_executor():
    executor = Executor()
    worker = executor.fork()
    executor.close()
    assert executor.process.returncode == 0 and gone(worker.pid)


def test_the_context_of_a_task(worker):
    def f(x):
        from pyspark import TaskContext

        c = TaskContext.get()
        return str([c.stageId(), c.attemptNumber(), c.partitionId(), c.taskAttemptId(), c.cpus(), c.resources(), c.getLocalProperty("key")])

    assert call(worker, f, "string").column()[0] == "[3, 1, 7, 31, 1, {}, 'value']"


def test_a_barrier(worker):
    def f(x):
        from pyspark import BarrierTaskContext, TaskContext

        c = BarrierTaskContext.get()
        assert c is TaskContext.get()
        c.barrier()
        return str([c.allGather("mine"), [one.address for one in c.getTaskInfos()]])

    barrier = {**CONTEXT, "barrier": {"hosts": ["a:1", "b:2"]}}
    task = changed(f, "string")
    assert worker.run({**task[0], "context": barrier}, [[batch(A, a=[1])]], task[2]).column() == ["[['mine', 'other'], ['a:1', 'b:2']]"]
    assert worker.asked == [{"barrier": None}, {"gather": "mine"}]

    def outside(x):
        from pyspark import BarrierTaskContext

        return BarrierTaskContext.get().partitionId()

    with pytest.raises(Failed) as error:
        call(worker, outside)
    assert error.value.condition == "NOT_IN_BARRIER_STAGE"


def test_blobs(worker, tmp_path):
    (tmp_path / "blob").write_text("content")
    worker.blobs["abc"] = str(tmp_path / "blob")

    def f(x):
        from firesteel.worker import blobs

        return open(blobs.path("abc")).read()

    assert call(worker, f, "string").column() == ["content"] * 3
    assert worker.asked == [{"blob": "abc"}]
    with pytest.raises(Failed, match="no blob zzz"):
        call(worker, lambda x: __import__("firesteel.worker.blobs").worker.blobs.path("zzz"))


def test_a_value_is_read_once_and_again_when_its_file_was_removed(worker, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("1")
    second.write_text("2")
    worker.blobs["abc"] = str(first)

    def f(x):
        from firesteel.worker import blobs

        return blobs.value("abc", lambda file: file.read().decode())

    assert call(worker, f, "string").column() == ["1"] * 3
    first.write_text("something else")
    assert call(worker, f, "string").column() == ["1"] * 3
    first.unlink()
    worker.blobs["abc"] = str(second)
    assert call(worker, f, "string").column() == ["2"] * 3
    assert worker.asked == [{"blob": "abc"}] * 2


def test_a_function_in_a_blob(worker, tmp_path):
    (tmp_path / "blob").write_bytes(command(lambda x: -x, "long"))
    worker.blobs["abc"] = str(tmp_path / "blob")
    head = header("eval", [function(100, "long", blob=None, hash="abc")], [A], outputs=[0])
    head["functions"][0]["hash"] = "abc"
    assert worker.run(head, [[LONGS]]).column() == [-1, -2, -3]


class Lists(AccumulatorParam):
    def zero(self, value):
        return []

    def addInPlace(self, one, other):
        one.extend(other)
        return one


def accumulator(id, zero, param):
    made = Accumulator(id, zero, param)
    _accumulatorRegistry.pop(id)
    return made


def test_accumulators_that_were_updated(worker):
    from pyspark.accumulators import INT_ACCUMULATOR_PARAM

    count, names, unused = accumulator(5, 0, INT_ACCUMULATOR_PARAM), accumulator(6, [], Lists()), accumulator(7, 0, INT_ACCUMULATOR_PARAM)

    def f(x):
        unused  # noqa: B018
        count.add(x)
        names.add([str(x)])
        return x

    for _ in range(2):
        found = call(worker, f)
        assert found.updates == [(5, 6), (6, ["1", "2", "3"])]
        assert [id for id, _ in found.content["accumulators"]] == [5, 6]
    assert call(worker, lambda x: x).updates == []
    with pytest.raises(Failed) as error:
        call(worker, lambda x: count.value)
    assert error.value.condition == "VALUE_NOT_ACCESSIBLE"


def test_another_version_of_python(worker):
    task = changed(lambda x: x, python="2.7")
    with pytest.raises(Failed) as error:
        worker.run({**task[0], "python": "2.7"}, *task[1:])
    assert error.value.condition == "PYTHON_VERSION_MISMATCH"
    assert error.value.parameters == {"worker_version": "%d.%d" % sys.version_info[:2], "driver_version": "2.7"}


def test_modules_of_each_environment(worker, tmp_path):
    def f(x):
        import helper_module

        return helper_module.NAME

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper_module.py").write_text(f"NAME = {name!r}\n")
        task = changed(f, "string")
        files = {"root": str(tmp_path / name), "path": []}
        assert worker.run({**task[0], "files": files}, *task[1:]).column() == [name] * 3
    with pytest.raises(Failed, match="No module named 'helper_module'"):
        call(worker, f, "string")


def test_a_limit_of_memory(worker):
    limit = {"spark.executor.pyspark.memory": str(2 << 30)}
    with pytest.raises(Failed) as error:
        call(worker, lambda x: len(bytearray(4 << 30)), **limit)
    assert error.value.type == "MemoryError"


def test_a_limit_of_memory_cannot_be_lifted(worker):
    def limits(x):
        return list(__import__("resource").getrlimit(9))

    found = call(worker, limits, "array<long>", batches=[batch(A, a=[1])], **{"spark.executor.pyspark.memory": str(2 << 30)})
    assert found.column() == [[2 << 30, 2 << 30]]


def test_an_unknown_kind_of_function(worker):
    with pytest.raises(Failed, match="Unknown eval type: 999"):
        evaluate(worker, 999, lambda x: x, "long", [LONGS], A)


def test_output_without_rows_or_batches(worker):
    assert call(worker, lambda x: x, batches=[]).batches == []
    assert pa.Table.from_batches(call(worker, lambda x: x, batches=[LONGS[:0]]).batches).num_rows == 0
