"""Sums of vitals: what a cell says, how sure it is, and that cells add up in any order."""

import math
import random
from datetime import UTC, date, datetime

import pytest

from devices.vitals.amounts import Amounts, read_all
from devices.vitals.catalog import APP_VITALS, DEVICE_VITALS, Reading, Shape
from devices.vitals.day import DeviceDay, day_of
from devices.vitals.sketch import Sketch


def cell(*readings):
    made = Amounts()
    for reading in readings:
        made.add(Reading(*reading))
    return made


def value_of(item, vital):
    return item.estimate(vital).value


def device_day(**counters):
    day = DeviceDay()
    content = {
        "battery": {"screen_on_s": 7200, "screen_on_drain_pct": 18, "temperature_max_c": 38.2},
        "counters": {"java_crashes": 1, "native_crashes": 1, "anrs": 0, **counters},
        "apps": [{"package": "a", "version_code": 3, "cold_start_ms": [500, 6000], "frames": 100,
                  "slow_frames": 7}],
    }  # fmt: skip
    day.add(content, hours=24)
    return day


def test_a_day_gives_every_vital_that_it_measured_and_no_other():
    amounts: dict[str, Amounts] = {}

    read_all(DEVICE_VITALS, device_day(), amounts)

    values = {key: value_of(item, DEVICE_VITALS[key]) for key, item in amounts.items()}
    assert values == pytest.approx(
        {
            "crash_rate": 1000, "crash_free_days": 0, "crash_free_hours": 0, "anr_rate": 0,
            "anr_days": 0, "drain_screen_on": 9, "cold_start_ms": 3250, "slow_cold_starts": 50,
            "slow_frames": 7, "temperature_max": 38.2,
        }
    )  # fmt: skip


def test_the_days_of_an_app_are_apart_by_version():
    day = device_day()
    day.add({"apps": [{"package": "a", "version_code": 4, "cold_start_ms": [100]}]}, hours=1)
    amounts: dict[str, Amounts] = {}

    read_all(APP_VITALS, day.apps["a", 4], amounts)

    assert value_of(amounts["cold_start_ms"], APP_VITALS["cold_start_ms"]) == 100
    assert set(day.apps) == {("a", 3), ("a", 4)}


def test_an_interval_that_ends_at_midnight_belongs_to_the_day_before():
    assert day_of(datetime(2026, 3, 2, tzinfo=UTC)) == date(2026, 3, 1)
    assert day_of(datetime(2026, 3, 2, 0, 1, tzinfo=UTC)) == date(2026, 3, 2)


def test_cells_add_up_in_any_order_and_survive_storage():
    readings = [(number % 3, 1 + number % 5, (float(number),)) for number in range(60)]
    whole = cell(*readings)
    left, right = cell(*readings[40:]), cell(*readings[:40])

    left.merge(Amounts.of_document(right.document()))

    assert left.document() == whole.document()


def test_a_share_has_wilsons_interval():
    vital = DEVICE_VITALS["crash_free_days"]

    found = cell(*[(1, 1)] * 9, (0, 1)).estimate(vital)

    # Wilson 1927 for 9 of 10, to be had from any table.
    assert (found.low, found.value, found.high) == pytest.approx((59.585, 90, 98.212), abs=0.001)


def test_nothing_seen_in_much_exposure_is_not_nothing_at_all():
    found = cell(*[(0, 10)] * 10).estimate(DEVICE_VITALS["crash_rate"])

    assert found.value == 0
    assert found.low == 0
    assert 30 < found.high < 45  # three events in 100 hours would have shown


def test_one_phone_in_a_crash_loop_makes_the_rate_less_sure():
    even = cell(*[(1, 1)] * 100).estimate(DEVICE_VITALS["crash_rate"])
    loop = cell((100, 1), *[(0, 1)] * 99).estimate(DEVICE_VITALS["crash_rate"])

    assert even.value == loop.value
    assert loop.high - loop.low > 5 * (even.high - even.low)


def test_the_interval_of_a_level_holds_the_truth_nineteen_times_of_twenty():
    rng = random.Random(7)
    vital, hits = DEVICE_VITALS["drain_screen_off"], 0
    assert vital.shape is Shape.LEVEL
    for _ in range(400):
        hours = [rng.uniform(4, 22) for _ in range(80)]
        found = cell(*[(hour * rng.lognormvariate(0, 0.3), hour) for hour in hours])
        estimate = found.estimate(vital)
        hits += estimate.low <= math.exp(0.3**2 / 2) <= estimate.high

    assert 0.92 <= hits / 400 <= 0.975


def test_quantiles_are_right_to_one_percent():
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(6, 1) for _ in range(5_000))
    sketch = Sketch()
    sketch.add(values)

    for part in (0.0, 0.01, 0.5, 0.9, 0.99, 1.0):
        exact = values[int(part * (len(values) - 1))]
        assert sketch.quantile(part) == pytest.approx(exact, rel=0.0101)
    assert Sketch().quantile(0.5) is None


def test_zeros_are_a_value():
    sketch = Sketch()
    sketch.add([0.0, 0.0, 5.0])

    assert sketch.quantile(0.5) == 0.0


def test_every_vital_says_what_it_is():
    for vitals in (DEVICE_VITALS, APP_VITALS):
        for key, vital in vitals.items():
            assert key == vital.key
            assert vital.numerator
            assert vital.denominator
            assert vital.limit_source
            assert vital.purpose == "development"
