"""The keys of a released mechanism never move: issues in the field carry them.

When this fails, an edit of `normalize`, `evidence`, `mechanisms/v1.py` or a list changed what v1
says about old crashes. Make the change in a new mechanism instead.
"""

import json
from pathlib import Path

import pytest

from crashes.grouping.mechanisms import MECHANISMS, v1
from crashes.stack import from_json

GOLDEN = Path(__file__).parents[2] / "data" / "grouping" / "frozen_v1.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_v1_gives_the_key_signature_and_terms_it_gave_at_release(case):
    item = MECHANISMS["v1"].prepare(from_json(case["crash"]), package=None)

    assert item.exact_key == case["exact_key"]
    assert item.signature == case["signature"]
    assert item.scope == case["scope"]
    assert list(v1.index_terms(item)) == case["terms"]


def test_v1_scores_as_it_did_at_release():
    alignment = (v1.DECAY, v1.COMMON, v1.UNSEEN, v1.DRIFT, v1.FOREIGN, v1.ALIKE_NAMES)
    choice = (v1.GATE, v1.RARE, v1.HOMES)
    terms = (v1.TYPE_COST, v1.WORDS_GAIN, v1.WORDS_COST, v1.BRIEF, v1.CULPRIT_COST)
    said = (v1.SAID_GAIN, v1.SAID_COMMON, v1.SAID_WORDS)
    decision = (v1.THRESHOLD, v1.LINK, v1.SIMILAR)

    assert alignment == (0.55, 8.0, 30, 0.15, 0.03, 0.25)
    assert choice == (24, 12, 3)
    assert terms == (0.5, 0.22, 0.2, 0.15, 2.0)
    assert said == (0.2, 30.0, 5)
    assert decision == pytest.approx((0.25, 0.36, 0.0))
