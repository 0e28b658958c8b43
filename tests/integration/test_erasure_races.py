"""What is on its way or damaged while an owner's data goes: nothing of it comes back."""

import hashlib
import io
import json
import threading
import uuid
import zipfile
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from crashes.intake.report import envelope_of
from crashes.intake.spool_record import encode_record
from crashes.models import Attachment, Report, ReportContent
from crashes.services import attachment_cleaning, attachments
from crashes.services.acceptance import Acceptance, accept_reports
from crashes.services.attachments import UnknownAttachment
from crashes.services.blobs import blobs, payload_key
from crashes.services.cleaning import clean_all
from crashes.services.erasing import erase_waiting
from crashes.services.reconciling import reconcile
from crashes.services.sealing import put_blob
from crashes.services.spooled import spool
from devices.models import Device, Erasure, VitalSample
from devices.services.erasure import request_erasure
from devices.services.vitals import SampleStatus, accept_samples
from devices.vitals.sample import decode_sample
from tests.factories import make_device, make_program
from tests.integration.test_erasure import fill, report
from tests.integration.test_pipeline import upload
from tests.integration.test_vitals_upload import lines, sample

pytestmark = pytest.mark.django_db

LOG = b"mail anna.virtanen@gmail.com\n" * 100


def kept_files():
    return [path for path in (settings.BLOB_DIR / "attachments").rglob("*") if path.is_file()]


@pytest.fixture
def erase(send, device_token):
    def call():
        send("devices/me/erase/", b"", token=device_token)
        assert erase_waiting(now=timezone.now())

    return call


@pytest.fixture
def announced(send, device_token):
    """A file of which nothing is here yet."""
    file = {"sha256": hashlib.sha256(LOG).hexdigest(), "size_bytes": len(LOG)}
    assert send("reports/", report(attachments=[file]), token=device_token).status_code == 202
    return Attachment.objects.get()


def test_a_piece_that_comes_after_the_erasure_is_not_kept(announced, erase):
    erase()

    with pytest.raises(UnknownAttachment):
        attachments.append(announced, [LOG[:100]], start=0)

    assert kept_files() == []


def test_a_file_that_is_finished_during_the_erasure_is_not_kept(announced, erase, monkeypatch):
    attachments.append(announced, [LOG], start=0)

    def put_late(key, pieces, data_key):
        put_blob(key, pieces, data_key)
        whole = blobs().path(key).read_bytes()
        erase()
        blobs().path(key).write_bytes(whole)

    monkeypatch.setattr(attachments, "put_blob", put_late)

    with pytest.raises(attachments.ConsentGone):
        attachments.finish(announced)

    assert kept_files() == []


def test_a_file_that_is_cleaned_during_the_erasure_is_not_written_again(
    announced, erase, monkeypatch
):
    attachments.append(announced, [LOG], start=0)
    attachments.finish(announced)

    def clean_late(payloads):
        outcomes = clean_all(payloads)
        erase()
        return outcomes

    monkeypatch.setattr(attachment_cleaning, "clean_all", clean_late)

    attachment_cleaning.clean_attachments(limit=1)

    assert kept_files() == []


def test_what_was_received_before_a_withdrawal_is_not_adopted_after_a_new_consent(
    send, device_token
):
    """Its file waited in the spool while the database was away."""
    device = Device.objects.get()

    def spooled():
        waiting = replace(
            upload(device_id=device.pk, program_id=device.program_id), received_at=timezone.now()
        )
        header = {
            "program_id": device.program_id,
            "device_id": str(device.pk),
            "model": waiting.model,
            "received_at": waiting.received_at,
            "envelope": envelope_of(waiting.report),
        }
        spool().write(encode_record(header, waiting.payload))
        return waiting.report.report_id

    spooled()
    for purposes in ([], ["development"]):
        say(send, device_token, purposes)
    erase_waiting(now=timezone.now())
    later = spooled()

    reconcile(now=timezone.now(), settled_after=timedelta(seconds=-5))

    assert list(Report.objects.values_list("report_id", flat=True)) == [later]
    assert len(list(spool().names())) == 1


def test_what_was_received_before_a_withdrawal_is_not_stored_after_a_new_consent(
    send, device_token
):
    """A thread was slow between reception and commit."""
    device = Device.objects.get()
    slow = replace(
        upload(device_id=device.pk, program_id=device.program_id), received_at=timezone.now()
    )
    started = timezone.now()
    say(send, device_token, [])
    erase_waiting(now=timezone.now())
    between = timezone.now()
    say(send, device_token, ["development"])

    receipts = accept_reports([slow, replace(anew(slow), received_at=between)])
    later = accept_reports([replace(anew(slow), received_at=timezone.now())])
    samples = [decode_sample(lines(sample()), received_at=started)]
    before, after = (
        accept_samples(
            samples, program_id=device.program_id, device_id=device.pk, model="", now=now
        )
        for now in (started, timezone.now())
    )

    assert [receipt.acceptance for receipt in receipts] == [Acceptance.CONSENT_WITHDRAWN] * 2
    assert [receipt.acceptance for receipt in later] == [Acceptance.ACCEPTED]
    assert (before, after) == ([SampleStatus.CONSENT_WITHDRAWN], [SampleStatus.ACCEPTED])
    assert Report.objects.count() == VitalSample.objects.count() == 1


