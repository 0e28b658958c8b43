"""Samples that are too old go."""

from collections.abc import Sequence
from datetime import datetime

from devices.identity import IdentityKey
from devices.models import (
    AdviceGiven,
    AgentLoss,
    AppVitalCell,
    IdentityLink,
    VitalCell,
    VitalMark,
    VitalSample,
)

_CHUNK = 5_000


def forget_old_samples(*, before: datetime) -> int:
    """Delete the samples of intervals that ended before; how many.

    With them go the roll-ups of those days, and the counts of what was not kept.

    A roll-up that could not be made again from samples would outlive an erasure.
    """
    day = before.date()
    VitalMark.objects.filter(day__lt=day).delete()
    VitalCell.objects.filter(day__lt=day).delete()
    AppVitalCell.objects.filter(day__lt=day).delete()
    AgentLoss.objects.filter(day__lt=day).delete()
    count = 0
    old = VitalSample.objects.filter(interval_end__lt=before).order_by("interval_end", "pk")
    while pks := list(old.values_list("pk", flat=True)[:_CHUNK]):
        count += VitalSample.objects.filter(pk__in=pks).delete()[0]
    return count


def forget_old_advice(*, before: datetime) -> int:
    """Delete what owners were told before a moment; how many rows."""
    return AdviceGiven.objects.filter(given_at__lt=before).delete()[0]


def oldest_sample_at() -> datetime | None:
    """When the interval of the oldest sample ended."""
    ends = VitalSample.objects.order_by("interval_end").values_list("interval_end", flat=True)
    return ends.first()


def forget_dead_links(*, keys: Sequence[IdentityKey]) -> int:
    """Delete look-ups of epochs before the oldest key: nothing can resolve them; how many.

    Phones that came back meanwhile have a look-up under a newer key.
    """
    oldest = min(key.epoch for key in keys)
    return IdentityLink.objects.filter(epoch__lt=oldest).delete()[0]
