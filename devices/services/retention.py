"""Samples that are too old go."""

from datetime import datetime

from devices.models import AppVitalCell, VitalCell, VitalMark, VitalSample

_CHUNK = 5_000


def forget_old_samples(*, before: datetime) -> int:
    """Delete the samples of intervals that ended before, and the roll-ups of those days; how many.

    A roll-up that could not be made again from samples would outlive an erasure.
    """
    day = before.date()
    VitalMark.objects.filter(day__lt=day).delete()
    VitalCell.objects.filter(day__lt=day).delete()
    AppVitalCell.objects.filter(day__lt=day).delete()
    count = 0
    old = VitalSample.objects.filter(interval_end__lt=before).order_by("interval_end", "pk")
    while pks := list(old.values_list("pk", flat=True)[:_CHUNK]):
        count += VitalSample.objects.filter(pk__in=pks).delete()[0]
    return count


def oldest_sample_at() -> datetime | None:
    """When the interval of the oldest sample ended."""
    ends = VitalSample.objects.order_by("interval_end").values_list("interval_end", flat=True)
    return ends.first()
