"""Reports: one with its content, the raw bytes for those who may, and lists of them."""

import io
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q

from crashes.models import Report, ReportContent
from crashes.models.report import COUNTED, NO_DEVICE
from crashes.packing import Document, UnreadablePack, open_payload
from crashes.selectors.contents import FIELDS, document_of
from crashes.selectors.keyset import Order, take_page
from crashes.selectors.matching import reports_matching
from crashes.selectors.sealed import ContentErased, open_blob, opened, raw_place
from crashes.stack import Crash
from crashes.triage.query import Query
from uxp_diag.api.pagination import DEFAULT_SIZE, Page
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

_ORDER = Order("received", "received_at", "Received", datetime)

_PUBLIC_STATES = {
    Report.State.AWAITING: "received",
    Report.State.RECEIVED: "received",
    Report.State.LEASED: "processing",
    Report.State.DONE: "done",
    Report.State.QUARANTINED: "quarantined",
}


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One report without its content. `device_id` is None for clients without enrollment.

    `state` is received, processing, done or quarantined. `fingerprint` is mechanism and exact
    key; it is only known to `get_report`, and None while the report is not done. `evidence_of` is
    the report that shows the same occurrence better and is counted in place of this one.
    """

    pk: int
    program_id: int
    report_id: uuid.UUID
    state: str
    kind: str
    received_at: datetime
    occurred_at: datetime
    device_id: uuid.UUID | None
    model: str
    os_version: str
    os_build: str
    process: str
    package: str
    version_name: str
    version_code: int | None
    mcc: str
    mnc: str
    issue_id: int | None
    signature: str | None
    fingerprint: str | None
    attempts: int
    failure_code: str
    failure_detail: str
    evidence_of: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Companion:
    """Another report of the same occurrence. `source` says in which form it came."""

    report_id: uuid.UUID
    source: str
    received_at: datetime
    is_lead: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What a report holds: `crash` and `grouping` are None until it is done.

    They are None, and the envelope empty, for a row that `is_damaged`.
    """

    crash: Crash | None
    envelope: dict[str, Any]
    grouping: dict[str, Any] | None
    raw_format: str
    raw_bytes: int
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class RawPayload:
    """What the device sent, to be read as a stream; `size_bytes` is the unpacked size."""

    format: str
    size_bytes: int
    stream: IO[bytes]


def get_report(*, viewer: Viewer, report_id: uuid.UUID) -> ReportRow:
    """One report; the newest, should several devices share an id. Raises Report.DoesNotExist."""
    rows = Report.objects.filter(program_id__in=viewer.program_ids, report_id=report_id)
    found = (
        rows.select_related("issue", "variant", "evidence_of")
        .order_by("-received_at", "-pk")
        .first()
    )
    if found is None:
        raise Report.DoesNotExist
    variant = found.variant
    fingerprint = f"{variant.mechanism}:{variant.exact_key}" if variant else None
    return report_row(found, fingerprint=fingerprint)


def list_companions(*, viewer: Viewer, report_pk: int) -> tuple[Companion, ...]:
    """The other reports of a report's occurrence: its lead first, then further evidence."""
    rows = Report.objects.filter(program_id__in=viewer.program_ids)
    own = rows.filter(pk=report_pk).values_list("evidence_of", flat=True).first()
    lead = own or report_pk
    found = rows.filter(Q(pk=lead) | Q(evidence_of=lead)).exclude(pk=report_pk)
    names = found.values_list("report_id", "mark__source", "received_at", "evidence_of")
    companions = [
        Companion(report_id, source or "", received_at, is_lead=evidence_of is None)
        for report_id, source, received_at, evidence_of in names.order_by("pk")
    ]
    return tuple(sorted(companions, key=lambda one: not one.is_lead))


def get_report_content(*, viewer: Viewer, report_pk: int) -> Content | None:
    """The content of a report, or None while there is none, and when it is erased or damaged."""
    found = _contents(viewer).filter(pk=report_pk).only(*FIELDS, "raw_format", "raw_bytes").first()
    if found is None:
        return None
    try:
        document, is_damaged = document_of(found), False
    except ContentErased:
        return None
    except UnreadablePack:
        document, is_damaged = Document({}), True
    return Content(
        crash=document.crash,
        envelope=document.envelope,
        grouping=document.grouping,
        raw_format=found.raw_format,
        raw_bytes=found.raw_bytes,
        is_damaged=is_damaged,
    )


