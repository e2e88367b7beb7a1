"""`firesteel run`: complete programs, exit codes, one-line errors, and cleanup."""

import os
import pathlib
import signal
import subprocess
import textwrap

import pytest
from conftest import FIRESTEEL, ROOT, alive, descendants, eventually, run


def program(directory, text):
    path = directory / "program.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_the_manifest_of_chapter_15_prints_the_sum():
    done = run("run", "examples/chapter15.yaml")
    assert done.returncode == 0, done.stderr
    assert "2500000000000" in done.stdout


@pytest.mark.parametrize(
    "manifest, expected",
    [
        ("spark-pi", ["Pi is roughly 3.1"]),
        ("sql", ["306", "310", "308", "303"]),
        ("wordcount", ["import: 3"]),
        ("broadcast", ["Big: -300", "Spark: 1000"]),
        ("accumulators", ["flights from and to Japan: 14353"]),
    ],
)
def test_the_other_manifests_run_too(manifest, expected):
    done = run("run", f"examples/{manifest}.yaml")
    assert done.returncode == 0, done.stderr
    for text in expected:
        assert text in done.stdout, done.stdout


def test_a_python_file_runs_with_spark_submit_s_flags_and_its_own_arguments(tmp_path):
    file = program(
        tmp_path,
        """
        import sys
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.master("local[8]").getOrCreate()
        print(sys.argv[1:], spark.range(10).count(), spark.conf.get("spark.sql.shuffle.partitions"))
        """,
    )
    done = run("run", "--master", "local[2]", "--name", "n", "--conf", "spark.sql.shuffle.partitions=7", file, "--a", "b")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['--a', 'b'] 10 7\n"


@pytest.mark.parametrize("volume", ["shared", "own"])
def test_an_encrypted_application_gives_the_same_answer_and_its_status(tmp_path, volume):
    file = program(
        tmp_path,
        """
        import os, subprocess
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        frame = spark.range(0, 100000, 1, 12).selectExpr("id % 100 as key", "id").groupBy("key").sum("id")
        print(sum(row[1] for row in frame.collect()))
        print(subprocess.run([os.environ["COMMAND"], "status"], capture_output=True, text=True, check=True).stdout)
        """,
    )
    conf = ["--conf", "spark.ssl.rpc.enabled=true", "--conf", f"firesteel.shuffle.volume={volume}"]
    done = run("run", "--master", "local-cluster[2,1,512]", *conf, file, env={**os.environ, "COMMAND": str(FIRESTEEL)})
    assert done.returncode == 0, done.stderr
    assert "4999950000" in done.stdout and "2 executors" in done.stdout, done.stdout


def test_an_sql_file_runs_statement_by_statement(tmp_path):
    file = tmp_path / "q.sql"
    file.write_text("create temp view t as select id, id % 3 as k from range(9);\nselect k, sum(id) as s from t group by k order by k;\n")
    done = run("run", "--master", "local[2]", file)
    assert done.returncode == 0, done.stderr
    for value in ["9", "12", "15"]:
        assert value in done.stdout


@pytest.mark.parametrize("content, code", [(b"", 0), (b"-- nothing\n;\n", 0), (b"SELECT '\xff'", 1)], ids=["empty", "comment", "not utf-8"])
def test_a_program_that_is_over_at_once_ends_in_good_order(tmp_path, content, code):
    file = tmp_path / "short.sql"
    file.write_bytes(content)
    for _ in range(4):
        done = run("run", file)
        assert done.returncode == code, done.stderr
        assert "attaching" not in done.stderr and ("short.sql" in done.stderr) == (code == 1), done.stderr


def test_an_error_in_an_sql_file_names_file_and_line(tmp_path):
    file = tmp_path / "q.sql"
    file.write_text("select 1;\n\nselect nothing from range(3);\n")
    done = run("run", file)
    assert done.returncode == 1
    assert "q.sql" in done.stderr and "line 3" in done.stderr and "UNRESOLVED_COLUMN" in done.stderr


@pytest.mark.parametrize(
    "text, printed",
    [
        ("select 'a;b' as x; select \"c;d\" as y -- not; here\n; select id as `e;f` from range(1) /* nor; /* here; */ */", ["a;b", "c;d", "e;f"]),
        ("\ufeff/* ; */ ;; select 'bom' as x from range(1)", ["bom"]),
        ("-- first\r\nselect 'one' as x;\r\n\r\nselect\r\n  'two' as y from range(1);\r\n", ["one", "two"]),
        ("select 'it''s; so' as x; select 'a\\';b' as y from range(1)", ["it's; so", "a';b"]),
    ],
    ids=["semicolons", "byte order mark", "carriage returns", "quotes"],
)
def test_statements_are_told_apart(tmp_path, text, printed):
    file = tmp_path / "q.sql"
    file.write_bytes(text.encode())
    done = run("run", "--master", "local[1]", file)
    assert done.returncode == 0 and str(file) not in done.stderr, done.stderr
    tables = [line for line in done.stdout.splitlines() if any(value in line for value in printed)]
    assert len(tables) == len(printed), done.stdout


