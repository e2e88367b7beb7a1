"""`firesteel sql`: a prompt for SQL statements."""

import contextlib
import os
import pathlib
import sys
import threading
import time

from firesteel import statements

PROMPT, MORE = "sql> ", "  -> "
HISTORY = pathlib.Path(os.environ.get("FIRESTEEL_SQL_HISTORY") or "~/.firesteel_sql_history").expanduser()
HISTORY_LENGTH = 10_000
ROWS = 1000
"""Limit on the rows that are shown of a result."""

QUIT = ("exit", "quit")
WORDS = """
    ADD ALTER ANALYZE AND AS ASC BETWEEN BY CACHE CASE CAST CLUSTER COLUMN COLUMNS CREATE CROSS CUBE DATABASE DATABASES DELETE DESC DESCRIBE DISTINCT
    DROP ELSE END EXCEPT EXISTS EXPLAIN EXTENDED FALSE FROM FULL FUNCTION FUNCTIONS GROUP HAVING IN INNER INSERT INTERSECT INTO IS JOIN LATERAL LEFT LIKE
    LIMIT NOT NULL OFFSET ON OR ORDER OUTER OVER OVERWRITE PARTITION PARTITIONED PIVOT REFRESH REPLACE RIGHT ROLLUP SELECT SEMI SET SHOW SORT TABLE TABLES
    TEMPORARY THEN TRUE TRUNCATE UNCACHE UNION UNPIVOT USE USING VALUES VIEW VIEWS WHEN WHERE WINDOW WITH
""".split()


def main() -> None:
    try:
        from pyspark.sql import SparkSession
    except ImportError as problem:
        sys.exit(f"firesteel: {sys.executable} cannot import PySpark ({problem}); `pip install firesteel` installs it")
    from pyspark.errors import PySparkException

    try:
        spark = SparkSession.builder.getOrCreate()
    except PySparkException as problem:
        sys.exit(f"firesteel: {problem}")
    prompt(spark)


def prompt(spark) -> None:
    """Asks for statements and runs them, until the end of the input."""
    words = Words(spark)
    ask = prompt_toolkit_reader(words) or readline_reader(words)
    text = ""
    while True:
        try:
            text += ask(MORE if text else PROMPT) + "\n"
        except KeyboardInterrupt:
            print()
            text = ""
            continue
        except EOFError:
            print()
            return
        if text.strip().rstrip(";").strip().lower() in QUIT:
            return
        complete, text = statements.split(text)
        if statements.is_blank(text):
            text = ""
        for statement in complete:
            if not run(spark, statement):
                # What follows was meant to come after it.
                text = ""
                break
        words.forget()


def run(spark, statement: str) -> bool:
    """Runs a statement and shows its result; false if it failed or was cancelled."""
    from pyspark.errors import PySparkException

    def show() -> None:
        result = spark.sql(statement)
        if result.columns:
            result.show(ROWS, truncate=False)

    started = time.monotonic()
    problem, cancelled = apart(show, spark.interruptAll)
    if problem is None:
        print(f"{time.monotonic() - started:.2f} s", file=sys.stderr)
    elif cancelled:
        print("cancelled", file=sys.stderr)
    elif isinstance(problem, PySparkException):
        print(message(problem), file=sys.stderr)
    else:
        raise problem
    return problem is None


def apart(work, cancel):
    """Does the work in a thread of its own, and calls `cancel` at each interrupt; returns the work's exception and whether there was an interrupt.

    An exception in the middle of a call of gRPC, as an interrupt is one in the main thread, may leave a lock behind for which all later calls wait.
    """
    outcome, cancelled = [], False
    # Not `join` or an event, which an interrupt may break, too.
    ended = threading.Lock()
    ended.acquire()

    def call() -> None:
        try:
            work()
            outcome.append(None)
        except BaseException as problem:
            outcome.append(problem)
        ended.release()

    def cancel_quietly() -> None:
        with contextlib.suppress(Exception):
            cancel()

    threading.Thread(target=call, daemon=True).start()
    while not outcome:
        try:
            ended.acquire(timeout=1)
        except KeyboardInterrupt:
            cancelled = True
            threading.Thread(target=cancel_quietly, daemon=True).start()
    return outcome[0], cancelled


def message(problem) -> str:
    """An error without the traces that are for developers."""
    text = str(problem)
    for trace in ("\n\nJVM stacktrace:", "\nJVM stacktrace:"):
        text = text.split(trace)[0]
    return text.strip()


class Words:
    """What can be completed: keywords, and the names of tables and functions, which are asked for when they are needed first."""

    def __init__(self, spark) -> None:
        self._spark = spark
        self._names = None

    def forget(self) -> None:
        self._names = None

    def starting_with(self, start: str) -> list:
        if not start:
            return []
        if self._names is None:
            self._names = sorted({*self._column("SHOW TABLES", "tableName"), *self._column("SHOW FUNCTIONS", "function")})
        lower = start.lower()
        words = [word if start.isupper() else word.lower() for word in WORDS]
        return [word for word in [*words, *self._names] if word.lower().startswith(lower)]

    def _column(self, statement: str, name: str) -> list:
        with contextlib.suppress(Exception):
            return [row[name] for row in self._spark.sql(statement).collect()]
        return []


def prompt_toolkit_reader(words: Words):
    """Reads lines with prompt_toolkit; `None` if it is not installed or there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion
        from prompt_toolkit.history import FileHistory
    except ImportError:
        return None

    class Names(Completer):
        def get_completions(self, document, event):
            start = document.get_word_before_cursor()
            return (Completion(word, -len(start)) for word in words.starting_with(start))

    session = PromptSession(history=FileHistory(str(HISTORY)), completer=Names(), complete_while_typing=False)
    return session.prompt


def readline_reader(words: Words):
    """Reads lines with Python's own means."""
    with contextlib.suppress(ImportError):
        import atexit
        import readline

        readline.set_completer(lambda start, state: (words.starting_with(start) + [None])[state])
        readline.set_completer_delims(" \t\n,;()=<>+-*/")
        readline.parse_and_bind("tab: complete")
        readline.set_history_length(HISTORY_LENGTH)
        with contextlib.suppress(OSError):
            readline.read_history_file(HISTORY)
        atexit.register(_save, readline)
    return input


def _save(readline) -> None:
    with contextlib.suppress(OSError):
        readline.write_history_file(HISTORY)


if __name__ == "__main__":
    main()
