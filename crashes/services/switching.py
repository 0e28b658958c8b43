"""A proposal is applied: another mechanism takes over, and the reports move to its groups.

    ready --start_applying--> applying --move_batch, again and again--> applied

`start_applying` is one transaction. It gives every proposed stack its home, ends the issues that
became part of others (their ids lead on), and switches the program; from then on new reports are
grouped by the new mechanism. `move_batch` moves the stored ones, each batch in a transaction with
its counts, so whoever dies in between loses nothing and anybody may go on. What came between the
replay and the switch is grouped on the way.

People's decisions stand: reports walk from their new home along them (`crashes.triage.places`),
and one that its new home would bring to where somebody said it does not belong is pinned where it
is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.proposals import Plan, Standing, plan_homes
from crashes.grouping.values import GroupingInput
from crashes.models import (
    ApartPair,
    GroupingProposal,
    Issue,
    ProposedReport,
    ProposedStack,
    Report,
    SplitVariant,
    StackVariant,
    TermCount,
    TriageEvent,
    VariantLikeness,
    VariantTerm,
)
from crashes.models.report import COUNTED
from crashes.selectors.replaying import roots_of
from crashes.services.issue_moves import absorb_issue
from crashes.services.mechanisms import switch_mechanism
from crashes.services.places import change_decisions, find_apart, list_listings, root_of, tree_of
from crashes.services.variant_index import add_counts, index_terms, scope_hash
from uxp_diag.viewer import Viewer

_CHUNK = 2_000
_KEPT_ALIKE = 5
State = GroupingProposal.State


class ImpossibleSwitch(Exception):
    """The proposal cannot be applied."""


@dataclass(slots=True)
class _Seen:
    """The reports of one proposed stack, as they are grouped until now."""

    homes: Counter[int] = field(default_factory=Counter)
    variants: Counter[int] = field(default_factory=Counter)


@transaction.atomic
def start_applying(proposal_id: int, *, by: Viewer, now: datetime) -> GroupingProposal:
    """Switch the program to the mechanism of a proposal. Raises ImpossibleSwitch."""
    program_id = GroupingProposal.objects.values_list("program_id", flat=True).get(pk=proposal_id)
    change_decisions(program_id)
    proposal = GroupingProposal.objects.select_for_update().get(pk=proposal_id)
    if proposal.state != State.READY:
        raise ImpossibleSwitch(f"the proposal is {proposal.state}, not ready")
    if proposal.mechanism not in MECHANISMS:
        raise ImpossibleSwitch(f"there is no mechanism {proposal.mechanism}")
    if GroupingProposal.objects.filter(program_id=program_id, state=State.APPLYING).exists():
        raise ImpossibleSwitch("another proposal of the program is being applied")
    groups = dict(ProposedStack.objects.filter(proposal=proposal).values_list("opened_by", "group"))
    seen, placed = _look(proposal, groups)
    _let_counted_follow(proposal, seen)
    plan = plan_homes(placed, _standing(program_id, {home for home, _ in placed}))
    _give_homes(proposal, plan, groups, seen, by=by, now=now)
    _end_issues(proposal, plan, by=by, now=now)
    switch_mechanism(program_id, proposal.mechanism, by_name=by.name, now=now)
    proposal.state, proposal.started_at = State.APPLYING, now
    proposal.applied_by_id, proposal.applied_by_name = by.user_id, by.name
    proposal.save()
    return proposal


def _look(
    proposal: GroupingProposal, groups: Mapping[int, int]
) -> tuple[dict[int, _Seen], list[tuple[int, str]]]:
    """By stack what is there of it, and home and group of every report, oldest first."""
    rows = ProposedReport.objects.filter(proposal=proposal).order_by("report_pk")
    seen: dict[int, _Seen] = defaultdict(_Seen)
    placed = []
    pairs = rows.values_list("report_pk", "opened_by").iterator(chunk_size=_CHUNK)
    for chunk in _chunks(pairs):
        reports = Report.objects.filter(
            COUNTED, pk__in=[pk for pk, _ in chunk], variant__isnull=False
        )
        known = {
            pk: (home, variant)
            for pk, home, variant in reports.values_list("pk", "variant__issue", "variant")
        }
        for pk, opened_by in chunk:
            if pk in known:
                home, variant = known[pk]
                seen[opened_by].homes[home] += 1
                seen[opened_by].variants[variant] += 1
                placed.append((home, str(groups[opened_by])))
    return seen, placed


def _let_counted_follow(proposal: GroupingProposal, seen: Mapping[int, _Seen]) -> None:
    """Reports that were only counted go where most stored ones with their stack go."""
    by_variant: dict[int, Counter[int]] = defaultdict(Counter)
    for opened_by, one in seen.items():
        for variant, reports in one.variants.items():
            by_variant[variant][opened_by] += reports
    leads = {variant: stacks.most_common(1)[0][0] for variant, stacks in by_variant.items()}
    counted = Report.objects.filter(
        COUNTED, program_id=proposal.program_id, is_counted_only=True, variant__isnull=False
    )
    rows = counted.order_by("pk").values_list("pk", "variant").iterator(chunk_size=_CHUNK)
    for chunk in _chunks(rows):
        ProposedReport.objects.bulk_create(
            ProposedReport(proposal=proposal, report_pk=pk, opened_by=leads[variant])
            for pk, variant in chunk
            if variant in leads
        )


def _standing(program_id: int, homes: set[int]) -> Standing:
    pairs = ApartPair.objects.filter(decision__undone_at=None, decision__program_id=program_id)
    apart = list(pairs.values_list("one", "other"))
    roots = roots_of(homes | {issue_id for pair in apart for issue_id in pair})
    return Standing(roots, frozenset(frozenset((roots[a], roots[b])) for a, b in apart))


def _give_homes(
    proposal: GroupingProposal,
    plan: Plan,
    groups: Mapping[int, int],
    seen: Mapping[int, _Seen],
    *,
    by: Viewer,
    now: datetime,
) -> None:
    """Every proposed stack is a stack of the mechanism from now on, in the issue of its group."""
    opened: dict[int, int] = {}
    variants: dict[int, int] = {}
    stacks = ProposedStack.objects.filter(proposal=proposal).order_by("opened_by")
    for chunk in _chunks(stacks.iterator(chunk_size=_CHUNK)):
        homes = {}
        for stack in chunk:
            if stack.opened_by not in seen:
                continue  # its reports are gone
            home = seen[stack.opened_by].homes.most_common(1)[0][0]
            issue_id = plan.homes[home, str(stack.group)]
            if issue_id is None:
                if stack.group not in opened:
                    opened[stack.group] = _open_issue(proposal, stack, home, by=by, now=now)
                issue_id = opened[stack.group]
            homes[stack.opened_by] = issue_id
        _keep_stacks(
            proposal, [one for one in chunk if one.opened_by in homes], homes, variants, now
        )
    _list_in_splits(seen, variants)


def _keep_stacks(
    proposal: GroupingProposal,
    stacks: Sequence[ProposedStack],
    homes: Mapping[int, int],
    variants: dict[int, int],
    now: datetime,
) -> None:
    """Write a chunk of stacks; `variants` learns the number of each."""
    mine = StackVariant.objects.filter(program_id=proposal.program_id, mechanism=proposal.mechanism)
    keys = {one.content["exact_key"]: one for one in stacks}
    known = {one.exact_key: one for one in mine.filter(exact_key__in=keys)}
    for key, variant in known.items():
        variant.issue_id = homes[keys[key].opened_by]
        variants[keys[key].opened_by] = variant.pk
    StackVariant.objects.bulk_update(known.values(), ["issue"], batch_size=200)
    terms, counts = [], Counter[tuple[int, int]]()
    likenesses: list[VariantLikeness] = []
    for key, stack in keys.items():
        if key in known:
            continue
        item = GroupingInput.from_json(stack.content)
        variant = StackVariant.objects.create(
            program_id=proposal.program_id,
            mechanism=item.mechanism,
            scope=item.scope,
            exact_key=key,
            issue_id=homes[stack.opened_by],
            content=stack.content,
            decision=_receipt(stack.decision, variants),
            created_at=now,
        )
        variants[stack.opened_by] = variant.pk
        likenesses += _alike(variant.pk, stack.decision, variants)
        scope = scope_hash(proposal.program_id, item.mechanism, item.scope)
        found = index_terms(item)
        terms += [VariantTerm(scope_hash=scope, term=term, variant=variant) for term in found]
        counts.update((scope, term) for term in (*found, TermCount.TOTAL))
    VariantTerm.objects.bulk_create(terms, batch_size=_CHUNK)
    add_counts(counts)
    VariantLikeness.objects.bulk_create(likenesses)


def _receipt(decision: Mapping[str, Any], variants: Mapping[int, int]) -> dict[str, Any]:
    """The receipt of a stack, with the numbers of stacks where the proposal has reports."""
    receipt = {key: value for key, value in decision.items() if key != "scores"}
    for key in ("best", "next_best"):
        pair = receipt.get(key)
        receipt[key] = [variants[pair[0]], pair[1]] if pair and pair[0] in variants else None
    for key in ("similar_variants", "linked_variants"):
        receipt[key] = [variants[one] for one in receipt[key] if one in variants]
    receipt["joined_variant"] = variants.get(receipt["joined_variant"])
    return receipt


def _alike(
    variant_id: int, decision: Mapping[str, Any], variants: Mapping[int, int]
) -> Iterator[VariantLikeness]:
    scores = dict(decision["scores"])
    strong = decision["linked_variants"]
    weak = [one for one in decision["similar_variants"] if one not in strong]
    for opened_by in [*strong, *weak][:_KEPT_ALIKE]:
        if opened_by in variants:
            yield VariantLikeness(
                variant_id=variant_id,
                other_id=variants[opened_by],
                score=scores[opened_by],
                is_strong=opened_by in strong,
            )


def _list_in_splits(seen: Mapping[int, _Seen], variants: Mapping[int, int]) -> None:
    """What a split lists it goes on to list: stacks of which most reports were listed."""
    listed = list_listings({old for one in seen.values() for old in one.variants})
    if not listed:
        return
    rows = []
    for opened_by, variant_id in variants.items():
        counts = Counter[int]()
        for old, reports in seen[opened_by].variants.items():
            for decision_id in listed.get(old, ()):
                counts[decision_id] += reports
        most = seen[opened_by].variants.total() / 2
        wanted = {decision_id for decision_id, reports in counts.items() if reports >= most}
        rows += [
            SplitVariant(decision_id=decision_id, variant_id=variant_id)
            for decision_id in sorted(wanted)
        ]
    SplitVariant.objects.bulk_create(rows, ignore_conflicts=True)


def _open_issue(
    proposal: GroupingProposal, stack: ProposedStack, home_id: int, *, by: Viewer, now: datetime
) -> int:
    """An issue for a group that no issue goes on as; what people decided about the old holds."""
    old = Issue.objects.get(pk=home_id)
    first = Report.objects.filter(
        COUNTED,
        pk__in=ProposedReport.objects.filter(proposal=proposal, opened_by=stack.opened_by).values(
            "report_pk"
        ),
    ).earliest("pk")
    issue = Issue.objects.create(
        program_id=proposal.program_id,
        kind=first.kind,
        signature=stack.content["signature"][:250],
        package=first.package,
        state=old.state,
        assignee_id=old.assignee_id,
        first_seen_at=first.occurred_at,
        last_seen_at=first.occurred_at,
        first_os_build=first.os_build,
        last_os_build=first.os_build,
    )
    text = f"mechanism {proposal.mechanism} parted it from issue {home_id} (proposal {proposal.pk})"
    _note(issue.pk, "parted", text, by=by, now=now)
    return issue.pk


def _end_issues(proposal: GroupingProposal, plan: Plan, *, by: Viewer, now: datetime) -> None:
    """Issues that are home to nothing any more become part of the one their reports go to."""
    for gone_id, kept_id in sorted(plan.ends.items()):
        one, other = tree_of(gone_id), tree_of(root_of(kept_id))
        if one & other or find_apart(one, other):
            continue
        gone = Issue.objects.get(pk=gone_id)
        if gone.state == Issue.State.OPEN:  # an open issue never disappears into a closed one
            Issue.objects.filter(pk=kept_id).update(state=Issue.State.OPEN)
        absorb_issue(kept_id=kept_id, gone_id=gone_id)
        text = f"mechanism {proposal.mechanism} made issue {gone_id} part of it (proposal {proposal.pk})"
        _note(kept_id, "joined", text, by=by, now=now)


def _note(issue_id: int, kind: str, text: str, *, by: Viewer, now: datetime) -> None:
    TriageEvent.objects.create(
        issue_id=issue_id, kind=kind, by_id=by.user_id, by_name=by.name, text=text, at=now
    )


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(items)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk
