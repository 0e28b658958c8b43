from datetime import date, timedelta

from crashes.web.bands import adoption_line, vital_line
from devices.selectors.vital_cells import AdoptionDay
from devices.selectors.vital_series import Point
from devices.vitals.amounts import Estimate
from devices.vitals.catalog import DEVICE_VITALS

LAST = date(2026, 5, 10)
VITAL = DEVICE_VITALS["crash_free_days"]


def point(back, value):
    found = Estimate(value, value - 1, value + 1, 100.0, 100)
    return Point((), LAST - timedelta(days=back), 30, found, None, None)


def test_a_day_without_a_value_leaves_the_line_open_at_its_own_place():
    line = vital_line([point(4, 97), point(3, 97), point(0, 97)], VITAL, last=LAST, days=5)

    assert line is not None
    assert line.path.count("M") == 2
    assert line.path.startswith("M0.0 ")
    assert "L640.0 " in line.path
    assert [hit.text[:10] for hit in line.hits] == ["2026-05-06", "2026-05-07", "2026-05-10"]


def test_an_axis_begins_at_zero_unless_that_would_press_the_line_against_the_top():
    far = vital_line([point(1, 2), point(0, 9)], VITAL, last=LAST, days=2)
    near = vital_line([point(1, 97), point(0, 99)], VITAL, last=LAST, days=2)

    assert far is not None
    assert near is not None
    assert (far.ticks[0], far.ticks[2], far.limit) == ("10", "0", None)
    assert (near.ticks[0], near.ticks[2]) == ("100", "96")
    assert near.limit == 32.7


def test_adoption_is_of_a_hundred_percent_and_silent_about_few_devices():
    days = [AdoptionDay(LAST - timedelta(days=2 - it), n, 80) for it, n in enumerate((19, 20, 40))]

    line = adoption_line(days)

    assert line is not None
    assert line.ticks == ("100 %", "50 %", "0 %")
    assert line.path == "M320.0 90.0L640.0 60.0"
    assert line.first == days[0].day
    assert not any("19" in hit.text[10:] for hit in line.hits)
    assert adoption_line(days[:1]) is None
