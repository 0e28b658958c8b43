"""The keys of a released mechanism never move: issues in the field carry them.

When this fails, an edit of `normalize`, `evidence`, a module in `mechanisms` or a list changed what
a mechanism says about old crashes. Make the change in a new mechanism instead.
"""

import json
from pathlib import Path

import pytest

from crashes.grouping.mechanisms import MECHANISMS, v1, v2, v2_score
from crashes.stack import from_json

FOLDER = Path(__file__).parents[2] / "data" / "grouping"
CASES = [
    pytest.param(name, case, id=f"{name}-{case['name']}")
    for name in MECHANISMS
    for case in json.loads((FOLDER / f"frozen_{name}.json").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_mechanism_gives_the_key_signature_and_terms_it_gave_at_release(name, case):
    item = MECHANISMS[name].prepare(from_json(case["crash"]), package=None)

    assert item.exact_key == case["exact_key"]
    assert item.signature == case["signature"]
    assert item.scope == case["scope"]
    assert list(MECHANISMS[name].index_terms(item)) == case["terms"]


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


def test_v2_has_the_constants_of_v1_and_few_of_its_own():
    shared = [
        "DECAY",
        "COMMON",
        "UNSEEN",
        "DRIFT",
        "FOREIGN",
        "ALIKE_NAMES",
        "TYPE_COST",
        "WORDS_GAIN",
        "WORDS_COST",
        "BRIEF",
        "CULPRIT_COST",
        "SAID_GAIN",
        "SAID_COMMON",
        "SAID_WORDS",
    ]

    assert [getattr(v2_score, name) for name in shared] == [getattr(v1, name) for name in shared]
    assert (v2.GATE, v2.RARE, v2.HOMES, v2.NAMES) == (24, 12, 3, 3)
    assert (v2_score.AGREE, v2_score.FEWEST_EQUAL) == (0.5, 2)
    assert pytest.approx((0.25, 0.36, 0.0)) == (v2.THRESHOLD, v2.LINK, v2.SIMILAR)
