"""What the old version does, and how each device stood to it before the release.

For a count, the expected number of a row is hours x level(model, OS) x country x day; for a
logarithm the same with sums, and the known cause (hours of use, for drain) times a slope that is
learned within devices. All effects are fitted by turns on the cells (pair, country, day), which is
the maximum-likelihood fit of a log-linear model (Deming and Stephan 1940), with a few pseudo-rows
that draw small cells to nothing special.

`History` then says for each device what was seen of it and what was expected, so that cohorts.py
can tell a device that always crashes from one that began to.
"""

from dataclasses import dataclass

import numpy as np

from crashes.regressions.fleet import Flags, Floats, Ints
from crashes.regressions.metrics import Kind, Rows
from crashes.regressions.sums import divide, robust_deviation, sum_by

_ROUNDS = 5
# Pseudo-observations, in expected counts or in units of weight, that small cells are drawn by.
_PAIR_PULL, _COUNTRY_PULL = {Kind.COUNT: 5.0, Kind.LOG_MEAN: 3.0}, 20.0
COUNTRY_DAY_PULL = {Kind.COUNT: 40.0, Kind.LOG_MEAN: 200.0}
# A pair of model and OS that was hardly seen before the release has no old level to compare with.
_LEAST_HOURS, _LEAST_ROWS = 50.0, 30.0
# Day-to-day noise of a whole model is learned from cells that are large enough to show it.
_LARGE_COUNT, _LARGE_ROWS = 20.0, 100.0
_OUTLIER_DEVIATIONS = 3.5


@dataclass(frozen=True, slots=True)
class Grid:
    """How many devices, pairs of model and OS, and countries; the first and the last day."""

    devices: int
    pairs: int
    countries: int
    first_day: int
    last_day: int

    @property
    def days_before(self) -> int:
        """Days before the rollout."""
        return -self.first_day

    @property
    def days_after(self) -> int:
        """Days of the rollout, day 0 included."""
        return self.last_day + 1


@dataclass(frozen=True, slots=True)
class Effects:
    """The fitted effects: factors for a count, shifts for a logarithm."""

    level: Floats  # by pair
    country: Floats
    slope: float  # of the covariate


@dataclass(frozen=True, slots=True)
class History:
    """How the devices stood to the old version before the release.

    A device's standing is `total / mass`: observed over expected counts, or its mean residual.
    `reliance` is the mass at which a device's own history is believed half (a count's is divided
    by its cohort's standing). `day_noise` is the variance of what a whole model does on one day
    beyond chance; `row_variance` and `device_variance` are of one unit of weight, and between
    devices (logarithms only).
    """

    effects: Effects
    total: Floats
    mass: Floats
    weight_before: Floats
    reliance: float
    is_known_pair: Flags
    day_noise: float
    row_variance: float = 0.0
    device_variance: float = 0.0


def learn_history(rows: Rows, grid: Grid, kind: Kind) -> History:
    """The old version's effects and every device's standing, from the rows before the release."""
    return (_learn_counts if kind is Kind.COUNT else _learn_logs)(rows, grid)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The rows summed by pair, country and day; `of_row` finds a row's cell."""

    pair: Ints
    country: Ints
    day: Ints
    value: Floats
    weight: Floats
    of_row: Ints


def _cells(rows: Rows, value: Floats, grid: Grid) -> _Cells:
    day = rows.day - grid.first_day
    key = (rows.pair * grid.countries + rows.country) * grid.days_before + day
    found, of_row = np.unique(key, return_inverse=True)
    return _Cells(
        pair=found // (grid.countries * grid.days_before),
        country=found // grid.days_before % grid.countries,
        day=found % grid.days_before,
        value=sum_by(of_row, value, len(found)),
        weight=sum_by(of_row, rows.weight, len(found)),
        of_row=of_row,
    )


