"""Builds the library of `shim.c`, and says which of its faults happen."""

import os
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).with_name("shim.c")
# As `exit`, because 0 is the same as no number.
EXIT_ZERO, KILL = 256, -9


def library():
    path = pathlib.Path(tempfile.gettempdir()) / "faults-shim.so"
    if not path.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", path, SOURCE, "-ldl"], check=True)
    return path


class Faults:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory) / "shim"
        self.directory.mkdir()
        os.environ["FAULTS_SHIM"] = str(self.directory)

    def set(self, name, number):
        new = self.directory / f".{name}"
        new.write_text(str(number))
        new.rename(self.directory / name)

    def clear(self, name):
        (self.directory / name).unlink(missing_ok=True)

    def happened(self, name):
        """Whether one that happens once has happened."""
        return not (self.directory / name).exists()

    def clock(self, seconds):
        self.set("clock", seconds)
