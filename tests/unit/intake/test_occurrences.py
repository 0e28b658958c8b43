"""Which reports tell of one occurrence, and how many occurrences come out in whatever order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.intake.occurrences import Mark, choose_occurrence, mark_of, tell_the_same
from crashes.stack import Crash, CrashKind, ExceptionInfo, Frame, PayloadFormat, Thread

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OWN = "2026-11-20 13:00:00.007439439+0100"
THREAD = Thread(tid=12, crashing=True, frames=(Frame(index=0, function="abort"),))
NATIVE = Crash(
    kind=CrashKind.NATIVE_CRASH, process="com.example", pid=10, tid=12, signal="SIGSEGV",
    threads=(THREAD,),
)  # fmt: skip
JAVA = Crash(
    kind=CrashKind.JAVA_CRASH, process="com.example", pid=10, exception_type="java.lang.Error",
    exception_message="gone", threads=(THREAD,),
)  # fmt: skip
TEXT, PROTO, ENTRY = (
    PayloadFormat.TOMBSTONE_TEXT, PayloadFormat.TOMBSTONE_PROTO, PayloadFormat.DROPBOX,
)  # fmt: skip
SENTRY, ACRA = PayloadFormat.SENTRY_EVENT, PayloadFormat.ACRA_JSON


def mark(crash=NATIVE, payload_format=TEXT, *, after=0.0, **changes):
    moment = NOW + timedelta(seconds=after)
    found = mark_of(replace(crash, **changes), payload_format, occurred_at=moment)
    assert found is not None
    return found


def java(payload_format, *, after=0.0, **changes):
    return mark(JAVA, payload_format, after=after, **changes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (mark(), mark(payload_format=PROTO)),
        (mark(), mark(payload_format=ENTRY, after=60)),
        (mark(timestamp=OWN), mark(payload_format=PROTO, timestamp=OWN, after=9000)),
        (mark(process=None), mark(payload_format=PROTO)),
        (mark(signal=None), mark(payload_format=PROTO)),
        (mark(tid=None), mark(payload_format=ENTRY)),
        (java(ENTRY), java(SENTRY)),
        (java(ENTRY), java(SENTRY, pid=None, after=1)),
        (java(ACRA, pid=None), java(SENTRY, pid=None)),
        (java(ENTRY), java(SENTRY, pid=None, process=None, package="com.example")),
    ],
)
def test_these_tell_of_one_occurrence(one, other):
    assert tell_the_same(one, other)
    assert tell_the_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(mark(), mark(), id="one source tells of an occurrence once"),
        pytest.param(mark(), mark(payload_format=PROTO, pid=11), id="a loop has a pid each time"),
        pytest.param(mark(), mark(payload_format=PROTO, tid=13), id="thread"),
        pytest.param(mark(), mark(payload_format=PROTO, process="com.other"), id="process"),
        pytest.param(mark(), mark(payload_format=PROTO, signal="SIGABRT"), id="signal"),
        pytest.param(mark(), mark(payload_format=PROTO, after=61), id="a pid used again"),
        pytest.param(
            mark(timestamp=OWN),
            mark(payload_format=PROTO, timestamp="2026-11-20 13:00:06+0100"),
            id="two dumps that say different moments",
        ),
        pytest.param(
            mark(process=None, tid=None),
            mark(payload_format=PROTO),
            id="neither the process nor the thread is known",
        ),
        pytest.param(java(ENTRY), mark(), id="kind"),
        pytest.param(java(ENTRY), java(SENTRY, exception_type="a.B"), id="exception"),
        pytest.param(java(ENTRY), java(SENTRY, pid=None, after=1.1), id="no pid and too far apart"),
        pytest.param(
            java(ENTRY), java(SENTRY, pid=None, exception_message="lost"), id="no pid: the message"
        ),
        pytest.param(
            java(ENTRY), java(SENTRY, pid=None, exception_type=None), id="no pid, no exception"
        ),
        pytest.param(java(ENTRY), java(SENTRY, pid=None, process=None), id="no pid and no process"),
    ],
)
def test_these_tell_of_two(one, other):
    assert not tell_the_same(one, other)
    assert not tell_the_same(other, one)


@pytest.mark.parametrize(
    ("crash", "payload_format"),
    [
        (replace(NATIVE, pid=None), TEXT),
        (replace(NATIVE, pid=0), TEXT),
        (replace(NATIVE, kind=CrashKind.ANR), TEXT),
        (replace(JAVA, kind=CrashKind.WTF), ENTRY),
        (NATIVE, PayloadFormat.BUGREPORT),
    ],
)
def test_these_are_never_joined(crash, payload_format):
    assert mark_of(crash, payload_format, occurred_at=NOW) is None


def test_dropbox_has_several_writers():
    crashes = [
        replace(NATIVE, details=details)
        for details in ({"hardware": "qcom"}, {"flags": "0x38"}, {"tag": "SYSTEM_TOMBSTONE"}, {})
    ]

    assert [mark(crash, ENTRY).source for crash in crashes] == [
        "dropbox/boot", "dropbox/app", "dropbox/boot", "dropbox",
    ]  # fmt: skip


def test_a_report_without_a_stack_shows_less_than_any_with_one():
    bare = mark(payload_format=PROTO, threads=())
    chained = java(ENTRY, threads=(), exceptions=(ExceptionInfo("E", frames=THREAD.frames),))

    assert bare.rank < java(PayloadFormat.LOGCAT).rank < chained.rank


# --- Order -------------------------------------------------------------------------------------


def occurrences(marks):
    found: list[list[Mark]] = []
    for one in marks:
        place = choose_occurrence(one, found)
        if place is None:
            found.append([one])
        else:
            found[place].append(one)
    return found


def test_a_crash_loop_is_counted_crash_by_crash_in_any_order():
    """Three crashes within seconds, each told by the system and by an SDK without pids."""
    assert _counts_of_a_loop(pause=2.2) == {3}


def test_a_loop_faster_than_a_process_starts_is_never_counted_too_low():
    assert _counts_of_a_loop(pause=0.9) <= {3, 4}


def _counts_of_a_loop(*, pause):
    told = [java(ENTRY, pid=10 + number, after=number * pause) for number in range(3)]
    by_sdk = [java(SENTRY, pid=None, after=number * pause + 0.1) for number in range(3)]
    return {len(occurrences(order)) for order in permutations([*told, *by_sdk])}


_SOURCES = (TEXT, PROTO, ENTRY, PayloadFormat.MINIDUMP)
_dumps = st.lists(st.tuples(st.sampled_from(_SOURCES), st.integers(1, 3)), max_size=8)


@given(_dumps, st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_changes_the_count(dumps, random):
    marks = [mark(payload_format=source, pid=pid, tid=pid) for source, pid in dumps]
    shuffled = random.sample(marks, len(marks))
    most = {(source, pid): dumps.count((source, pid)) for source, pid in dumps}

    expected = sum(
        max(most.get((source, pid), 0) for source in _SOURCES) for pid in {pid for _, pid in dumps}
    )

    assert len(occurrences(marks)) == len(occurrences(shuffled)) == expected


def test_the_nearest_of_several_fitting_occurrences_is_chosen():
    near, far = java(SENTRY, pid=None, after=0.2), java(SENTRY, pid=None, after=0.8)

    assert choose_occurrence(java(ENTRY), [[far], [near]]) == 1


@given(st.text(max_size=40))
def test_no_timestamp_is_too_strange(text):
    assert mark(timestamp=text).dumped_at is None or text


def test_a_moment_without_a_zone_is_no_moment():
    assert mark(timestamp="2026-11-20 13:00:00").dumped_at is None
    assert mark(timestamp="2026-11-20T12:00:00+00:00").dumped_at == NOW
    assert mark(timestamp="2026-13-20 12:00:00+0000").dumped_at is None
