"""From the items of an envelope to reports and counts.

An event becomes one report. What is attached to it stays with it: the payload is then an envelope
of its own, event first. Only an event that has no stack and comes with a minidump gives way to
it: the dump is the payload, and the event tells the facts. A minidump without an event is a
report as well. Everything else is counted, so that what a client sends in vain can be seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crashes.api.clients.door import Delivered
from crashes.formats import sentry_event as formats
from crashes.intake.client_ids import report_id_of, report_id_of_content
from crashes.intake.client_losses import MALFORMED, NOT_KEPT, TOO_LARGE, LossCounter
from crashes.intake.client_text import decode_object
from crashes.intake.crash_annotations import report_of_annotations
from crashes.intake.sentry_envelope import Envelope, Item, joined
from crashes.intake.sentry_event import (
    Findings,
    client_of,
    model_of_event,
    report_of_event,
)
from crashes.stack import PayloadFormat

MAX_EVENT_BYTES = 1 << 20
"""What Sentry documents and its SDKs trim to."""

MAX_ATTACHED_BYTES = 8 << 20
"""Logs and screens beside one event; a minidump does not count."""

_MINIDUMP = "event.minidump"


@dataclass(slots=True)
class Delivery:
    """What an envelope brought: `refused` are the events that cannot be reports, by reason."""

    losses: LossCounter
    delivered: list[Delivered] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Event:
    item: Item
    document: dict[str, Any]


def read_delivery(envelope: Envelope, *, client: str) -> Delivery:
    """The reports of an envelope, and the counts of the rest."""
    found = list(_events(envelope.items))
    events = [event for event in found if isinstance(event, _Event)]
    client = client_of(envelope.header, *(event.document for event in events)) or client
    delivery = Delivery(LossCounter(client), refused=[why for why in found if isinstance(why, str)])
    _count_others(envelope, delivery)
    attached = [item for item in envelope.items if item.type == "attachment"]
    header_id = report_id_of(envelope.header.get("event_id"))
    if events:
        delivery.delivered.append(_deliver(events[0], attached, header_id, delivery, client))
        delivery.delivered += (_deliver(event, [], None, delivery, client) for event in events[1:])
    else:
        delivery.delivered += _deliver_minidump(attached, header_id, delivery, client)
    return delivery


def findings_of(event: Mapping[str, Any]) -> Findings:
    """What reading the event as a payload tells about it."""
    release = formats.release_of(event)
    return Findings(
        kind=formats.kind_of(event),
        package=release.package,
        version_name=release.version_name,
        version_code=release.version_code,
        build_fingerprint=formats.fingerprint_of(event),
    )


def _events(items: Sequence[Item]) -> Iterator[_Event | str]:
    """The error events; for one that is no report, the reason."""
    for item in items:
        if item.type != "event":
            continue
        if len(item.payload) > MAX_EVENT_BYTES:
            yield TOO_LARGE
            continue
        document = decode_object(item.payload)
        if document is None:
            yield MALFORMED
        elif document.get("type") != "transaction":
            yield _Event(item, document)


def _is_minidump(item: Item) -> bool:
    is_one = item.type == "attachment" and item.headers.get("attachment_type") == _MINIDUMP
    return is_one and len(item.payload) > 0


def _deliver(
    event: _Event, attached: Sequence[Item], given_id: UUID | None, delivery: Delivery, client: str
) -> Delivered:
    payload, payload_format = _payload(event, attached, delivery)
    report_id = report_id_of(event.document.get("event_id")) or given_id
    report = report_of_event(
        event.document,
        report_id=report_id or report_id_of_content(event.item.payload),
        findings=findings_of(event.document),
        payload_format=payload_format,
        client=client,
    )
    return Delivered(report, model_of_event(event.document), payload)


def _payload(
    event: _Event, attached: Sequence[Item], delivery: Delivery
) -> tuple[bytes, PayloadFormat]:
    """What of an event and its attachments is kept, and as what."""
    minidump = next(filter(_is_minidump, attached), None)
    if minidump is not None and not formats.has_stack(event.document):
        _count_attachments(len(attached) - 1, delivery)
        return bytes(minidump.payload), PayloadFormat.MINIDUMP
    kept = _within(attached)
    _count_attachments(len(attached) - len(kept), delivery)
    if not kept:
        return bytes(event.item.payload), PayloadFormat.SENTRY_EVENT
    return joined([event.item, *kept]), PayloadFormat.SENTRY_EVENT


def _within(attached: Sequence[Item]) -> list[Item]:
    """The attachments that fit, first come first served; a minidump always does."""
    kept: list[Item] = []
    room = MAX_ATTACHED_BYTES
    for item in attached:
        size = 0 if _is_minidump(item) else len(item.payload)
        if size <= room:
            kept.append(item)
            room -= size
    return kept


def _deliver_minidump(
    attached: Sequence[Item], header_id: UUID | None, delivery: Delivery, client: str
) -> Iterator[Delivered]:
    """The report of a minidump that came without an event."""
    minidump = next(filter(_is_minidump, attached), None)
    _count_attachments(len(attached) - (minidump is not None), delivery)
    if minidump is None:
        return
    report = report_of_annotations(
        {},
        report_id=header_id or report_id_of_content(minidump.payload),
        payload_format=PayloadFormat.MINIDUMP,
        client=client,
    )
    yield Delivered(report, "", bytes(minidump.payload))


def _count_attachments(count: int, delivery: Delivery) -> None:
    if count:
        delivery.losses.add(NOT_KEPT, "attachment", count)


def _count_others(envelope: Envelope, delivery: Delivery) -> None:
    """Count the items that are neither events nor attachments, and what the client lost."""
    for item in envelope.items:
        if item.type in {"event", "attachment"}:
            continue
        report = decode_object(item.payload) if item.type == "client_report" else None
        if report is not None:
            delivery.losses.add_client_report(report)
        else:
            delivery.losses.add(NOT_KEPT, item.type)
    if envelope.damaged:
        delivery.losses.add(MALFORMED, "default", envelope.damaged)
    for reason in delivery.refused:
        delivery.losses.add(reason, "error")
