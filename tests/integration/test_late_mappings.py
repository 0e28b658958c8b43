"""Mappings that arrive after the crashes that need them, and the tables made of late files."""

import io
import uuid

import pytest

from crashes.models import (
    DebugFile,
    Issue,
    MissingDebugFile,
    Report,
    WaitingReport,
)
from crashes.services.symbol_tables import (
    debug_file_path,
    list_unprepared,
    prepare_debug_file,
)
from crashes.services.symbols import name_mapping, register_debug_file
from tests.factories import make_program
from tests.integration.late_symbols import (
    LATER,
    MAPPING,
    NOW,
    PARSE,
    add,
    assert_counts_add_up,
    breakpad,
    frames_of,
    java,
    regroup,
    send,
    tombstone,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


# --- Managed code ------------------------------------------------------------------------------


def test_a_mapping_that_frames_name_is_used_before_grouping(program):
    add(program, MAPPING, name="mapping.txt")

    report = send(program, java("a", file="r8-map-id-abc1234"), kind="java_crash")

    assert Issue.objects.get().signature == "IllegalStateException at CartFragment.refresh"
    assert frames_of(program, report)[:2] == [
        "com.example.shop.CartFragment.refresh",
        "com.example.shop.Main.run",
    ]


def test_a_late_mapping_names_crashes_by_its_id(program):
    for method in ("a", "b", "a"):
        send(program, java(method, file="r8-map-id-abc1234"), kind="java_crash")
    assert MissingDebugFile.objects.get().build_id == "abc1234"
    old = set(Issue.objects.values_list("pk", flat=True))

    add(program, MAPPING, name="mapping.txt")
    regroup()

    issue = Issue.objects.get()
    assert issue.signature == "IllegalStateException at CartFragment.refresh"
    assert (issue.report_count, issue.pk in old) == (3, True)
    assert not MissingDebugFile.objects.exists()
    assert_counts_add_up()


def test_a_mapping_is_found_by_package_and_version_code_once_it_is_named(program):
    report = send(program, java("a"), kind="java_crash")
    mapping = add(program, MAPPING, name="mapping.txt")
    regroup()
    assert frames_of(program, report)[0] == "a.a.a"

    name_mapping(mapping.pk, package="com.example.shop", version_code=1402, now=NOW)
    regroup()

    assert frames_of(program, report)[0] == "com.example.shop.CartFragment.refresh"
    assert not WaitingReport.objects.exists()


def test_a_hostile_mapping_names_nothing_and_loses_nothing(program):
    mapping = add(program, MAPPING, name="mapping.txt")
    debug_file_path(mapping.sha256).write_bytes(b"\0" * 4096)

    report = send(program, java("a", file="r8-map-id-abc1234"), kind="java_crash")

    assert report.state == Report.State.DONE
    assert frames_of(program, report)[0] == "a.a.a"


# --- Making tables -----------------------------------------------------------------------------


def test_two_workers_never_make_the_same_tables_at_once(program):
    registration = register_debug_file(
        io.BytesIO(breakpad()), name="x.sym", program_id=program.pk, now=NOW
    )
    pk = registration.debug_file.pk
    DebugFile.objects.update(building_until=LATER, build_lease=uuid.uuid4())

    assert list_unprepared(limit=1) == []
    assert prepare_debug_file(pk).state == DebugFile.State.RECEIVED

    DebugFile.objects.update(building_until=NOW)  # its worker died
    assert list_unprepared(limit=1) == [pk]
    assert prepare_debug_file(pk).state == DebugFile.State.READY


def test_using_a_file_is_remembered_once_a_day(program):
    debug_file = add(program, breakpad())
    send(program, tombstone(PARSE))
    debug_file.refresh_from_db()

    assert debug_file.last_used_at == NOW
