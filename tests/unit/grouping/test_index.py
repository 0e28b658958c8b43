"""Candidates come from rare terms, newest first on ties, and never in a different order."""

import math

from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping import index
from crashes.grouping.index import MemoryIndex, choose_terms, rank_candidates


def test_the_rarest_known_terms_are_chosen_first():
    assert choose_terms([1, 2, 3, 4], {1: 50, 2: 3, 4: 7}) == [2, 4, 1]


def test_no_more_terms_are_chosen_than_the_limit():
    chosen = choose_terms(range(100), dict.fromkeys(range(100), 1))

    assert chosen == list(range(index.MOST_TERMS))


def test_a_variant_that_shares_a_rare_term_is_before_one_that_shares_a_common_term():
    assert rank_candidates({1: [10], 2: [20]}, {1: 90, 2: 1}, total=100) == [20, 10]


def test_the_newest_of_equal_variants_is_first():
    assert rank_candidates({1: [10, 30, 20]}, {1: 3}, total=100) == [30, 20, 10]


def test_no_more_candidates_are_given_than_the_limit():
    ranked = rank_candidates({1: range(1000)}, {1: 1000}, total=5000)

    assert len(ranked) == index.MOST_CANDIDATES


@given(
    postings=st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 300)), max_size=5),
    df=st.dictionaries(st.integers(0, 5), st.integers(1, 400)),
)
def test_the_candidates_are_the_first_of_all_in_order(postings, df):
    found = rank_candidates({term: sorted(held) for term, held in postings.items()}, df, total=400)

    sums: dict[int, float] = {}
    for term, held in postings.items():
        for variant in sorted(held):
            rarity = math.log(401.0 / (df.get(term, 0) + 0.5))
            sums[variant] = sums.get(variant, 0.0) + rarity * rarity
    ranked = sorted(sums, key=lambda variant: (sums[variant], variant), reverse=True)
    assert found == ranked[: index.MOST_CANDIDATES]


def test_the_index_finds_what_was_filed():
    memory = MemoryIndex()
    memory.add(0, [1, 2, 2])
    memory.add(1, [2, 3])

    assert memory.candidates([3]) == [1]
    assert memory.candidates([9]) == []
    assert memory.stats().frequency == {1: 1, 2: 2, 3: 1}
    assert memory.stats().total == 2


def test_a_hot_term_reaches_only_the_newest_variants(monkeypatch):
    monkeypatch.setattr(index, "POSTINGS_CAP", 2)
    memory = MemoryIndex()
    for variant in range(5):
        memory.add(variant, [7])

    assert memory.candidates([7]) == [4, 3]


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=20), st.lists(st.integers(0, 9)))
def test_every_candidate_shares_a_term_with_the_query(variants, query):
    memory = MemoryIndex()
    for number, terms in enumerate(variants):
        memory.add(number, terms)

    found = memory.candidates(query)

    assert set(found) == {
        number for number, terms in enumerate(variants) if set(terms) & set(query)
    }
