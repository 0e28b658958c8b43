"""Which debug files make room, and which ones stay."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from crashes.models import DebugFile, Issue
from crashes.services.collecting import collect_debug_files
from crashes.services.symbol_tables import debug_file_path, symcache_path, unwind_path
from tests.factories import NOW, make_program
from tests.integration.test_late_symbols import (
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
