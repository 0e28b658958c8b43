"""What phones say about people is gone before anything of a report is kept."""

import json
import uuid
from io import StringIO

import msgspec
import pytest
import zstandard
from django.core.management import call_command

from crashes.formats.cleaning import Cleaner
from crashes.intake.report import decode_report, payload_bytes
from crashes.models import Issue, Report, ReportContent, StackVariant
from crashes.packing import Document, pack_document, pack_payload
from crashes.selectors.contents import document_of, raw_of
from crashes.services.acceptance import Upload, accept_reports
from crashes.services.cleaning import clean_all
from crashes.services.processing import lease_reports, process_reports
from crashes.services.rescrubbing import rescrub_reports
from crashes.services.spooled import read_file, spool
from crashes.stack import PayloadFormat
from devices.models import VitalSample
from devices.scrubbing import SCRUBBER_VERSION
from devices.selectors.vital_samples import with_contents
from devices.services.vitals import count_unscrubbed_samples, rescrub_samples
from tests.factories import NOW, make_crash, make_device, make_program

pytestmark = pytest.mark.django_db

IMEI, MAIL, PEER = "490154203237518", "anna.virtanen@example.com", "9c:3d:cf:12:34:56"
STACK = (
    f"java.lang.IllegalStateException: {PEER} of {MAIL} is not paired\n"
    "\tat com.example.app.Pairing.start(Pairing.kt:12)\n"
    f"Caused by: java.io.IOException: imei {IMEI}\n"
    "\tat com.example.app.Radio.open(Radio.kt:40)\n"
)
SECRETS = [IMEI, MAIL, PEER]


def accept(text=STACK, *, payload_format="java_stacktrace", **more):
    document = {
        "report_id": str(uuid.uuid4()), "kind": "java_crash", "process": "com.example.app",
        "payload": {"format": payload_format, "text": text}, **more,
    }  # fmt: skip
    report = decode_report(json.dumps(document).encode())
    accept_reports([Upload(1, None, "Nokia G42 5G", report, payload_bytes(report.payload), NOW)])


def work():
    process_reports(lease_reports(limit=100, now=NOW), now=NOW)


def everything():
    """All that the tables hold of reports, as one text."""
    rows: list[object] = [
        *Report.objects.values(),
        *Issue.objects.values(),
        *StackVariant.objects.values(),
    ]
    for content in ReportContent.objects.all():
        rows += [document_of(content), raw_of(content, max_bytes=1 << 20)]
    return str(rows)


def test_a_payload_is_clean_before_it_is_parsed_grouped_and_kept():
    accept()

    work()

    report = Report.objects.get()
    assert report.state == Report.State.DONE
    assert report.content.scrubber_version == SCRUBBER_VERSION
    crash = document_of(report.content).crash
    assert crash is not None
    assert crash.exception_message == "<mac> of <email> is not paired"
    assert crash.exceptions[1].message == "imei <imei>"
    assert not [secret for secret in SECRETS if secret in everything()]


def test_an_envelope_is_clean_before_it_reaches_the_spool():
    accept(
        process=f"sync {MAIL}",
        app={"package": f"imei {IMEI}"},
        annotations={"ssid": "Virtanen Home", PEER: "x"},
    )

    ((name, _),) = spool().names()
    (record,) = read_file(spool().read_all(name)).records
    row = Report.objects.get()
    assert not [word for word in (*SECRETS, "Virtanen Home") if word in str(record.header)]
    assert (row.process, row.package) == ("sync <email>", "imei <imei>")


def test_a_payload_that_no_parser_takes_is_clean_in_quarantine():
    accept(f"{{ imei={IMEI}, {MAIL}", payload_format="acra_json")

    work()

    report = Report.objects.get()
    assert report.state == Report.State.QUARANTINED
    assert raw_of(report.content, max_bytes=1000) == b"{ imei=<imei>, <email>"


def test_a_payload_that_cannot_be_cleaned_is_not_kept():
    accept(payload_format="bugreport", text="PK\x03\x04" + STACK)

    work()

    report = Report.objects.get()
    assert (report.state, report.failure_code) == (Report.State.QUARANTINED, "corrupt_zip")
    assert report.content.raw_bytes == 0
    assert not [secret for secret in SECRETS if secret in everything()]


