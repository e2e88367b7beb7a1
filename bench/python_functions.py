"""Python functions: Firesteel, and real Spark beside it, run the same program alternately.

Both have two executors of one slot (`local-cluster[2,1,2048]`). A round runs every case on each engine; the first round warms up and
does not count. Figures are medians.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import typing

PROGRAM = pathlib.Path(__file__).with_name("python_cases.py")
MASTER = "local-cluster[2,1,2048]"


class Case(typing.NamedTuple):
    """A case of `python_cases.py`, and what Firesteel aims at: a rate, or a time if `unit` is seconds."""

    name: str
    title: str
    unit: str
    target: typing.Optional[float]

    def figure(self, answer: dict) -> float:
        """What an answer amounts to in this case's unit."""
        if self.unit == "s":
            return answer["seconds"]
        return answer["amount"] / answer["seconds"] / (1e6 if self.unit == "M rows/s" else 1)

    def row(self, ours: float, spark: typing.Optional[float]) -> str:
        """A line of the table."""
        meets = "" if self.target is None else "yes" if (ours <= self.target if self.unit == "s" else ours >= self.target) else "no"
        times = "" if spark is None else f"{spark / ours if self.unit == 's' else ours / spark:.1f}"
        return f"{self.title:44} {self.unit:>8} {digits(ours):>9} {digits(self.target):>7} {meets:>4} {digits(spark):>8} {times:>6}"


HEADER = f"{'case':44} {'unit':>8} {'Firesteel':>9} {'aim':>7} {'met':>4} {'Spark':>8} {'times':>6}"

CASES = [
    Case("tasks", "tasks with a Python function", "tasks/s", 2_000),
    Case("row_udf", "udf, row by row", "M rows/s", 3),
    Case("arrow_udf", "udf(useArrow=True)", "M rows/s", 5),
    Case("pandas_udf", "pandas_udf", "M rows/s", 30),
    Case("map_in_arrow", "mapInArrow", "M rows/s", 40),
    Case("apply_in_pandas", "applyInPandas, groups of 100 rows", "M rows/s", 1),
    Case("rdd_sum", "parallelize(range(1,000,000)).map.sum", "M rows/s", 5),
    Case("reduce_by_key", "reduceByKey of 10,000,000 pairs", "M rows/s", None),
    Case("broadcast", "broadcast of 100 MB to 1,000 tasks", "s", 1),
    Case("accumulator", "1,000,000 additions to an accumulator", "s", 0.5),
]


def flags(parser: argparse.ArgumentParser) -> None:
    """Adds this part's flags."""
    parser.add_argument("--size", type=float, default=1.0, help="Python functions: factor of the number of rows")
    parser.add_argument("--cases", default="", help="Python functions: names separated by commas; all by default")
    parser.add_argument("--with-spark", action="store_true", help="Python functions: also on real Spark")
    parser.add_argument("--spark-python", default="python3", help="a Python with the full pyspark 4, for --with-spark")


def measure(arguments: argparse.Namespace) -> None:
    """Runs the cases and prints the table."""
    wanted = arguments.cases.split(",") if arguments.cases else [case.name for case in CASES]
    cases = [case for case in CASES if case.name in wanted]
    figures: dict = {}
    with contextlib.ExitStack() as stack:
        engines = {"Firesteel": stack.enter_context(Engine(firesteel(arguments), arguments.size))}
        if arguments.with_spark:
            home = stack.enter_context(tempfile.TemporaryDirectory())
            engines["Spark"] = stack.enter_context(Engine(spark(arguments.spark_python, home), arguments.size))
        for number in range(arguments.rounds + 1):
            for case in cases:
                # They take turns in being the first.
                for name in sorted(engines, reverse=number % 2 == 1):
                    answer = engines[name].ask(case.name, number)
                    if number > 0:
                        figures.setdefault((case.name, name), []).append(case.figure(answer))
        versions = ", ".join(f"{name} {engine.version}" for name, engine in engines.items())
    print(f"\nPython functions at {MASTER}, size {arguments.size:g}, median of {arguments.rounds} ({versions})")
    print(HEADER)
    for case in cases:
        ours, spark_ = (median(figures.get((case.name, name))) for name in ("Firesteel", "Spark"))
        print(case.row(ours, spark_), flush=True)


class Engine:
    """A process that runs the program, and is asked for one case at a time."""

    def __init__(self, command: tuple, size: float) -> None:
        self._command, self._environment = command
        self._size = size

    def __enter__(self) -> "Engine":
        command = [*self._command, PROGRAM, "--size", str(self._size)]
        self._process = subprocess.Popen(
            command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self._answer()["ready"]
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, case: str, number: int) -> dict:
        """Runs a case once."""
        self._process.stdin.write(f"{case} {number}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        # Spark prints other lines, too.
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit(f"{self._command[0]} ended with {self._process.wait()}")


def firesteel(arguments: argparse.Namespace) -> tuple:
    """How Firesteel runs a program."""
    return [arguments.bin / "firesteel", "run", "--master", MASTER], clean()


def spark(python: str, home: str) -> tuple:
    """How real Spark runs it: as its own package does. `home` becomes a copy of that by links, as executors write into it."""
    find = [python, "-c", "import os, pyspark; print(os.path.dirname(pyspark.__file__))"]
    package = subprocess.run(find, check=True, stdout=subprocess.PIPE, text=True, env=clean()).stdout.strip()
    for entry in pathlib.Path(package).iterdir():
        pathlib.Path(home, entry.name).symlink_to(entry)
    conf = ["spark.executor.memory=2g", "spark.ui.enabled=false", "spark.ui.showConsoleProgress=false", "spark.log.level=ERROR"]
    submit = " ".join(["--master", MASTER, *(f"--conf {each}" for each in conf), "pyspark-shell"])
    variables = {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": python, "PYSPARK_SUBMIT_ARGS": submit}
    return [python], {**clean(), **variables}


def clean() -> dict:
    """The environment without what points at another Spark."""
    return {key: value for key, value in os.environ.items() if "SPARK" not in key and key != "PYTHONPATH"}


def median(found: typing.Optional[list]) -> typing.Optional[float]:
    return statistics.median(found) if found else None


def digits(value: typing.Optional[float]) -> str:
    """A figure with three digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
