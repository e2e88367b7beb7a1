"""Raises every condition in the stock client, and compares its exception, class and state with the table on standard input.

usage: conditions.py HOST:PORT < TABLE    (first line: the setting that raises; then class, state and exception, by tabs)
"""
import os
import sys

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession



def session():
    made = SparkSession.builder.remote(f"sc://{sys.argv[1]}").create()
    made.client.set_retry_policies([])  # it would try again after some of the conditions
    return made


spark = session()
key, *table = sys.stdin.read().splitlines()
assert len(table) > 100, len(table)
wrong = []
for line in table:
    condition, state, exception = line.split("\t")
    if condition == "INVALID_HANDLE.SESSION_CHANGED":
        continue  # the client answers it with an exception of its own
    try:
        spark.conf.set(key, condition)
        found = "nothing"
    except PySparkException as error:
        kind = next(c.__name__ for c in type(error).__mro__ if not c.__name__.startswith("SparkConnect"))
        found = (error.getCondition(), str(error.getSqlState()), kind)
        if condition.startswith("INVALID_HANDLE.SESSION_"):  # the client gives its session up
            spark = session()
    if exception == "PythonException":  # the client gives it no condition
        condition, state = None, "None"
    if found != (condition, state, exception):
        wrong.append((line, found))
for line, found in wrong:
    print(line, "came as", found)
sys.stdout.flush()
os._exit(1 if wrong else 0)
