"""Which issue a crash belongs to, decided and kept in the database.

A stack that was seen before has its home issue by one unique look-up. A new stack is compared with
the few stored ones that share its rarest terms; it takes the home of the best of them or opens an
issue. From its home a report goes where people's decisions lead (`crashes.triage.places`). All of
it happens inside the transaction that stores the report, behind a lock on the scope, so two
workers with the same new crash make one issue.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.values import Decision, GroupingInput
from crashes.models import Issue, ReportPin, SplitVariant, StackVariant, VariantLikeness
from crashes.services.places import (
    find_apart,
    hold_decisions,
    list_listings,
    list_pins,
    load_structure,
    tree_of,
)
from crashes.services.variant_index import VariantIndex, scope_hash
from crashes.triage.places import Facts, Structure, find_place
from uxp_diag.db import lock_name

_KEPT_PAIRS = 40
_KEPT_ALIKE = 5


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What grouping needs to know of a report beside its stack.

    `report_pk` and `issue_id` are those of a report that is placed once more.
    """

    program_id: int
    kind: str
    package: str
    os_build: str
    occurred_at: datetime
    model: str = ""
    report_pk: int | None = None
    issue_id: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a report went, and the receipt that says why."""

    issue_id: int
    variant_id: int
    receipt: dict[str, Any]


class _Known(NamedTuple):
    """A variant that is stored: its home is the issue that grouping alone gave it.

    `leads_on` says that people decided something about that issue.
    """

    variant_id: int
    home_id: int
    leads_on: bool = False


class Placer:
    """Finds the issues of a batch of crashes, or makes them; `flush` ends it.

    Stacks that were seen before are looked up together; most of a batch is nothing else. The
    scopes of all others are locked at once and in one order, so that two workers never wait for
    each other in a circle. Runs inside a transaction.
    """

    def __init__(self, batch: Iterable[tuple[GroupingInput, Occurrence]]) -> None:
        places = list(batch)
        hold_decisions(occurrence.program_id for _, occurrence in places)
        stacks = [(occurrence.program_id, item) for item, occurrence in places]
        self._known = _known_among(stacks)
        new = [place for place in stacks if (place[0], place[1].exact_key) not in self._known]
        for name in sorted({f"grouping/{program_id}/{item.scope}" for program_id, item in new}):
            lock_name(name)
        self._known |= _known_among(new)  # somebody may have been faster
        self._index = VariantIndex(
            [_stack(*place) for place in new if (place[0], place[1].exact_key) not in self._known]
        )
        homes = {known.home_id for known in self._known.values()}
        self._structure = load_structure(
            {known.home_id for known in self._known.values() if known.leads_on}
        )
        self._walked = homes
        again = [item.report_pk for _, item in places if item.report_pk is not None]
        self._pins = list_pins(again) if again else {}
        self._listed: dict[int, frozenset[int]] = {}
        if self._structure.splits:
            self._listed |= list_listings(known.variant_id for known in self._known.values())

    def place(self, item: GroupingInput, occurrence: Occurrence, *, now: datetime) -> Placement:
        """The issue of one crash of the batch, made if it is a new one."""
        key = (occurrence.program_id, item.exact_key)
        known = self._known.get(key)
        if known is not None:
            receipt = repeat_receipt(item)
        else:
            known, receipt = self._place_new(item, occurrence, now=now)
            self._known[key] = known
        issue_id, notes = self._lead_on(known, item, occurrence)
        if notes:
            receipt = {**receipt, "explanation": [*receipt["explanation"], *notes]}
        return Placement(issue_id, known.variant_id, receipt)

    def flush(self) -> None:
        """Write what the batch added to the index. Placing ends with this."""
        self._index.flush()

    def _place_new(
        self, item: GroupingInput, occurrence: Occurrence, *, now: datetime
    ) -> tuple[_Known, dict[str, Any]]:
        stack = _stack(occurrence.program_id, item)
        candidates, stats = self._index.candidates(stack)
        decision = MECHANISMS[item.mechanism].best_match(item, candidates, stats)
        if decision.joined is None:
            home_id, leads_on = _open_issue(item, occurrence), False
        else:
            home_id, leads_on = self._index.home(decision.joined)
        receipt = receipt_of(item, decision)
        variant = StackVariant.objects.create(
            program_id=occurrence.program_id,
            mechanism=item.mechanism,
            scope=item.scope,
            exact_key=item.exact_key,
            issue_id=home_id,
            content=item.to_json(),
            decision=receipt,
            created_at=now,
        )
        self._index.add(variant.pk, stack, home=(home_id, leads_on))
        _keep_alike(variant.pk, decision)
        if leads_on and decision.joined is not None:
            self._follow(variant.pk, decision.joined, home_id)
        return _Known(variant.pk, home_id, leads_on), receipt

    def _follow(self, variant_id: int, joined: int, home_id: int) -> None:
        """A stack that joins another goes where that one goes, also by splits that list it."""
        if home_id not in self._walked:
            more = load_structure([home_id])
            self._structure = Structure(
                {**self._structure.parents, **more.parents},
                {**self._structure.splits, **more.splits},
            )
            self._walked.add(home_id)
        if not self._structure.splits:
            return
        listed = list_listings([joined]).get(joined, frozenset())
        SplitVariant.objects.bulk_create(
            SplitVariant(decision_id=decision_id, variant_id=variant_id)
            for decision_id in sorted(listed)
        )
        self._listed[variant_id] = listed

    def _lead_on(
        self, known: _Known, item: GroupingInput, occurrence: Occurrence
    ) -> tuple[int, list[str]]:
        """The issue where people's decisions lead from the home of a stack, and why."""
        start, after = known.home_id, 0
        pin = self._pins.get(occurrence.report_pk or 0)
        if pin is not None:
            start, after = pin
            more = load_structure([start])
            structure = Structure(
                {**self._structure.parents, **more.parents},
                {**self._structure.splits, **more.splits},
            )
        else:
            structure = self._structure
        facts = Facts(
            kind=occurrence.kind,
            package=occurrence.package,
            model=occurrence.model,
            os_build=occurrence.os_build,
            signature=item.signature,
        )
        listed = self._listed.get(known.variant_id, frozenset())
        issue_id = find_place(structure, start, facts, listed=listed, after=after)
        if pin is not None:
            return issue_id, [f"Somebody put this report here (decision {after})."]
        if occurrence.issue_id is not None and occurrence.issue_id != issue_id:
            apart = find_apart(tree_of(occurrence.issue_id), tree_of(issue_id))
            if apart is not None:
                ReportPin.objects.create(
                    decision=apart,
                    report_id=occurrence.report_pk or 0,
                    issue_id=occurrence.issue_id,
                )
                return occurrence.issue_id, [
                    f"Its stack would now be in issue {issue_id}, which decision {apart.pk} of "
                    f"{apart.by_name} keeps apart from this one."
                ]
        if issue_id != known.home_id:
            return issue_id, [
                f"People's decisions lead from issue {known.home_id} to issue {issue_id}."
            ]
        return issue_id, []


