"""A proposal is applied: another mechanism takes over, and the reports move to its groups.

    ready --start_applying--> applying --move_batch, again and again--> applied

`start_applying` first writes the stacks, in bounded steps beside the workers (`proposed_stacks`). Then
one transaction gives every stack its home, ends the issues that became part of others (their ids lead
on), and switches the program; from then on new reports are grouped by the new mechanism. `move_batch` moves the stored ones, each batch in a transaction with its
counts, so whoever dies in between loses nothing and anybody may go on. What came between the replay
and the switch is grouped on the way.

People's decisions stand: reports walk from their new home along them (`crashes.triage.places`),
and one that its new home would bring to where somebody said it does not belong is pinned where it
is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.proposals import Plan, Standing, plan_homes
from crashes.models import (
    ApartPair,
    GroupingProposal,
    Issue,
    ProposedReport,
    ProposedStack,
    Report,
    SplitVariant,
    StackVariant,
    TriageEvent,
)
from crashes.models.report import COUNTED
from crashes.selectors.replaying import roots_of
from crashes.selectors.standings import STANDING_FIELDS, standing_of
from crashes.services.issue_moves import absorb_issue
from crashes.services.mechanisms import switch_mechanism
from crashes.services.places import change_decisions, find_apart, list_listings, root_of, tree_of
from crashes.services.proposed_stacks import stage_stacks, write_stacks
from crashes.services.standings import take_standing
from crashes.triage.transitions import reopen
from uxp_diag.viewer import Viewer

_CHUNK = 2_000
State = GroupingProposal.State


class ImpossibleSwitch(Exception):
    """The proposal cannot be applied."""


@dataclass(slots=True)
class _Seen:
    """The reports of one proposed stack, as they are grouped until now."""

    homes: Counter[int] = field(default_factory=Counter)
    variants: Counter[int] = field(default_factory=Counter)


def start_applying(proposal_id: int, *, by: Viewer, now: datetime) -> GroupingProposal:
    """Switch the program to the mechanism of a proposal. Raises ImpossibleSwitch."""
    _check(GroupingProposal.objects.get(pk=proposal_id))
    stage_stacks(proposal_id, now=now)
    return _switch(proposal_id, by=by, now=now)


def _check(proposal: GroupingProposal) -> None:
    """Raises ImpossibleSwitch for a proposal that cannot be applied."""
    if proposal.state != State.READY:
        raise ImpossibleSwitch(f"the proposal is {proposal.state}, not ready")
    if proposal.mechanism not in MECHANISMS:
        raise ImpossibleSwitch(f"there is no mechanism {proposal.mechanism}")
    same = GroupingProposal.objects.filter(program_id=proposal.program_id, state=State.APPLYING)
    if same.exists():
        raise ImpossibleSwitch("another proposal of the program is being applied")


@transaction.atomic
def _switch(proposal_id: int, *, by: Viewer, now: datetime) -> GroupingProposal:
    program_id = GroupingProposal.objects.values_list("program_id", flat=True).get(pk=proposal_id)
    change_decisions(program_id)
    proposal = GroupingProposal.objects.select_for_update().get(pk=proposal_id)
    _check(proposal)
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
    rows = ProposedStack.objects.filter(proposal=proposal).order_by("opened_by")
    light = rows.values_list("opened_by", "group", "content__exact_key")
    for chunk in _chunks(light.iterator(chunk_size=_CHUNK)):
        homes, keys = {}, {}
        for opened_by, group, key in chunk:
            if opened_by not in seen:
                continue  # its reports are gone
            home = seen[opened_by].homes.most_common(1)[0][0]
            issue_id = plan.homes[home, str(group)]
            if issue_id is None:
                if group not in opened:
                    opened[group] = _open_issue(proposal, opened_by, home, by=by, now=now)
                issue_id = opened[group]
            homes[opened_by], keys[key] = issue_id, opened_by
        _settle_stacks(proposal, homes, keys, variants, now)
    _list_in_splits(seen, variants)


def _settle_stacks(
    proposal: GroupingProposal,
    homes: Mapping[int, int],
    keys: Mapping[str, int],
    variants: dict[int, int],
    now: datetime,
) -> None:
    """Give the stacks of a chunk their homes; the few that are not there yet are written."""
    known = StackVariant.objects.filter(
        program_id=proposal.program_id, mechanism=proposal.mechanism, exact_key__in=keys
    )
    by_home: dict[int, list[int]] = defaultdict(list)
    for pk, key, home_id in known.values_list("pk", "exact_key", "issue_id"):
        variants[keys[key]] = pk
        if home_id != homes[keys[key]]:
            by_home[homes[keys[key]]].append(pk)
    for issue_id, pks in by_home.items():
        StackVariant.objects.filter(pk__in=pks).update(issue_id=issue_id)
    missing = [opened_by for opened_by in homes if opened_by not in variants]
    stacks = ProposedStack.objects.filter(proposal=proposal, opened_by__in=missing)
    write_stacks(proposal, stacks.order_by("opened_by"), homes, variants, now)


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
    proposal: GroupingProposal, opened_by: int, home_id: int, *, by: Viewer, now: datetime
) -> int:
    """An issue for a group that no issue goes on as; what people decided about the old holds."""
    old = Issue.objects.get(pk=home_id)
    stack = ProposedStack.objects.get(proposal=proposal, opened_by=opened_by)
    first = Report.objects.filter(
        COUNTED,
        pk__in=ProposedReport.objects.filter(proposal=proposal, opened_by=opened_by).values(
            "report_pk"
        ),
    ).earliest("pk")
    issue = Issue.objects.create(
        program_id=proposal.program_id,
        kind=first.kind,
        signature=stack.content["signature"][:250],
        package=first.package,
        assignee_id=old.assignee_id,
        **{name: getattr(old, name) for name in STANDING_FIELDS},
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
        kept = Issue.objects.get(pk=kept_id)
        if gone.state == Issue.State.OPEN != kept.state:
            # an open issue never disappears into a closed one
            take_standing(kept, reopen(standing_of(kept)))
            kept.save(update_fields=STANDING_FIELDS)
        absorb_issue(kept_id=kept_id, gone_id=gone_id, now=now)
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
