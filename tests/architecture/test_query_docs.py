"""The table of keys in docs/triage.md is the one that the code knows."""

import re

from crashes.triage.query import KEYS, parse
from tests.conftest import ROOT

_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+) \| `(.+)` \|$", re.MULTILINE)


def test_the_keys_of_the_query_language_are_documented():
    rows = _ROW.findall((ROOT / "docs" / "triage.md").read_text())

    assert rows == [
        (name, key.holds.value, key.means, f"{name}:{key.example}") for name, key in KEYS.items()
    ]
    for *_, example in rows:
        assert parse(example).terms, example
