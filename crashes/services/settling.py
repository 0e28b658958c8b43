"""Reports are placed anew after people decided, or grouping changed: from home along all decisions."""

from collections.abc import Sequence

from crashes.models import ReportPin, StackVariant
from crashes.services.places import list_listings, list_pins, load_structure
from crashes.services.report_moves import PlacedReport, load_reports, move_reports
from crashes.triage.places import Facts, find_place


def facts_of(reports: Sequence[PlacedReport]) -> dict[int, Facts]:
    """What splits may ask about each report."""
    variants = {item.variant_id for item in reports if item.variant_id is not None}
    signatures = dict(
        StackVariant.objects.filter(pk__in=variants).values_list("pk", "content__signature")
    )
    return {
        item.pk: Facts(
            kind=item.kind,
            package=item.package,
            model=item.model,
            os_build=item.os_build,
            signature=signatures.get(item.variant_id or 0) or "",
        )
        for item in reports
    }


def place_anew(issue_ids: set[int]) -> int:
    """Move what is in these issues to where it belongs now; how many moved."""
    return settle(load_reports(issue_id__in=issue_ids))


def settle(reports: Sequence[PlacedReport]) -> int:
    """Move these reports to where they belong now; how many moved."""
    return move_reports(reports, targets_of(reports))


def targets_of(reports: Sequence[PlacedReport]) -> dict[int, int]:
    """For each report the issue where the home of its stack and people's decisions lead."""
    facts = facts_of(reports)
    variants = {item.variant_id for item in reports if item.variant_id is not None}
    homes = dict(StackVariant.objects.filter(pk__in=variants).values_list("pk", "issue_id"))
    pins = _pins_among(reports)
    listed = list_listings(variants)
    starts = {*homes.values(), *(item.issue_id for item in reports)}
    structure = load_structure(starts | {issue_id for issue_id, _ in pins.values()})
    targets = {}
    for item in reports:
        start, after = pins.get(item.pk) or (homes.get(item.variant_id or 0, item.issue_id), 0)
        targets[item.pk] = find_place(
            structure,
            start,
            facts[item.pk],
            listed=listed.get(item.variant_id or 0, frozenset()),
            after=after,
        )
    return targets


def _pins_among(reports: Sequence[PlacedReport]) -> dict[int, tuple[int, int]]:
    pinned = ReportPin.objects.filter(
        decision__undone_at=None, report__issue_id__in={item.issue_id for item in reports}
    )
    if not pinned.exists():
        return {}
    return list_pins(item.pk for item in reports)
