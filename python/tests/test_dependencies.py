"""Files that a program needs: `--py-files`, `--files`, `--archives`, from this machine and over HTTP; and the interpreters."""

import functools
import http.server
import json
import sys
import tarfile
import textwrap
import threading
import zipfile

import pytest
from conftest import run
from test_launch import run as run_plainly

PROGRAM = """
    import json, os, sys
    import one, two, three
    root = os.environ["FIRESTEEL_FILES"]
    print(json.dumps([one.X, two.X, three.X, sorted(os.listdir(root)), open(os.path.join(root, "data.txt")).read(),
                      open(os.path.join(root, "env/bin/tool")).read(), os.access(os.path.join(root, "env/bin/tool"), os.X_OK)]))
"""


@pytest.fixture
def files(tmp_path):
    """Modules `one` (a file) and `two` (in a zip file), an archive, a text; their directory is served over HTTP."""
    (tmp_path / "one.py").write_text("X = 1\n")
    (tmp_path / "three.py").write_text("X = 3\n")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as file:
        file.writestr("two.py", "X = 2\n")
    (tmp_path / "data.txt").write_text("text")
    (tmp_path / "tool").write_text("tool")
    (tmp_path / "tool").chmod(0o755)
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz") as file:
        file.add(tmp_path / "tool", "bin/tool")
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as file:
        file.writestr("../x", "")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "app.py").write_text(textwrap.dedent(PROGRAM))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


SEEN = [1, 2, 3, ["data.txt", "env", "one.py", "three.py"], "text", "tool", True]


def test_flags_bring_files_of_this_machine_and_of_the_web(files):
    here, web = files
    python_files = f"{here}/one.py,{here}/two.zip,{web}/three.py"
    flags = ["--py-files", python_files, "--files", f"{web}/data.txt", "--archives", f"{here}/e.tar.gz#env"]
    done = run("run", "--master", "local[1]", *flags, here / "work" / "app.py")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == SEEN


def test_a_manifest_s_dependencies_do_the_same(files):
    here, web = files
    manifest = here / "app.yaml"
    manifest.write_text(
        textwrap.dedent(f"""
        apiVersion: firesteel.dev/v1beta2
        kind: SparkApplication
        metadata: {{name: deps}}
        spec:
          type: Python
          sparkVersion: 4.2.0
          image: firesteel:1
          mainApplicationFile: work/app.py
          deps:
            pyFiles: [one.py, "{web}/two.zip"]
            files: [data.txt]
            archives: ["{web}/e.tar.gz#env"]
          driver: {{cores: 1, memory: 512m}}
          executor: {{instances: 1, cores: 1, memory: 512m}}
        """)
    )
    done = run("run", "--py-files", here / "three.py", manifest)
    assert done.returncode == 0, done.stderr
    first, second, third, names, *rest = json.loads(done.stdout)
    assert [first, second, third, *rest] == [1, 2, 3, "text", "tool", True] and set(names) >= {"env", "data.txt", "one.py", "three.py"}


def test_a_plain_program_s_settings_bring_files_too(files):
    here, web = files
    done = run_plainly(
        here / "work",
        f"""
        import os
        from pyspark.sql import SparkSession
        from firesteel import launch
        spark = SparkSession.builder.master("local[1]").config("spark.files", "{web}/data.txt").config("spark.archives", "{here}/e.tar.gz#env").getOrCreate()
        print(sorted(os.listdir(launch.files_root())))
        """,
    )
    assert (done.returncode, done.stdout) == (0, "['data.txt', 'env']\n"), done.stderr


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--files", "/no/such"], "--files /no/such: no such file"),
        (["--archives", "{here}/data.txt"], "data.txt is neither a zip nor a tar archive"),
        (["--archives", "{here}/outside.zip"], "outside.zip is refused: its member '../x' lies outside"),
        (["--files", "{web}/none"], "downloading {web}/none: HTTP Error 404"),
        (["--py-files", "s3://bucket/a.py"], "only local files and http(s) addresses are supported"),
    ],
)
def test_a_file_that_cannot_be_had_is_one_line(files, flags, expected):
    here, web = files
    flags = [flag.format(here=here, web=web) for flag in flags]
    done = run("run", *flags, here / "work" / "app.py")
    assert done.returncode == 1
    assert expected.format(here=here, web=web) in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize("how", ["spark.pyspark.driver.python", "spark.pyspark.python", "PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON"])
def test_settings_and_variables_choose_the_program_s_interpreter(tmp_path, monkeypatch, how):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nCHOSEN=1 exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "app.py").write_text("import os\nprint(os.environ.get('CHOSEN'))\n")
    flags = ["--conf", f"{how}={python}"] if how.startswith("spark") else []
    if not flags:
        monkeypatch.setenv(how, str(python))
    done = run("run", "--master", "local[1]", *flags, tmp_path / "app.py")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
