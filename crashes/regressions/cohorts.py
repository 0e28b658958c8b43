"""Whom to compare with whom: devices by when they updated, and how each stood before.

Owners who update at once use their phones more, and crash more, than owners who wait. So a device
whose own history says little is drawn towards the devices of its model and OS that updated when
it did, not towards everybody. Whoever has not updated yet is a cohort, too.
"""

from dataclasses import dataclass

import numpy as np

from crashes.regressions.baselines import Grid, History
from crashes.regressions.fleet import Floats, Ints
from crashes.regressions.metrics import Kind, Rows
from crashes.regressions.sums import divide, sum_by

_LAST_DAYS = np.array([4, 8, 12])  # first days of the second, third and fourth cohort
_NOT_YET = len(_LAST_DAYS) + 1
COHORTS = _NOT_YET + 1
_NEVER = np.iinfo(np.int64).max
# Pseudo-mass by which a cohort is drawn to the fleet, and a cohort of one pair to its cohort.
_COHORT_PULL = {Kind.COUNT: 20.0, Kind.LOG_MEAN: 5.0}
_PAIR_PULL = 30.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is expected of every device, relative to its model, OS, country and day.

    `factor` multiplies a count's expectation, or is added to a logarithm's. `own` is the part of
    it (0 to 1) that is the device's own history; the rest comes from its cohort, whose numbers
    are `cell` (cohort x pair) and `cohort`. `surprise` is the device's total less what its cohort
    had, the device's part in the noise of the cohort's standing: one unit of a cell's standing
    holds `cell_share / cell_mass` of it, one of a cohort's `1 / cohort_mass`.
    """

    factor: Floats
    own: Floats
    surprise: Floats
    cohort: Ints
    cell: Ints
    cell_share: Floats
    cell_mass: Floats
    cohort_noise: Floats


def cohorts_of(new: Rows, grid: Grid) -> Ints:
    """Each device's cohort, as far as its arrived rows tell."""
    updated = np.full(grid.devices, _NEVER)
    np.minimum.at(updated, new.device, new.day - new.days_since_update)
    found: Ints = np.searchsorted(_LAST_DAYS, updated, side="right").astype(np.int64)
    found[updated == _NEVER] = _NOT_YET
    return found


def stand(history: History, pair: Ints, cohort: Ints, grid: Grid, kind: Kind) -> Standing:
    """Every device's standing. `pair` and `cohort` have one entry per device."""
    neutral = 1.0 if kind is Kind.COUNT else 0.0
    total, mass = history.total, history.mass
    cell, cells = cohort * grid.pairs + pair, COHORTS * grid.pairs
    cohort_mass = sum_by(cohort, mass, COHORTS)
    pull = _COHORT_PULL[kind]
    of_cohort = (sum_by(cohort, total, COHORTS) + pull * neutral) / (cohort_mass + pull)
    cell_mass = sum_by(cell, mass, cells)
    prior = np.repeat(of_cohort, grid.pairs)
    of_cell = (sum_by(cell, total, cells) + _PAIR_PULL * prior) / (cell_mass + _PAIR_PULL)
    likes = of_cell[cell]
    half = history.reliance / np.maximum(likes, 0.1)
    own = mass / (mass + half) if kind is Kind.COUNT else mass
    surprise = total - mass * likes
    return Standing(
        factor=own * divide(total, mass, otherwise=0.0) + (1 - own) * likes,
        own=own,
        surprise=surprise,
        cohort=cohort,
        cell=cell,
        cell_share=cell_mass / (cell_mass + _PAIR_PULL),
        cell_mass=cell_mass,
        cohort_noise=divide(sum_by(cohort, surprise**2, COHORTS), cohort_mass**2, otherwise=0.0),
    )
