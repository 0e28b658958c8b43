"""Grouping in memory, one crash after the other: what the database does, without the database.

`Grouper` starts empty and learns from every crash it assigns. A crash joins the variant with its
exact key, else the group of its best match, else it opens a group that carries its own id. A
crash that is also very like a variant of a second group links the two: the older one's id stays.
Earlier answers may therefore be outdated at the end; `root_of` says what a group is now part of.
The same crashes in the same order always give the same groups.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from crashes.grouping.index import MemoryIndex
from crashes.grouping.mechanisms import CURRENT, MECHANISMS, Mechanism
from crashes.grouping.packing import TermTable, VariantStore, Vocabulary
from crashes.grouping.values import Decision, GroupingInput

_NOTHING_ALIKE = -1.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where one crash went.

    `group` is the id of the crash that opened the group. `score` is the similarity to the nearest
    earlier crash, -1 if none was comparable. `ranked` are ids of earlier crashes, best first, one
    per variant.
    """

    id: str
    group: str
    score: float
    ranked: tuple[str, ...]
    decision: Decision


@dataclass(slots=True)
class _Scope:
    """The variants of one scope; a variant's number is its place in the lists."""

    variants: VariantStore
    index: MemoryIndex = field(default_factory=MemoryIndex)
    openers: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    by_key: TermTable = field(default_factory=TermTable)

    def known(self, exact_key: str) -> int | None:
        """The variant with a key; the first 64 of its 256 bits tell keys apart well enough."""
        return next(iter(self.by_key.newest(_short(exact_key), 1)), None)


def _short(exact_key: str) -> int:
    return int.from_bytes(bytes.fromhex(exact_key[:16]), "big", signed=True)


class Grouper:
    """Assigns crashes to groups, online. One instance per stream."""

    def __init__(
        self, mechanism: Mechanism = MECHANISMS[CURRENT], *, is_linking: bool = True
    ) -> None:
        self._mechanism = mechanism
        self._is_linking = is_linking
        self._scopes: dict[str, _Scope] = {}
        self._vocabulary = Vocabulary()
        self._parents: dict[str, str] = {}
        self._ages: dict[str, int] = {}

    def assign(self, crash_id: str, item: GroupingInput) -> Assignment:
        """The group of one crash; afterwards the crash is part of what later ones meet."""
        scope = self._scope(item)
        known = scope.known(item.exact_key)
        decision = self._decide(scope, item)
        score = self._score(scope, item, known, decision)
        ranked = tuple(scope.openers[number] for number in _ranked(known, decision))
        if known is None:
            known = self._add(scope, crash_id, item, joined=decision.joined)
            if self._is_linking:
                self._link(scope.groups[known], (scope.groups[other] for other in decision.links))
        return Assignment(crash_id, self.root_of(scope.groups[known]), score, ranked, decision)

    def learn(self, crash_id: str, item: GroupingInput) -> None:
        """Take a crash as a group of its own, without comparing: what is known already."""
        scope = self._scope(item)
        if scope.known(item.exact_key) is None:
            self._add(scope, crash_id, item, joined=None)

    def root_of(self, group: str) -> str:
        """The group that this one is part of by now; itself if it was never linked to an older."""
        while group in self._parents:
            group = self._parents[group]
        return group

    def _scope(self, item: GroupingInput) -> _Scope:
        found = self._scopes.get(item.scope)
        if found is None:
            found = self._scopes[item.scope] = _Scope(VariantStore(self._vocabulary))
        return found

    def _decide(self, scope: _Scope, item: GroupingInput) -> Decision:
        numbers = scope.index.candidates(self._mechanism.index_terms(item))
        candidates = scope.variants.candidates(numbers)
        return self._mechanism.best_match(item, candidates, scope.index.stats())

    def _score(
        self, scope: _Scope, item: GroupingInput, known: int | None, decision: Decision
    ) -> float:
        """The similarity to the nearest earlier crash."""
        if known is None:
            return _NOTHING_ALIKE if decision.score is None else decision.score
        twin = scope.variants.candidate(known).input
        return self._mechanism.score(item, twin, stats=scope.index.stats()).total

    def _add(self, scope: _Scope, crash_id: str, item: GroupingInput, *, joined: int | None) -> int:
        number = len(scope.variants)
        if joined is None:
            group = crash_id
            self._ages[group] = len(self._ages)
        else:
            group = self.root_of(scope.groups[joined])
        scope.variants.append(item)
        scope.openers.append(crash_id)
        scope.groups.append(group)
        scope.by_key.add(_short(item.exact_key), number)
        scope.index.add(number, self._mechanism.index_terms(item))
        return number

    def _link(self, group: str, others: Iterable[str]) -> None:
        for other in others:
            roots = {self.root_of(group), self.root_of(other)}
            oldest = min(roots, key=self._ages.__getitem__)
            for newer in roots - {oldest}:
                self._parents[newer] = oldest


def _ranked(known: int | None, decision: Decision) -> list[int]:
    """The exact variant first, then the scored ones."""
    rest = [number for number, _ in decision.ranked if number != known]
    return rest if known is None else [known, *rest]
