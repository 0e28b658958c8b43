"""One report, and for the few who may: the bytes that the device sent."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crashes.intake.attachments import FILE
from crashes.selectors.attachments import (
    AttachmentRow,
    attachment_name,
    list_attachments,
    open_attachment,
)
from crashes.selectors.reports import (
    Content,
    ReportRow,
    get_report,
    get_report_content,
    get_stack_receipt,
    list_companions,
    open_raw_payload,
    raw_name,
)
from crashes.stack import PayloadFormat
from crashes.web.countries import country_name
from crashes.web.receipts import receipt_view
from crashes.web.stacks import lay_out
from crashes.web.words import failure_advice
from devices.audit import Action
from devices.sealing import BrokenSeal
from devices.selectors.device_page import may_see_devices
from devices.services.audit import record_look
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope
from uxp_diag.web.downloads import attachment

_SHOWN_BYTES = 512 * 1024
_BINARY_FORMATS = {PayloadFormat.TOMBSTONE_PROTO, PayloadFormat.MINIDUMP, PayloadFormat.CORE}


@require_safe
@needs(Scope.READ)
def report_detail(request: StaffRequest, report_id: uuid.UUID) -> HttpResponse:
    """One report: how far it is, what crashed, and what the device said beside it."""
    report = get_report(viewer=request.viewer, report_id=report_id)
    now = timezone.now()
    record_look(
        request.viewer,
        Action.REPORT,
        program_id=report.program_id,
        subject=report_id,
        fields=("envelope", "crash", "grouping"),
        now=now,
    )
    content = get_report_content(viewer=request.viewer, report_pk=report.pk)
    crash = content.crash if content else None
    context = {
        "report": report,
        "content": content,
        "now": now,
        "view": lay_out(crash, with_other_threads=True) if crash else None,
        "facts": _facts(report, content),
        "companions": list_companions(viewer=request.viewer, report_pk=report.pk),
        "receipt": receipt_view(content.grouping) if content else None,
        "first_receipt": receipt_view(
            get_stack_receipt(viewer=request.viewer, report_pk=report.pk)
        ),
        "advice": failure_advice(report.failure_code),
        "attachments": [
            (file, _file_state(file, content))
            for file in list_attachments(viewer=request.viewer, report=report)
        ],
        "may_see_raw": request.viewer.may(Scope.RAW_PAYLOAD),
        "may_see_device": report.device_id is not None and may_see_devices(request.viewer),
        "may_retry": request.viewer.may(Scope.TRIAGE),
        "may_move": request.viewer.may(Scope.TRIAGE) and report.issue_id is not None,
    }
    return render(request, "crashes/report_detail.html", context)


@require_safe
@needs(Scope.RAW_PAYLOAD)
def raw_payload(request: StaffRequest, report_id: uuid.UUID) -> HttpResponse:
    """What the device sent, as text, the beginning of it if it is long."""
    report = get_report(viewer=request.viewer, report_id=report_id)
    _record_raw(request, report)
    payload = open_raw_payload(viewer=request.viewer, report_pk=report.pk)
    with payload.stream as stream:
        try:
            data = stream.read(_SHOWN_BYTES + 1)
        except BrokenSeal:
            raise Http404("The payload is damaged.") from None
    context = {
        "report": report,
        "payload": payload,
        "is_binary": payload.format in _BINARY_FORMATS or b"\0" in data[:1024],
        "is_cut": len(data) > _SHOWN_BYTES,
        "shown_bytes": _SHOWN_BYTES,
        "text": data[:_SHOWN_BYTES].decode("utf-8", "replace"),
    }
    return render(request, "crashes/raw_payload.html", context)


@require_safe
@needs(Scope.RAW_PAYLOAD)
def raw_file(request: StaffRequest, report_id: uuid.UUID) -> FileResponse:
    """What the device sent, as a file to keep."""
    report = get_report(viewer=request.viewer, report_id=report_id)
    _record_raw(request, report)
    payload = open_raw_payload(viewer=request.viewer, report_pk=report.pk)
    return attachment(payload.stream, file_name=raw_name(report_id, payload))


@require_safe
@needs(Scope.RAW_PAYLOAD)
def attachment_file(request: StaffRequest, report_id: uuid.UUID, sha256: str) -> FileResponse:
    """A file that followed the report, to keep."""
    report = get_report(viewer=request.viewer, report_id=report_id)
    payload = open_attachment(viewer=request.viewer, report=report, sha256=sha256)
    record_look(
        request.viewer,
        Action.ATTACHMENT,
        program_id=report.program_id,
        subject=report_id,
        fields=(sha256,),
        now=timezone.now(),
    )
    return attachment(payload.stream, file_name=attachment_name(sha256, payload))


def _record_raw(request: StaffRequest, report: ReportRow) -> None:
    record_look(
        request.viewer,
        Action.RAW_PAYLOAD,
        program_id=report.program_id,
        subject=report.report_id,
        fields=("raw",),
        now=timezone.now(),
    )


def _file_state(file: AttachmentRow, content: Content | None) -> str:
    """How far a file is, in words."""
    if not file.is_complete:
        part = file.received_bytes * 100 // file.size_bytes
        waits = ", the report waits for it" if file.is_payload else ""
        return f"{part} % here{waits}"
    if file.is_payload:
        return "the payload"
    came_without = content is not None and content.raw_format == PayloadFormat.NONE
    if came_without and file.format != FILE:
        return "came too late to be the payload; kept, not digested"
    return "kept, not read"


# Facts ----------------------------------------------------------------------------------------

_Fact = tuple[str, str]


def _facts(report: ReportRow, content: Content | None) -> list[tuple[str, list[_Fact]]]:
    """What the device said, in sections; values that it did not say are left out."""
    envelope = content.envelope if content else {}
    sections = [
        ("App", _app_facts(report, _part(envelope, "app"))),
        ("Software", _software_facts(report, _part(envelope, "software"))),
        ("Phone", _phone_facts(report, envelope)),
    ]
    return [
        (label, kept)
        for label, facts in sections
        if (kept := [(name, value) for name, value in facts if value])
    ]


def _part(envelope: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = envelope.get(name)
    return part if isinstance(part, Mapping) else {}


def _app_facts(report: ReportRow, app: Mapping[str, Any]) -> list[_Fact]:
    code = "" if report.version_code is None else f"({report.version_code})"
    return [
        ("Package", report.package),
        ("Process", report.process if report.process != report.package else ""),
        ("Version", f"{report.version_name} {code}".strip()),
        ("In foreground", _yes_no(app.get("foreground"))),
    ]


def _software_facts(report: ReportRow, software: Mapping[str, Any]) -> list[_Fact]:
    return [
        ("OS build", report.os_build),
        ("Android", report.os_version),
        ("Build fingerprint", str(software.get("build_fingerprint") or "")),
        ("Security patch", str(software.get("security_patch") or "")),
        ("Kernel", str(software.get("kernel") or "")),
        ("Modem", str(software.get("modem") or "")),
    ]


def _phone_facts(report: ReportRow, envelope: Mapping[str, Any]) -> list[_Fact]:
    battery = _part(envelope, "battery")
    level, temperature = battery.get("level"), battery.get("temperature_c")
    uptime_ms = envelope.get("uptime_ms")
    network = f"MCC {report.mcc} MNC {report.mnc or '?'}" if report.mcc else ""
    return [
        ("Model", report.model),
        ("Country", country_name(report.mcc)),
        ("Network", network),
        ("Battery", "" if level is None else f"{level:g} %"),
        ("Charging", _yes_no(battery.get("charging"))),
        ("Battery temperature", "" if temperature is None else f"{temperature:g} °C"),
        ("Uptime", "" if uptime_ms is None else _span(int(uptime_ms) // 1000)),
        ("Boot", str(envelope.get("boot_id") or "")),
    ]


def _yes_no(value: object) -> str:
    return "" if value is None else ("yes" if value else "no")


def _span(seconds: int) -> str:
    """A span of time in its two largest units."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
