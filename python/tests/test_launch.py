"""Programs that plain `python` runs: they start their own driver and executors, and leave nothing behind."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import FIRESTEEL, ROOT, alive, descendants, eventually

APPLICATIONS = pathlib.Path("/tmp") / f"firesteel-{os.getuid()}"


def environment(**more):
    """The environment of somebody who has installed Firesteel."""
    path = os.pathsep.join(map(str, [ROOT / "python" / "site", ROOT / "python"]))
    gone = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_CONNECT_AUTHENTICATE_TOKEN", "PYSPARK_PYTHON")
    kept = {key: value for key, value in os.environ.items() if key not in gone}
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "FIRESTEEL": os.path.abspath(FIRESTEEL), **more}


def start(directory, text, *arguments, **more):
    file = directory / "app.py"
    file.write_text(textwrap.dedent(text))
    command = [sys.executable, file, *map(str, arguments)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Where tests run in the background, SIGINT may be ignored, which children inherit.
    streams["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, cwd=directory, env=environment(**more), **streams)


def run(directory, text, *arguments, timeout=60, **more):
    process = start(directory, text, *arguments, **more)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def homes(pids):
    """Directories of applications that one of these processes owns."""
    owners = APPLICATIONS.glob("*/owner")
    return [owner.parent for owner in owners if int(owner.read_text().split()[0]) in pids]


SESSION = """
    import sys, os, time, pathlib
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.appName("mine").master("local[2]").config("spark.sql.shuffle.partitions", 5).getOrCreate()
"""


def test_an_ordinary_program_runs_with_its_own_settings(tmp_path):
    done = run(
        tmp_path,
        SESSION
        + """
    print(spark.range(100).count(), *(spark.conf.get(f"spark.{key}") for key in ("app.name", "master", "sql.shuffle.partitions")))
    same = SparkSession.builder.master("local[2]").config("spark.executor.memory", "9g").config("spark.sql.ansi.enabled", False).getOrCreate()
    print(same is spark, spark.conf.get("spark.sql.ansi.enabled"))
    """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "100 mine local[2] 5\nTrue false\n"


def test_static_settings_count_at_the_start(tmp_path):
    done = run(
        tmp_path,
        """
        import os
        from pyspark.conf import SparkConf
        from pyspark.sql import SparkSession
        conf = SparkConf().setMaster("local-cluster[2,1,512]").setAppName("c").set("spark.sql.warehouse.dir", os.path.abspath("house"))
        spark = SparkSession.builder.config(conf=conf).getOrCreate()
        spark.sql("create table t as select 1 as x")
        print(spark.conf.get("spark.master"), os.listdir("house"), spark.table("t").collect())
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "local-cluster[2,1,512] ['t'] [Row(x=1)]\n"


