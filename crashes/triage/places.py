"""Where a report is when people have decided something: merges, splits and moves on top of grouping.

Grouping gives the stack of a report a home issue. From there the way leads on:

1. A split of the issue that means the report (by a query over its facts, or by its stack) leads to
   the issue that was split off; splits are asked in the order in which they were made.
2. An issue that was merged leads to the one it was merged into.
3. Where neither leads on, the report is.

A report that somebody moved starts at the issue it was moved to instead, and only splits that were
made later mean it. No split leads twice, so every way ends.

    home 12 --merged into--> 7 --split "model:G22"--> 31
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crashes.triage.query import BadQuery, Query, Term, parse

FACT_KEYS = ("kind", "package", "model", "os_build", "signature")
"""The keys of the query language that say something about a single report, once and for all."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a split may ask about a report; `signature` is that of its own stack."""

    kind: str
    package: str
    model: str
    os_build: str
    signature: str

    def value(self, key: str | None) -> str:
        """The text under a key of the query language; words look into the signature."""
        return str(getattr(self, key or "signature"))


@dataclass(frozen=True, slots=True)
class Split:
    """One split: `id` grows with time. Without a query it means the stacks that are listed with it."""

    id: int
    issue_id: int
    new_issue_id: int
    query: Query | None

    def means(self, facts: Facts, listed: frozenset[int]) -> bool:
        """Whether a report is meant; `listed` are the splits that list its stack."""
        return self.id in listed if self.query is None else matches(self.query, facts)


@dataclass(frozen=True, slots=True)
class Structure:
    """The decisions about some issues: where merged ones lead, and splits by issue, oldest first."""

    parents: Mapping[int, int]
    splits: Mapping[int, Sequence[Split]]

    def root(self, issue_id: int) -> int:
        """The issue that this one is part of by merges alone."""
        while issue_id in self.parents:
            issue_id = self.parents[issue_id]
        return issue_id


def find_place(
    structure: Structure,
    start: int,
    facts: Facts,
    *,
    listed: frozenset[int] = frozenset(),
    after: int = 0,
) -> int:
    """The issue of a report whose way starts at `start`, with splits made after `after`."""
    here, taken = start, after
    used: set[int] = set()
    while True:
        split = next(
            (
                split
                for split in structure.splits.get(here, ())
                if split.id > taken and split.id not in used and split.means(facts, listed)
            ),
            None,
        )
        if split is not None:
            used.add(split.id)
            here = split.new_issue_id
        elif here in structure.parents:
            here = structure.parents[here]
        else:
            return here


def parse_split(text: str) -> Query:
    """The query of a split. Raises BadQuery, also for keys that may change after the split."""
    query = parse(text)
    if not query.terms:
        raise BadQuery("A split needs at least one term", position=0)
    for term in query.terms:
        if term.key is not None and term.key not in FACT_KEYS:
            known = ", ".join(FACT_KEYS)
            raise BadQuery(
                f"`{term.key}` does not tell reports apart; use {known}, or words",
                position=term.start,
            )
    return query


def matches(query: Query, facts: Facts) -> bool:
    """Whether a report is meant: values of one key are alternatives, all else has to hold."""
    keys = dict.fromkeys(term.key for term in query.terms if term.key and not term.negated)
    return (
        all(any(_holds(term, facts) for term in _positive(query, key)) for key in keys)
        and all(_holds(term, facts) for term in query.terms if not term.key and not term.negated)
        and not any(_holds(term, facts) for term in query.terms if term.negated)
    )


def _positive(query: Query, key: str) -> list[Term]:
    return [term for term in query.terms if term.key == key and not term.negated]


def _holds(term: Term, facts: Facts) -> bool:
    text = facts.value(term.key).lower()
    first, *middle = (piece.lower() for piece in term.pieces)
    if term.key is None:
        return _in_order(text, [first, *middle], 0)
    if not middle:
        return text == first
    *middle, last = middle
    if not text.startswith(first) or len(text) < len(first) + len(last):
        return False
    end = len(text) - len(last)
    return text.endswith(last) and _in_order(text[:end], middle, len(first))


def _in_order(text: str, pieces: Sequence[str], start: int) -> bool:
    for piece in pieces:
        found = text.find(piece, start)
        if found < 0:
            return False
        start = found + len(piece)
    return True
