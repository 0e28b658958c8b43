"""All that is kept of one device, as an archive for its owner.

A zip that is made while it is sent, so nothing of it is on our disk and a large one needs no memory:

    README.html          what is in here, and until when it is kept
    device.json          the device
    consent.jsonl        what the owner said, oldest first
    reports.jsonl        every report: envelope, crash, where it was put
    payloads/ID.format   what the device sent with it
    attachments/ID/…     files that followed
    vitals.jsonl         every interval of use and battery
    advice.jsonl         what the owner was told about it

What others did with it (the issue a report is in) is told by number and name; other devices are not
in it.
"""

import html
import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import IO, Any

import zstandard
from django.db.models import Prefetch

from crashes.models import Attachment, Report, ReportContent
from crashes.packing import Document, UnreadablePack
from crashes.selectors.contents import document_of
from crashes.selectors.reports import raw_stream
from crashes.selectors.sealed import open_blob
from crashes.stack import to_json
from devices.sealing import BrokenSeal
from devices.selectors.export import (
    export_advice,
    export_consent,
    export_device,
    export_samples,
)

_PIECE = 64 << 10
_YEAR = timedelta(days=365)


def export_archive(device_id: uuid.UUID, *, program_id: int, now: datetime) -> Iterator[bytes]:
    """The archive in pieces."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in _entries(device_id, program_id=program_id, now=now):
            with archive.open(
                zipfile.ZipInfo(name, now.timetuple()[:6]), "w", force_zip64=True
            ) as entry:
                for piece in pieces:
                    entry.write(piece)
                    yield from pipe.taken()
            yield from pipe.taken()
    yield from pipe.taken()


class _Pipe(io.RawIOBase):
    """Takes what is written, for those who come and get it. It cannot seek, so zip need not."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """What was written since the last time."""
        held, self._held = self._held, []
        if held:
            yield b"".join(held)


_Entry = tuple[str, Iterable[bytes]]


def _entries(device_id: uuid.UUID, *, program_id: int, now: datetime) -> Iterator[_Entry]:
    yield "README.html", [_readme(now)]
    yield "device.json", [_line(export_device(device_id))]
    yield "consent.jsonl", map(_line, export_consent(device_id))
    yield "reports.jsonl", (_line(_report(row)) for row in _reports(device_id, program_id))
    yield "vitals.jsonl", _vitals(device_id, program_id)
    yield "advice.jsonl", map(_line, export_advice(device_id))
    for row in _reports(device_id, program_id):
        yield from _payload(row)
    files = Attachment.objects.filter(program_id=program_id, device_id=device_id).order_by("pk")
    for file in files.filter(state=Attachment.State.COMPLETE):
        yield from _attachment(file)


def _reports(device_id: uuid.UUID, program_id: int) -> Iterator[Report]:
    rows = Report.objects.filter(program_id=program_id, device_id=device_id).select_related("issue")
    whole = rows.prefetch_related(Prefetch("content", ReportContent.objects.all()))
    return whole.order_by("pk").iterator(chunk_size=100)


def _report(row: Report) -> dict[str, Any]:
    content = getattr(row, "content", None)
    document = _document(content) if content else None
    return {
        "report_id": str(row.report_id),
        "kind": row.kind,
        "state": row.state,
        "occurred_at": row.occurred_at.isoformat(),
        "received_at": row.received_at.isoformat(),
        "kept_until": (_told_at(row) + _YEAR).isoformat(),
        "model": row.model,
        "os_version": row.os_version,
        "os_build": row.os_build,
        "process": row.process,
        "package": row.package,
        "version_name": row.version_name,
        "version_code": row.version_code,
        "mcc": row.mcc,
        "mnc": row.mnc,
        "issue": {"id": row.issue.pk, "signature": row.issue.signature} if row.issue else None,
        "envelope": document.envelope if document else None,
        "crash": to_json(document.crash) if document and document.crash else None,
        "grouping": document.grouping if document else None,
        "payload": f"payloads/{_payload_name(row)}" if content and content.raw_bytes else None,
        **({"is_damaged": True} if content and document is None else {}),
    }


def _document(content: ReportContent) -> Document | None:
    """None for one that is damaged: an owner gets all the rest."""
    try:
        return document_of(content)
    except UnreadablePack:
        return None


def _told_at(row: Report) -> datetime:
    """The moment from which a year is counted (`retention`): a clock off by a year is not believed."""
    is_believed = row.occurred_at >= row.received_at - _YEAR
    return min(row.received_at, row.occurred_at) if is_believed else row.received_at


def _payload_name(row: Report) -> str:
    content = getattr(row, "content", None)
    kind = content.raw_format if content else ""
    return f"{row.report_id}.{kind or 'bin'}"


def _payload(row: Report) -> Iterator[_Entry]:
    content = getattr(row, "content", None)
    if content is None or not content.raw_bytes:
        return
    try:
        stream = raw_stream(content)
    except (ReportContent.DoesNotExist, UnreadablePack):
        return
    yield f"payloads/{_payload_name(row)}", _pieces(stream)


def _attachment(file: Attachment) -> Iterator[_Entry]:
    try:
        stream = open_blob(file.blob)
    except (FileNotFoundError, UnreadablePack):
        return
    yield f"attachments/{file.report_id}/{file.sha256}.{file.format or 'bin'}", _pieces(stream)


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    read: Callable[[], bytes] = lambda: stream.read(_PIECE)  # noqa: E731
    with stream, suppress(zstandard.ZstdError, BrokenSeal):  # of a damaged one, what can be read
        yield from iter(read, b"")


def _vitals(device_id: uuid.UUID, program_id: int) -> Iterator[bytes]:
    yield from map(_line, export_samples(device_id, program_id=program_id))


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode() + b"\n"


def _readme(now: datetime) -> bytes:
    moment = html.escape(now.strftime("%Y-%m-%d %H:%M UTC"))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Your data</title>
<h1>What we keep of your phone</h1>
<p>Made on {moment}. Files that end in <code>.jsonl</code> hold one JSON document per line.</p>
<dl>
<dt>device.json</dt><dd>Your phone, as it enrolled. Your IMEI is not in it: we do not have it.</dd>
<dt>consent.jsonl</dt><dd>What you allowed, and when. It is kept as long as your phone is enrolled.</dd>
<dt>reports.jsonl</dt><dd>Crashes and errors that your phone told us of; each is kept for twelve
months at most, until the moment in <code>kept_until</code>.</dd>
<dt>payloads, attachments</dt><dd>The files that came with them.</dd>
<dt>vitals.jsonl</dt><dd>Battery, use and installed apps by interval, kept for twelve months.</dd>
<dt>advice.jsonl</dt><dd>What we told you about your phone, if you allowed personalisation.</dd>
</dl>
<p>What a line marks with <code>is_damaged</code> was damaged in our database, and cannot be read by
anybody.</p>
<p>Who sees it: the people who develop and look after your phone's software, and, for the payloads,
those among them who may. App developers get counts only, never data of a phone.</p>
<p>Withdraw your consent or ask for erasure on your phone, and all of it goes.</p>
</html>
""".encode()
