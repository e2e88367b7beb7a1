"""`firesteel shell` and `firesteel sql`."""

import os
import pathlib
import subprocess
import sys

import pytest
from conftest import FIRESTEEL, alive, descendants, eventually
from test_launch import APPLICATIONS, environment

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from firesteel import statements  # noqa: E402


def command(*arguments, text="", **options):
    path = str(pathlib.Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    env = {**environment(PATH=path), "PYSPARK_DRIVER_PYTHON": sys.executable}
    return subprocess.run([FIRESTEEL, *map(str, arguments)], input=text, env=env, capture_output=True, text=True, timeout=60, **options)


def test_the_shell_has_a_session_with_the_settings_of_the_command_line(tmp_path):
    text = "print(spark.range(3).count(), spark.conf.get('spark.sql.shuffle.partitions'))\n1/0\nprint('after')\n"
    done = command("shell", "--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=3", text=text, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 3" in done.stdout and "after" in done.stdout
    assert "Firesteel, PySpark" in done.stderr and "on local[2]" in done.stderr and "ZeroDivisionError" in done.stderr


def test_a_wrong_setting_of_a_shell_is_one_line(tmp_path):
    done = command("shell", "--master", "yarn", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("firesteel: ") and "master `yarn` is not supported" in done.stderr and len(done.stderr.splitlines()) == 1


def test_statements_on_the_command_line_run_up_to_the_first_error(tmp_path):
    done = command("sql", "--master", "local[1]", "-e", "select 1 as x;\nselect nothing from range(1);\nselect 'late'", cwd=tmp_path)
    assert done.returncode == 1
    assert "|x  |" in done.stdout and "late" not in done.stdout
    assert "-e, line 2: [UNRESOLVED_COLUMN" in done.stderr


@pytest.mark.parametrize("how", ["file", "standard input", "-"])
def test_statements_of_a_file_run(tmp_path, how):
    file = tmp_path / "q.txt"
    file.write_text("create temp view t as select 5 as five;\nselect * from t;\n")
    arguments = {"file": ["-f", file], "standard input": [], "-": ["-f", "-"]}[how]
    done = command("sql", "--master", "local[1]", *arguments, text=file.read_text(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "|five|" in done.stdout


@pytest.mark.parametrize(
    ("text", "complete", "rest"),
    [
        ("select 1; select 2", ["select 1"], " select 2"),
        ("select ';' as a, \";\" as b, `;` from t -- ;\n/* ; /* ; */ ; */;", ["select ';' as a, \";\" as b, `;` from t -- ;\n/* ; /* ; */ ; */"], ""),
        ("select 'it\\';s';", ["select 'it\\';s'"], ""),
        (" ;; -- nothing\n;", [], ""),
        ("select 'open;", [], "select 'open;"),
        ("select /* open;", [], "select /* open;"),
    ],
)
def test_statements_end_where_sql_says(text, complete, rest):
    assert statements.split(text) == (complete, rest)


def test_a_rest_of_comments_is_nothing():
    assert statements.is_blank(" -- a\n /* b */ ") and not statements.is_blank("-- a\nselect") and not statements.is_blank("'")


@pytest.mark.parametrize("library", ["readline", "prompt_toolkit"])
def test_a_prompt_runs_cancels_and_completes_statements(tmp_path, library):
    pexpect = pytest.importorskip("pexpect")
    if library == "prompt_toolkit":
        pytest.importorskip("prompt_toolkit")
    else:
        (tmp_path / "prompt_toolkit.py").write_text("raise ImportError\n")
    env = {**environment(), "PYTHONPATH": str(tmp_path), "FIRESTEEL_SQL_HISTORY": str(tmp_path / "history"), "PYSPARK_DRIVER_PYTHON": sys.executable}
    env |= {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    shell = pexpect.spawn(str(FIRESTEEL), ["sql", "--master", "local[2]"], env=env, encoding="utf-8", timeout=30, dimensions=(24, 120), cwd=str(tmp_path))
    try:
        shell.expect("sql>")
        family = descendants(shell.pid)
        for typed, expected in [
            ("select 1 as one,", "->"),
            ("2 as two; -- done", r"\|one\|two\|"),
            (None, "sql>"),
            ("selec x;", "PARSE_SYNTAX_ERROR"),
            (None, "sql>"),
            ("select sum(a.id * b.id) from range(1000000) a, range(1000000) b;", "tasks"),
            ("\x03", "cancelled"),
            (None, "sql>"),
            ("create temp view mytable as select 7 as seven;", " s\r"),
            (None, "sql>"),
            # What was typed may be drawn before it.
            ("select * from myt\t", "able"),
            (";", r"\|seven\|"),
            (None, r"\d s\r"),
            (None, "sql>"),
        ]:
            if typed == "\x03":
                shell.sendintr()
            elif typed is not None:
                shell.send(typed + ("" if typed.endswith("\t") else "\r"))
            shell.expect(expected)
        shell.send("exit;\r")
        shell.expect(pexpect.EOF)
        shell.close()
        assert shell.exitstatus == 0
        assert "mytable" in (tmp_path / "history").read_text()
        eventually(lambda: not any(map(alive, family)))
        assert not [owner for owner in APPLICATIONS.glob("*/owner") if int(owner.read_text().split()[0]) in family]
    finally:
        shell.close(force=True)
