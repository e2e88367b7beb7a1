"""What the wheel needs beyond `pyproject.toml`: the version of the workspace, the `firesteel` command, and the platform that it runs on."""

import os
import pathlib
import platform
import re
import sys
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Metadata(MetadataHookInterface):
    def update(self, metadata: dict) -> None:
        text = (pathlib.Path(self.root).parent / "Cargo.toml").read_text()
        metadata["version"] = re.search(r'^\[workspace\.package\]\nversion = "(.+)"', text, re.MULTILINE).group(1)


class Command(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        command = os.environ.get("FIRESTEEL_COMMAND")
        if not command:
            sys.exit("FIRESTEEL_COMMAND must be the path of the `firesteel` command; `./dev wheel` sets it")
        build_data["shared_scripts"][command] = "firesteel"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{os.environ.get('FIRESTEEL_PLATFORM') or own_platform()}"


def own_platform() -> str:
    """The platform of this machine: pip accepts it on systems with the same or a newer C library."""
    name, version = platform.libc_ver()
    if name == "glibc":
        major, minor = version.split(".")[:2]
        return f"manylinux_{major}_{minor}_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
