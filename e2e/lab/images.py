"""Images for clusters without a registry: built with our Dockerfiles on a base of Debian packages, and cached by content.

An image is an archive in the cache, named by a hash of all its inputs, so that it is built only once. buildah caches layers in its own
store, so that a changed binary does not reinstall Python.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import sys
import tempfile
import time

from lab import machine
from lab.errors import LabError
from lab.processes import command

RECIPES = machine.ROOT / "e2e" / "images"
SUITE = "bookworm"
PAUSE = "localhost/firesteel/pause:1"
BASE = "localhost/firesteel/base"
EXECUTOR = "localhost/firesteel/executor:e2e"
OPERATOR = "localhost/firesteel/operator:e2e"
# Number of archives to keep per image when a newer one is built.
KEPT = 2


def pause():
    """Archive of the pause image, whose container keeps a pod's network namespace alive."""
    busybox = pathlib.Path(shutil.which("busybox") or "busybox")
    if "INTERP" in command("readelf", "--program-headers", "--wide", busybox):
        raise LabError(f"{busybox} is dynamically linked; the Debian package busybox-static has a static one")

    def fill(context):
        shutil.copy(busybox, context / "busybox")

    return _archive(PAUSE, RECIPES / "pause.Dockerfile", fill)


def executor(firesteel):
    """Archive of the driver and executor image with this `firesteel` binary."""
    machine.require_cluster()
    base = _base()
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    arguments = [f"--build-arg=BASE={base}"]
    if certificates:
        # For a package index behind a proxy with its own certificate authority.
        inside = "/run/certificates.crt"
        arguments += [f"--volume={certificates}:{inside}:ro", f"--build-arg=PIP_CERT={inside}"]
    return _archive(
        EXECUTOR,
        machine.ROOT / "executor" / "Dockerfile",
        lambda context: executor_context(context, firesteel),
        arguments,
        made_of=base,
    )


def executor_context(directory, firesteel):
    """Prepares the build context of `executor/Dockerfile`."""
    top = directory / "firesteel"
    top.mkdir(parents=True, exist_ok=True)
    shutil.copy(machine.ROOT / "python" / "requirements.txt", directory)
    shutil.copytree(machine.ROOT / "examples", top / "examples", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(machine.ROOT / "python" / "firesteel", top / "lib" / "firesteel", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(machine.ROOT / "python" / "site" / "sitecustomize.py", top / "lib")
    (top / "bin").mkdir(exist_ok=True)
    _copy_program(firesteel, top / "bin" / "firesteel")


def operator(program):
    """Archive of the operator image with this binary."""
    return _archive(OPERATOR, machine.ROOT / "operator" / "Dockerfile", lambda context: operator_context(context, program))


def operator_context(directory, program):
    """Prepares the build context of `operator/Dockerfile`."""
    program = pathlib.Path(program)
    if program.is_file() and "INTERP" in command("readelf", "--program-headers", "--wide", program):
        raise LabError(f"{program} is dynamically linked, but its image has no libraries; `./dev operator` builds a static one")
    directory.mkdir(parents=True, exist_ok=True)
    _copy_program(program, directory / "firesteel-operator")


def _copy_program(program, target):
    shutil.copy(_stripped(pathlib.Path(program)), target)
    target.chmod(0o755)


def _base():
    """Name of the base image of Debian packages in buildah's store; built if missing."""
    recipe = ["mmdebstrap", "--variant=minbase", "--mode=root", SUITE]
    key = hashlib.sha256((" ".join(recipe) + (RECIPES / "base.Dockerfile").read_text()).encode()).hexdigest()[:12]
    name = f"{BASE}:{key}"
    with _locked(), tempfile.TemporaryDirectory(dir=_home()) as directory:
        if not _buildah("images", "--quiet", f"--filter=reference={name}").strip():
            with _timed("a base of Debian's packages"):
                command(*recipe, pathlib.Path(directory) / "base.tar", seconds=600)
                _buildah("build", f"--file={RECIPES / 'base.Dockerfile'}", f"--tag={name}", directory)
    return name


def _archive(name, recipe, fill, arguments=(), made_of=""):
    """Archive of image `name`, built unless one with the same context, recipe and `made_of` exists."""
    with _locked(), tempfile.TemporaryDirectory(dir=_home()) as directory:
        context = pathlib.Path(directory) / "context"
        context.mkdir()
        fill(context)
        key = _hash(context, recipe.read_text() + made_of)
        short = name.rsplit("/", 1)[1].replace(":", "-")
        archive = _home() / f"{short}-{key}.tar"
        if archive.exists():
            archive.touch()
            return archive
        with _timed(f"image {name}"):
            _buildah("build", "--layers", "--pull-never", "--format=docker", f"--file={recipe}", f"--tag={name}", *arguments, context)
            part = archive.with_suffix(".part")
            part.unlink(missing_ok=True)
            _buildah("push", name, f"docker-archive:{part}:{name}")
            part.rename(archive)
            _forget_old(short)
            # Delete the images that this one replaces.
            _buildah("rmi", "--prune")
        return archive


def _buildah(*arguments):
    store = _home() / "store"
    where = [f"--root={store}", f"--runroot={store / 'run'}", "--storage-driver=overlay"]
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    return command("buildah", *where, *arguments, seconds=1200, env=environment)


def _stripped(program):
    """Strips debug information from a binary: a tenth of the size remains."""
    if not program.is_file():
        raise LabError(f"{program}: no such program; build it with `./dev build` or `./dev operator`")
    found = program.stat()
    stamp = hashlib.sha256(f"{program.resolve()} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()[:12]
    target = _home() / f"{program.name}-{stamp}"
    if not target.exists():
        for old in _home().glob(f"{program.name}-" + "?" * len(stamp)):
            old.unlink()
        part = target.with_name(f"part-{stamp}")
        command("strip", "--strip-all", "-o", part, program)
        part.rename(target)
    return target


def _hash(directory, more):
    """A hash of the names, modes and contents of all files below a directory."""
    seen = hashlib.sha256(more.encode())
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            seen.update(f"{path.relative_to(directory)} {path.stat().st_mode:o} {path.stat().st_size}\n".encode())
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    seen.update(block)
    return seen.hexdigest()[:16]


def _forget_old(short):
    """Deletes all but the newest archives of an image."""
    archives = sorted(_home().glob(f"{short}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for archive in archives[KEPT:]:
        archive.unlink()


def _home():
    path = machine.cache() / "e2e" / "images"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def _locked():
    with open(_home() / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _timed(what):
    print(f"== building {what}", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    print(f"   {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
