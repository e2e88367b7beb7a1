"""The wheel: built without Rust, installed into an environment of its own, where plain `python` runs programs."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import venv
import zipfile

import pytest
from conftest import FIRESTEEL, ROOT

BUILD = pytest.importorskip("hatchling.build")


def build(target, command):
    env = {**os.environ, "FIRESTEEL_COMMAND": str(command), "SOURCE_DATE_EPOCH": "1700000000", "FIRESTEEL_PLATFORM": ""}
    code = "import sys; from hatchling import build; print(build.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, target], cwd=ROOT / "python", env=env, capture_output=True, text=True, check=True)
    return target / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A small stand-in for the command, which would take a while to compress: it runs the real one."""
    file = tmp_path_factory.mktemp("command") / "firesteel"
    file.write_text(f'#!/bin/sh\nexec {os.path.abspath(FIRESTEEL)} "$@"\n')
    file.chmod(0o755)
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, command):
    return build(tmp_path_factory.mktemp("wheel"), command)


def test_the_wheel_has_the_command_the_package_and_the_hook(wheel):
    assert re.fullmatch(r"firesteel-\d+\.\d+\.\d+-py3-none-\w+\.whl", wheel.name) and "-any" not in wheel.name
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = file.read(next(name for name in names if name.endswith("/METADATA"))).decode()
        script = next(name for name in names if name.endswith(".data/scripts/firesteel"))
        assert file.getinfo(script).external_attr >> 16 & 0o111
    sources = (ROOT / "python" / "firesteel").rglob("*.py")
    expected = {str(path.relative_to(ROOT / "python")) for path in sources} | {"firesteel.pth", "firesteel/import_hook.py"}
    assert expected <= set(names)
    assert "Requires-Dist: pyspark-client" in metadata


def test_building_again_gives_the_same_bytes(wheel, command, tmp_path):
    def sum_of(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert sum_of(build(tmp_path, command)) == sum_of(wheel)


def test_where_it_is_installed_plain_python_runs_programs(wheel, tmp_path):
    """The environment sees this one's packages, so that nothing is downloaded."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    packages = next((tmp_path / "venv" / "lib").glob("python*")) / "site-packages"
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "here.pth").write_text("\n".join(here) + "\n")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check", wheel]
    subprocess.run(install, check=True)
    (tmp_path / "helper.py").write_text("VALUE = 11\n")
    program = tmp_path / "app.py"
    program.write_text(
        "import sys\nassert not any(name.split('.')[0] == 'pyspark' for name in sys.modules)\n"
        "from pyspark.sql import SparkSession\nfrom firesteel import launch\n"
        "spark = SparkSession.builder.master('local[2]').getOrCreate()\nprint(spark.range(7).count(), launch.command())\nsys.exit(3)\n"
    )
    gone = ("FIRESTEEL", "PYTHONPATH", "SPARK_REMOTE")
    env = {key: value for key, value in os.environ.items() if key not in gone}
    done = subprocess.run([python, program], env=env, capture_output=True, text=True, timeout=60)
    script = pathlib.Path(python).with_name("firesteel")
    assert (done.returncode, done.stdout.strip()) == (3, f"7 {script}"), done.stderr
    # Under the command the hook is there twice.
    env["PATH"] = os.pathsep.join([str(script.parent), env["PATH"]])
    done = subprocess.run([script, "run", "--master", "local[1]", program], env={**env, "FIRESTEEL": str(script)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and done.stdout.startswith("7 ") and "Traceback" not in done.stderr, done.stderr


def test_a_wheel_without_a_command_is_not_built(tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(tmp_path, "")
    assert "FIRESTEEL_COMMAND" in failed.value.stderr
