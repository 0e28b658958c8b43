"""Moves of an issue, and which reports show that a resolved one is back."""

from datetime import UTC, datetime, timedelta

import pytest

from crashes.triage.transitions import (
    BuildOrder,
    ImpossibleTransition,
    IssueState,
    Resolution,
    Sight,
    Standing,
    Target,
    come_back,
    is_back,
    is_mute_over,
    mute,
    reopen,
    resolve,
    unmute,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = NOW + DAY
G42, X30 = "Nokia G42 5G", "Nokia X30"
ORDER = BuildOrder(
    {
        (G42, "V3.420"): NOW - 30 * DAY,
        (G42, "V3.430"): NOW - 2 * DAY,
        (G42, "V3.44"): LATER,  # a name says nothing about the order
        (X30, "V2.100"): LATER,
    }
)


def resolved(resolution, **named):
    return resolve(Standing(), Target(resolution, **named), now=NOW)


def sight(build="", *, model=G42, version="", code=-1, at=LATER):
    return Sight(at, model, build, version, code)


def test_resolving_names_what_has_the_fix_and_forgets_the_rest():
    before = Standing(IssueState.MUTED, muted_until=LATER, regressed_at=NOW)

    after = resolve(before, Target(Resolution.BUILD, build="V3.430"), now=NOW)

    assert after == Standing(
        IssueState.RESOLVED, Resolution.BUILD, resolved_at=NOW, resolved_in_build="V3.430"
    )


@pytest.mark.parametrize("resolution", [Resolution.NONE, Resolution.BUILD, Resolution.VERSION])
def test_a_resolution_that_names_nothing_is_impossible(resolution):
    with pytest.raises(ImpossibleTransition):
        resolved(resolution)


def test_muting_a_resolved_issue_is_impossible():
    with pytest.raises(ImpossibleTransition, match="reopen it first"):
        mute(resolved(Resolution.NOW), now=NOW)


@pytest.mark.parametrize(
    "ends",
    [
        {"until": NOW},
        {"until": NOW - DAY},
        {"until": NOW + 400 * DAY},
        {"until_count": 0},
        {"until_daily": -1},
        {"until_daily": 10**13},
    ],
)
def test_a_mute_that_could_not_end_is_impossible(ends):
    with pytest.raises(ImpossibleTransition):
        mute(Standing(), now=NOW, **ends)


def test_an_open_issue_cannot_be_reopened():
    with pytest.raises(ImpossibleTransition):
        reopen(Standing())


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (sight("V3.430"), True),  # the build that should have the fix
        (sight("V3.44"), True),  # a later one
        (sight("V3.420"), False),  # an older one, whenever it crashes
        (sight("V2.100", model=X30), False),  # another phone's, which need not have the fix
        (sight("V3.430", model=X30), True),  # the same build on another phone
        (sight("V9"), False),  # never seen: nothing is known about its place
        (sight(""), False),
    ],
)
def test_a_build_at_or_after_the_named_one_shows_that_it_is_back(seen, expected):
    assert is_back(resolved(Resolution.BUILD, build="V3.430"), seen, ORDER) is expected


def test_before_the_named_build_was_seen_nothing_comes_after_it():
    standing = resolved(Resolution.BUILD, build="V3.500")

    assert not is_back(standing, sight("V3.44"), ORDER)
    assert is_back(standing, sight("V3.500"), ORDER)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (sight(code=1402), True),
        (sight(code=1403, version="1.4.3"), True),
        (sight(code=1401, version="9.9"), False),  # codes order, names do not
        (sight(version="1.4.2"), True),
        (sight(version="1.4.10"), True),
        (sight(version="1.4.1"), False),
        (sight(version="1.4.10-beta"), False),
        (sight(), False),
    ],
)
def test_a_version_at_or_after_the_named_one_shows_that_it_is_back(seen, expected):
    standing = resolved(Resolution.VERSION, version="1.4.2", version_code=1402)

    assert is_back(standing, seen, ORDER) is expected


def test_the_next_release_is_above_all_versions_or_a_build_first_seen_later():
    by_code = resolved(Resolution.NEXT_RELEASE, version_code=1403)
    by_build = resolved(Resolution.NEXT_RELEASE)

    assert [is_back(by_code, sight("V3.44", code=code), ORDER) for code in (1402, 1403)] == [
        False,
        True,
    ]
    assert [is_back(by_build, sight(build), ORDER) for build in ("V3.430", "V3.44")] == [
        False,
        True,
    ]


def test_what_happened_before_resolving_shows_nothing():
    standing = resolved(Resolution.NOW)

    assert not is_back(standing, sight("V3.44", at=NOW - DAY), ORDER)
    assert is_back(standing, sight("V3.420", at=LATER), ORDER)


@pytest.mark.parametrize("standing", [Standing(), Standing(IssueState.MUTED)])
def test_only_a_resolved_issue_comes_back(standing):
    assert not is_back(standing, sight("V3.44"), ORDER)


def test_what_came_back_is_open_and_says_in_what():
    build = come_back(resolved(Resolution.BUILD, build="V3.430"), sight("V3.44"), now=LATER)
    app = come_back(
        resolved(Resolution.VERSION, version="1.4", version_code=14), sight(code=15), now=LATER
    )

    assert build == Standing(regressed_at=LATER, regressed_in="V3.44")
    assert app == Standing(regressed_at=LATER, regressed_in="15")


def test_a_mute_ends_by_time_count_or_rate_and_keeps_that_it_was_back():
    back = Standing(regressed_at=NOW, regressed_in="V3.44")
    by_time = mute(back, now=NOW, until=LATER)
    by_count = mute(back, now=NOW, until_count=100)
    by_rate = mute(back, now=NOW, until_daily=10)

    assert [is_mute_over(by_time, now=at, reports=1) for at in (NOW, LATER)] == [False, True]
    assert [is_mute_over(by_count, now=NOW, reports=n) for n in (100, 101)] == [False, True]
    assert [is_mute_over(by_rate, now=NOW, reports=9, most_daily=n) for n in (10, 11)] == [
        False,
        True,
    ]
    assert not is_mute_over(mute(back, now=NOW), now=NOW + 999 * DAY, reports=10**9)
    assert unmute(by_time) == back
