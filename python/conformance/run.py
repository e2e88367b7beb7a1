"""Runs PySpark's own tests against Firesteel and writes docs/conformance.md.

    ./dev conformance                                    all modules, until one has a failure without a reason
    ./dev conformance --keep-going                       all modules
    ./dev conformance test_rdd test_join -k histogram    only some: names without their package, as `pytest -k`

Exits with 1 if a test fails whose reason is not in reasons.toml, or if a reason there is stale because its test no longer fails.
The table is written if all modules have run.
"""

import argparse
import os
import pathlib
import shutil
import sys

import environment
import modules
import table

ROOT = environment.PYTHON.parent
REASONS = environment.HERE / "reasons.toml"


def main() -> int:
    arguments = parse()
    base = pathlib.Path(os.environ.get("FIRESTEEL_CACHE", pathlib.Path.home() / ".cache" / "firesteel")) / "conformance"
    base.mkdir(parents=True, exist_ok=True)
    firesteel = shutil.which(os.environ.get("FIRESTEEL", "firesteel"))
    if firesteel is None:
        sys.exit("there is no firesteel command; set FIRESTEEL to its path")
    reasons = table.read(REASONS)
    environment.prepare(base)
    limits = modules.Limits(arguments.timeout, arguments.module_timeout)
    judgements = []
    for module in arguments.modules:
        result = modules.run(module, base, os.path.abspath(firesteel), limits, arguments.k)
        judgement = table.judge(result, reasons.get(module, {}), bool(arguments.k))
        judgements.append(judgement)
        show(judgement, base)
        if not arguments.keep_going and (judgement.unexplained or judgement.stale):
            break
    passed, failed, jvm, skipped = table.totals(judgements)
    print(f"{passed} passed, {failed} failed, {jvm} look into a JVM, {skipped} skipped: {table.percentage(passed, failed)}")
    if not arguments.k and [judgement.result.module for judgement in judgements] == modules.MODULES:
        table.write(ROOT / "docs" / "conformance.md", judgements)
    return int(any(judgement.unexplained or judgement.stale for judgement in judgements))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev conformance", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", type=module, metavar="module", help="such as test_rdd; all by default")
    parser.add_argument("-k", default="", metavar="EXPRESSION", help="only tests whose names match, as `pytest -k`")
    parser.add_argument("--keep-going", action="store_true", help="also after a module with unexplained failures")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for a test (%(default)g)")
    parser.add_argument("--module-timeout", type=float, default=1800, help="seconds for a module (%(default)g)")
    arguments = parser.parse_args()
    arguments.modules = arguments.modules or modules.MODULES
    return arguments


def module(name: str) -> str:
    """The module of this name, which may lack its package."""
    found = [module for module in modules.MODULES if module == name or module.endswith("." + name)]
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"{name} is none of {' '.join(modules.MODULES)}")
    return found[0]


def show(judgement: table.Judgement, base: pathlib.Path) -> None:
    result = judgement.result
    passed, failed, jvm, skipped = judgement.counts()
    print(f"{result.module}: {passed} passed, {failed} failed, {jvm} look into a JVM, {skipped} skipped, {result.seconds:.0f} s")
    for test in judgement.unexplained:
        print(f"  unexplained: {test}: {table.message(result, test)}")
    for test in judgement.stale:
        print(f"  stale reason: {test} did not fail")
    if judgement.unexplained:
        print(f"  logs: {base / 'runs' / result.module}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