def _learn_counts(rows: Rows, grid: Grid) -> History:
    cells = _cells(rows, rows.value, grid)
    rate = float(rows.value.sum() / max(rows.weight.sum(), 1e-9))
    level, country, expected = _fit_rates(cells, cells.weight * rate, grid)
    of_row = rows.weight * (expected / np.maximum(cells.weight, 1e-12))[cells.of_row]
    total, mass = (sum_by(rows.device, v, grid.devices) for v in (rows.value, of_row))
    # Moments of a gamma-Poisson mixture: what devices vary by beyond chance, one over the shape.
    spread = float(((total - mass) ** 2 - total)[mass > 0].sum() / max((mass**2).sum(), 1e-9))
    chance = float(((rows.value - of_row) ** 2).sum() / max(of_row.sum(), 1e-9))
    hours = sum_by(rows.pair, rows.weight, grid.pairs)
    return History(
        effects=Effects(level=rate * level, country=country, slope=0.0),
        total=total,
        mass=mass,
        weight_before=mass,
        reliance=1.0 / min(max(spread, 0.05), 5.0),
        is_known_pair=hours >= _LEAST_HOURS,
        day_noise=_day_noise(cells, cells.value - expected, chance * expected, expected, grid),
    )


def _fit_rates(cells: _Cells, base: Floats, grid: Grid) -> tuple[Floats, Floats, Floats]:
    """Level by pair, factor by country, and the expected count of each cell."""
    level, country, day = np.ones(grid.pairs), np.ones(grid.countries), np.ones(grid.days_before)
    pull = _PAIR_PULL[Kind.COUNT]
    for _ in range(_ROUNDS):
        e = sum_by(cells.pair, base * day[cells.day] * country[cells.country], grid.pairs)
        level = (sum_by(cells.pair, cells.value, grid.pairs) + pull) / (e + pull)
        e = sum_by(cells.day, base * level[cells.pair] * country[cells.country], grid.days_before)
        day = divide(sum_by(cells.day, cells.value, grid.days_before), e, otherwise=1.0)
        e = sum_by(cells.country, base * level[cells.pair] * day[cells.day], grid.countries)
        seen = sum_by(cells.country, cells.value, grid.countries)
        country = (seen + _COUNTRY_PULL) / (e + _COUNTRY_PULL)
    expected = base * level[cells.pair] * country[cells.country] * day[cells.day]
    key, size = cells.country * grid.days_before + cells.day, grid.countries * grid.days_before
    pull = COUNTRY_DAY_PULL[Kind.COUNT]
    local = (sum_by(key, cells.value, size) + pull) / (sum_by(key, expected, size) + pull)
    return level, country, expected * local[key]


def _learn_logs(rows: Rows, grid: Grid) -> History:
    slope = _slope_within_devices(rows, grid)
    value = rows.value - slope * rows.covariate
    mean = float(np.average(value, weights=rows.weight)) if len(rows) else 0.0
    cells = _cells(rows, rows.weight * (value - mean), grid)
    level, country, fitted = _fit_shifts(cells, grid)
    residual = value - mean - fitted[cells.of_row]
    weight_before = sum_by(rows.device, rows.weight, grid.devices)

    def by_device(part: Floats) -> Floats:
        return divide(
            sum_by(rows.device, rows.weight * part, grid.devices), weight_before, otherwise=0.0
        )

    own = by_device(residual)
    around = residual - own[rows.device]
    scale = np.sqrt(rows.weight / max(float(rows.weight.mean()), 1e-9)) if len(rows) else around
    reach = _OUTLIER_DEVIATIONS * robust_deviation(around * scale) / np.maximum(scale, 1e-9)
    residual = own[rows.device] + np.clip(around, -reach, reach)
    own = by_device(residual)
    seen = weight_before > 0
    free = max(1, len(rows) - int(seen.sum()))
    row_variance = float((rows.weight * (residual - own[rows.device]) ** 2).sum() / free) + 1e-9
    # How far devices differ, from means whose own noise is known; long histories count for more.
    trust = np.where(seen, weight_before / (weight_before + 20.0), 0.0)
    excess = own**2 - divide(row_variance, weight_before, otherwise=0.0)
    device_variance = max(1e-3, float((trust * excess).sum() / max(trust.sum(), 1e-9)))
    reliance = row_variance / device_variance
    mass = weight_before / (weight_before + reliance)
    left = sum_by(cells.of_row, rows.weight * residual, len(cells.weight))
    chance = sum_by(cells.of_row, (rows.weight * residual) ** 2, len(cells.weight))
    return History(
        effects=Effects(level=mean + level, country=country, slope=slope),
        total=mass * own,
        mass=mass,
        weight_before=weight_before,
        reliance=reliance,
        is_known_pair=sum_by(rows.pair, rows.weight, grid.pairs)
        > _LEAST_ROWS * (float(rows.weight.mean()) if len(rows) else 1.0),
        day_noise=_day_noise(cells, left, chance, cells.weight, grid),
        row_variance=row_variance,
        device_variance=device_variance,
    )


