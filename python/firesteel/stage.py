"""Brings the files of an application together: downloads and unpacks what the command lists on standard input, as JSON."""

import json
import shutil
import sys
import urllib.request

from firesteel.archives import unpack

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


if __name__ == "__main__":
    main()