def test_saying_yes_again_or_for_another_purpose_is_no_break(send, device_token):
    device = Device.objects.get()
    early = replace(
        upload(device_id=device.pk, program_id=device.program_id), received_at=timezone.now()
    )
    say(send, device_token, ["development", "personalisation"])
    say(send, device_token, ["development"])

    (receipt,) = accept_reports([early])
    say(send, device_token, ["personalisation"])
    say(send, device_token, ["development"])
    (other,) = accept_reports([anew(early)])

    assert (receipt.acceptance, other.acceptance) == (
        Acceptance.ACCEPTED, Acceptance.CONSENT_WITHDRAWN,
    )  # fmt: skip


def say(send, device_token, purposes):
    consent = {"policy_version": "2023-04-17", "purposes": purposes}
    assert send("devices/me/consent/", consent, token=device_token, method="put").status_code == 200


def anew(one):
    """The same upload under a number of its own."""
    return replace(one, report=msgspec.structs.replace(one.report, report_id=uuid.uuid4()))


def test_an_owner_gets_the_rest_when_a_report_is_damaged(send, device_token):
    fill(send, device_token)
    damaged = ReportContent.objects.get()
    damaged.document = damaged.raw = b"nonsense"
    damaged.save()
    Report.objects.update(occurred_at=timezone.now() - timedelta(days=20_000))

    answer = send("devices/me/export/", b"", token=device_token, method="get")

    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    reports = [json.loads(line) for line in archive.read("reports.jsonl").splitlines()]
    assert len(reports) == 3
    assert [one.get("is_damaged", False) for one in reports].count(True) == 1
    assert len(archive.read("vitals.jsonl").splitlines()) == 1
    assert all(one["kept_until"] > timezone.now().isoformat() for one in reports)


def test_an_owner_gets_the_rest_when_a_sample_is_damaged(send, device_token):
    for _ in range(2):
        send("vitals/", lines(sample()), token=device_token)
    VitalSample.objects.filter(pk=VitalSample.objects.order_by("pk")[0].pk).update(content=b"?")

    answer = send("devices/me/export/", b"", token=device_token, method="get")

    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    damaged, whole = map(json.loads, archive.read("vitals.jsonl").splitlines())
    assert (damaged["is_damaged"], "battery" in damaged) == (True, False)
    assert damaged["sample_id"] != whole["sample_id"]
    assert (whole.get("is_damaged"), "battery" in whole) == (None, True)
    assert b"is_damaged" in archive.read("README.html")


# --- Workers at the same time -----------------------------------------------------------------


@pytest.fixture
def two_reports():
    """One that is done, and one that a worker has in hand."""
    device = make_device(make_program())
    now = timezone.now()
    return [
        Report.objects.create(
            program_id=device.program_id, device_id=device.pk, report_id=uuid.uuid4(),
            kind="native_crash", received_at=now, occurred_at=now, state=state,
        )
        for state in (Report.State.DONE, Report.State.LEASED)
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_wants_what_the_erasure_holds_ends_no_erasure(two_reports):
    """The worker stores a better report of a crash, which takes over from the stored one."""
    stored, better = two_reports
    has_begun, outcome = threading.Event(), []

    def work():
        try:
            with transaction.atomic():
                list(Report.objects.select_for_update().filter(pk=better.pk))
                has_begun.set()
                wait_for_a_waiting_lock()
                Report.objects.filter(pk=stored.pk).update(evidence_of=better.pk)
        except OperationalError as error:
            outcome.append(error)  # as good: a worker tries again
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    has_begun.wait()
    request_erasure(stored.device_id, reason=Erasure.Reason.REQUEST, now=timezone.now())

    assert erase_waiting(now=timezone.now())

    worker.join()
    assert len(outcome) <= 1
    assert Report.objects.count() == 0


def wait_for_a_waiting_lock():
    """Until somebody waits for a lock of ours; on SQLite nobody else has begun."""
    if connection.vendor != "postgresql":
        return
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    for _ in range(1000):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)


def test_a_payload_of_a_worker_that_died_before_its_commit_goes(two_reports):
    _, leased = two_reports
    blobs().put(payload_key(leased.pk), [b"secret"])

    request_erasure(leased.device_id, reason=Erasure.Reason.REQUEST, now=timezone.now())
    erase_waiting(now=timezone.now())

    assert not blobs().path(payload_key(leased.pk)).exists()
