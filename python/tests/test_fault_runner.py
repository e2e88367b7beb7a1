"""The fault runner's short form: one run of the rows that tell most, with real processes (see docs/faults.md)."""

import os
import subprocess
import sys

import pytest
from conftest import FIRESTEEL, ROOT

sys.path.append(str(ROOT / "faults"))
import catalogue  # noqa: E402
import runner  # noqa: E402

NEED_ROOT = {"31a"}


@pytest.mark.parametrize("row", [row for row in catalogue.ROWS if row.short], ids=lambda row: row.name)
def test_a_fault_costs_no_answer(row):
    if row.name in NEED_ROOT and os.getuid() != 0:
        pytest.skip("only root can make networks")
    outcome = runner.once(row, 0)
    assert outcome["verdict"] == "holds", outcome["message"]


def test_the_catalogue_has_every_fault_once():
    names = [row.name for row in catalogue.ROWS]
    assert len(names) == len(set(names))
    assert {str(number) for number in range(1, 44)} <= set(names)
    assert all((row.run is None) == bool(row.instead) for row in catalogue.ROWS)


def test_an_unknown_row_is_refused():
    done = subprocess.run(
        [sys.executable, ROOT / "faults" / "runner.py", "99"], capture_output=True, text=True, env=os.environ | {"FIRESTEEL": FIRESTEEL}
    )
    assert done.returncode != 0 and "99" in done.stderr
