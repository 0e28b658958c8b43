"""New version against old version, in every slice at once.

*Matched* (Mantel-Haenszel): within each pair of model and OS and each day, both arms are weighed by
how much of the other is there, so a day without a control says nothing and no day outweighs what
can be known of it. *Borrowed*: a slice's new arm against what the whole fleet's old version did on
those days; that has a control on every day, at the price of what this slice's models do on a day
that others do not. The two are mixed by how well each knows the control. Where the slice's own
old version got worse as well, something happened there, and nothing is borrowed.

Variances: every estimate is linearized into a sum over devices. A device adds its rows in both arms
and its part in the noise of its cohort's history; the squares are summed. Sums of products by
pair suffice for all slices, so no slice is gone through on its own.
"""

import math
from dataclasses import dataclass

import numpy as np

from crashes.regressions.baselines import Grid, History
from crashes.regressions.cohorts import COHORTS, Standing
from crashes.regressions.expectations import Expected
from crashes.regressions.fleet import Flags, Floats, Ints
from crashes.regressions.metrics import Kind
from crashes.regressions.slices import Slices
from crashes.regressions.sums import divide, sum_by

# Below these a slice is not judged: neither normality nor the variance estimate can be trusted.
_LEAST_DEVICE_DAYS = 150
_LEAST_EVENTS = 20.0
# What histories and levels are off by, for reasons that no row shows.
_MODEL_ERROR = {Kind.COUNT: 0.01, Kind.LOG_MEAN: 0.003}
_INFLATION = 1.03
_SUSPICIOUS = 1.5  # deviations by which a slice's own old version counts as worse


@dataclass(frozen=True, slots=True)
class Contrasts:
    """One entry per slice: the log of new over old, its standard error, and the test's deviate.

    `deviate` is how many standard errors the effect lies above the gate, -inf where a slice has
    too little to be judged.
    """

    log_effect: Floats
    standard_error: Floats
    deviate: Floats


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A log effect per slice with the variances of its two arms."""

    log_effect: Floats
    new_variance: Floats
    old_variance: Floats


def contrast(
    old: Expected,
    new: Expected,
    *,
    history: History,
    standing: Standing,
    slices: Slices,
    grid: Grid,
    kind: Kind,
    gate: float,
) -> Contrasts:
    """The effect of the new version in every slice, tested against `gate` (a relative change)."""
    scene = _Scene(old, new, history, standing, slices, grid, kind)
    matched, own_level = _matched(scene)
    borrowed = _borrowed(scene)
    has_match = np.isfinite(matched.log_effect) & np.isfinite(matched.old_variance)
    mix = np.where(
        has_match,
        divide(
            borrowed.old_variance,
            borrowed.old_variance + np.where(has_match, matched.old_variance, 1.0),
            otherwise=1.0,
        ),
        0.0,
    )
    with np.errstate(invalid="ignore"):
        is_worse = own_level > _SUSPICIOUS * np.sqrt(matched.old_variance)
    mix = np.where(has_match & is_worse, 1.0, mix)
    mix[0] = 1.0 if has_match[0] else 0.0  # the fleet cannot borrow from itself

    def mixed(of_match: Floats, of_borrowed: Floats, power: int) -> Floats:
        return np.where(mix > 0, mix**power * np.where(has_match, of_match, 0.0), 0.0) + np.where(
            mix < 1, (1 - mix) ** power * np.where(mix < 1, of_borrowed, 0.0), 0.0
        )

    effect = mixed(matched.log_effect, borrowed.log_effect, 1)
    # The same new rows are in both estimates: their deviations add up, they do not average out.
    new_deviation = mixed(np.sqrt(matched.new_variance), np.sqrt(borrowed.new_variance), 1)
    old_variance = mixed(matched.old_variance, borrowed.old_variance, 2)
    can_judge = _has_enough(scene) & np.isfinite(effect) & np.isfinite(old_variance)
    return _tested(
        np.where(can_judge, effect, 0.0),
        np.where(can_judge, new_deviation, 1.0) ** 2 * _INFLATION**2,
        np.where(can_judge, old_variance, 1.0) * _INFLATION**2,
        can_judge,
        kind=kind,
        gate=gate,
    )


def _tested(
    effect: Floats, new: Floats, old: Floats, can_judge: Flags, *, kind: Kind, gate: float
) -> Contrasts:
    beyond = effect - math.log1p(gate)
    error = np.sqrt(new + old)
    if kind is Kind.COUNT:
        # Few events are skewed: on the square-root scale a count's noise is that of the number
        # expected under the hypothesis, not of the (by chance large) number seen.
        under_gate = np.sqrt(new * np.exp(np.maximum(beyond, 0.0)) + old)
        deviate = 2 * np.expm1(beyond / 2) / under_gate
    else:
        deviate = beyond / error
    return Contrasts(effect, error, np.where(can_judge, deviate, -np.inf))


@dataclass(frozen=True, slots=True)
class _Scene:
    """All that both estimates look at."""

    old: Expected
    new: Expected
    history: History
    standing: Standing
    slices: Slices
    grid: Grid
    kind: Kind

    def of_new(self, part: Floats) -> Floats:
        """A quantity of the new rows by device."""
        return sum_by(self.new.rows.device, part, self.grid.devices)

    def of_old(self, part: Floats) -> Floats:
        """A quantity of the old rows by device."""
        return sum_by(self.old.rows.device, part, self.grid.devices)

    def by_slice(self, of_device: Floats) -> Floats:
        """A quantity of the devices by slice."""
        pair = self.slices.pair_of_device
        return self.slices.holds @ sum_by(pair, of_device, self.grid.pairs)

    def rest_by_cell(self, arm: Expected, weight: Floats) -> Floats:
        """How much of an arm's exposure rests on each cell's (cohort x pair) standing."""
        cell = self.standing.cell[arm.rows.device]
        return sum_by(cell, weight * arm.borrowed, COHORTS * self.grid.pairs)

    def spread(self, rest: Floats) -> Floats:
        """By device: what its surprise before the release adds through the standing of its cell."""
        standing = self.standing
        each = divide(rest * standing.cell_share, standing.cell_mass, otherwise=0.0)
        return each[standing.cell] * standing.surprise

    def cohort_variance(self, rest: Floats) -> Floats:
        """By slice: the noise of the cohorts' own standings, which all their cells share."""
        unshared = (rest * (1 - self.standing.cell_share)).reshape(COHORTS, self.grid.pairs)
        return ((self.slices.holds @ unshared.T) ** 2) @ self.standing.cohort_noise


