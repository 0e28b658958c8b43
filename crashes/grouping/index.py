"""Finding likely variants without comparing with all of them.

Every variant is filed under its index terms. A query takes its rarest known terms, adds up
log(N / df)^2 over the variants filed there, and keeps the best. The two rules are pure functions,
so that a database that stores (scope, term, variant) rows and `MemoryIndex`, which keeps the same
rows in arrays, answer alike:

    terms = choose_terms(index_terms(item), df)     # ask the store for the df of these terms
    postings = {t: newest variants under t}         # ask the store, at most POSTINGS_CAP each
    ids = rank_candidates(postings, df, total)
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from crashes.grouping.packing import TermTable
from crashes.grouping.values import FrameStats

MOST_TERMS = 24
POSTINGS_CAP = 4_000
MOST_POSTINGS = 8_000
"""Together; common terms beyond that tell little and would make the cost grow with the index."""
FEWEST_TERMS = 3
MOST_CANDIDATES = 64


def choose_terms(terms: Iterable[int], df: Mapping[int, int]) -> list[int]:
    """The rarest terms that any variant has, rarest first.

    At most MOST_TERMS, and from FEWEST_TERMS on no more than file MOST_POSTINGS variants.
    """
    known = [(count, term) for term in dict.fromkeys(terms) if (count := df.get(term, 0)) > 0]
    chosen: list[int] = []
    postings = 0
    for count, term in sorted(known)[:MOST_TERMS]:
        postings += min(count, POSTINGS_CAP)
        if postings > MOST_POSTINGS and len(chosen) >= FEWEST_TERMS:
            break
        chosen.append(term)
    return chosen


def rank_candidates(
    postings: Mapping[int, Sequence[int]], df: Mapping[int, int], total: int
) -> list[int]:
    """Variant ids by the squared rarity they share with the query, best first, newest on ties."""
    sums: dict[int, float] = {}
    for term, variants in postings.items():
        rarity = math.log((total + 1.0) / (df.get(term, 0) + 0.5))
        gain = rarity * rarity
        if sums:
            for variant in variants:
                sums[variant] = sums.get(variant, 0.0) + gain
        else:
            sums = dict.fromkeys(variants, gain)
    return _best(sums)


def _best(sums: Mapping[int, float]) -> list[int]:
    """The variants with the highest sums, the newest first on ties.

    Most share nothing but one common term with the query, so thousands tie. They are told apart
    from the best by one sort of plain numbers, before anything is made of them.
    """
    if not sums:
        return []
    least = sorted(sums.values(), reverse=True)[:MOST_CANDIDATES][-1]
    above = [(score, variant) for variant, score in sums.items() if score > least]
    ties = [variant for variant, score in sums.items() if score == least]
    best = [variant for _, variant in sorted(above, reverse=True)]
    return (best + sorted(ties, reverse=True))[:MOST_CANDIDATES]


class MemoryIndex:
    """One scope's terms in memory; ids must grow with time."""

    def __init__(self) -> None:
        self._terms = TermTable(kept=POSTINGS_CAP)
        self._total = 0

    def add(self, variant: int, terms: Iterable[int]) -> None:
        """File one variant."""
        self._total += 1
        for term in dict.fromkeys(terms):
            self._terms.add(term, variant)

    def candidates(self, terms: Sequence[int]) -> list[int]:
        """Likely variants, best first."""
        chosen = choose_terms(terms, self._terms)
        postings = {term: self._terms.newest(term, POSTINGS_CAP) for term in chosen}
        return rank_candidates(postings, self._terms, self._total)

    def stats(self) -> FrameStats:
        """Live document frequencies: a view, not a copy."""
        return FrameStats(self._total, self._terms)
