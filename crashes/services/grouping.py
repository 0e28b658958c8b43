"""Which issue a crash belongs to, decided and kept in the database.

A stack that was seen before goes to its issue by one unique look-up. A new stack is compared with
the few stored ones that share its rarest terms; it joins the best of them or opens an issue. Both
happen inside the transaction that stores the report, behind a lock on the scope, so two workers
with the same new crash make one issue.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from django.db.models import Count

from crashes.grouping.index import POSTINGS_CAP, choose_terms, rank_candidates
from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from crashes.grouping.values import Candidate, Decision, FrameStats, GroupingInput
from crashes.models import Issue, StackVariant, VariantTerm
from uxp_diag.db import lock_name

MECHANISM = MECHANISMS[CURRENT]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What grouping needs to know of a report beside its stack."""

    program_id: int
    kind: str
    package: str
    os_build: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a report went, and the receipt that says why."""

    issue_id: int
    variant_id: int
    receipt: dict[str, Any]


class Placer:
    """Finds the issues of a batch of crashes, or makes them.

    Stacks that were seen before are looked up together; most of a batch is nothing else. The
    scopes of all others are locked at once and in one order, so that two workers never wait for
    each other in a circle. Runs inside a transaction.
    """

    def __init__(self, batch: Iterable[tuple[GroupingInput, Occurrence]]) -> None:
        places = [(occurrence.program_id, item) for item, occurrence in batch]
        self._known = _known_among(places)
        new = [place for place in places if (place[0], place[1].exact_key) not in self._known]
        for name in sorted({f"grouping/{program_id}/{item.scope}" for program_id, item in new}):
            lock_name(name)
        self._known |= _known_among(new)  # somebody may have been faster

    def place(self, item: GroupingInput, occurrence: Occurrence, *, now: datetime) -> Placement:
        """The issue of one crash of the batch, made if it is a new one."""
        key = (occurrence.program_id, item.exact_key)
        known = self._known.get(key)
        if known is not None:
            return _repeat(known, item)
        placement = _place_new(item, occurrence, now=now)
        self._known[key] = _Known(placement.variant_id, placement.issue_id)
        return placement


def place(item: GroupingInput, occurrence: Occurrence, *, now: datetime) -> Placement:
    """The issue of one crash, made if it is a new one. Runs inside a transaction."""
    return Placer([(item, occurrence)]).place(item, occurrence, now=now)


class _Known(NamedTuple):
    """A variant that is stored already."""

    variant_id: int
    issue_id: int


def _known_among(
    places: Iterable[tuple[int, GroupingInput]],
) -> dict[tuple[int, str], _Known]:
    """The stored ones among stacks of programs, by program and exact key."""
    keys: dict[int, set[str]] = defaultdict(set)
    for program_id, item in places:
        keys[program_id].add(item.exact_key)
    return {
        (program_id, key): variant
        for program_id, wanted in keys.items()
        for key, variant in _known_variants(wanted, program_id).items()
    }


def _known_variants(exact_keys: Iterable[str], program_id: int) -> dict[str, _Known]:
    rows = StackVariant.objects.filter(
        program_id=program_id, mechanism=CURRENT, exact_key__in=exact_keys
    ).values_list("exact_key", "id", "issue_id")
    return {key: _Known(variant_id, issue_id) for key, variant_id, issue_id in rows}


def _place_new(item: GroupingInput, occurrence: Occurrence, *, now: datetime) -> Placement:
    candidates, stats = _candidates(item, occurrence.program_id)
    decision = MECHANISM.best_match(item, list(candidates.values()), stats)
    issue_id = _issue_for(item, occurrence, decision, now=now)
    receipt = _receipt(item, decision)
    variant = StackVariant.objects.create(
        program_id=occurrence.program_id,
        mechanism=item.mechanism,
        scope=item.scope,
        exact_key=item.exact_key,
        issue_id=issue_id,
        content=item.to_json(),
        decision=receipt,
        created_at=now,
    )
    _file_terms(variant.pk, item, occurrence.program_id)
    return Placement(issue_id, variant.pk, receipt)


def _repeat(variant: _Known, item: GroupingInput) -> Placement:
    receipt = {
        "mechanism": item.mechanism,
        "score": 1.0,
        "matched": "exact",
        "explanation": [*item.explanation, "Seen before: the same stack has this issue."],
    }
    return Placement(variant.issue_id, variant.variant_id, receipt)


def _scope_hash(item: GroupingInput, program_id: int) -> int:
    name = f"{program_id}/{item.mechanism}/{item.scope}"
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _candidates(item: GroupingInput, program_id: int) -> tuple[Mapping[int, Candidate], FrameStats]:
    """Likely variants with the frame frequencies that scoring them needs."""
    scope = _scope_hash(item, program_id)
    terms = MECHANISM.index_terms(item)
    total = StackVariant.objects.filter(
        program_id=program_id, mechanism=item.mechanism, scope=item.scope
    ).count()
    frequency = _frequency(scope, terms)
    chosen = choose_terms(terms, frequency)
    ids = rank_candidates(_postings(scope, chosen), frequency, total)
    rows = StackVariant.objects.filter(pk__in=ids).only("id", "content").in_bulk()
    candidates = {
        key: Candidate(id=key, input=GroupingInput.from_json(rows[key].content))
        for key in ids
        if key in rows
    }
    others = {
        term for candidate in candidates.values() for term in MECHANISM.index_terms(candidate.input)
    }
    frequency |= _frequency(scope, others - frequency.keys())
    return candidates, FrameStats(total=total, frequency=frequency)


def _frequency(scope: int, terms: Iterable[int]) -> dict[int, int]:
    """How many variants of the scope have each term."""
    wanted = list(terms)
    if not wanted:
        return {}
    rows = (
        VariantTerm.objects.filter(scope_hash=scope, term__in=wanted)
        .values_list("term")
        .annotate(variants=Count("variant_id"))
        .order_by()
    )
    return dict(rows)


def _postings(scope: int, terms: Sequence[int]) -> dict[int, list[int]]:
    """The newest variants under each term, oldest first."""
    postings: dict[int, list[int]] = defaultdict(list)
    for term in terms:
        newest = (
            VariantTerm.objects.filter(scope_hash=scope, term=term)
            .order_by("-variant_id")
            .values_list("variant_id", flat=True)[:POSTINGS_CAP]
        )
        postings[term] = list(newest)[::-1]
    return postings


def _issue_for(
    item: GroupingInput, occurrence: Occurrence, decision: Decision, *, now: datetime
) -> int:
    if decision.joined is not None:
        return StackVariant.objects.values_list("issue_id", flat=True).get(pk=decision.joined)
    del now
    issue = Issue.objects.create(
        program_id=occurrence.program_id,
        kind=occurrence.kind,
        signature=item.signature[:250],
        package=occurrence.package,
        first_seen_at=occurrence.occurred_at,
        last_seen_at=occurrence.occurred_at,
        first_os_build=occurrence.os_build,
        last_os_build=occurrence.os_build,
    )
    return issue.pk


def _file_terms(variant_id: int, item: GroupingInput, program_id: int) -> None:
    scope = _scope_hash(item, program_id)
    terms = dict.fromkeys(MECHANISM.index_terms(item))
    VariantTerm.objects.bulk_create(
        VariantTerm(scope_hash=scope, term=term, variant_id=variant_id) for term in terms
    )


def _receipt(item: GroupingInput, decision: Decision) -> dict[str, Any]:
    """What is kept of a decision, so that anybody can ask later why."""
    return {
        "mechanism": item.mechanism,
        "score": decision.score if decision.joined is not None else None,
        "matched": "fuzzy" if decision.joined is not None else "new",
        "threshold": decision.threshold,
        "joined_variant": decision.joined,
        "next_best": list(decision.next_best) if decision.next_best else None,
        "similar_variants": list(decision.similar),
        "linked_variants": list(decision.links),
        "explanation": [*item.explanation, *decision.explanation],
    }
