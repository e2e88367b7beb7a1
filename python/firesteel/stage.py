"""Brings the files of an application together: downloads and unpacks what the command lists on standard input, as JSON."""

import json
import os
import shutil
import sys
import tarfile
import urllib.request
import zipfile

TIMEOUT_SECONDS = 60


def main() -> None:
    work = json.load(sys.stdin)
    try:
        for url, path in work["fetch"]:
            fetch(url, path)
        for archive, directory in work["unpack"]:
            unpack(archive, directory)
    except Exception as problem:  # whatever it is, the command prints it in one line
        sys.exit(str(problem))


def fetch(url: str, path: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
    except OSError as problem:
        raise OSError(f"downloading {url}: {problem}") from problem


def unpack(archive: str, directory: str) -> None:
    """Unpacks a `.zip`, `.jar` or (compressed) `.tar` file; a directory is linked as it is."""
    if os.path.isdir(archive):
        os.symlink(archive, directory)
        return
    os.mkdir(directory)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                path = file.extract(member, directory)
                mode = member.external_attr >> 16 & 0o777
                if mode and not member.is_dir():
                    os.chmod(path, mode)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            # Packed environments have links to interpreters outside, which the filter `data` would refuse.
            filtered = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            file.extractall(directory, **filtered)
    else:
        raise ValueError(f"{archive} is neither a zip nor a tar archive")


if __name__ == "__main__":
    main()
