"""Files on storage that the program and all workers reach: paths and URLs, through `pyarrow.fs`."""

import glob
import os
import posixpath
import urllib.parse

from pyarrow import fs


class Place:
    """A directory."""

    def __init__(self, path):
        self.path = path
        if "://" in path or path.startswith("file:"):
            if path.startswith("file:/") and not path.startswith("file://"):
                path = "file://" + path[len("file:") :]
            self.system, self.root = fs.FileSystem.from_uri(path)
        else:
            self.system, self.root = fs.LocalFileSystem(), os.path.abspath(path)

    def of(self, name):
        return posixpath.join(self.root, name)

    def exists(self):
        return self.system.get_file_info(self.root).type != fs.FileType.NotFound

    def create(self):
        self.system.create_dir(self.root, recursive=True)

    def delete(self):
        if self.exists():
            self.system.delete_dir(self.root)

    def files(self):
        """Paths of the data files, or of the one file that this is, in order."""
        info = self.system.get_file_info(self.root)
        if info.type == fs.FileType.File:
            return [self.root]
        found = self.system.get_file_info(fs.FileSelector(self.root))
        names = (entry.path for entry in found if entry.type == fs.FileType.File)
        return sorted(path for path in names if posixpath.basename(path)[0] not in "_.")

    def write(self, name, parts):
        """Writes a file under a temporary name and renames it: what has the name is complete."""
        temporary = self.of(f"_temporary/{name}.{os.getpid()}.{os.urandom(4).hex()}")
        self.system.create_dir(posixpath.dirname(temporary), recursive=True)
        with self.system.open_output_stream(temporary) as file:
            for part in parts:
                file.write(part)
        self.system.move(temporary, self.of(name))

    def finish(self):
        """Marks the directory as complete."""
        temporary = self.of("_temporary")
        if self.system.get_file_info(temporary).type != fs.FileType.NotFound:
            self.system.delete_dir(temporary)
        with self.system.open_output_stream(self.of("_SUCCESS")):
            pass


def read(directory, path):
    """The content of a file, in pieces."""
    with Place(directory).system.open_input_stream(path, compression=None) as file:
        while piece := file.read(1 << 20):
            yield piece


def is_local(path):
    """Whether it is a path of the file system."""
    return urllib.parse.urlparse(path).scheme in ("", "file")


def matching(pattern):
    """The data files of a local path, which may be a directory or a pattern."""
    parsed = urllib.parse.urlparse(pattern)
    pattern = os.path.abspath(parsed.path if parsed.scheme else pattern)
    found = []
    for path in sorted(glob.glob(pattern)):
        found += Place(path).files()
    if not found:
        raise FileNotFoundError(f"Input path does not exist: file:{pattern}")
    return found
