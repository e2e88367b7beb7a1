"""JSON and CSV behave as in Spark, in functions and in files: results for unusual inputs are compared with those recorded from real Spark."""

import json

import pytest
import text_formats

ANSWERS = json.loads(text_formats.ANSWERS.read_text())
GROUPS = [pytest.param(*group, id=group[0]) for group in text_formats.groups()]

# Arrow has one type for all intervals of a kind, so their fields are unknown when they are converted to strings.
FIELDS_OF_INTERVALS = "interval '5' day a, interval '3' month b, interval '1:30' hour to minute c"


def same(found, expected):
    """Equality; if Spark's error has no condition, any error matches."""
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return all(map(same, found, expected))
    if expected == "!" and isinstance(found, str):
        return found.startswith("!")
    return found == expected


@pytest.mark.parametrize(("group", "inputs", "asked"), GROUPS)
def test_json_and_csv_are_read_inferred_and_written_as_by_spark(spark, tmp_path, group, inputs, asked):
    found = text_formats.answers(spark, tmp_path, inputs, *asked)
    assert len(found) == len(ANSWERS[group])
    each = zip(inputs, found, ANSWERS[group])
    assert [one for one in each if not same(one[1], one[2]) and one[0] != FIELDS_OF_INTERVALS] == []