def _slope_within_devices(rows: Rows, grid: Grid) -> float:
    """How the value follows its covariate from one day of a device to its next."""
    if not rows.covariate.any():
        return 0.0
    weight = sum_by(rows.device, rows.weight, grid.devices)

    def centered(part: Floats) -> Floats:
        mean = divide(sum_by(rows.device, rows.weight * part, grid.devices), weight, otherwise=0.0)
        return part - mean[rows.device]

    cause, effect = centered(rows.covariate), np.clip(centered(rows.value), -1.5, 1.5)
    below = float((rows.weight * cause**2).sum())
    return float((rows.weight * cause * effect).sum()) / below if below > 0 else 0.0


def _fit_shifts(cells: _Cells, grid: Grid) -> tuple[Floats, Floats, Floats]:
    """Level by pair, shift by country, and the fitted mean of each cell."""
    level, country, day = np.zeros(grid.pairs), np.zeros(grid.countries), np.zeros(grid.days_before)
    weights = [
        sum_by(key, cells.weight, size)
        for key, size in (
            (cells.pair, grid.pairs),
            (cells.day, grid.days_before),
            (cells.country, grid.countries),
        )
    ]
    for _ in range(_ROUNDS):
        rest = cells.value - cells.weight * (day[cells.day] + country[cells.country])
        level = sum_by(cells.pair, rest, grid.pairs) / (weights[0] + _PAIR_PULL[Kind.LOG_MEAN])
        rest = cells.value - cells.weight * (level[cells.pair] + country[cells.country])
        day = divide(sum_by(cells.day, rest, grid.days_before), weights[1], otherwise=0.0)
        rest = cells.value - cells.weight * (level[cells.pair] + day[cells.day])
        country = sum_by(cells.country, rest, grid.countries) / (weights[2] + _COUNTRY_PULL)
    fitted = level[cells.pair] + day[cells.day] + country[cells.country]
    key, size = cells.country * grid.days_before + cells.day, grid.countries * grid.days_before
    left = sum_by(key, cells.value - cells.weight * fitted, size)
    local = left / (sum_by(key, cells.weight, size) + COUNTRY_DAY_PULL[Kind.LOG_MEAN])
    return level, country, fitted + local[key]


def _day_noise(cells: _Cells, left: Floats, chance: Floats, mass: Floats, grid: Grid) -> float:
    """The variance of what a whole pair does on one day beyond chance, relative to its size."""
    key, size = cells.pair * grid.days_before + cells.day, grid.pairs * grid.days_before
    rest, variance, size_of = (sum_by(key, part, size) for part in (left, chance, mass))
    least = _LARGE_COUNT if mass is not cells.weight else _LARGE_ROWS
    large = size_of > least
    if not large.any():
        return 1e-3
    return max(1e-5, float((rest**2 - variance)[large].sum() / (size_of[large] ** 2).sum()))