def _square(scene: _Scene, x: Floats, y: Floats, effect: Floats) -> Floats:
    """By slice: the sum over devices of (x - effect y) squared."""
    xx, xy, yy = scene.by_slice(x * x), scene.by_slice(x * y), scene.by_slice(y * y)
    return np.maximum(xx - 2 * effect * xy + effect**2 * yy, 0.0)


def _has_enough(scene: _Scene) -> Flags:
    ones = np.ones(len(scene.new.rows))
    enough = scene.by_slice(scene.of_new(ones)) >= _LEAST_DEVICE_DAYS
    if scene.kind is Kind.COUNT:
        enough &= scene.by_slice(scene.of_new(scene.new.amount)) >= _LEAST_EVENTS
    return enough


def _matched(scene: _Scene) -> tuple[_Estimate, Floats]:
    """The matched estimate, and how far each slice's own old version lies above its expectation."""
    grid, new, old = scene.grid, scene.new, scene.old
    size = grid.pairs * grid.days_after
    new_key = new.rows.pair * grid.days_after + new.rows.day
    old_key = old.rows.pair * grid.days_after + old.rows.day
    of_new, of_old = sum_by(new_key, new.exposure, size), sum_by(old_key, old.exposure, size)
    both = of_new + of_old
    new_weight = divide(of_old, both, otherwise=0.0)[new_key]
    old_weight = divide(of_new, both, otherwise=0.0)[old_key]

    new_amount = scene.of_new(new_weight * new.amount)
    old_amount = scene.of_old(old_weight * old.amount)
    new_exposure = scene.of_new(new_weight * new.exposure)
    old_exposure = scene.of_old(old_weight * old.exposure)
    rest = scene.rest_by_cell(new, new_weight) - scene.rest_by_cell(old, old_weight)
    through_cohort = scene.spread(rest)
    cohort_variance = scene.cohort_variance(rest)
    level = divide(scene.by_slice(old_amount), scene.by_slice(old_exposure), otherwise=np.nan)

    if scene.kind is Kind.COUNT:
        bottom = scene.by_slice(old_amount)
        effect = divide(scene.by_slice(new_amount), bottom, otherwise=np.nan)
        whole = _square(
            scene, new_amount, new_exposure + old_amount - old_exposure + through_cohort, effect
        )
        whole += effect**2 * cohort_variance
        scale = np.maximum(effect * bottom, 1e-12) ** 2
        with np.errstate(divide="ignore"):
            log_effect = np.log(effect)
        level = level - 1
    else:
        bottom = scene.by_slice(new_exposure)
        both_arms = new_amount - old_amount
        effect = divide(scene.by_slice(both_arms), bottom, otherwise=np.nan)
        whole = _square(scene, both_arms - through_cohort, new_exposure, effect) + cohort_variance
        scale = np.maximum(bottom, 1e-12) ** 2
        log_effect = effect
    new_variance = _square(scene, new_amount, new_exposure, effect) / scale
    old_variance = np.maximum(whole / scale - new_variance, 0.05 * whole / scale)
    return _Estimate(log_effect, new_variance, old_variance), level