def test_rules_of_today_go_over_what_older_ones_left():
    accept("java.lang.Error: plain\n\tat a.B.c(B.kt:1)\n")
    accept("java.lang.Error: other\n\tat a.B.d(B.kt:2)\n")
    work()
    old = Document({"boot_id": f"imei={IMEI}"}, make_crash(exception_message=f"peer {PEER}"))
    for content in ReportContent.objects.all():
        content.document = pack_document(old)
        content.raw = pack_payload(STACK.encode())
        content.scrubber_version = 0
        content.save()
    Report.objects.update(process=MAIL)
    Issue.objects.update(signature=f"Error at {MAIL}")

    first, second = StringIO(), StringIO()
    call_command("rescrub", batch=1, limit=1, stdout=first)
    call_command("rescrub", stdout=second)

    assert (json.loads(first.getvalue())["reports"], json.loads(first.getvalue())["left"]) == (1, 1)
    assert (json.loads(second.getvalue())["reports"], json.loads(second.getvalue())["left"]) == (
        1,
        0,
    )
    assert not [secret for secret in SECRETS if secret in everything()]
    assert set(Issue.objects.values_list("signature", flat=True)) == {"Error at <email>"}


def test_what_late_symbols_wrote_meanwhile_is_not_lost(monkeypatch):
    accept("java.lang.Error: plain\n\tat a.B.c(B.kt:1)\n")
    accept("java.lang.Error: other\n\tat a.B.d(B.kt:2)\n")
    work()
    ReportContent.objects.update(scrubber_version=0)
    named = ReportContent.objects.earliest("pk")
    newer = pack_document(Document({"boot_id": f"imei={IMEI}"}, make_crash(reason="named")))

    def clean_late(payloads):
        ReportContent.objects.filter(pk=named.pk).update(document=newer)
        return clean_all(payloads)

    with monkeypatch.context() as patch:
        patch.setattr("crashes.services.rescrubbing.clean_all", clean_late)
        assert rescrub_reports(limit=5) == 1
    named.refresh_from_db()
    assert (bytes(named.document or b""), named.scrubber_version) == (newer, 0)

    assert rescrub_reports(limit=5) == 1

    named.refresh_from_db()
    document = document_of(named)
    assert document.crash is not None
    assert (document.crash.reason, IMEI in str(document.envelope)) == ("named", False)
    assert rescrub_reports(limit=5) == 0


def test_memory_and_open_files_of_a_tombstone_are_cut():
    text = (
        "pid: 7, tid: 7, name: main  >>> com.example.app <<<\n"
        "    x0  0000000000000001  x1  0000000000000002\n"
        "memory near x0 ([anon:libc_malloc]):\n"
        "    00000071c0a81230 6e6f687020796d20 0000000000726562   my phone ber....\n"
        "\nmemory map (1 entry):\n"
        "    00000071'00000000-00000071'00000fff r-x         0      1000  /system/lib64/libc.so\n"
        "open files:\n"
        "    fd 5: /data/user/0/com.example.app/files/anna v/diary.txt (owned by File 0x1)\n"
    )

    clean = Cleaner().clean(PayloadFormat.TOMBSTONE_TEXT, text.encode()).decode()

    assert "my phone" not in clean
    assert "anna" not in clean
    assert "memory near x0 ([anon:libc_malloc]):\n    (cut)\n" in clean
    assert "/system/lib64/libc.so" in clean
    assert "x1  0000000000000002" in clean


def test_samples_name_people_no_more():
    device = make_device(make_program())
    VitalSample.objects.create(
        program_id=1, device_id=device.pk, sample_id=uuid.uuid4(), received_at=NOW,
        interval_start=NOW, interval_end=NOW, model=MAIL,
        content=zstandard.compress(msgspec.json.encode({"apps": [{"package": MAIL}]})),
    )  # fmt: skip

    assert rescrub_samples(limit=5) == 1

    ((sample, content),) = with_contents(VitalSample.objects.all())
    assert (sample.model, count_unscrubbed_samples()) == ("<email>", 0)
    assert content == {"apps": [{"package": "<email>"}]}


def test_a_damaged_sample_is_emptied_and_holds_up_no_other():
    device = make_device(make_program())
    for content in (
        b"damaged",
        zstandard.compress(b'{"apps":[{"package":"' + MAIL.encode() + b'"}]}'),
    ):
        VitalSample.objects.create(
            program_id=1, device_id=device.pk, sample_id=uuid.uuid4(), received_at=NOW,
            interval_start=NOW, interval_end=NOW, content=content,
        )  # fmt: skip

    assert rescrub_samples(limit=5) == 2

    samples = VitalSample.objects.order_by("pk")
    assert [content for _, content in with_contents(samples)] == [
        {}, {"apps": [{"package": "<email>"}]},
    ]  # fmt: skip