def test_a_context_starts_its_driver_too(tmp_path):
    done = run(
        tmp_path,
        """
        from pyspark import SparkConf, SparkContext
        from firesteel import launch
        sc = SparkContext(conf=SparkConf().setMaster("local[2]").setAppName("context"))
        print(sc.appName, sc.parallelize(range(10), 3).map(lambda x: x * 2).sum())
        sc.stop()
        print(launch.driver())
        """,
    )
    assert (done.returncode, done.stdout) == (0, "context 90\nNone\n"), done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "local[*] app.py"),
        ({"MASTER": "local[3]"}, "local[3] app.py"),
        ({"PYSPARK_SUBMIT_ARGS": "--master local[4] --name 'a b' --conf spark.sql.shuffle.partitions=3 pyspark-shell"}, "local[4] a b"),
        ({"SPARK_REMOTE": "local[5]"}, "local[5] app.py"),
    ],
    ids=["nothing", "MASTER", "PYSPARK_SUBMIT_ARGS", "a local remote"],
)
def test_the_environment_says_what_the_program_does_not(tmp_path, variables, expected):
    text = """
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    print(spark.conf.get("spark.master", "local[*]"), spark.conf.get("spark.app.name"), spark.range(3).count())
    """
    done = run(tmp_path, text, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{expected} 3\n"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("spark.sql.shuffle.partitions", "many", "spark.sql.shuffle.partitions"),
        ("spark.master", "yarn", "master `yarn` is not supported"),
        ("spark.io.encryption.enabled", "true", "spark.io.encryption.enabled"),
    ],
)
def test_a_bad_setting_is_an_exception_that_names_it(tmp_path, key, value, expected):
    text = f"""
    from pyspark.sql import SparkSession
    from pyspark.errors import PySparkException
    try:
        SparkSession.builder.config("{key}", "{value}").getOrCreate()
    except PySparkException as problem:
        print(problem)
    print(SparkSession.builder.master("local[1]").getOrCreate().range(2).count())
    """
    done = run(tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert "the driver did not start" in done.stdout and expected in done.stdout and done.stdout.endswith("\n2\n"), done.stdout


def test_stop_ends_the_driver_and_the_next_session_has_a_new_one(tmp_path):
    done = run(
        tmp_path,
        SESSION
        + """
    from firesteel import launch
    first = launch.driver()
    spark.stop()
    assert launch.driver() is None and not first.runs()
    spark = SparkSession.builder.config("spark.sql.shuffle.partitions", 6).getOrCreate()
    second = launch.driver()
    print(second.application != first.application, spark.conf.get("spark.sql.shuffle.partitions"), spark.range(3).count())
    """,
    )
    assert (done.returncode, done.stdout) == (0, "True 6 3\n"), done.stderr


WAITS = (
    SESSION
    + """
    assert spark.range(5).count() == 5
    pathlib.Path(sys.argv[1]).write_text("ready")
    """
)
ENDINGS = {
    "the end": ("", None, 0),
    "exception": ("raise ValueError('mine')", None, 1),
    "exit code": ("sys.exit(3)", None, 3),
    "os._exit": ("os._exit(4)", None, 4),
    "SIGINT": ("time.sleep(300)", signal.SIGINT, -signal.SIGINT),
    "SIGTERM": ("time.sleep(300)", signal.SIGTERM, -signal.SIGTERM),
    "SIGKILL": ("time.sleep(300)", signal.SIGKILL, -signal.SIGKILL),
    "SIGKILL with a query": ("spark.sql('select sum(a.id * b.id) from range(1000000) a, range(1000000) b').collect()", signal.SIGKILL, -signal.SIGKILL),
    "SIGINT with a query": ("spark.sql('select sum(a.id * b.id) from range(1000000) a, range(1000000) b').collect()", signal.SIGINT, -signal.SIGINT),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_nothing_is_left_behind(tmp_path, how):
    text, number, code = ENDINGS[how]
    ready, proceed = tmp_path / "ready", tmp_path / "proceed"
    wait = f"""
    while not pathlib.Path({str(proceed)!r}).exists():
        time.sleep(0.02)
    """
    process = start(tmp_path, WAITS + wait + "    " + text, ready)
    try:
        eventually(ready.exists, 60)
        family = descendants(process.pid)
        assert sorted(command.split()[-2] for command in family.values() if "/dev/fd" in command) == ["driver", "executor"], family
        directories = homes(family)
        assert len(directories) == 1
        proceed.touch()
        if number is not None:
            if "query" in how:
                eventually(lambda: "running" in subprocess.run([FIRESTEEL, "status"], capture_output=True, text=True).stdout, 30)
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
        # gRPC may be unusable after an interrupt; the exit is forced then.
        assert process.returncode == code or (number, process.returncode) == (signal.SIGINT, 130), err
        if how in ("the end", "exception", "exit code"):
            assert not any(map(alive, family)) and not any(home.exists() for home in directories)
        eventually(lambda: not any(map(alive, family)) and not any(home.exists() for home in directories))
        assert ("mine" in err) == (how == "exception"), err
    finally:
        process.kill()


def test_a_program_that_is_killed_while_a_fork_of_it_lives_leaves_no_driver(tmp_path):
    ready = tmp_path / "ready"
    forks = """
    child = os.fork()
    if child == 0:
        time.sleep(300)
    pathlib.Path(sys.argv[1]).write_text(str(child))
    time.sleep(300)
    """
    process = start(tmp_path, SESSION + forks, ready)
    child = None
    try:
        eventually(lambda: ready.exists() and ready.read_text(), 60)
        child = int(ready.read_text())

        def family():
            commands = descendants(process.pid).items()
            found = [pid for pid, command in commands if command and pathlib.Path(command.split()[0]).name == "firesteel"]
            return found if len(found) == 3 else None

        family = eventually(family)
        process.kill()
        process.wait()
        eventually(lambda: not any(map(alive, family)))
        assert alive(child)
    finally:
        process.kill()
        if child:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_leaves_its_parent_s_driver_alone_and_may_have_its_own(tmp_path):
    done = run(
        tmp_path,
        SESSION
        + """
    import multiprocessing
    print(spark.range(3).count(), flush=True)
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    if os.fork() == 0:
        spark.stop()
        sys.exit(0)
    os.wait()
    print(spark.range(4).count(), flush=True)
    if os.fork() == 0:
        own = SparkSession.builder.master("local[1]").getOrCreate()
        print(own.range(5).count(), own is spark, flush=True)
        sys.exit(5)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(abs, [-1, -2]))
    print(spark.range(6).count())
    """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3\n4\n5 False\n5\n[1, 2]\n6\n"


def test_two_programs_at_once_have_two_drivers(tmp_path):
    text = SESSION + "    from firesteel import launch\n    print(launch.driver().application, spark.range(9).count())"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    programs = [start(tmp_path / name, text) for name in "ab"]
    told = [program.communicate(timeout=60) for program in programs]
    assert [program.returncode for program in programs] == [0, 0], told
    lines = [out.split() for out, _ in told]
    assert lines[0][1] == lines[1][1] == "9" and lines[0][0] != lines[1][0]


def test_a_driver_that_dies_is_an_error_and_the_next_session_has_a_new_one(tmp_path):
    done = run(
        tmp_path,
        SESSION
        + """
    import signal
    from firesteel import launch
    print(spark.range(3).count())
    os.kill(launch.driver()._process.pid, signal.SIGKILL)
    try:
        spark.sql("select sum(a.id * b.id) from range(1000000) a, range(1000000) b").collect()
    except Exception as problem:
        print("failed")
    print(SparkSession.builder.master("local[1]").getOrCreate().range(4).count())
    """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3\nfailed\n4\n"
    assert "the driver has ended" in done.stderr


def test_a_remote_program_is_left_alone(tmp_path, server):
    text = """
    import sys
    from pyspark.sql import SparkSession
    from firesteel import launch
    builder = SparkSession.builder.remote(sys.argv[1]) if len(sys.argv) > 1 else SparkSession.builder
    spark = builder.getOrCreate()
    print(spark.range(3).count(), launch.driver(), SparkSession.builder.getOrCreate() is spark)
    """
    assert run(tmp_path, text, server).stdout == "3 None True\n"
    assert run(tmp_path, text, SPARK_REMOTE=server).stdout == "3 None True\n"


def test_launching_can_be_turned_off(tmp_path):
    done = run(tmp_path, SESSION, FIRESTEEL_LAUNCH="off")
    assert done.returncode == 1
    assert "CONNECT_URL_NOT_SET" in done.stderr or "Connect" in done.stderr


def test_a_missing_command_is_an_error_that_says_so(tmp_path):
    done = run(tmp_path, SESSION, FIRESTEEL="/no/firesteel")
    assert done.returncode == 1 and "/no/firesteel" in done.stderr


def test_the_import_hook_costs_an_interpreter_nothing(tmp_path):
    done = run(tmp_path, "import sys\nprint(sorted(name for name in sys.modules if name.split('.')[0] in ('pyspark', 'firesteel', 'grpc')))")
    assert done.stdout == "[]\n", done.stderr


PYTEST = """
    import pytest
    from pyspark.sql import SparkSession

    @pytest.fixture(scope="session")
    def spark():
        spark = SparkSession.builder.master("local[1]").getOrCreate()
        yield spark
        spark.stop()

    @pytest.mark.parametrize("n", range(6))
    def test_count(spark, n):
        assert spark.range(n).count() == n
"""


@pytest.mark.parametrize("flags", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_session_fixture_works_in_pytest(tmp_path, flags):
    if flags:
        pytest.importorskip("xdist")
    (tmp_path / "test_it.py").write_text(textwrap.dedent(PYTEST))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags, "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout + done.stderr


def test_a_notebook_s_kernel_works(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [
        "from pyspark.sql import SparkSession\nspark = SparkSession.builder.master('local[2]').getOrCreate()\nprint(spark.range(8).count())",
        "spark.range(3).toPandas()",
        "spark.stop()\nspark = SparkSession.builder.getOrCreate()\nprint(spark.range(9).count())",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    for key, value in environment().items():
        os.environ[key] = value
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [[output.get("text", "") for output in cell.outputs] for cell in notebook.cells]
    assert outputs[0] == ["8\n"] and outputs[2] == ["9\n"], outputs
