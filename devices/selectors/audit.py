"""The audit, for those who watch over it."""

from collections.abc import Iterator

from django.db.models import Q

from devices.audit import Entry, Verdict, verify_chain
from devices.models import AuditEntry
from uxp_diag.viewer import Viewer

PAGE = 100


def entry_of(row: AuditEntry) -> Entry:
    """The value of a row."""
    return Entry(
        number=row.number,
        at=row.at,
        program_id=row.program_id,
        by_name=row.by_name,
        by_user_id=row.by_user_id,
        action=row.action,
        subject=row.subject,
        fields=tuple(row.fields),
        count=row.count,
        previous=row.previous,
        hash=row.hash,
    )


def list_looks(*, viewer: Viewer, before: int | None = None) -> list[Entry]:
    """The newest hundred entries of the viewer's programs, or those before a number."""
    rows = AuditEntry.objects.filter(Q(program_id__in=viewer.program_ids) | Q(program_id=None))
    if before is not None:
        rows = rows.filter(number__lt=before)
    return [entry_of(row) for row in rows.order_by("-number")[:PAGE]]


def verify_audit(*, head: tuple[int, str] | None = None) -> Verdict:
    """Whether the audit is as it was written. `head`: number and hash as told earlier."""
    return verify_chain(_entries(), head=head)


def audit_head() -> tuple[int, str]:
    """Number and hash of the newest entry; 0 and nothing without any."""
    last = AuditEntry.objects.order_by("-number").values_list("number", "hash").first()
    return last or (0, "")


def _entries() -> Iterator[Entry]:
    for row in AuditEntry.objects.order_by("number").iterator(chunk_size=2_000):
        yield entry_of(row)
