"""What older rules have left is scrubbed by the rules of today.

Every kept report knows which rules it has been through. A batch of those that are behind is cleaned
outside of any transaction, then written in one, version included; whoever dies in between has done
nothing, and the next run goes on where the last one ended. A report that was written anew meanwhile
(late symbols, another mechanism of grouping) is left as it is now, for the next run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from crashes.models import Issue, Report, ReportContent, StackVariant
from crashes.packing import Document, UnreadablePack
from crashes.selectors.contents import document_of, keys_of_contents
from crashes.selectors.sealed import ContentErased
from crashes.services.attachment_cleaning import clean_attachments, count_unclean_attachments
from crashes.services.blobs import blobs, stored_payload
from crashes.services.cleaning import clean_all
from crashes.services.processing import keep_raw
from crashes.services.sealing import keys_of, sealed_document
from crashes.stack import PayloadFormat, from_json, to_json
from devices.scrubbing import SCRUBBER_VERSION, scrub_value, scrub_values
from devices.sealing.keys import DataKey
from devices.selectors.data_keys import KeyRing
from devices.services.vitals import count_unscrubbed_samples, rescrub_samples

_ROW_TEXTS = (
    "model",
    "os_version",
    "os_build",
    "process",
    "package",
    "version_name",
    "failure_detail",
)
_ISSUE_TEXTS = ("signature", "package")


@dataclass(frozen=True, slots=True)
class Remaining:
    """How much is behind the rules of today."""

    reports: int
    attachments: int
    samples: int


@dataclass(frozen=True, slots=True)
class _Clean:
    content: ReportContent
    document: Document
    payload: bytes | None
    old_blob: str


def count_remaining() -> Remaining:
    """What a run would have to do."""
    return Remaining(_behind().count(), count_unclean_attachments(), count_unscrubbed_samples())


def rescrub_reports(*, limit: int) -> int:
    """Bring up to `limit` reports to the rules of today, oldest first; how many were brought."""
    found = list(_behind().select_related("report").order_by("pk")[:limit])
    before = {content.pk: _stored(content) for content in found}
    keys = keys_of_contents(found)
    cleaned = [item for item in (_cleaned(content, keys) for content in found) if item]
    with transaction.atomic():
        behind = _behind().select_for_update().filter(pk__in=before).order_by("pk")
        unchanged = {content.pk for content in behind if _stored(content) == before[content.pk]}
        mine = [item for item in cleaned if item.content.pk in unchanged]
        new_keys = keys_of(item.content.report for item in mine)
        obsolete = [
            _write(item, new_keys[item.content.pk]) for item in mine if item.content.pk in new_keys
        ]
        # What is being erased is left to the erasure, and does not come again meanwhile.
        going = unchanged - new_keys.keys()
        _behind().filter(pk__in=going).update(scrubber_version=SCRUBBER_VERSION)
    for key in obsolete:
        if key:
            blobs().remove(key)
    return len(unchanged)


def _stored(content: ReportContent) -> tuple[Any, ...]:
    """What a row holds, to be compared with what it holds later."""
    packed = [content.document, content.crash, content.raw]
    parts = [None if part is None else bytes(part) for part in packed]
    return (*parts, content.envelope, content.grouping, content.raw_blob, content.raw_bytes)


def rescrub_attachments(*, limit: int) -> int:
    """The same for attachments."""
    return clean_attachments(limit=limit)


def rescrub_vitals(*, limit: int) -> int:
    """The same for samples of the fleet's health."""
    return rescrub_samples(limit=limit)


def _behind() -> Any:
    return ReportContent.objects.filter(scrubber_version__lt=SCRUBBER_VERSION)


def _cleaned(content: ReportContent, keys: KeyRing) -> _Clean | None:
    """None for what is erased."""
    try:
        document, raw = _clean_document(content, keys), stored_payload(content, keys)
    except ContentErased:
        return None
    if raw is None:
        return _Clean(content, document, None, content.raw_blob)
    known = content.raw_format in frozenset(PayloadFormat)
    (outcome,) = clean_all(
        [(PayloadFormat(content.raw_format) if known else PayloadFormat.NONE, raw)]
    )
    payload = outcome if isinstance(outcome, bytes) else None  # what cannot be cleaned is not kept
    return _Clean(content, document, payload, content.raw_blob)


def _clean_document(content: ReportContent, keys: KeyRing) -> Document:
    try:
        document = document_of(content, keys)
    except ContentErased:
        raise
    except UnreadablePack:
        return Document({})
    crash = document.crash
    return Document(
        scrub_values(document.envelope),
        None if crash is None else from_json(scrub_values(to_json(crash))),
        scrub_values(document.grouping),
    )


def _write(item: _Clean, key: DataKey) -> str:
    """Store one; the key of a blob that nobody names any more, or nothing."""
    content, row = item.content, item.content.report
    content.document = sealed_document(content.pk, item.document, key)
    content.envelope = content.crash = content.grouping = None
    content.raw, content.raw_blob, content.raw_bytes = None, "", 0
    content.is_sealed = True
    if item.payload is not None:
        content.raw, content.raw_blob = keep_raw(row, item.payload, key)
        content.raw_bytes = len(item.payload)
    content.scrubber_version = SCRUBBER_VERSION
    content.save()
    _scrub_texts(Report, row.pk, _ROW_TEXTS)
    if row.issue_id is not None:
        _scrub_texts(Issue, row.issue_id, _ISSUE_TEXTS)
    if row.variant_id is not None:
        _scrub_variant(row.variant_id)
    return item.old_blob if item.old_blob != content.raw_blob else ""


def _scrub_texts(model: Any, pk: int, names: Sequence[str]) -> None:
    values = model.objects.filter(pk=pk).values(*names).get()
    clean = {name: scrub_value(name, value) for name, value in values.items()}
    if clean != values:
        model.objects.filter(pk=pk).update(**clean)


def _scrub_variant(pk: int) -> None:
    """The stack that new ones are compared with; its key stays, as it is a hash of what was."""
    variant = StackVariant.objects.get(pk=pk)
    content, decision = scrub_values(variant.content), scrub_values(variant.decision)
    if content is not variant.content or decision is not variant.decision:
        StackVariant.objects.filter(pk=pk).update(content=content, decision=decision)
