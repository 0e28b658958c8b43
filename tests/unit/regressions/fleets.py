"""Small fleets with a release: made here, by rules that the judge does not know.

A device has a level of its own for each metric; days, models and countries add theirs. The release
reaches devices in stages, eager owners first. What a test wants to be true is an argument.
"""

from dataclasses import dataclass

import numpy as np

from crashes.regressions.fleet import Fleet, make_fleet

_BEFORE, _AFTER = 14, 22
_DAYS = np.arange(-_BEFORE, _AFTER)
_MODELS, _OSES, _COUNTRIES = 8, 2, 5
_STAGES = ((0.02, 0), (0.10, 2), (0.35, 4), (0.70, 7), (1.0, 10))


@dataclass(frozen=True, slots=True)
class Truth:
    """What the release does, and what else goes on. Factors are of the rate or the measurement."""

    effect: float = 1.0
    metric: str = "crash"
    model: int | None = None
    os: int | None = None
    eager_crash_more: bool = False
    slow_after_update: float = 1.0  # of every metric, on the day of the update
    incident: float = 1.0  # of crashes, days 5 to 8, on both versions
    incident_model: int | None = None
    born_updated: int | None = None  # a model that is first sold with the new version


def make(seed: int, truth: Truth, *, devices: int = 6_000) -> Fleet:
    """A fleet of a release; the same seed gives the same fleet."""
    rng = np.random.default_rng(seed)
    model = rng.choice(_MODELS, devices, p=_shares(_MODELS))
    os = (rng.random(devices) < 0.4).astype(int)
    country = rng.choice(_COUNTRIES, devices, p=_shares(_COUNTRIES))
    eager = rng.standard_normal(devices)
    crashy = rng.gamma(1.0, 1.0, devices)
    if truth.eager_crash_more:
        crashy *= np.exp(0.4 * eager)
    updated = _update_days(rng, devices, eager)
    if truth.born_updated is not None:
        updated[model == truth.born_updated] = -_BEFORE
    is_new = _DAYS[None] >= updated[:, None]
    since = np.where(is_new, _DAYS[None] - updated[:, None], -1)
    hit = _in_scope(truth, model, os)[:, None] & is_new
    slow = np.where(since == 0, truth.slow_after_update, 1.0)
    effects = {
        name: slow * np.where(hit & (truth.metric == name), truth.effect, 1.0)
        for name in ("crash", "anr", "drain", "cold")
    }
    shape = (devices, len(_DAYS))
    hours = np.exp(1.0 + 0.3 * rng.standard_normal(shape))
    by_day = np.exp(0.03 * rng.standard_normal(len(_DAYS)))[None] * np.ones(shape)
    here = np.ones(devices, bool) if truth.incident_model is None else model == truth.incident_model
    by_day[np.ix_(here, (_DAYS >= 5) & (_DAYS <= 8))] *= truth.incident
    level = np.exp(0.3 * rng.standard_normal(_MODELS))[model] * np.exp(0.2 * os)
    rate = hours * (level * crashy)[:, None] * by_day
    crashes = rng.poisson(0.06 * rate * effects["crash"])
    anrs = rng.poisson(0.03 * rate * effects["anr"])
    own = 0.2 * rng.standard_normal(devices)[:, None]
    drain = 2.0 * np.exp(own + 0.2 * rng.standard_t(5, shape)) * effects["drain"]
    cold = 900.0 * np.exp(own + 0.2 * rng.standard_normal(shape)) * effects["cold"]
    uploads = rng.random(shape) < 0.7
    if truth.born_updated is not None:
        uploads &= ~((model == truth.born_updated)[:, None] & (_DAYS < 0)[None])
    device, column = np.nonzero(uploads)
    day = _DAYS[column]
    late = np.where(rng.random(len(day)) < 0.7, 0, rng.integers(1, 6, len(day)))
    return make_fleet(
        devices={"model": model, "os": os, "country": country},
        days={
            "device": device,
            "day": day,
            "new_version": is_new[uploads],
            "days_since_update": since[uploads],
            "arrival_day": day + late,
            "usage_hours": hours[uploads],
            "crashes": crashes[uploads],
            "anrs": anrs[uploads],
            "drain_pct_h": np.where(rng.random(len(day)) < 0.1, np.nan, drain[uploads]),
            "cold_ms": cold[uploads],
            "cold_n": rng.integers(1, 9, len(day)),
        },
    )


def _shares(count: int) -> np.ndarray:
    share = 1.0 / np.arange(1, count + 1)
    return np.asarray(share / share.sum())


def _update_days(rng: np.random.Generator, devices: int, eager: np.ndarray) -> np.ndarray:
    place = rng.random(devices)
    offered = np.full(devices, _AFTER)
    for share, day in reversed(_STAGES):
        offered[place <= share] = day
    lag = np.floor(rng.exponential(1.5, devices) * np.exp(-0.7 * eager))
    return np.asarray(offered + lag.astype(int))


def _in_scope(truth: Truth, model: np.ndarray, os: np.ndarray) -> np.ndarray:
    is_in = np.ones(len(model), bool)
    if truth.model is not None:
        is_in &= model == truth.model
    if truth.os is not None:
        is_in &= os == truth.os
    return is_in
