"""Statements whose text is made once, on the database at hand."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import transaction

from crashes.models import IssueTally, Report
from crashes.services import acceptance
from devices.models import Device
from tests.factories import NOW, make_device, make_issue, make_program
from uxp_diag.db import hold_rows, insert_adding, insert_new

pytestmark = pytest.mark.django_db

ONCE = ["program_id", "device_id", "report_id"]


def report(**fields: object) -> Report:
    ids = {"program_id": 7, "device_id": uuid.uuid4(), "report_id": uuid.uuid4()}
    moments = {"received_at": NOW, "occurred_at": NOW - timedelta(days=1)}
    return Report(**{**ids, **moments, "kind": "anr", **fields})


def values_of(row: Report) -> dict[str, object]:
    fields = [field for field in Report._meta.concrete_fields if not field.primary_key]
    return {field.name: getattr(row, field.attname) for field in fields}


@pytest.mark.parametrize("count", [1, 3, 40])
def test_what_is_inserted_reads_as_the_orm_would_have_written_it(count):
    rows = [
        report(
            model="Fernling 2 ✓",
            version_code=2**62 + number,
            attempts=number,
            state=Report.State.AWAITING,
            leased_until=NOW if number % 2 else None,
            lease_id=uuid.uuid4(),
            is_counted_only=bool(number % 2),
        )
        for number in range(count)
    ]

    inserted = insert_new(rows, conflict=ONCE, returning=[*ONCE, "id"])

    assert [place[:3] for place in inserted] == [
        (row.program_id, row.device_id, row.report_id) for row in rows
    ]
    stored = Report.objects.in_bulk([pk for *_, pk in inserted])
    assert [values_of(stored[pk]) for *_, pk in inserted] == [values_of(row) for row in rows]


def test_a_row_that_is_there_is_left_out():
    first, second = report(), report()
    insert_new([first], conflict=ONCE, returning=["id"])

    inserted = insert_new([first, second, second], conflict=ONCE, returning=["report_id"])

    assert inserted == [(second.report_id,)]


def test_counters_grow_where_they_are_and_begin_where_they_are_not():
    issue = make_issue(make_program())
    cell = {"issue": issue, "day": NOW.date(), "model": "m", "os_build": "b"}
    same = ["issue", "day", "model", "os_build", "version_name", "mcc"]

    for count in (2, 3):
        insert_adding([IssueTally(**cell, reports=count)], conflict=same, add="reports")

    assert IssueTally.objects.get().reports == 5


def test_only_rows_with_the_flag_are_held():
    program = make_program()
    yes = [make_device(program, allows_development=True) for _ in range(3)]
    no = make_device(program, allows_development=False)
    wanted = {*(device.pk for device in yes), no.pk, uuid.uuid4()}

    with transaction.atomic():
        held = hold_rows(Device, wanted, flag="allows_development")

    assert held == sorted(device.pk for device in yes)
    assert hold_rows(Device, [], flag="allows_development") == []


def test_first_uploads_that_come_together_share_one_committer(monkeypatch):
    made: list[object] = []

    class SlowToMake:
        def __init__(self) -> None:
            made.append(self)
            time.sleep(0.05)

    monkeypatch.setattr(acceptance, "Committer", SlowToMake)
    shared = acceptance._Shared()

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: shared.get(), range(8)))

    assert len(made) == 1
    assert {id(committer) for committer in given} == {id(made[0])}