def _borrowed(scene: _Scene) -> _Estimate:
    """The estimate against what the whole fleet's old version did on the slice's days."""
    grid, new, old = scene.grid, scene.new, scene.old
    amount, exposure = scene.of_new(new.amount), scene.of_new(new.exposure)
    rest = scene.rest_by_cell(new, np.ones(len(new.rows)))
    # The pair's level before the release is not matched away here, so its noise counts as well.
    by_pair = sum_by(new.rows.pair, new.exposure, grid.pairs)
    pair = scene.slices.pair_of_device
    before = sum_by(pair, scene.history.mass, grid.pairs)
    through_level = divide(by_pair, before, otherwise=0.0)[pair] * scene.standing.surprise
    noise = scene.spread(rest) + through_level

    bottom = scene.by_slice(exposure)
    effect = divide(scene.by_slice(amount), bottom, otherwise=np.nan)
    if scene.kind is Kind.COUNT:
        whole = _square(scene, amount, exposure + noise, effect)
        scale = np.maximum(effect * bottom, 1e-12) ** 2
        with np.errstate(divide="ignore"):
            log_effect = np.log(effect)
    else:
        whole = _square(scene, amount - noise, exposure, effect)
        scale = np.maximum(bottom, 1e-12) ** 2
        log_effect = effect
    new_variance = _square(scene, amount, exposure, effect) / scale
    level = np.maximum(whole / scale - new_variance, 0.05 * whole / scale)

    days = grid.days_after
    weight = sum_by(new.rows.pair * days + new.rows.day, new.exposure, grid.pairs * days)
    share = scene.slices.holds @ weight.reshape(grid.pairs, days)
    share = divide(share, share.sum(axis=1, keepdims=True), otherwise=0.0)
    fleet = np.einsum("sd,de,se->s", share, _day_covariance(old, grid, scene.kind), share)
    own_days = scene.history.day_noise * (share**2).sum(axis=1) + _MODEL_ERROR[scene.kind] ** 2
    return _Estimate(log_effect, new_variance, level + fleet + own_days)


def _day_covariance(old: Expected, grid: Grid, kind: Kind) -> Floats:
    """How the fleet's control of one day errs with that of another: devices are in many days."""
    days = grid.days_after
    left = old.amount - old.exposure if kind is Kind.COUNT else old.amount
    cell: Ints = old.rows.device * days + old.rows.day
    residual = sum_by(cell, left, grid.devices * days).reshape(grid.devices, days)
    mass = np.maximum(sum_by(old.rows.day, old.exposure, days), 1e-9)
    return np.asarray(residual.T @ residual / np.outer(mass, mass))
