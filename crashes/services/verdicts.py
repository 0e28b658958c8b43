"""From alerts and effects to a verdict with its reasons in words.

* halt: an alert whose effect is beyond the metric's serious gate, or beyond half of it and on at
  least half of the devices that have the build; and whose interval, as low as it reaches, is still
  beyond a quarter of the gate: what may as well be a trifle is no reason to stop a rollout;
* hold: any other alert;
* insufficient_data: no alert, and some metric lacks the exposure to say so;
* promote: no alert, and every metric has its exposure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from crashes.regressions.judging import Alert
from crashes.regressions.metrics import ANR, COLD_START, CRASH, DRAIN
from crashes.services.release_effects import Effect
from crashes.services.release_fleet import ReleaseFleet

LEAST_NEW_DAYS = 300
LEAST_OLD_DAYS = 150
"""Settled device-days on the build, and device-days on the old builds since the rollout began."""

_MANY, _SURELY = 0.5, 0.25


class Verdict(StrEnum):
    """What to do with a release."""

    PROMOTE = "promote"
    HOLD = "hold"
    HALT = "halt"
    INSUFFICIENT_DATA = "insufficient_data"


@dataclass(frozen=True, slots=True)
class _Judged:
    """How a metric of the engine is spoken of, and from which effect on it stops a release."""

    label: str
    worse: str
    serious: float


JUDGED = {
    CRASH.name: _Judged("Crashes per hour of use", "more", 0.20),
    ANR.name: _Judged("ANRs per hour of use", "more", 0.30),
    DRAIN.name: _Judged("Battery drain", "higher", 0.10),
    COLD_START.name: _Judged("Cold start time", "longer", 0.20),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict as it is stored; the lists are JSON values."""

    verdict: Verdict
    reasons: list[str]
    metrics: list[dict[str, Any]]
    by_model: list[dict[str, Any]]


def decide(
    release: ReleaseFleet, alerts: Iterable[Alert], effects: Sequence[Effect], *, os_build: str
) -> Judgement:
    """The verdict on a release."""
    first: dict[str, Alert] = {}
    last: dict[str, Alert] = {}
    for alert in alerts:
        first.setdefault(alert.metric, alert)
        last[alert.metric] = alert
    halts: list[str] = []
    holds: list[str] = []
    for name, alert in last.items():
        sentence = _alert_sentence(release, alert, since=first[name].day, os_build=os_build)
        (halts if _is_serious(release, alert) else holds).append(sentence)
    whole = [effect for effect in effects if effect.slice.model is None]
    missing = [sentence for effect in whole if (sentence := _missing(effect))]
    if halts or holds:
        verdict = Verdict.HALT if halts else Verdict.HOLD
        reasons = [*halts, *holds]
    elif missing:
        verdict, reasons = Verdict.INSUFFICIENT_DATA, missing
    else:
        verdict = Verdict.PROMOTE
        reasons = [
            "No metric is found to be worse than on the builds before, in any slice that could be judged."
        ]
    return Judgement(
        verdict,
        reasons,
        [_document(release, effect, last.get(effect.metric)) for effect in whole],
        [_model(release, name, last, effects) for name in release.own_models],
    )


def nothing_to_compare(sentence: str) -> Judgement:
    """The judgement where there are no rows to judge."""
    return Judgement(Verdict.INSUFFICIENT_DATA, [sentence], [], [])


def _part_of_devices(release: ReleaseFleet, alert: Alert) -> float:
    """The part of the build's devices that the alert's slice holds."""
    days, devices = release.fleet.days, release.fleet.devices
    updated = np.unique(days.device[days.new_version])
    inside = np.ones(len(updated), dtype=bool)
    if alert.slice.model is not None:
        inside &= devices.model[updated] == alert.slice.model
    if alert.slice.os is not None:
        inside &= devices.os[updated] == alert.slice.os
    return float(inside.mean()) if len(updated) else 0.0


def _is_serious(release: ReleaseFleet, alert: Alert) -> bool:
    serious = JUDGED[alert.metric].serious
    if alert.low - 1 < _SURELY * serious:
        return False
    beyond = (alert.effect - 1) / serious
    return beyond >= 1 or (beyond >= _MANY and _part_of_devices(release, alert) >= _MANY)


def _alert_sentence(release: ReleaseFleet, alert: Alert, *, since: int, os_build: str) -> str:
    words = JUDGED[alert.metric]
    return (
        f"{words.label}: {_percent(alert.effect)} {words.worse} ({_percent(alert.low)} to "
        f"{_percent(alert.high)}) on {_place(release, alert)} with {os_build} than with the builds "
        f"before on the same days; plain since day {since} of the rollout."
    )


def _place(release: ReleaseFleet, alert: Alert) -> str:
    """The slice in words. A slice without a model of the build's own is all of its models."""
    if alert.slice.model is not None:
        return release.models[alert.slice.model]
    names = release.own_models
    return names[0] if len(names) == 1 else f"all {len(names)} models"


def _percent(ratio: float) -> str:
    return f"{(ratio - 1) * 100:.0f} %"


def _missing(effect: Effect) -> str:
    """How much exposure a metric lacks, in words; "" if it lacks none."""
    label = JUDGED[effect.metric].label
    parts = [
        f"{least - have:,} more device-days {where}"
        for have, least, where in (
            (effect.new_device_days, LEAST_NEW_DAYS, "on the build (from the third day on)"),
            (effect.old_device_days, LEAST_OLD_DAYS, "on the builds before it"),
        )
        if have < least
    ]
    if parts:
        return f"{label}: needs {' and '.join(parts)}."
    if effect.effect is None:
        return f"{label}: too few events, or nothing from before the rollout to compare with."
    return ""


def _document(release: ReleaseFleet, effect: Effect, alert: Alert | None) -> dict[str, Any]:
    missing = _missing(effect)
    state = "no_worse"
    if alert is not None:
        state = "worse"
    elif missing:
        state = "not_enough_data"
    return {
        "metric": effect.metric,
        "label": JUDGED[effect.metric].label,
        "state": state,
        "effect": _rounded(effect.effect),
        "low": _rounded(effect.low),
        "high": _rounded(effect.high),
        "new_device_days": effect.new_device_days,
        "old_device_days": effect.old_device_days,
        "needs": missing,
        "alert": None
        if alert is None
        else {
            "where": _place(release, alert),
            "effect": _rounded(alert.effect),
            "low": _rounded(alert.low),
            "high": _rounded(alert.high),
            "is_serious": _is_serious(release, alert),
        },
    }


def _model(
    release: ReleaseFleet, name: str, alerts: dict[str, Alert], effects: Sequence[Effect]
) -> dict[str, Any]:
    """One model of the release: the worst that its alerts say, and its own effects."""
    number = release.models.index(name)
    mine = [alert for alert in alerts.values() if alert.slice.model in (None, number)]
    own = [effect for effect in effects if effect.slice.model == number]
    if mine:
        is_serious = any(_is_serious(release, alert) for alert in mine)
        verdict = Verdict.HALT if is_serious else Verdict.HOLD
    else:
        lacks = any(map(_missing, own))
        verdict = Verdict.INSUFFICIENT_DATA if lacks else Verdict.PROMOTE
    return {
        "model": name,
        "verdict": verdict.value,
        "metrics": [
            {
                "metric": effect.metric,
                "effect": _rounded(effect.effect),
                "low": _rounded(effect.low),
                "high": _rounded(effect.high),
            }
            for effect in own
        ],
        "new_device_days": max((effect.new_device_days for effect in own), default=0),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
