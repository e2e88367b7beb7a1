"""`docs/specifications.md`: every test that it names exists."""

import re

from conftest import ROOT


def test_every_test_that_is_named_exists():
    page = (ROOT / "docs" / "specifications.md").read_text()
    named = re.findall(r"`([\w./]+)::(\w+)`", page)
    missing = [f"{path}::{name}" for path, name in named if not re.search(rf"\b(fn|def) {name}\(", (ROOT / path).read_text())]
    assert len(named) > 100 and not missing, missing
