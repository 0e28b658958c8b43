"""Alerts on releases: what must be found, what must not, and what must make no difference."""

import dataclasses

import numpy as np
import pytest

from crashes.regressions.fleet import DeviceDays, Fleet, MalformedFleet, make_fleet
from crashes.regressions.judging import Alert, judge
from crashes.regressions.metrics import CRASH, DRAIN
from crashes.regressions.slices import Slice
from tests.unit.regressions.fleets import Truth, make


def _days(fleet: Fleet) -> dict[str, np.ndarray]:
    return {f.name: getattr(fleet.days, f.name) for f in dataclasses.fields(DeviceDays)}


def _rows(fleet: Fleet, chosen: np.ndarray) -> Fleet:
    return Fleet(fleet.devices, DeviceDays(**{k: v[chosen] for k, v in _days(fleet).items()}))


def _of(alerts: list[Alert], metric: str) -> list[Alert]:
    return [alert for alert in alerts if alert.metric == metric]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_release_that_changes_nothing_raises_no_alert(seed):
    assert list(judge(make(seed, Truth()))) == []


@pytest.mark.parametrize(
    "confounder",
    [
        Truth(eager_crash_more=True),
        Truth(slow_after_update=1.25),
        Truth(incident=1.6),
        Truth(incident=2.0, incident_model=1),
        Truth(born_updated=3),
    ],
    ids=["eager owners", "slow after an update", "incident", "incident of a model", "new model"],
)
def test_what_is_not_the_releases_doing_raises_no_alert(confounder):
    assert list(judge(make(11, confounder))) == []


@pytest.mark.parametrize("metric", ["crash", "anr", "drain", "cold"])
def test_a_doubled_rate_is_found_within_days_in_its_metric_alone(metric):
    alerts = list(judge(make(21, Truth(effect=2.0, metric=metric))))

    assert {alert.metric for alert in alerts} == {metric}
    assert alerts[0].day <= 5
    assert alerts[-1].slice == Slice(None, None)
    assert alerts[-1].low <= 2.0 <= alerts[-1].high


@pytest.mark.parametrize("where", [Slice(0, None), Slice(None, 1), Slice(1, 0)])
def test_what_is_worse_in_one_slice_is_said_of_that_slice(where):
    truth = Truth(effect=1.3, metric="drain", model=where.model, os=where.os)

    alerts = list(judge(make(31, truth), metrics=[DRAIN]))

    assert alerts[-1].slice == where
    assert alerts[-1].low <= 1.3 <= alerts[-1].high


def test_a_small_change_of_battery_drain_is_found_in_the_end():
    alerts = list(judge(make(41, Truth(effect=1.05, metric="drain")), metrics=[DRAIN]))

    assert alerts
    assert alerts[-1].effect == pytest.approx(1.05, abs=0.02)


def test_an_improvement_is_no_alert():
    assert list(judge(make(51, Truth(effect=0.6)), metrics=[CRASH])) == []


def test_a_look_knows_only_what_had_arrived():
    fleet = make(61, Truth(effect=1.6))
    whole = _of(list(judge(fleet, metrics=[CRASH])), "crash")
    last = 8
    arrived = _rows(fleet, fleet.days.arrival_day <= last)

    early = [alert for alert in judge(arrived, metrics=[CRASH]) if alert.day <= last]

    assert early == [alert for alert in whole if alert.day <= last]
    assert early


def test_the_order_of_rows_and_the_numbers_of_devices_make_no_difference():
    fleet = make(71, Truth(effect=1.5, model=0))
    rng = np.random.default_rng(5)
    shuffled = _rows(fleet, rng.permutation(len(fleet.days.day)))
    renamed = rng.permutation(fleet.devices.count)
    devices = {
        name: getattr(fleet.devices, name)[np.argsort(renamed)]
        for name in ("model", "os", "country")
    }
    days = _days(shuffled) | {"device": renamed[shuffled.days.device]}

    again = list(judge(make_fleet(devices=devices, days=days), metrics=[CRASH]))

    first = list(judge(fleet, metrics=[CRASH]))
    assert [(a.day, a.slice) for a in again] == [(a.day, a.slice) for a in first]
    assert [a.effect for a in again] == pytest.approx([a.effect for a in first], rel=1e-6)


def test_a_fleet_without_rows_or_without_an_update_is_judged_with_silence():
    fleet = make(81, Truth(effect=2.0), devices=500)
    nothing = _rows(fleet, np.zeros(len(fleet.days.day), bool))
    only_old = _rows(fleet, ~fleet.days.new_version)
    only_new = _rows(fleet, fleet.days.new_version)

    assert list(judge(nothing)) == list(judge(only_old)) == list(judge(only_new)) == []


def test_arrays_that_are_no_fleet_are_refused_by_name():
    fleet = make(91, Truth(), devices=100)
    devices = {name: getattr(fleet.devices, name) for name in ("model", "os", "country")}
    days = _days(fleet)

    for spoiled, name in (
        ({key: value for key, value in days.items() if key != "anrs"}, "anrs"),
        (days | {"crashes": days["crashes"][1:]}, "lengths"),
        (days | {"device": days["device"] + 100}, "device"),
        (days | {"cold_ms": days["cold_ms"].astype(str)}, "cold_ms"),
    ):
        with pytest.raises(MalformedFleet, match=name):
            make_fleet(devices=devices, days=spoiled)
