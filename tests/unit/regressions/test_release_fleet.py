"""Device-days as a release is judged from: when each is known, and what nobody counted."""

import math
import uuid
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from crashes.regressions.judging import Alert
from crashes.regressions.metrics import ANR, CRASH, rows_of
from crashes.regressions.slices import Slice
from crashes.services.release_fleet import assemble
from crashes.services.verdicts import decide
from devices.selectors.vital_samples import DeviceDayRow
from devices.vitals.day import DeviceDay

DAY_ZERO = date(2026, 3, 10)
BACKLOG = datetime(2026, 3, 11, tzinfo=UTC)


def row(offset, *, received, build="B2", counters=None, device=1):
    facts = DeviceDay()
    facts.add(
        {"battery": {"screen_on_s": 7200}, "counters": counters or {}},
        hours=24.0,
    )
    return DeviceDayRow(
        uuid.UUID(int=device), DAY_ZERO + timedelta(days=offset), "X30", "14", build, "244",
        received, facts,
    )  # fmt: skip


def midnight(offset, hour=0):
    return datetime.combine(DAY_ZERO + timedelta(days=offset), time(hour), UTC)


def days_of(*rows):
    return assemble(rows, "B2", DAY_ZERO, backlog_until=BACKLOG).fleet.days


@pytest.mark.parametrize(
    ("offset", "received", "known"),
    [
        (-5, midnight(1), -4),  # the past of a release: as if told on the next day
        (3, midnight(4, 6), 4),
        (3, midnight(9, 6), 9),  # late: it changes no look before
        (3, midnight(2, 6), 3),  # a clock that runs ahead
    ],
)
def test_a_row_is_known_from_the_day_on_which_it_came(offset, received, known):
    assert days_of(row(offset, received=received)).arrival_day.tolist() == [known]


def test_what_comes_later_changes_no_look_that_was_taken():
    early = [row(it, received=midnight(it + 1), device=it + 1) for it in range(4)]
    late = row(1, received=midnight(6), device=9)

    before, after = days_of(*early), days_of(*early, late)

    seen = after.arrival_day <= 4
    assert np.array_equal(after.device[seen], before.device)
    assert after.arrival_day[~seen].tolist() == [6]


def test_what_a_build_does_not_count_is_not_a_zero():
    rows = (
        row(1, received=midnight(2), counters={"java_crashes": 0}),
        row(2, received=midnight(3), counters={"anrs": 2}),
    )

    release = assemble(rows, "B2", DAY_ZERO, backlog_until=BACKLOG)

    crashes = release.fleet.days.crashes.tolist()
    assert crashes[0] == 0
    assert math.isnan(crashes[1])
    assert rows_of(release.fleet, CRASH).new.day.tolist() == [1]
    assert rows_of(release.fleet, ANR).new.day.tolist() == [2]


@pytest.mark.parametrize(
    ("effect", "low", "verdict"),
    [
        (1.30, 1.20, "halt"),
        (1.30, 1.01, "hold"),  # it may as well be a trifle
        (1.04, 1.03, "hold"),
        (1.06, 1.04, "halt"),  # half of the gate, on everything that has the build
    ],
)
def test_a_rollout_stops_for_what_is_large_and_surely_no_trifle(effect, low, verdict):
    release = assemble([row(1, received=midnight(2))], "B2", DAY_ZERO, backlog_until=BACKLOG)
    alert = Alert("drain", 5, Slice(None, None), effect, low, effect + 0.1)

    assert decide(release, [alert], [], os_build="B2").verdict == verdict
