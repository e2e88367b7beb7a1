"""All tests, on two clusters at the same time: most tests share one, several at a time, and those that stop parts of it have the other.

Arguments are those of pytest. What the tests of the second cluster print comes at the end.
"""

import os
import subprocess
import sys
import tempfile

SHARED = ["-n", "2", "--dist", "loadfile", "-m", "not alone"]
ALONE = ["-m", "alone"]


def started(number, arguments, output=None):
    """Starts pytest on a cluster of its own."""
    command = [sys.executable, "-m", "lab", "with-cluster", sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, "FIRESTEEL_E2E_NUMBER": str(number)}
    first, _, second = os.environ.get("FIRESTEEL_E2E_NETWORK", "").partition(".")
    if second.isdigit():
        environment["FIRESTEEL_E2E_NETWORK"] = f"{first}.{int(second) + number}"
    return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT if output else None)


def main(arguments):
    with tempfile.TemporaryFile("w+") as said:
        alone = started(1, [*ALONE, *arguments], said)
        shared = started(0, [*SHARED, *arguments])
        codes = [shared.wait(), alone.wait()]
        said.seek(0)
        sys.stdout.write(said.read())
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
