"""Files that a program adds for its tasks."""

import importlib
import os
import shutil
import sys
import tempfile
import urllib.parse
import urllib.request

from pyspark.errors import PySparkRuntimeError

from firesteel.archives import unpack

_REMOTE = ("http", "https", "ftp")


class SparkFiles:
    """Where added files are, in the program and in its tasks."""

    _root_directory = None
    _is_running_on_worker = False
    _sc = None

    def __init__(self):
        raise NotImplementedError("Do not construct SparkFiles objects")

    @classmethod
    def get(cls, filename):
        """The path of a file that was added."""
        return os.path.abspath(os.path.join(cls.getRootDirectory(), filename))

    @classmethod
    def getRootDirectory(cls):
        """The directory of all files that were added."""
        if cls._is_running_on_worker:
            return cls._root_directory
        assert cls._sc is not None
        return cls._sc._files_root


class Files:
    """The part of `SparkContext` that adds files."""

    def _start_files(self):
        from firesteel import launch

        shared = launch.files_root()
        self._files_are_own = shared is None or not os.path.isdir(shared)
        self._files_root = tempfile.mkdtemp(prefix="firesteel-files-") if self._files_are_own else shared
        self._temp_dir = tempfile.mkdtemp(prefix="firesteel-")
        sys.path.insert(1, self._files_root)
        self._python_includes = []
        self._added_files, self._added_archives = [], []

    def _stop_files(self):
        if self._files_root in sys.path:
            sys.path.remove(self._files_root)
        shutil.rmtree(self._temp_dir, ignore_errors=True)
        if self._files_are_own:
            shutil.rmtree(self._files_root, ignore_errors=True)

    def addFile(self, path, recursive=False):
        """Makes a file, or with `recursive` a directory, available in all tasks."""
        self._add(path, recursive)
        self._added_files.append(_uri(path))

    def _add(self, path, recursive=False):
        """Copies a file to the local directory and sends it to the driver. Returns its local path."""
        source = self._fetched(path)
        target = os.path.join(self._files_root, os.path.basename(source.rstrip("/")))
        if os.path.isdir(source):
            if not recursive:
                raise PySparkRuntimeError(f"Added file {_uri(path)} is a directory and recursive is not turned on.")
            if os.path.abspath(source) != target:
                shutil.copytree(source, target, dirs_exist_ok=True)
            self._send_directory(target)
            return target
        if not os.path.exists(source):
            raise PySparkRuntimeError(f"Added file {_uri(path)} does not exist.")
        if os.path.abspath(source) != target:
            # Not while somebody may read the old one.
            shutil.copy2(source, target + ".part")
            os.replace(target + ".part", target)
        self._client.add_artifacts(target, pyfile=False, archive=False, file=True)
        return target

    def _fetched(self, path):
        parsed = urllib.parse.urlparse(path)
        if parsed.scheme in _REMOTE:
            target = os.path.join(self._files_root, os.path.basename(parsed.path))
            urllib.request.urlretrieve(path, target)
            return target
        return urllib.request.url2pathname(parsed.path) if parsed.scheme in ("file", "local") else path

    def _send_directory(self, directory):
        from pyspark.sql.connect.client.artifact import LocalFile, new_file_artifact

        manager = self._client._artifact_manager
        parent = os.path.dirname(directory)
        found = (os.path.join(at, name) for at, _, names in os.walk(directory) for name in sorted(names))
        artifacts = [new_file_artifact(os.path.relpath(file, parent), LocalFile(file)) for file in found]
        if artifacts:
            try:
                manager._request_add_artifacts(manager._add_artifacts(artifacts))
            except Exception as error:
                self._client._handle_error(error)

    @property
    def listFiles(self):
        """The files that were added."""
        return list(dict.fromkeys(self._added_files))

    def addPyFile(self, path):
        """Makes a module, or an archive of modules, importable in all tasks."""
        target = self._add(path)
        self._added_files.append(_uri(path))
        name = os.path.basename(target)
        if name[-4:].lower() in self.PACKAGE_EXTENSIONS:
            self._python_includes.append(name)
            sys.path.insert(1, target)
        if name.endswith((".py", ".zip", ".egg", ".jar")):
            self._client.add_artifacts(target, pyfile=True, archive=False, file=False)
        importlib.invalidate_caches()

    def addArchive(self, path):
        """Makes the content of an archive available in all tasks, under the name after `#`."""
        self._client.add_artifacts(path, pyfile=False, archive=True, file=False)
        source, _, name = path.partition("#")
        target = os.path.join(self._files_root, name or os.path.basename(source))
        shutil.rmtree(target, ignore_errors=True)
        unpack(self._fetched(source), target)
        self._added_archives.append(_uri(path))

    @property
    def listArchives(self):
        """The archives that were added."""
        return list(dict.fromkeys(self._added_archives))


def _uri(path):
    """The path as Spark shows it."""
    return path if urllib.parse.urlparse(path).scheme else "file:" + os.path.abspath(path)