def test_the_statements_before_an_error_ran_and_those_after_it_do_not(tmp_path):
    file = tmp_path / "third.sql"
    file.write_bytes(b"select 'first';\r\n/* two\r\nlines; */ select 'second' from range(1);\r\n\r\n-- here\r\nselect 1 / 0;\r\nselect 'fourth';\r\n")
    done = run("run", "--master", "local[1]", file)
    assert done.returncode == 1
    assert f"{file}, line 6: [DIVIDE_BY_ZERO]" in done.stderr, done.stderr
    assert "first" in done.stdout and "second" in done.stdout and "fourth" not in done.stdout


@pytest.mark.parametrize("code", [0, 1, 3, 42])
def test_the_exit_code_of_the_program_is_that_of_the_command(tmp_path, code):
    file = program(tmp_path, f"import sys\nsys.exit({code})\n")
    assert run("run", "--master", "local[1]", file).returncode == code


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--mster", "local", "a.py"], "did you mean --master?"),
        (["run", "missing.py"], "missing.py: no such file"),
        (["run", "--master", "yarn", "examples/chapter15.py"], "master `yarn` is not supported"),
        (["run", "--conf", "spark.sql.shuffle.partitions=many", "examples/chapter15.py"], "spark.sql.shuffle.partitions"),
        (["run", "--conf", "spark.io.encryption.enabled=true", "examples/chapter15.py"], "spark.io.encryption.enabled"),
        (["run", "--conf", "spark", "examples/chapter15.py"], "key=value"),
        (["run", "--deploy-mode", "cluster", "examples/chapter15.py"], "it must be client"),
        (["run", "--jars", "a.jar", "examples/chapter15.py"], "--jars is not supported: there is no JVM"),
        (["run", "--master", "k8s://https://c", "examples/chapter15.py"], "`firesteel submit` is for a cluster"),
    ],
)
def test_a_wrong_command_is_one_line_that_says_what(arguments, expected):
    done = run(*arguments)
    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_wrong_manifest_is_one_line_that_names_the_field(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text((ROOT / "examples" / "chapter15.yaml").read_text().replace("instances", "instnaces"))
    done = run("run", file)
    assert done.returncode == 1
    assert "spec.executor.instnaces: there is no such field; did you mean `instances`?" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_submitting_to_a_local_master_is_running(tmp_path):
    file = program(tmp_path, "import sys\nprint(sys.argv[1:])\nsys.exit(5)\n")
    done = run("submit", "--master", "local[1]", "--deploy-mode", "client", file, "--wait")
    assert (done.returncode, done.stdout) == (5, "['--wait']\n"), done.stderr


def test_an_application_that_is_nowhere_is_said_to_be_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    done = run("status", "nowhere")
    assert done.returncode == 1
    assert "no application running on this machine has an id that starts with `nowhere`" in done.stderr and "no cluster is configured" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_bash_completes_commands_and_flags(tmp_path):
    script = tmp_path / "completions"
    script.write_text(run("completions", "bash").stdout)
    asks = 'source "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _firesteel firesteel "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[@]}"'
    for words, expected in [(["firesteel", "lo"], "logs"), (["firesteel", "logs", "--e"], "--executor"), (["firesteel", "submit", "--dry"], "--dry-run")]:
        done = subprocess.run(["bash", "-c", asks, "bash", script, *words], capture_output=True, text=True, timeout=30)
        assert done.stdout.split() == [expected], done.stderr


WAITING = """
    import pathlib, sys, time
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    assert spark.range(5).count() == 5
    pathlib.Path(sys.argv[1]).write_text("ready")
    time.sleep(300)
"""


def home_of(pid):
    """The directories of this process's applications."""
    base = pathlib.Path("/tmp") / f"firesteel-{os.getuid()}"
    owners = [path for path in base.glob("*/owner") if path.read_text().split()[0] == str(pid)]
    return [owner.parent for owner in owners]


@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("command", signal.SIGINT),
        ("command", signal.SIGTERM),
        ("command", signal.SIGKILL),
        ("firesteel driver", signal.SIGKILL),
    ],
)
def test_nothing_is_left_behind(tmp_path, victim, number):
    ready = tmp_path / "ready"
    file = program(tmp_path, WAITING)
    command = subprocess.Popen([FIRESTEEL, "run", "--master", "local-cluster[2,1,512]", file, ready])
    try:
        eventually(ready.exists, 60)
        family = descendants(command.pid)
        commands = sorted(family.values())
        assert sum(line.startswith("firesteel driver") for line in commands) == 1, commands
        assert sum(line.startswith("firesteel executor") for line in commands) == 2, commands
        homes = home_of(command.pid)
        assert homes
        target = command.pid if victim == "command" else next(p for p, line in family.items() if line.startswith(victim))
        os.kill(target, number)
        command.wait(timeout=60)
        eventually(lambda: not any(map(alive, family)))
        eventually(lambda: not any(home.exists() for home in homes))
    finally:
        command.kill()
        command.wait()
    assert command.returncode != 0
