"""What the old version would have done: the expectation of every row since the release began.

Days and country-days are learned from the devices that are still on the old version, on that very
day, so an incident that hits both versions is expected of both.
"""

from dataclasses import dataclass

import numpy as np

from crashes.regressions.baselines import COUNTRY_DAY_PULL, Grid, History
from crashes.regressions.cohorts import Standing
from crashes.regressions.fleet import Flags, Floats, Ints
from crashes.regressions.metrics import Kind, Rows
from crashes.regressions.sums import divide, sum_by

_OUTLIER_DEVIATIONS = 3.5
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Expected:
    """Rows of one arm. `amount` over `exposure` is 1 (counts) or 0 (logarithms) if nothing changed.

    `amount` is the count, or weight times residual; `exposure` the expected count, or the weight;
    `borrowed` the part of the exposure that rests on the standing of the cohort, not of the device.
    """

    rows: Rows
    amount: Floats
    exposure: Floats
    borrowed: Floats

    def where(self, mask: Flags) -> "Expected":
        """The rows of a mask."""
        return Expected(
            self.rows.where(mask), self.amount[mask], self.exposure[mask], self.borrowed[mask]
        )


def expect(
    old: Rows, new: Rows, *, history: History, standing: Standing, grid: Grid, kind: Kind
) -> tuple[Expected, Expected]:
    """Both arms with their expectations; pairs that were not seen before the release are left out."""
    old, new = (rows.where(history.is_known_pair[rows.pair]) for rows in (old, new))
    made = _expect_counts if kind is Kind.COUNT else _expect_logs
    return made(old, new, history, standing, grid)


def _expect_counts(
    old: Rows, new: Rows, history: History, standing: Standing, grid: Grid
) -> tuple[Expected, Expected]:
    effects = history.effects

    def base(rows: Rows) -> Floats:
        return rows.weight * effects.level[rows.pair] * effects.country[rows.country]

    plain = base(old)
    of_device = plain * standing.factor[old.device]
    day = divide(
        sum_by(old.day, old.value, grid.days_after),
        sum_by(old.day, of_device, grid.days_after),
        otherwise=1.0,
    )
    pull, size = COUNTRY_DAY_PULL[Kind.COUNT], grid.countries * grid.days_after
    key = _country_day(old, grid)
    expected = sum_by(key, of_device * day[old.day], size)
    local = (sum_by(key, old.value, size) + pull) / (expected + pull)

    def finished(rows: Rows, plain: Floats) -> Expected:
        moved = plain * day[rows.day] * local[_country_day(rows, grid)]
        return Expected(
            rows=rows,
            amount=rows.value,
            exposure=moved * standing.factor[rows.device],
            borrowed=moved * (1 - standing.own[rows.device]),
        )

    return finished(old, plain), finished(new, base(new))


def _expect_logs(
    old: Rows, new: Rows, history: History, standing: Standing, grid: Grid
) -> tuple[Expected, Expected]:
    effects = history.effects

    def residual(rows: Rows) -> Floats:
        known = effects.level[rows.pair] + effects.country[rows.country]
        return rows.value - known - effects.slope * rows.covariate - standing.factor[rows.device]

    def reach(rows: Rows) -> Floats:
        unknown = history.device_variance * (1 - standing.own[rows.device])
        return _OUTLIER_DEVIATIONS * np.sqrt(history.row_variance / rows.weight + unknown)

    left, most = residual(old), reach(old)
    weight_of_day = sum_by(old.day, old.weight, grid.days_after)
    day = np.zeros(grid.days_after)
    for _ in range(_ROUNDS):
        step = old.weight * np.clip(left - day[old.day], -most, most)
        day = day + divide(sum_by(old.day, step, grid.days_after), weight_of_day, otherwise=0.0)
    key, size = _country_day(old, grid), grid.countries * grid.days_after
    step = old.weight * np.clip(left - day[old.day], -most, most)
    weight = sum_by(key, old.weight, size)
    local = sum_by(key, step, size) / (weight + COUNTRY_DAY_PULL[Kind.LOG_MEAN])

    def finished(rows: Rows, left: Floats, most: Floats) -> Expected:
        moved = left - day[rows.day] - local[_country_day(rows, grid)]
        return Expected(
            rows=rows,
            amount=rows.weight * _without_outliers(moved, most, rows, grid),
            exposure=rows.weight,
            borrowed=rows.weight * (1 - standing.own[rows.device]),
        )

    return finished(old, left, most), finished(new, residual(new), reach(new))


def _without_outliers(left: Floats, most: Floats, rows: Rows, grid: Grid) -> Floats:
    """Residuals no further than `most` from the center of their model and OS.

    Around their own center, not around 0: a change of the whole model is no outlier.
    """
    weight = sum_by(rows.pair, rows.weight, grid.pairs)
    center = np.zeros(grid.pairs)
    for _ in range(_ROUNDS):
        step = rows.weight * np.clip(left - center[rows.pair], -most, most)
        center = center + divide(sum_by(rows.pair, step, grid.pairs), weight, otherwise=0.0)
    around = center[rows.pair]
    return around + np.clip(left - around, -most, most)


def _country_day(rows: Rows, grid: Grid) -> Ints:
    return rows.country * grid.days_after + rows.day
