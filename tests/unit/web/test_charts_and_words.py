"""Numbers of charts, and the words for times, countries and failures."""

from datetime import UTC, date, datetime, timedelta

import pytest

from crashes.web.charts import day_chart, outline
from crashes.web.countries import country_name
from crashes.web.words import failure_advice, kind_label, relative_time

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_bars_stand_on_the_ground_and_the_highest_fills_the_box():
    chart = day_chart([0, 5, 10], last_day=date(2026, 11, 20), width=30, height=20, gap=2)

    assert [(bar.x, bar.y, bar.width, bar.height) for bar in chart.bars] == [
        (1, 19, 8, 1),
        (11, 10, 8, 10),
        (21, 0, 8, 20),
    ]
    assert [bar.day.day for bar in chart.bars] == [18, 19, 20]
    assert chart.summary == "15 reports in 3 days, most on Nov 20 (10)"
    assert outline(chart.bars[1:2]) == "M11 10h8v10h-8z"


def test_a_single_report_beside_thousands_is_still_seen():
    chart = day_chart([1, 9_999], last_day=date(2026, 11, 20), width=20, height=20, gap=1)

    assert chart.bars[0].height == 2


def test_quiet_days_are_a_sentence_too():
    chart = day_chart([0] * 14, last_day=date(2026, 11, 20), width=84, height=24, gap=1)

    assert chart.summary == "No reports in 14 days"


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=31), "1 mo ago"),
        (timedelta(days=800), "2 y ago"),
        (timedelta(days=-2), "in 2 d"),
        (timedelta(seconds=-3), "just now"),
    ],
)
def test_a_moment_is_told_in_one_unit(ago, words):
    assert relative_time(NOW - ago, NOW) == words


def test_countries_have_names_and_strangers_have_none():
    assert country_name("244") == "Finland"
    assert country_name("999") == country_name("") == ""


def test_kinds_we_do_not_know_are_shown_as_they_are():
    assert kind_label("anr") == "ANR"
    assert kind_label("meltdown") == "meltdown"


def test_every_failure_has_advice():
    assert "no parser for this format" in failure_advice("unsupported_format")
    assert failure_advice("never_heard_of")
