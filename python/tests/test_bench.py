"""The program of the benchmark of Python functions: each case computes what it should, at a small size."""

import json
import sys

from conftest import ROOT, run

sys.path.insert(0, str(ROOT / "bench"))

from python_functions import CASES  # noqa: E402


def test_every_case_is_answered_in_two_rounds():
    wanted = [(case.name, number) for number in range(2) for case in CASES]
    requests = "".join(f"{name} {number}\n" for name, number in wanted)
    done = run("run", "--master", "local-cluster[2,1,1024]", ROOT / "bench" / "python_cases.py", "--size", "0.001", input=requests)
    assert done.returncode == 0, done.stderr
    ready, *answers = map(json.loads, done.stdout.splitlines())
    assert set(ready) == {"ready"}
    assert [(answer["case"], answer["round"]) for answer in answers] == wanted
    for answer in answers:
        assert answer["amount"] > 0 and answer["seconds"] > 0, answer