def get_stack_receipt(*, viewer: Viewer, report_pk: int) -> dict[str, Any] | None:
    """How the first report with the stack of this one was placed; None without a stack."""
    rows = Report.objects.filter(program_id__in=viewer.program_ids, variant__isnull=False)
    found: dict[str, Any] | None = (
        rows.filter(pk=report_pk).values_list("variant__decision", flat=True).first()
    )
    return found


def get_latest_report(*, viewer: Viewer, issue_id: int) -> ReportRow | None:
    """The report of an issue that shows it best: the latest that is done; None without any."""
    rows = Report.objects.filter(
        COUNTED, program_id__in=viewer.program_ids, issue_id=issue_id, state=Report.State.DONE
    )
    found = rows.select_related("issue").order_by("-occurred_at", "-pk").first()
    return None if found is None else report_row(found)


def list_reports(
    *, viewer: Viewer, query: Query, cursor: str | None = None, size: int = DEFAULT_SIZE
) -> Page[ReportRow]:
    """A page of the reports that a query means, newest first. Raises Problem 400."""
    rows = Report.objects.filter(
        Q(program_id__in=viewer.program_ids) & reports_matching(query, me=viewer.user_id)
    )
    rows = rows.select_related("issue", "evidence_of")
    page = take_page(rows, order=_ORDER, cursor=cursor, size=size)
    return Page([report_row(report) for report in page.items], page.next_cursor)


def open_raw_payload(*, viewer: Viewer, report_pk: int) -> RawPayload:
    """What the device sent. Raises PermissionDenied, or ReportContent.DoesNotExist.

    The caller reads as much as it wants of the stream and closes it.
    """
    if not viewer.may(Scope.RAW_PAYLOAD):
        raise PermissionDenied("Your role does not include raw payloads.")
    fields = ("raw", "raw_blob", "raw_format", "raw_bytes")
    found = _contents(viewer).only(*fields).get(pk=report_pk)
    try:
        stream = raw_stream(found)
    except UnreadablePack:  # erased, or damaged
        raise ReportContent.DoesNotExist from None
    return RawPayload(found.raw_format, found.raw_bytes, stream)


def raw_name(report_id: uuid.UUID, payload: RawPayload) -> str:
    """What a file with the payload is called."""
    return f"{report_id}.{payload.format or 'bin'}"


def report_row(report: Report, *, fingerprint: str | None = None) -> ReportRow:
    """The value of a row. Its issue and what it is evidence of have to be loaded with it."""
    return ReportRow(
        pk=report.pk,
        program_id=report.program_id,
        report_id=report.report_id,
        state=_PUBLIC_STATES[Report.State(report.state)],
        kind=report.kind,
        received_at=report.received_at,
        occurred_at=report.occurred_at,
        device_id=None if report.device_id == NO_DEVICE else report.device_id,
        model=report.model,
        os_version=report.os_version,
        os_build=report.os_build,
        process=report.process,
        package=report.package,
        version_name=report.version_name,
        version_code=report.version_code,
        mcc=report.mcc,
        mnc=report.mnc,
        issue_id=report.issue_id,
        signature=report.issue.signature if report.issue else None,
        fingerprint=fingerprint,
        attempts=report.attempts,
        failure_code=report.failure_code,
        failure_detail=report.failure_detail,
        evidence_of=report.evidence_of.report_id if report.evidence_of else None,
    )


def _contents(viewer: Viewer) -> Any:
    return ReportContent.objects.filter(report__program_id__in=viewer.program_ids)


def raw_stream(content: ReportContent) -> IO[bytes]:
    """The unpacked payload, from the row or from its blob; empty when neither is there.

    Raises ReportContent.DoesNotExist, ContentErased, UnreadablePack.
    """
    if not content.raw_blob:
        packed = bytes(content.raw or b"")
        return open_payload(io.BytesIO(opened(packed, place=raw_place(content.pk))))
    try:
        return open_blob(content.raw_blob)
    except FileNotFoundError:
        raise ReportContent.DoesNotExist from None


def count_waiting(most: int) -> int:
    """How many reports no worker has finished yet; counting ends at `most`."""
    waiting = Report.objects.filter(state__in=[Report.State.RECEIVED, Report.State.LEASED])
    return waiting.order_by()[:most].count()
