"""Sentry's SDKs: envelopes, single events, minidumps.

An SDK that hears 200 forgets its envelope, and one that hears anything from 400 up forgets it as
well: it has nothing to learn from a refusal. So what can be kept is kept and answered 200, item
by item, and only what can never be kept is refused.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.clients.credentials import key_in_dsn, sender_of, sentry_auth
from crashes.api.clients.door import ClientView, Delivered, keep
from crashes.api.clients.envelopes import Delivery, findings_of, read_delivery
from crashes.api.clients.forms import MINIDUMP_LIMITS, Form, read_form
from crashes.intake.client_ids import report_id_of, report_id_of_content
from crashes.intake.client_losses import NOT_KEPT, TOO_LARGE, LossCounter
from crashes.intake.client_text import decode_object, object_of
from crashes.intake.crash_annotations import kept_annotations
from crashes.intake.sentry_envelope import (
    Envelope,
    Item,
    MalformedEnvelope,
    parse_envelope,
    parse_header,
)
from crashes.intake.sentry_event import client_of, model_of_event, report_of_event
from crashes.stack import CrashKind, PayloadFormat
from uxp_diag.api.body import BodyLimits, iterate_body, read_body
from uxp_diag.api.problem import Problem

_MIB = 1 << 20
ENVELOPE_LIMITS: Final = BodyLimits(wire_bytes=20 * _MIB, unpacked_bytes=100 * _MIB, ratio=100)
STORE_LIMITS: Final = BodyLimits(wire_bytes=2 * _MIB, unpacked_bytes=8 * _MIB, ratio=100)
_MAX_HEADER_BYTES = 64 * 1024
_TOO_MANY = 429
_LIMITED = "default;error;attachment"
_NESTED = "sentry["
_CLIENT_LENGTH = 100


class SentryView(ClientView):
    """An endpoint of Sentry's SDKs."""

    def handle_exception(self, exc: Exception) -> Response:
        """A spent budget with the header that makes an SDK wait, and report what it drops."""
        response = super().handle_exception(exc)
        if response.status_code == _TOO_MANY:
            wait = response.get("Retry-After", "60")
            code = response.data["code"] if response.data else "program_budget"
            response["X-Sentry-Rate-Limits"] = f"{wait}:{_LIMITED}:organization:{code}"
        return response


class EnvelopeView(SentryView):
    """`POST /api/{program}/envelope/`."""

    def post(self, request: Request, program: int) -> Response:
        """Keep the reports of one envelope."""
        chunks = iterate_body(request._request, ENVELOPE_LIMITS)
        head = _first_line(chunks)
        try:
            header = parse_header(head)
            sender = sender_of(request._request, program, in_body=[key_in_dsn(header.get("dsn"))])
            envelope = parse_envelope(head + b"".join(chunks))
        except MalformedEnvelope as problem:
            sender_of(request._request, program)  # strangers learn only that they are strangers
            raise Problem(400, "malformed_envelope", str(problem)) from None
        delivery = read_delivery(envelope, client=_client_in(request._request))
        keep(delivery.delivered, delivery.losses.losses(), sender=sender, now=timezone.now())
        _refuse_if_nothing_is_left(envelope, delivery)
        return Response({"id": _answer_id(envelope, delivery)})


class StoreView(SentryView):
    """`POST /api/{program}/store/`: one event as JSON, from before there were envelopes."""

    def post(self, request: Request, program: int) -> Response:
        """Keep one event."""
        sender = sender_of(request._request, program)
        body = read_body(request._request, STORE_LIMITS)
        envelope = Envelope({}, (Item("event", {}, memoryview(body)),))
        delivery = read_delivery(envelope, client=_client_in(request._request))
        keep(delivery.delivered, delivery.losses.losses(), sender=sender, now=timezone.now())
        _refuse_if_nothing_is_left(envelope, delivery)
        return Response({"id": _answer_id(envelope, delivery)})


class MinidumpView(SentryView):
    """`POST /api/{program}/minidump/`: a form with a dump, facts as JSON or in named fields."""

    def post(self, request: Request, program: int) -> HttpResponse:
        """Keep one minidump; the answer is its id as plain text."""
        sender = sender_of(request._request, program)
        form = read_form(request._request, MINIDUMP_LIMITS)
        if form.minidump is None:
            raise Problem(400, "no_minidump", "The form has no file `upload_file_minidump`.")
        event = _event_in(form)
        client = client_of(event) or _client_in(request._request)
        losses = LossCounter(client)
        for _ in form.others:
            losses.add(NOT_KEPT, "attachment")
        delivered = _minidump_of(form, form.minidump, event, client)
        keep([delivered], losses.losses(), sender=sender, now=timezone.now())
        return HttpResponse(f"{delivered.report.report_id}", content_type="text/plain")


def _first_line(chunks: Iterator[bytes]) -> bytes:
    """What has come when the first line is whole, or when no header is that long."""
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if b"\n" in chunk or len(head) > _MAX_HEADER_BYTES:
            break
    return bytes(head)


def _client_in(request: HttpRequest) -> str:
    """The SDK as the request's own words name it."""
    said = sentry_auth(request).get("sentry_client") or request.GET.get("sentry_client")
    return (said or request.headers.get("User-Agent", ""))[:_CLIENT_LENGTH].replace("\0", "")


def _refuse_if_nothing_is_left(envelope: Envelope, delivery: Delivery) -> None:
    """Raise Problem when nothing in the envelope could be used."""
    if delivery.delivered:
        return
    if TOO_LARGE in delivery.refused:
        raise Problem(413, "event_too_large", "An event may have 1 MiB.")
    if delivery.refused:
        raise Problem(400, "malformed_event", "The event is not a JSON object.")
    if envelope.damaged and not envelope.items:
        raise Problem(400, "malformed_envelope", "No item of the envelope can be read.")


def _answer_id(envelope: Envelope, delivery: Delivery) -> str | None:
    """The id as SDKs write it; null for an envelope that is about no event."""
    if delivery.delivered:
        return delivery.delivered[0].report.report_id.hex
    said = report_id_of(envelope.header.get("event_id"))
    return said.hex if said else None


def _minidump_of(form: Form, dump: bytes, event: dict[str, Any], client: str) -> Delivered:
    report = report_of_event(
        event,
        report_id=report_id_of(event.get("event_id")) or report_id_of_content(dump),
        findings=findings_of(event),
        payload_format=PayloadFormat.MINIDUMP,
        client=client,
    )
    annotations = kept_annotations(form.fields) | report.annotations
    report = msgspec.structs.replace(report, kind=CrashKind.NATIVE_CRASH, annotations=annotations)
    return Delivered(report, model_of_event(event), dump)


def _event_in(form: Form) -> dict[str, Any]:
    """The facts beside a dump: `sentry` as JSON, `sentry[a][b]` as fields, or a packed event."""
    packed = next((part.content for part in form.others if part.name == "__sentry-event"), None)
    event = _unpacked(packed) if packed else {}
    event |= decode_object(form.fields.pop("sentry", "").encode()) or {}
    for name in [name for name in form.fields if name.startswith(_NESTED)]:
        path = name.removeprefix(_NESTED).removesuffix("]").split("][")
        _put(event, path, form.fields.pop(name))
    return event


def _unpacked(packed: bytes) -> dict[str, Any]:
    """The event that sentry-native's Crashpad backend writes as MessagePack beside its dump."""
    try:
        return object_of(msgspec.msgpack.decode(packed))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _put(event: dict[str, Any], path: list[str], value: str) -> None:
    into = event
    for name in path[:-1]:
        inner = into.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        into = inner
    into.setdefault(path[-1], value)