def place(item: GroupingInput, occurrence: Occurrence, *, now: datetime) -> Placement:
    """The issue of one crash, made if it is a new one. Runs inside a transaction."""
    placer = Placer([(item, occurrence)])
    placement = placer.place(item, occurrence, now=now)
    placer.flush()
    return placement


def _stack(program_id: int, item: GroupingInput) -> tuple[int, GroupingInput]:
    return scope_hash(program_id, item.mechanism, item.scope), item


def _known_among(
    places: Iterable[tuple[int, GroupingInput]],
) -> dict[tuple[int, str], _Known]:
    """The stored ones among stacks of programs, by program and exact key."""
    keys: dict[tuple[int, str], set[str]] = defaultdict(set)
    for program_id, item in places:
        keys[program_id, item.mechanism].add(item.exact_key)
    return {
        (program_id, key): variant
        for (program_id, mechanism), wanted in keys.items()
        for key, variant in _known_variants(wanted, program_id, mechanism).items()
    }


def _known_variants(
    exact_keys: Iterable[str], program_id: int, mechanism: str
) -> dict[str, _Known]:
    rows = StackVariant.objects.filter(
        program_id=program_id, mechanism=mechanism, exact_key__in=exact_keys
    )
    found = rows.values_list("exact_key", "id", "issue_id", "issue__leads_on")
    return {key: _Known(pk, home_id, leads) for key, pk, home_id, leads in found}


def _open_issue(item: GroupingInput, occurrence: Occurrence) -> int:
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


def _keep_alike(variant_id: int, decision: Decision) -> None:
    """The stacks that this one is like and did not join, the most alike first."""
    scores = dict(decision.ranked)
    strong = [(key, True) for key in decision.links]
    weak = [(key, False) for key in decision.similar if key not in decision.links]
    alike = [*strong, *weak][:_KEPT_ALIKE]
    VariantLikeness.objects.bulk_create(
        VariantLikeness(
            variant_id=variant_id, other_id=other, score=scores[other], is_strong=is_strong
        )
        for other, is_strong in alike
    )


def repeat_receipt(item: GroupingInput) -> dict[str, Any]:
    """What is kept for a stack that was seen before."""
    return {
        "mechanism": item.mechanism,
        "score": 1.0,
        "matched": "exact",
        "explanation": [*item.explanation, "Seen before: the same stack has this issue."],
    }


def receipt_of(item: GroupingInput, decision: Decision) -> dict[str, Any]:
    """What is kept of a decision, so that anybody can ask later why.

    `aligned` are frame pairs: place in this stack, place in the other, name, share of the score.
    """
    match = decision.match
    return {
        "mechanism": item.mechanism,
        "score": decision.score if decision.joined is not None else None,
        "matched": "fuzzy" if decision.joined is not None else "new",
        "threshold": decision.threshold,
        "joined_variant": decision.joined,
        "best": list(decision.ranked[0]) if decision.ranked else None,
        "next_best": list(decision.next_best) if decision.next_best else None,
        "similar_variants": list(decision.similar),
        "linked_variants": list(decision.links),
        "parts": {
            "frames": match.frames,
            "type": match.type,
            "message": match.message,
            "brevity": match.brevity,
            "culprit": match.culprit,
        }
        if match
        else None,
        "aligned": [
            [pair.left, pair.right, pair.token, round(pair.share, 4)]
            for pair in (match.pairs if match else ())[:_KEPT_PAIRS]
        ],
        "explanation": [*item.explanation, *decision.explanation],
    }
