"""What leased reports brought, from where it lies: the spool, or what was kept of the report.

A new report lies in the spool. One that was set aside and is tried again has left it: what the
device said and the clean payload are in its content.
"""

from collections.abc import Sequence
from dataclasses import replace

from crashes.models import Report, ReportContent
from crashes.packing import UnreadablePack
from crashes.selectors.contents import document_of
from crashes.selectors.sealed import ContentErased
from crashes.services.attachment_rows import attached_payload
from crashes.services.blobs import stored_payload
from crashes.services.digesting import Failure, Leased
from crashes.services.spooled import DamagedSpool, SpoolKeyMissing, SpoolReader
from crashes.stack import PayloadFormat

MAX_LEASES = 6
"""Once in company and five times alone; who still ends every worker is not tried again."""


def load_leased(rows: Sequence[Report]) -> tuple[list[Leased], list[Failure]]:
    """What can be read of these reports, and why the others cannot."""
    set_aside = [row.pk for row in rows if not row.spool_file]
    contents = ReportContent.objects.in_bulk(set_aside) if set_aside else {}
    reader = SpoolReader()
    loaded, failures = [], []
    for row in rows:
        outcome = _load(row, reader, contents.get(row.pk))
        if isinstance(outcome, Leased):
            loaded.append(outcome)
        else:
            failures.append(outcome)
    return loaded, failures


def _load(row: Report, reader: SpoolReader, content: ReportContent | None) -> Leased | Failure:
    if row.attempts > MAX_LEASES:
        detail = f"{MAX_LEASES} workers ended while they worked on it"
        return Failure(row, "worker_died", detail, is_final=True)
    return _from_spool(row, reader) if row.spool_file else load_kept(row, content)


def _from_spool(row: Report, reader: SpoolReader) -> Leased | Failure:
    try:
        header, payload = reader.read(row)
        return _with_attached(Leased(row, header["envelope"], payload))
    except SpoolKeyMissing as problem:
        return Failure(row, "spool_key_missing", str(problem), is_final=False)
    except ContentErased:
        return Failure(row, "content_erased", "", is_final=True)
    except UnreadablePack as problem:
        return Failure(row, "content_damaged", str(problem), is_final=False)
    except (OSError, DamagedSpool) as error:
        detail = getattr(error, "strerror", None) or str(error)  # no path
        return Failure(row, "spool_unreadable", detail, is_final=False)


def _with_attached(leased: Leased) -> Leased:
    """With the payload that followed its report as a file, if one did.

    Raises OSError, ContentErased, UnreadablePack.
    """
    if leased.payload or not leased.envelope.get("attachments"):
        return leased
    found = attached_payload(leased.row)
    if found is None:
        return leased
    payload_format, payload = found
    envelope = {**leased.envelope, "payload": {"format": payload_format}}
    return replace(leased, envelope=envelope, payload=payload)


def load_kept(row: Report, content: ReportContent | None) -> Leased | Failure:
    """What was kept of a report that was set aside, payload included; a failure without it."""
    try:
        envelope = {} if content is None else document_of(content).envelope
    except ContentErased:
        return Failure(row, "content_erased", "", is_final=True)
    except UnreadablePack:
        return Failure(row, "document_unreadable", "", is_final=True)
    payload = None if content is None else stored_payload(content)
    if payload is None or "report_id" not in envelope:
        return _lost(row)
    leased = Leased(row, envelope, payload)
    return leased if payload or leased.format is PayloadFormat.NONE else _lost(row)


def _lost(row: Report) -> Failure:
    return Failure(row, "payload_lost", "what the phone sent is not kept", is_final=True)
