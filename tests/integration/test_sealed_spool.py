"""What waits in the spool is sealed: only workers open it, and damage of one record harms no other."""

import json
import os
import subprocess
import sys
import uuid

import pytest
from django.utils import timezone

from crashes.intake.report import decode_report, payload_bytes
from crashes.intake.spool_record import encode_record
from crashes.models import Report
from crashes.services.acceptance import Upload, _header, accept_reports, adopt_spool_file
from crashes.services.processing import MAX_ATTEMPTS, lease_reports, process_reports
from crashes.services.spooled import DamagedSpool, SpoolReader, read_file, spool
from devices.sealing.spool import parse_private_keys, public_half
from tests.conftest import ROOT
from tests.factories import make_program

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "java.lang.IllegalStateException: bird of paradise\n\tat com.example.Bird.sing(Bird.kt:7)\n"
HEAD = 53


def upload(program, text=TEXT):
    document = {
        "report_id": str(uuid.uuid4()), "kind": "java_crash", "process": "bird.nest",
        "payload": {"format": "java_stacktrace", "text": text},
    }  # fmt: skip
    report = decode_report(json.dumps(document).encode())
    payload = payload_bytes(report.payload)
    return Upload(program.pk, None, "Bird", report, payload, timezone.now())


@pytest.fixture
def three():
    program = make_program()
    accept_reports([upload(program) for _ in range(3)])
    return list(Report.objects.order_by("pk"))


def path_of(row):
    return spool()._folder / row.spool_file


def change(row, at):
    data = bytearray(path_of(row).read_bytes())
    data[row.spool_offset + at] ^= 1
    path_of(row).write_bytes(bytes(data))


def work():
    for _ in range(MAX_ATTEMPTS):
        Report.objects.filter(state="received").update(leased_until=None)
        while rows := lease_reports(limit=50, now=timezone.now()):
            process_reports(rows, now=timezone.now())


def states():
    return list(Report.objects.order_by("pk").values_list("state", "failure_code"))


def test_no_word_of_an_upload_is_in_the_spool_and_one_file_has_one_key(three):
    data = path_of(three[0]).read_bytes()

    halves = {data[row.spool_offset :][8:40] for row in three}
    assert len({row.spool_file for row in three}) == len(halves) == 1
    assert not [word for word in (b"bird", b"Bird", b"report_id", b"payload") if word in data]
    work()
    assert set(states()) == {("done", "")}


@pytest.mark.parametrize("at", [0, 5, 20, 41, 44, 50, HEAD, -1])
def test_a_flipped_byte_ends_one_report_with_a_code_and_keeps_its_file(three, at):
    change(three[1], at if at >= 0 else three[1].spool_length - 1)

    work()

    found = states()
    assert found[0] == found[2] == ("done", "")
    assert found[1][0] == "quarantined"
    assert found[1][1] in {"spool_unreadable", "spool_key_missing"}
    assert path_of(three[1]).exists()


def test_records_that_changed_places_are_not_taken_for_each_other(three):
    data = path_of(three[0]).read_bytes()
    one, two, rest = (data[row.spool_offset :][: row.spool_length] for row in three)
    assert len(one) == len(two)
    path_of(three[0]).write_bytes(two + one + rest)

    work()

    assert states() == [("quarantined", "spool_unreadable")] * 2 + [("done", "")]


def test_adoption_takes_what_is_whole_and_sees_what_is_missing(three, caplog):
    name = three[0].spool_file
    Report.objects.all().delete()
    change(three[1], HEAD + 3)

    assert adopt_spool_file(name) == 2
    assert "damaged" in caplog.text
    data = path_of(three[0]).read_bytes()
    shorter = read_file(data[: three[2].spool_offset])
    assert len(shorter.records) == 1
    assert shorter.damaged_at is not None
    assert read_file(data[: three[1].spool_offset]).damaged_at == three[1].spool_offset


def test_a_new_key_seals_and_the_old_one_still_opens(three, settings):
    old = settings.READ_SPOOL_KEYS()
    new = f"9:{'77' * 32}"
    settings.SPOOL_PUBLIC_KEY = public_half(parse_private_keys(new)).text
    settings.READ_SPOOL_KEYS = lambda: f"{new},{old}"
    accept_reports([upload(make_program())])

    work()

    assert set(states()) == {("done", "")}


def test_a_worker_without_the_key_says_which_and_a_key_that_is_back_serves(three, settings):
    right = settings.READ_SPOOL_KEYS
    settings.READ_SPOOL_KEYS = lambda: f"9:{'77' * 32}"
    work()
    assert set(states()) == {("quarantined", "spool_key_missing")}
    assert "spool key 1" in Report.objects.all()[0].failure_detail

    settings.READ_SPOOL_KEYS = right
    Report.objects.update(state="received", attempts=0, leased_until=None)
    work()
    assert set(states()) == {("done", "")}


def test_files_of_earlier_versions_are_read(three):
    row = three[0]
    item = upload(make_program())
    record = encode_record(_header(item), item.payload)
    Report.objects.exclude(pk=row.pk).delete()
    name = spool().write(record)
    Report.objects.filter(pk=row.pk).update(
        program_id=item.program_id, report_id=item.report.report_id,
        spool_file=name, spool_offset=0, spool_length=len(record),
    )  # fmt: skip

    work()

    assert states() == [("done", "")]


OPEN = """
import sys
import django
django.setup()
from django.core.exceptions import ImproperlyConfigured
from crashes.services.spooled import read_file
from django.conf import settings
try:
    print(len(read_file(open(sys.argv[1], "rb").read()).records))
except ImproperlyConfigured as problem:
    print(problem)
print(settings.SPOOL_PUBLIC_KEY)
"""


@pytest.mark.parametrize(("as_worker", "said"), [(False, "UXP_SPOOL_KEYS is not set"), (True, "3")])
def test_a_production_web_server_cannot_open_what_it_wrote(three, settings, as_worker, said):
    with_keys = {"UXP_SPOOL_KEYS": settings.READ_SPOOL_KEYS()}
    environment = {
        "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "uxp_diag.settings",
        "DATABASE_URL": "postgresql://u:p@127.0.0.1/none", "SECRET_KEY": "x" * 50,
        "UXP_IDENTITY_KEYS": "1:" + "y" * 32, "UXP_RECEIPT_KEY": "z" * 32,
        "UXP_SEALING_KEYS": "1:" + "w" * 32,
        "UXP_DATA_DIR": str(settings.DATA_DIR),
        "UXP_SPOOL_PUBLIC_KEY": settings.SPOOL_PUBLIC_KEY,
    }  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path_of(three[0]))],
        cwd=ROOT, env=environment | (with_keys if as_worker else {}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.startswith(said)
    assert done.stdout.splitlines()[-1] == settings.SPOOL_PUBLIC_KEY


def test_a_record_of_another_report_is_damage(three):
    row = three[0]
    row.report_id = uuid.uuid4()
    with pytest.raises(DamagedSpool, match="another"):
        SpoolReader().read(row)
