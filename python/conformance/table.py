"""What the results mean: judged by the reasons that were written down for failures, and written as a table."""

import dataclasses
import pathlib
import tomllib

import environment
import modules

JVM = "looks into the JVM"


@dataclasses.dataclass
class Judgement:
    """A module's result, with the reasons for its failures, and the reasons that no longer hold."""

    result: modules.Result
    reasons: dict[str, str]
    stale: list[str]

    @property
    def unexplained(self) -> list[str]:
        return [test for test in self.result.named("failed") if test not in self.reasons]

    @property
    def jvm(self) -> list[str]:
        return [test for test in self.result.named("failed") if self.reasons.get(test, "").startswith(JVM)]

    def counts(self) -> tuple[int, int, int, int]:
        """Passed, failed, failed because they look into the JVM, skipped."""
        passed, failed, skipped = (len(self.result.named(outcome)) for outcome in ("passed", "failed", "skipped"))
        return passed, failed - len(self.jvm), len(self.jvm), skipped


def read(path: pathlib.Path) -> dict[str, dict[str, str]]:
    """Reasons by module and test."""
    with open(path, "rb") as file:
        reasons = tomllib.load(file)
    unknown = set(reasons) - set(modules.MODULES)
    assert not unknown, f"{path} has reasons for modules that are not run: {sorted(unknown)}"
    return reasons


def judge(result: modules.Result, reasons: dict[str, str], is_selection: bool) -> Judgement:
    """A reason is stale if its test did not fail. Of a selection of tests, those that did not run are not judged."""
    failed = result.named("failed")
    cannot_tell = modules.IMPORT in failed
    stale = [
        test
        for test in reasons
        if test not in failed and not cannot_tell and not (is_selection and test not in result.tests)
    ]
    return Judgement(result, reasons, stale)


def percentage(passed: int, failed: int) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{1000 * passed // (passed + failed) / 10:.1f} %" if passed + failed else "–"


def write(path: pathlib.Path, judgements: list[Judgement]) -> None:
    """Writes the table, and each failure's reason below it."""
    path.write_text("\n".join([*head(judgements), *rows(judgements), *failures(judgements)]) + "\n")


def head(judgements: list[Judgement]) -> list[str]:
    passed, failed, jvm, skipped = totals(judgements)
    return [
        "# PySpark's own tests",
        "",
        f"Written by `./dev conformance`, which runs tests of PySpark {environment.VERSION} as they are against",
        f"`firesteel server --master {modules.MASTER}`, with that version's client and Firesteel's `SparkContext` and `RDD`.",
        f"Contexts of {', '.join(f'`{module}`' for module in modules.OWN_DRIVERS)} start a driver each, as their tests set how.",
        "",
        f"**{passed} of {passed + failed} tests pass ({percentage(passed, failed)})**, not counting {jvm} that look into a JVM,",
        f"which is not there, and {skipped} that PySpark itself skips. With the former it is {percentage(passed, failed + jvm)}.",
        "",
        "Two names that the tests use are replaced: `QuietTest`, which sets log levels in the JVM, does nothing,",
        "and `Py4JJavaError`, which classic PySpark raises for errors in tasks, stands for `PySparkException`.",
        "",
    ]


def rows(judgements: list[Judgement]) -> list[str]:
    lines = ["| module | passed | failed | look into a JVM | skipped | passed of passed and failed |", "|---|--:|--:|--:|--:|--:|"]
    for judgement in judgements:
        lines.append(row(f"`{judgement.result.module}`", judgement.counts()))
    return [*lines, row("**all**", totals(judgements))]


def row(title: str, counts: tuple[int, ...]) -> str:
    return f"| {title} | {' | '.join(map(str, counts))} | {percentage(*counts[:2])} |"


def totals(judgements: list[Judgement]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*(judgement.counts() for judgement in judgements))))


def failures(judgements: list[Judgement]) -> list[str]:
    lines = ["", "## Failures", ""]
    for judgement in judgements:
        failed = sorted(judgement.result.named("failed"))
        if failed:
            lines += [f"### {judgement.result.module}", "", "| test | reason |", "|---|---|"]
            lines += [f"| `{test}` | {explain(judgement, test)} |" for test in failed]
            lines.append("")
    return lines[:-1] if len(lines) > 3 else ["", "No test fails."]


def explain(judgement: Judgement, test: str) -> str:
    if test in judgement.reasons:
        return judgement.reasons[test].replace("|", "\\|")
    return f"**unexplained**: {message(judgement.result, test)}"


def message(result: modules.Result, test: str, limit: int = 160) -> str:
    """The error as one short line that does not break a table."""
    text = " ".join(result.tests[test][1].split())
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`" if text else "without a message"
