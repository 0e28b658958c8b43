"""What holds for every mechanism, whatever it is given."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from crashes.grouping.values import Candidate, GroupingInput
from tests.unit.grouping.strategies import inputs, noisy_pairs, stats

EACH = pytest.mark.parametrize("mechanism", MECHANISMS.values(), ids=list(MECHANISMS))


@given(noisy_pairs())
@EACH
def test_addresses_pids_times_and_lines_change_nothing(mechanism, pair):
    one, other = (mechanism.prepare(crash, package=None) for crash in pair)

    assert one == other


@given(inputs())
def test_an_input_survives_its_json_form(item):
    document = json.loads(json.dumps(item.to_json()))

    assert GroupingInput.from_json(document) == item


@given(inputs(), st.integers(1, 2**40))
def test_a_candidate_survives_its_json_form(item, number):
    candidate = Candidate(number, item)

    assert Candidate.from_json(json.loads(json.dumps(candidate.to_json()))) == candidate


@given(inputs(), inputs(), stats)
@EACH
def test_the_score_is_symmetric(mechanism, left, right, stats):
    there = mechanism.score(left, right, stats=stats)
    back = mechanism.score(right, left, stats=stats)

    assert there.total == pytest.approx(back.total)


@given(inputs(), inputs(), stats)
@EACH
def test_nothing_is_more_alike_than_the_same(mechanism, left, right, stats):
    if not left.tokens:
        return
    self_score = mechanism.score(left, left, stats=stats).total

    assert self_score + 1e-9 >= mechanism.score(left, right, stats=stats).total


@given(inputs(), inputs(), stats)
@EACH
def test_the_parts_add_up_to_the_total(mechanism, left, right, stats):
    match = mechanism.score(left, right, stats=stats)

    assert match.total == pytest.approx(
        match.frames + match.type + match.message + match.brevity + match.culprit
    )
    assert -1.0 - 1e-9 <= match.frames <= 1.0 + 1e-9


@given(inputs(), st.lists(inputs(), max_size=24), stats)
@EACH
def test_a_decision_is_reproducible_and_sorted(mechanism, item, others, stats):
    candidates = [Candidate(number, other) for number, other in enumerate(others)]

    decision = mechanism.best_match(item, candidates, stats)

    assert decision == mechanism.best_match(item, candidates, stats)
    scores = [total for _, total in decision.ranked]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= mechanism.GATE
    assert decision.joined is None or scores[0] >= mechanism.THRESHOLD
    if decision.ranked:
        best = others[decision.ranked[0][0]]
        assert decision.match == mechanism.score(item, best, stats=stats)


@given(inputs())
@EACH
def test_index_terms_fit_a_signed_64_bit_column(mechanism, item):
    terms = mechanism.index_terms(item)

    assert len(set(terms)) == len(terms)
    assert all(-(2**63) <= term < 2**63 for term in terms)
    assert bool(terms) == any(item.in_app)


def test_the_current_mechanism_is_registered_under_its_name():
    assert MECHANISMS[CURRENT].NAME == CURRENT
