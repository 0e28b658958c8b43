"""Samples of the fleet's health are kept."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
import zstandard
from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from devices.models import VitalMark, VitalSample
from devices.scrubbing import SCRUBBER_VERSION, scrub_struct, scrub_value, scrub_values
from devices.sealing.values import seal
from devices.selectors.vital_samples import sample_place, with_contents
from devices.services.consent import hold_consent
from devices.services.data_keys import Origin, keys_for
from devices.services.work_counts import Work, count_work
from devices.vitals.day import day_of
from devices.vitals.sample import Sample, content_of
from uxp_diag.db import insert_new


class VitalsUnavailable(Exception):
    """Nothing was stored; the same samples may be sent again."""


class SampleStatus(StrEnum):
    """What became of one sample."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONSENT_WITHDRAWN = "consent_withdrawn"


def accept_samples(
    samples: Sequence[Sample],
    *,
    program_id: int,
    device_id: uuid.UUID,
    model: str,
    now: datetime,
) -> list[SampleStatus]:
    """Keep samples of one device; one status each, in order. Raises VitalsUnavailable.

    `now` is when they were received.
    """
    rows = [_row(scrub_struct(item), program_id, device_id, model, now) for item in samples]
    try:
        with transaction.atomic():
            held = hold_consent(frozenset({device_id}), since=now)
            if not held.covers(device_id, received_at=now):
                return [SampleStatus.CONSENT_WITHDRAWN] * len(samples)
            if len(_seal(rows)) < len(rows):  # a withdrawal after which nothing is kept
                return [SampleStatus.CONSENT_WITHDRAWN] * len(samples)
            inserted = insert_new(
                rows,
                conflict=["program_id", "device_id", "sample_id"],
                returning=["sample_id"],
            )
            _mark(samples, {sample_id for (sample_id,) in inserted}, program_id, now)
            count_work(Work.SAMPLES_ACCEPTED, len(inserted))
    except DatabaseError as error:
        raise VitalsUnavailable("the database cannot be written") from error
    new = {sample_id for (sample_id,) in inserted}
    statuses = []
    for sample in samples:
        is_new = sample.sample_id in new
        new.discard(sample.sample_id)
        statuses.append(SampleStatus.ACCEPTED if is_new else SampleStatus.DUPLICATE)
    return statuses


def _mark(samples: Sequence[Sample], new: set[uuid.UUID], program_id: int, now: datetime) -> None:
    """Have the days of new samples rolled up again."""
    days = {day_of(sample.interval_end) for sample in samples if sample.sample_id in new}
    VitalMark.objects.bulk_create(
        VitalMark(program_id=program_id, day=day, marked_at=now) for day in sorted(days)
    )


def _row(
    sample: Sample, program_id: int, device_id: uuid.UUID, model: str, now: datetime
) -> VitalSample:
    return VitalSample(
        program_id=program_id,
        device_id=device_id,
        sample_id=sample.sample_id,
        received_at=now,
        interval_start=sample.interval_start,
        interval_end=sample.interval_end,
        model=model,
        os_version=sample.software.os_version,
        os_build=sample.software.os_build,
        mcc=sample.network.mcc,
        mnc=sample.network.mnc,
        scrubber_version=SCRUBBER_VERSION,
        content=zstandard.compress(msgspec.json.encode(content_of(sample))),
    )


def _seal(rows: Sequence[VitalSample]) -> list[VitalSample]:
    """Seal the contents of samples; those that could be. The others' data is being erased."""
    keys = keys_for({_origin(row) for row in rows})
    sealed = []
    for row in rows:
        key = keys.get(_origin(row))
        if key is not None:
            row.content = seal(bytes(row.content), key, about=sample_place(row))
            row.is_sealed = True
            sealed.append(row)
    return sealed


def _origin(row: VitalSample) -> Origin:
    return Origin(row.program_id, row.device_id, row.received_at)


def seal_samples(*, limit: int) -> int:
    """Seal up to `limit` samples that are from before there were keys, oldest first; how many."""
    with transaction.atomic():
        rows = list(_unsealed().select_for_update(skip_locked=True).order_by("pk")[:limit])
        sealed = _seal(rows)
        VitalSample.objects.bulk_update(sealed, ["content", "is_sealed"])
    return len(sealed)


def count_unsealed_samples() -> int:
    """How many samples are not sealed yet."""
    return _unsealed().count()


def _unsealed() -> QuerySet[VitalSample]:
    return VitalSample.objects.filter(is_sealed=False)


def count_unscrubbed_samples() -> int:
    """How many samples are behind the rules of today."""
    return _unscrubbed().count()


def rescrub_samples(*, limit: int) -> int:
    """Bring up to `limit` samples to the rules of today, oldest first; how many there were."""
    with transaction.atomic():
        found = list(_unscrubbed().select_for_update(skip_locked=True).order_by("pk")[:limit])
        rows = []
        for row, content in with_contents(found):
            clean = {} if content is None else scrub_values(content)  # damage cannot be cleaned
            row.content = zstandard.compress(msgspec.json.encode(clean))
            rows.append(row)
        rows = _seal(rows)
        # What is being erased is left to the erasure, and does not come again meanwhile.
        going = {row.pk for row in found} - {row.pk for row in rows}
        VitalSample.objects.filter(pk__in=going).update(scrubber_version=SCRUBBER_VERSION)
        for row in rows:
            for name in ("model", "os_version", "os_build"):
                setattr(row, name, scrub_value(name, getattr(row, name)))
            row.scrubber_version = SCRUBBER_VERSION
        VitalMark.objects.bulk_create(
            VitalMark(program_id=program_id, day=day, marked_at=received_at)
            for (program_id, day), received_at in {
                (row.program_id, day_of(row.interval_end)): row.received_at for row in rows
            }.items()
        )
        fields = ["content", "is_sealed", "model", "os_version", "os_build", "scrubber_version"]
        VitalSample.objects.bulk_update(rows, fields)
    return len(found)


def _unscrubbed() -> QuerySet[VitalSample]:
    return VitalSample.objects.filter(scrubber_version__lt=SCRUBBER_VERSION)
