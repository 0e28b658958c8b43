"""Which debug files make room, and which ones stay."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crashes.models import DebugFile, Issue
from crashes.selectors.symbol_coverage import get_symbol_usage, list_symbol_coverage
from crashes.services.collecting import collect_debug_files, tend_debug_files
from crashes.services.symbol_tables import debug_file_path, symcache_path, unwind_path
from crashes.services.symbols import DebugFileRefused, used_bytes
from tests.factories import NOW, make_program, make_viewer
from tests.integration.late_symbols import (
    MAPPING,
    PARSE,
    add,
    breakpad,
    java,
    regroup,
    send,
    tombstone,
)

pytestmark = pytest.mark.django_db
MONTHS = timedelta(days=90)


@pytest.fixture
def program():
    return make_program()


def collect(*, after=MONTHS, is_rehearsal=False):
    regroup()
    regroup()  # what was ready a while ago is not looked through any more
    return [
        gone.build_id
        for gone in collect_debug_files(
            older_than=timedelta(days=30), now=NOW + after, is_rehearsal=is_rehearsal
        )
    ]


def test_a_file_that_nobody_needs_goes_with_its_tables(program):
    debug_file = add(program, breakpad() + b"STACK CFI INIT 1000 100 .cfa: sp 8 + .ra: x30\n")
    assert symcache_path(debug_file.sha256).exists()
    assert unwind_path(debug_file.sha256).exists()

    assert collect(is_rehearsal=True) == [debug_file.build_id]
    assert debug_file_path(debug_file.sha256).exists()
    assert collect() == [debug_file.build_id]

    assert not DebugFile.objects.exists()
    for path in (debug_file_path, symcache_path, unwind_path):
        assert not path(debug_file.sha256).exists()


def test_what_an_open_issue_needs_stays_however_old(program):
    native, mapping = add(program, breakpad()), add(program, MAPPING)
    send(program, tombstone(PARSE))
    send(program, java("a", file="r8-map-id-abc1234"), kind="java_crash")

    assert collect(after=timedelta(days=4000)) == []
    Issue.objects.filter(kind="native_crash").update(state=Issue.State.RESOLVED)
    assert collect(after=timedelta(days=4000)) == [native.build_id]
    Issue.objects.update(state=Issue.State.RESOLVED)
    assert collect(after=timedelta(days=4000)) == [mapping.build_id]


def test_what_was_used_or_uploaded_lately_stays(program):
    debug_file = add(program, breakpad())
    DebugFile.objects.update(last_used_at=NOW + MONTHS - timedelta(days=1))

    assert collect() == []
    DebugFile.objects.update(last_used_at=None)
    assert collect(after=timedelta(days=1)) == []
    assert collect() == [debug_file.build_id]


def test_bytes_that_another_program_has_too_stay_until_it_needs_them_no_more(program):
    mine, theirs = add(program, breakpad()), add(make_program(), breakpad())
    DebugFile.objects.filter(pk=theirs.pk).update(last_used_at=NOW + MONTHS)

    assert len(collect()) == 1
    assert symcache_path(mine.sha256).exists()


def test_the_command_tells_and_drops(program):
    debug_file = add(program, breakpad())
    regroup()
    DebugFile.objects.update(created_at=NOW - timedelta(days=3650), regroup_at=None)
    out, err = io.StringIO(), io.StringIO()

    call_command("collect_symbols", "--older-than", "30", "--dry-run", stdout=out, stderr=err)

    assert json.loads(out.getvalue())["build_id"] == debug_file.build_id
    assert "1 debug files would go" in err.getvalue()
    assert DebugFile.objects.exists()
    call_command("collect_symbols", "--older-than", "30", stdout=out, stderr=err)
    assert not DebugFile.objects.exists()
    with pytest.raises(CommandError, match="one day"):
        call_command("collect_symbols", "--older-than", "0")


# --- The timetable ----------------------------------------------------------------------------


def tend(settings, *, keep_days=0, quota=0, after=MONTHS):
    regroup()
    regroup()
    settings.SYMBOLS_KEEP_DAYS, settings.SYMBOLS_QUOTA_BYTES = keep_days, quota
    return tend_debug_files(now=NOW + after)


def test_the_timetable_goes_by_age(program, settings):
    add(program, breakpad())

    assert tend(settings, keep_days=0).files == 0
    assert tend(settings, keep_days=91).files == 0
    assert tend(settings, keep_days=89).files == 1


def test_beyond_the_quota_the_longest_unused_go_first(program, settings):
    files = [add(program, breakpad(f"{number:040x}")) for number in range(1, 5)]
    for day, debug_file in enumerate(files):
        DebugFile.objects.filter(pk=debug_file.pk).update(last_used_at=NOW + timedelta(days=day))

    used = used_bytes()
    done = tend(settings, quota=used * 6 // 10)

    assert done.files == 2
    assert done.size_bytes == used - used_bytes()
    assert set(DebugFile.objects.values_list("pk", flat=True)) == {file.pk for file in files[2:]}


def test_what_is_young_or_needed_stays_even_beyond_the_quota(program, settings):
    add(program, breakpad())
    assert tend(settings, quota=1, after=timedelta(days=6)).files == 0
    send(program, tombstone(PARSE))

    assert tend(settings, quota=1).files == 0


def test_beyond_the_quota_nothing_is_taken_in(program, settings):
    add(program, breakpad())
    settings.SYMBOLS_QUOTA_BYTES = used_bytes() + 10

    with pytest.raises(DebugFileRefused) as caught:
        add(program, breakpad("ff" * 20))

    assert caught.value.code == "symbols_quota"
    assert DebugFile.objects.count() == 1


def test_unfinished_uploads_go_after_a_day(program, settings):
    left = settings.BLOB_DIR / "incoming" / "left"
    add(program, breakpad())
    left.write_bytes(b"half")
    real_now = timezone.now()

    young = tend_debug_files(now=real_now).abandoned_uploads
    old = tend_debug_files(now=real_now + timedelta(days=2)).abandoned_uploads

    assert (young, old, left.exists()) == (0, 1, False)


# --- What the page says -----------------------------------------------------------------------


def test_coverage_grows_when_symbols_come(program):
    viewer, since = make_viewer(program), NOW - timedelta(days=30)
    send(program, tombstone(PARSE))
    (before,) = list_symbol_coverage(viewer=viewer, since=since)
    add(program, breakpad())
    regroup()
    (after,) = list_symbol_coverage(viewer=viewer, since=since)

    assert (before.reports, before.complete_reports, before.named_frames) == (1, 0, 0)
    assert (after.reports, after.complete_reports) == (1, 1)
    assert 0 < after.named_frames <= after.native_frames
    assert (before.frames_percent, after.reports_percent) == (0.0, 100.0)
    assert list_symbol_coverage(viewer=make_viewer(make_program()), since=since) == []


def test_usage_counts_files_and_tables_once(program):
    debug_file = add(program, breakpad())
    usage = get_symbol_usage(viewer=make_viewer(program))

    assert usage.files == 1
    assert usage.file_bytes == debug_file_path(debug_file.sha256).stat().st_size
    assert usage.table_bytes == symcache_path(debug_file.sha256).stat().st_size
    assert usage.total_bytes == used_bytes()
