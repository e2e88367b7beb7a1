"""Benchmarks Firesteel and single-process DataFusion alternately in one run, and prints a table.

    ./dev bench                      everything, TPC-H and TPC-DS at scale 1
    ./dev bench --scale 0.1 --only tpch
    ./dev bench --only tpcds --queries 14,72
    ./dev bench --only python --with-spark --spark-python ~/spark/bin/python

Figures are the minimum of `--rounds` rounds (of Python functions the median); ratios compare figures from the same run, because
machines are noisy.
"""

import argparse
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import pyarrow.parquet
import python_functions
from answers import equal
from pyspark.errors import PySparkException

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUITES = {"tpch": ROOT / "examples" / "tpch", "tpcds": ROOT / "bench" / "tpcds"}
CLEAN = {key: value for key, value in os.environ.items() if "SPARK" not in key}


def main() -> None:
    arguments = parse()
    for suite in SUITES:
        if suite in arguments.only:
            queries(arguments, suite)
    if "tasks" in arguments.only:
        tasks(arguments)
    if "start" in arguments.only:
        start(arguments)
    if "python" in arguments.only:
        python_functions.measure(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="directory of the built commands")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="directory for generated data")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, help="spark.sql.shuffle.partitions; Spark's default otherwise")
    parser.add_argument("--queries", default="", help="numbers separated by commas; all by default")
    python_functions.flags(parser)
    parser.add_argument("--only", default="tpch,tpcds,tasks,start,python", type=lambda text: text.split(","))
    return parser.parse_args()


@contextlib.contextmanager
def server(arguments: argparse.Namespace, master: str, **conf: str):
    """Starts a Firesteel server and yields a session on it, and where it is reached."""
    from pyspark.sql import SparkSession

    flags = [flag for key, value in conf.items() for flag in ("--conf", f"{key.replace('__', '.')}={value}")]
    command = [arguments.bin / "firesteel", "server", "--port", "0", "--master", master, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"sc://\S+", process.stdout.readline()).group()
        spark = SparkSession.builder.remote(url).getOrCreate()
        yield spark, url
        spark.stop()
    finally:
        process.terminate()
        process.wait(timeout=30)


def queries(arguments: argparse.Namespace, suite: str) -> None:
    """Runs a suite's queries alternately on DataFusion and Firesteel; a wrong answer ends the program."""
    data = arguments.data / f"{suite}-{arguments.scale:g}"
    make = [arguments.bin / "bench", "data", "--suite", suite, "--scale", str(arguments.scale), "--out", data]
    subprocess.run(make, check=True)
    wanted = {int(number) for number in arguments.queries.split(",") if number}
    paths = sorted(path for path in SUITES[suite].glob("q*.sql") if not wanted or int(path.stem[1:]) in wanted)
    answers = arguments.data / f"{suite}-{arguments.scale:g}-answers"
    subprocess.run([arguments.bin / "bench", "answers", "--data", data, "--out", answers, *paths], check=True)
    baseline = subprocess.Popen(
        [arguments.bin / "bench", "datafusion", "--data", data, "--cores", "2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    # Without shuffle reuse, so that every round recomputes everything.
    conf = {"firesteel__shuffle__reuse": "false"}
    if arguments.partitions:
        conf["spark__sql__shuffle__partitions"] = str(arguments.partitions)
    best = {path.stem: [float("inf")] * 2 for path in paths}
    wrong = set()
    with server(arguments, "local-cluster[2,1,2048]", **conf) as (spark, _):
        for table in data.iterdir():
            if table.is_dir():
                spark.read.parquet(str(table)).createOrReplaceTempView(table.name)
        for _ in range(arguments.rounds):
            for path in paths:
                plain = ask(baseline, path)
                answer, ours = timed(lambda: ask_us(spark, path))
                pair = best[path.stem]
                pair[0], pair[1] = min(pair[0], plain), min(pair[1], ours)
                if answer is None or not equal(answer, pyarrow.parquet.read_table(answers / f"{path.stem}.parquet")):
                    wrong.add(path.stem)
    baseline.stdin.close()
    baseline.wait(timeout=30)
    print(f"\n{suite.upper()}, scale {arguments.scale:g}, milliseconds, best of {arguments.rounds}")
    print_pairs(best, wrong)
    if wrong:
        sys.exit(f"wrong answers: {', '.join(sorted(wrong))}")


def print_pairs(best: dict[str, list[float]], wrong: set[str]) -> None:
    print(f"{'query':8} {'DataFusion':>10} {'Firesteel':>10} {'ratio':>6}  answer")
    for name, (plain, ours) in best.items():
        print(f"{name:8} {plain:10.1f} {ours:10.1f} {ours / plain:6.2f}  {'WRONG' if name in wrong else 'equal'}")
    plain, ours = (sum(pair[side] for pair in best.values()) for side in (0, 1))
    print(f"{'total':8} {plain:10.1f} {ours:10.1f} {ours / plain:6.2f}")
    plain, ours = (statistics.geometric_mean(pair[side] for pair in best.values()) for side in (0, 1))
    print(f"{'mean':8} {plain:10.1f} {ours:10.1f} {ours / plain:6.2f}  geometric", flush=True)


def ask_us(spark, path: pathlib.Path) -> pyarrow.Table | None:
    """The answer of Firesteel, or nothing if it failed."""
    try:
        return spark.sql(path.read_text()).toArrow()
    except PySparkException as error:
        print(f"{path.stem}: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        return None


def ask(baseline: subprocess.Popen, path: pathlib.Path) -> float:
    baseline.stdin.write(f"{path}\n")
    baseline.stdin.flush()
    answer = baseline.stdout.readline()
    if not answer:
        sys.exit(f"DataFusion failed in {path.name}")
    return float(answer.split()[0])


def timed(work) -> tuple:
    """What `work` returns, and the milliseconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - started) * 1e3


def tasks(arguments: argparse.Namespace) -> None:
    """Measures empty tasks per second, and the latency of a one-task job."""
    with server(arguments, "local-cluster[2,1,1024]") as (spark, url):
        count = 20000
        rates = []
        for number in range(arguments.rounds):
            frame = spark.range(number, number + 1, 1, count).filter("id < 0")
            rates.append(count / timed(frame.toArrow)[1] * 1e3)
        singles = sorted(timed(spark.range(number, number + 1, 1, 1).toArrow)[1] for number in range(200))
        command = [arguments.bin / "bench", "jobs", "--url", url]
        best, median = map(float, subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split())
    print(f"\nempty tasks per second (2 executors of 1 slot): best {max(rates):.0f}")
    print(f"one-task job, milliseconds, seen by a Python client: median {singles[100]:.2f}, best {singles[0]:.2f}")
    print(f"one-task job, milliseconds, at the driver's API: median {median:.2f}, best {best:.2f}", flush=True)


def start(arguments: argparse.Namespace) -> None:
    """Measures the total run time of `firesteel run` for small programs."""
    one = arguments.data / "one.py"
    one.parent.mkdir(parents=True, exist_ok=True)
    one.write_text(
        "import time\nfrom pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "print(spark.range(1).collect(), flush=True)\n"
    )
    for name, file in [("a program of one job", one), ("chapter 15", ROOT / "examples" / "chapter15.yaml")]:
        times = []
        for _ in range(arguments.rounds):
            command = [arguments.bin / "firesteel", "run", file]
            times.append(timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=CLEAN))[1])
        print(f"{name}, whole process, milliseconds: best {min(times):.0f}")


if __name__ == "__main__":
    os.environ.pop("SPARK_REMOTE", None)
    main()
