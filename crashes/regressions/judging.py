"""Alerts on a release: which metric got worse, on which day that was plain, and where.

A release is looked at on chosen days, each time with the rows that have arrived by then. For each
metric, false alarms have one budget for the whole watch. It is shared by the looks (equally: at
such bars a spending function would gain little), by two paths, and by the slices:

- *settled* (85 %): the first two days after a device's update are left out, because every update
  slows a phone down for a while; any effect beyond the metric's gate counts.
- *early* (15 %): all days, but only an effect beyond the metric's early gate counts. It finds what
  is broken at once.

Once a metric has an alert, every later look says anew where the effect is and how large.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from crashes.regressions.baselines import Grid, History, learn_history
from crashes.regressions.cohorts import cohorts_of, stand
from crashes.regressions.contrasts import Contrasts, contrast
from crashes.regressions.expectations import expect
from crashes.regressions.fleet import Fleet, Floats
from crashes.regressions.metrics import METRICS, Arms, Metric, rows_of
from crashes.regressions.slices import Slice, Slices, slice_fleet

JUDGING_VERSION = "j1"
LOOK_DAYS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 21)
LOOKS_THAT_DIFFER = 12
"""Looks at neighboring days share most of their rows: so many independent ones err as often."""

FALSE_ALARMS = 0.10  # of a metric over all looks and slices of a release
_SETTLED, _EARLY = 0.85, 0.15
_SETTLED_DAYS = 2
_INTERVAL_ERROR = 0.05
_AS_GOOD_AS = 2.0  # difference of log evidence
_FAR_OUT = 30.0  # beyond, erfc is 0


@dataclass(frozen=True, slots=True)
class Alert:
    """One metric is worse in one slice, as seen on one day.

    `effect` is new over old; `low` and `high` hold it at every look together, 95 times of 100.
    """

    metric: str
    day: int
    slice: Slice
    effect: float
    low: float
    high: float


def judge(fleet: Fleet, *, metrics: Iterable[Metric] = METRICS) -> Iterator[Alert]:
    """The alerts of a release, metric by metric, in the order of the looks.

    The first alert of a metric is the one to act on; those after it refine the slice.
    """
    grid = _grid_of(fleet)
    active = fleet.days.device[fleet.days.day < 0]
    slices = slice_fleet(fleet.devices, active=active)
    for metric in metrics:
        yield from _Watch(metric, rows_of(fleet, metric), slices, grid).alerts()


def _grid_of(fleet: Fleet) -> Grid:
    devices, days = fleet.devices, fleet.days
    oses = int(devices.os.max(initial=0)) + 1
    return Grid(
        devices=devices.count,
        pairs=(int(devices.model.max(initial=0)) + 1) * oses,
        countries=int(devices.country.max(initial=0)) + 1,
        first_day=int(days.day.min(initial=0)),
        last_day=int(days.day.max(initial=0)),
    )


@dataclass(frozen=True, slots=True)
class _Finding:
    """The slice that speaks loudest on one path: its evidence as a share of what the bar asks."""

    log_bar_share: float
    alert: Alert


class _Watch:
    """One metric of one release over all its looks."""

    def __init__(self, metric: Metric, arms: Arms, slices: Slices, grid: Grid) -> None:
        self._metric, self._arms, self._slices, self._grid = metric, arms, slices, grid
        self._history: History | None = None
        self._learned_from = -1

    def alerts(self) -> Iterator[Alert]:
        """The alerts of the looks, from the first that crosses the bar."""
        is_open = False
        for day in LOOK_DAYS:
            if day > self._grid.last_day:
                return
            best = min(self._look(day), key=lambda found: found.log_bar_share, default=None)
            if best is not None and (is_open or best.log_bar_share <= 0.0):
                is_open = True
                yield best.alert

    def _look(self, day: int) -> Iterator[_Finding]:
        """What each path finds with the rows that have arrived by the end of a day."""
        metric, grid = self._metric, self._grid
        before = self._arms.before.known_on(day)
        old, new = self._arms.old.known_on(day), self._arms.new.known_on(day)
        if not (len(before) and len(old) and len(new)):
            return
        if self._history is None or self._learned_from != len(before):
            self._history, self._learned_from = (
                learn_history(before, grid, metric.kind),
                len(before),
            )
        history = self._history
        cohort = cohorts_of(new, grid)
        standing = stand(history, self._slices.pair_of_device, cohort, grid, metric.kind)
        control, treated = expect(
            old, new, history=history, standing=standing, grid=grid, kind=metric.kind
        )
        settled = treated.where(treated.rows.days_since_update >= _SETTLED_DAYS)
        for rows, gate, part in (
            (settled, metric.gate, _SETTLED),
            (treated, metric.early_gate, _EARLY),
        ):
            if not len(rows.rows):
                continue
            found = contrast(
                control,
                rows,
                history=history,
                standing=standing,
                slices=self._slices,
                grid=grid,
                kind=metric.kind,
                gate=gate,
            )
            yield self._loudest(found, day, FALSE_ALARMS * part / LOOKS_THAT_DIFFER)

    def _loudest(self, found: Contrasts, day: int, bar: float) -> _Finding:
        budget = self._slices.budget
        weighed = np.array(
            [
                log_tail(z) - math.log(part) if part > 0 else math.inf
                for z, part in zip(found.deviate, budget, strict=True)
            ]
        )
        best = self._largest_alike(weighed)
        reach = NormalDist().inv_cdf(1 - _INTERVAL_ERROR / 2 / LOOKS_THAT_DIFFER)
        effect, error = float(found.log_effect[best]), float(found.standard_error[best])
        return _Finding(
            log_bar_share=float(weighed[best]) - math.log(bar),
            alert=Alert(
                metric=self._metric.name,
                day=day,
                slice=self._slices.names[best],
                effect=math.exp(effect),
                low=math.exp(effect - reach * error),
                high=math.exp(min(effect + reach * error, 50.0)),
            ),
        )

    def _largest_alike(self, weighed: Floats) -> int:
        """The slice with the strongest evidence, or a larger one around it with hardly less.

        Where a whole model is worse, chance decides which of its OS versions shows it best.
        """
        best = int(np.argmin(weighed))
        inside = self._slices.holds[best] > 0
        around = (self._slices.holds[:, inside] > 0).all(axis=1)
        alike = np.flatnonzero(around & (weighed <= weighed[best] + _AS_GOOD_AS))
        sizes = self._slices.holds[alike].sum(axis=1)
        return int(alike[np.argmax(sizes)]) if len(alike) else best


def log_tail(z: float) -> float:
    """The logarithm of the chance that a standard normal exceeds z, however small."""
    if z < _FAR_OUT:
        return math.log(math.erfc(z / math.sqrt(2)) / 2)
    return -z * z / 2 - math.log(z * math.sqrt(2 * math.pi)) - 1 / (z * z)
