"""Finding likely variants without comparing with all of them.

Every variant is filed under its index terms. A query takes its rarest known terms, adds up
log(N / df)^2 over the variants filed there, and keeps the best. The two rules are pure functions,
so that a database that stores (scope, term, variant) rows and `MemoryIndex`, which keeps the same
rows in dicts, answer alike:

    terms = choose_terms(index_terms(item), df)     # ask the store for the df of these terms
    postings = {t: newest variants under t}         # ask the store, at most POSTINGS_CAP each
    ids = rank_candidates(postings, df, total)
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from crashes.grouping.values import FrameStats

MOST_TERMS = 24
POSTINGS_CAP = 4_000
MOST_CANDIDATES = 64


def choose_terms(terms: Iterable[int], df: Mapping[int, int]) -> list[int]:
    """The rarest terms that any variant has, rarest first, at most MOST_TERMS."""
    known = [(df[term], term) for term in dict.fromkeys(terms) if df.get(term, 0) > 0]
    return [term for _, term in sorted(known)[:MOST_TERMS]]


def rank_candidates(
    postings: Mapping[int, Sequence[int]], df: Mapping[int, int], total: int
) -> list[int]:
    """Variant ids by the squared rarity they share with the query, best first, newest on ties."""
    sums: dict[int, float] = defaultdict(float)
    for term, variants in postings.items():
        rarity = math.log((total + 1.0) / (df.get(term, 0) + 0.5))
        for variant in variants:
            sums[variant] += rarity * rarity
    ranked = sorted(sums.items(), key=lambda entry: (-entry[1], -entry[0]))
    return [variant for variant, _ in ranked[:MOST_CANDIDATES]]


class MemoryIndex:
    """One scope's terms in dicts; ids must grow with time."""

    def __init__(self) -> None:
        self._postings: dict[int, list[int]] = {}
        self._frequency: dict[int, int] = {}
        self._total = 0

    def add(self, variant: int, terms: Iterable[int]) -> None:
        """File one variant."""
        self._total += 1
        for term in dict.fromkeys(terms):
            self._postings.setdefault(term, []).append(variant)
            self._frequency[term] = self._frequency.get(term, 0) + 1

    def candidates(self, terms: Sequence[int]) -> list[int]:
        """Likely variants, best first."""
        chosen = choose_terms(terms, self._frequency)
        postings = {term: self._postings[term][-POSTINGS_CAP:] for term in chosen}
        return rank_candidates(postings, self._frequency, self._total)

    def stats(self) -> FrameStats:
        """Live document frequencies: a view, not a copy."""
        return FrameStats(self._total, self._frequency)
