"""How large the effect of a release is, metric by metric, also where there is no alert.

The same steps as the engine's looks (`crashes.regressions.judging`), at the last day and for the
settled rows; the interval holds at all looks together, as the engine's do.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from crashes.regressions.baselines import Grid, learn_history
from crashes.regressions.cohorts import cohorts_of, stand
from crashes.regressions.contrasts import contrast
from crashes.regressions.expectations import expect
from crashes.regressions.judging import LOOK_DAYS
from crashes.regressions.metrics import METRICS, Metric, rows_of
from crashes.regressions.slices import Slice, slice_fleet
from crashes.services.release_fleet import ReleaseFleet

SETTLED_DAYS = 2
_REACH = NormalDist().inv_cdf(1 - 0.05 / 2 / len(LOOK_DAYS))


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric in one slice: new over old, None without enough; device-days of both arms."""

    metric: str
    slice: Slice
    effect: float | None
    low: float | None
    high: float | None
    new_device_days: int
    old_device_days: int


def measure(release: ReleaseFleet) -> Iterator[Effect]:
    """The effects in the whole fleet and in each of the release's models."""
    own = [release.models.index(name) for name in release.own_models]
    for metric in METRICS:
        yield from _measure(release, metric, [Slice(None, None), *(Slice(it, None) for it in own)])


def _measure(release: ReleaseFleet, metric: Metric, wanted: list[Slice]) -> Iterator[Effect]:
    fleet = release.fleet
    arms = rows_of(fleet, metric)
    settled = arms.new.where(arms.new.days_since_update >= SETTLED_DAYS)
    model = fleet.devices.model
    own = np.isin(model, [release.models.index(name) for name in release.own_models])

    def counts(it: Slice) -> tuple[int, int]:
        inside = own if it.model is None else model == it.model
        return (
            int(np.count_nonzero(inside[settled.device])),
            int(np.count_nonzero(inside[arms.old.device])),
        )

    if not (len(arms.before) and len(arms.old) and len(settled)):
        for it in wanted:
            yield Effect(metric.name, it, None, None, None, *counts(it))
        return
    days, oses = fleet.days, int(fleet.devices.os.max(initial=0)) + 1
    grid = Grid(
        devices=fleet.devices.count,
        pairs=(int(model.max(initial=0)) + 1) * oses,
        countries=int(fleet.devices.country.max(initial=0)) + 1,
        first_day=int(days.day.min(initial=0)),
        last_day=int(days.day.max(initial=0)),
    )
    slices = slice_fleet(fleet.devices, active=days.device[days.day < 0])
    history = learn_history(arms.before, grid, metric.kind)
    cohort = cohorts_of(arms.new, grid)
    standing = stand(history, slices.pair_of_device, cohort, grid, metric.kind)
    control, treated = expect(
        arms.old, arms.new, history=history, standing=standing, grid=grid, kind=metric.kind
    )
    found = contrast(
        control,
        treated.where(treated.rows.days_since_update >= SETTLED_DAYS),
        history=history, standing=standing, slices=slices, grid=grid, kind=metric.kind,
        gate=metric.gate,
    )  # fmt: skip
    for it in wanted:
        place = slices.names.index(it)
        middle, error = float(found.log_effect[place]), float(found.standard_error[place])
        if not math.isfinite(float(found.deviate[place])):
            yield Effect(metric.name, it, None, None, None, *counts(it))
            continue
        low, high = (math.exp(min(middle + side * _REACH * error, 50.0)) for side in (-1, 1))
        yield Effect(metric.name, it, math.exp(middle), low, high, *counts(it))
