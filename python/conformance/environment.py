"""The environment of PySpark's tests: a Python of its own, PySpark with its tests, and the few files that tests read.

Everything is in one directory outside the clone, made when it is missing or its recipe has changed:

    venv/     Python with the packages of requirements.txt
    spark/    what tests take for a Spark distribution (`SPARK_HOME`): python/pyspark, python/test_support
    runs/     logs, results and temporary files of the last run of each module
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = HERE.parent
VERSION = "3.5.6"
PREFIX = "snowflake/snowpark_connect/includes/python/"

# Spark's `python/test_support`, which no package contains: as much of it as the tests look at.
SUPPORT = {
    "hello/hello.txt": "Hello World!\n",
    "hello/sub_hello/sub_hello.txt": "Sub Hello World!\n",
    "userlibrary.py": "class UserClass:\n    def hello(self):\n        return 'Hello World!'\n",
    "SimpleHTTPServer.py": "__name__ = 'My Server'\n",
    "sql/people.json": '{"name":"Michael"}\n{"name":"Andy", "age":30}\n{"name":"Justin", "age":19}\n',
    "sql/people1.json": '{"name":"Jonathan", "aka":"John"}\n',
}
PACKAGED = "class UserClass:\n    def hello(self):\n        return 'Hello World from inside a package!'\n"


def prepare(base: pathlib.Path) -> pathlib.Path:
    """Makes the environment below `base` unless it is there, and returns its Python."""
    python = base / "venv" / "bin" / "python"
    stamp = base / "wanted"
    recipe = [HERE / "requirements.txt", HERE / "source.txt", pathlib.Path(__file__)]
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in recipe)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    if sys.version_info[:2] not in [(3, 9), (3, 10), (3, 11)]:
        sys.exit("PySpark 3.5's tests need Python 3.9, 3.10 or 3.11")
    print(f"making the environment of PySpark {VERSION}'s tests: about 550 MB of downloads", file=sys.stderr)
    for part in ("venv", "spark", "downloads"):
        shutil.rmtree(base / part, ignore_errors=True)
    venv.create(base / "venv", with_pip=True)
    pip(python, "install", "-r", HERE / "requirements.txt")
    unpack(python, base)
    support(base / "spark")
    subprocess.run([python, "-m", "compileall", "-q", base / "spark" / "python"], check=True)
    stamp.write_text(wanted)
    return python


def pip(python: pathlib.Path, command: str, *arguments) -> None:
    subprocess.run(
        [python, "-m", "pip", command, "-q", "--disable-pip-version-check", *map(str, arguments)], check=True
    )


def unpack(python: pathlib.Path, base: pathlib.Path) -> None:
    """Unpacks the Python files of PySpark, and its tests from the package that contains them."""
    downloads, target = base / "downloads", base / "spark" / "python"
    kinds = ["--no-binary", "pyspark", "--only-binary", "snowpark-connect"]
    pip(python, "download", "--no-deps", *kinds, "-d", downloads, "-r", HERE / "source.txt")
    (source,) = downloads.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if member.isfile() and name.startswith("pyspark/") and name.endswith((".py", ".pyi")):
                write(target / name, archive.extractfile(member).read())
    (tests,) = downloads.glob("*.whl")
    with zipfile.ZipFile(tests) as archive:
        for member in archive.namelist():
            name = member.removeprefix(PREFIX)
            if name.startswith("pyspark/") and "/tests/" in name and not name.endswith("/"):
                write(target / name, archive.read(member))
        version = archive.read(PREFIX + "pyspark/version.py").decode()
    assert f'"{VERSION}"' in version, f"the tests are those of another version: {version}"
    shutil.rmtree(downloads)


def write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def support(spark: pathlib.Path) -> None:
    """Writes the files that tests read, and what makes a directory a Spark distribution to `find_spark_home`."""
    root = spark / "python" / "test_support"
    for name, text in SUPPORT.items():
        write(root / name, text.encode())
    with zipfile.ZipFile(root / "userlib-0.1.zip", "w") as archive:
        archive.writestr("userlib/__init__.py", PACKAGED)
    (spark / "jars").mkdir()
    (spark / "bin").mkdir()
    submit = spark / "bin" / "spark-submit"
    submit.write_text("#!/bin/sh\necho 'a test asked for a JVM' >&2\nexit 1\n")
    submit.chmod(0o755)


def variables(base: pathlib.Path, temporary: pathlib.Path) -> dict[str, str]:
    """Environment variables of the server and of the tests.

    `SPARK_SKIP_CONNECT_COMPAT_TESTS` is not among them: in 3.5 it only skips tests that a server of another version may fail.
    """
    python = base / "venv" / "bin"
    path = [PYTHON / "site", PYTHON, base / "spark" / "python"]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("SPARK", "PYSPARK", "PYTHON"))}
    return inherited | {
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        # As `spark-submit` sets it: the partition of a string must not depend on the process.
        "PYTHONHASHSEED": "0",
        "PYSPARK_PYTHON": str(python / "python"),
        "PYSPARK_DRIVER_PYTHON": str(python / "python"),
        "SPARK_HOME": str(base / "spark"),
        "SPARK_TESTING": "1",
        "TMPDIR": str(temporary),
    }
