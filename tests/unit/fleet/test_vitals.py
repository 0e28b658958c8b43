import json
from collections import Counter
from statistics import mean

import pytest

from crashes.management.fleet.population import make_population
from crashes.management.fleet.vitals import DRAINING, count_days, make_samples
from devices.vitals.sample import decode_sample
from tests.unit.fleet.conftest import DAYS, NOW, SEED


@pytest.fixture(scope="module")
def samples(devices, plans):
    counts = count_days(plans)
    return {
        device.number: list(make_samples(device, counts, days=DAYS, seed=SEED, now=NOW))
        for device in devices[:60]
    }


def test_every_sample_is_one_that_the_door_takes(samples):
    for lines in samples.values():
        for line in lines:
            decode_sample(json.dumps(line).encode(), received_at=NOW)


def test_a_phone_sends_at_most_one_sample_a_day_and_misses_a_few(samples):
    for lines in samples.values():
        starts = [line["interval_start"] for line in lines]
        assert starts == sorted(set(starts))
        assert 25 < len(lines) < DAYS


def test_sample_ids_do_not_depend_on_the_clock(devices, plans, samples):
    again = make_samples(
        devices[0], count_days(plans), days=DAYS, seed=SEED, now=NOW.replace(day=25)
    )

    assert [one["sample_id"] for one in again] == [one["sample_id"] for one in samples[0]]


def test_counters_agree_with_the_reports(devices, plans, samples):
    by_phone = Counter(plan.device.number for plan in plans if plan.bug.kind == "java_crash")
    counted = {
        number: sum(line["counters"]["java_crashes"] for line in lines)
        for number, lines in samples.items()
    }

    assert sum(counted.values()) > 0
    assert all(count <= by_phone[number] for number, count in counted.items())


def test_one_model_drains_more_with_its_newest_build(plans):
    fleet = [one for one in make_population(900, seed=5) if one.model.name == DRAINING[0]]
    drains: dict[str, list[float]] = {}
    for device in fleet:
        for line in make_samples(device, {}, days=DAYS, seed=5, now=NOW):
            build = line["software"]["os_build"]
            drains.setdefault(build, []).append(line["battery"]["screen_off_drain_pct"])
    oldest, middle, newest = (mean(drains[build.label]) for build in fleet[0].model.builds)

    assert newest > 1.3 * middle
    assert middle == pytest.approx(oldest, rel=0.1)
