"""Erasure: what is gone, what stays, what is told; withdrawal, retention, and an owner's export."""

import io
import json
import uuid
import zipfile
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from crashes.models import (
    Attachment,
    BatchAnswer,
    Issue,
    IssueDevice,
    IssueTally,
    Report,
    ReportContent,
)
from crashes.models.report import COUNTED
from crashes.services.blobs import blobs
from crashes.services.erasing import erase_waiting
from crashes.services.retention import forget_due, forget_expired, oldest_record_age
from crashes.services.spooled import spool
from devices.credentials import hash_token
from devices.models import (
    AdviceGiven,
    ConsentEntry,
    Device,
    DeviceToken,
    ErasedToken,
    Erasure,
    IdentityLink,
    VitalSample,
)
from devices.receipts import public_key_of, signing_key, verify
from devices.services.erasure import REQUEST, request_erasure
from tests.factories import make_user
from tests.integration.conftest import IMEI, enrollment
from tests.integration.test_pipeline import STACK, work
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db

OTHER_IMEI = "356938035643809"


def report(**more):
    return {
        "report_id": str(uuid.uuid4()),
        "kind": "java_crash",
        "payload": {"format": "java_stacktrace", "text": STACK},
    } | more


def sample():
    now = timezone.now()
    return {
        "sample_id": str(uuid.uuid4()),
        "interval_start": (now - timedelta(hours=2)).isoformat(),
        "interval_end": (now - timedelta(hours=1)).isoformat(),
        "counters": {"anrs": 1},
    }


@pytest.fixture
def other_token(send, key):
    return send("devices/enroll/", enrollment(imei=OTHER_IMEI), token=key).json()["device_token"]


OWN_STACK = """java.lang.ArithmeticException: divide by zero
\tat com.example.only.OnlyHere.measure(OnlyHere.kt:7)
\tat com.example.only.OnlyHere.run(OnlyHere.kt:3)
"""


def fill(send, token, stack=STACK):
    """A report that is done, two that wait, one with a file on its way, a sample, and advice."""
    payload = {"format": "java_stacktrace", "text": stack}
    file = {"name": "log.txt", "format": "logcat", "size_bytes": 9, "sha256": "ab" * 32}
    batch = {"Idempotency-Key": "one"}
    vitals = json.dumps(sample()).encode()
    answers = [send("reports/", report(payload=payload), token=token)]
    work()
    answers += [
        send("reports/", report(attachments=[file]), token=token),
        send("reports/batch/", json.dumps(report()).encode(), token=token, **batch),
        send("vitals/", vitals, token=token),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 200, 200]
    now = timezone.now()
    AdviceGiven.objects.create(
        device_id=DeviceToken.objects.get(token_hash=hash_token(token)).device_id,
        program_id=1, issue_id=1, fixed_in="V3.500", given_at=now, checked_at=now,
    )  # fmt: skip


def receipt_of(request_id=None):
    """The receipt of an erasure; of the only one without a number."""
    wanted = {"pk": request_id} if request_id else {}
    receipt = Erasure.objects.get(**wanted).receipt
    assert receipt is not None
    return receipt


def names_of(device_id):
    """Where the database still names a device."""
    wanted = str(device_id)
    return {
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        for value in model._default_manager.values_list(field.name, flat=True)
        if wanted in str(value) or uuid.UUID(wanted).hex in str(value)
    }


def rows_of(device_id):
    """All that is kept of a device, to compare."""
    return [
        sorted(map(str, model._default_manager.filter(device_id=device_id).values()))
        for model in (Report, Attachment, BatchAnswer, IssueDevice, VitalSample)
    ]


def test_a_device_is_erased_everywhere_and_its_neighbour_is_untouched(
    send, key, device_token, other_token
):
    mine, other = Device.objects.order_by("enrolled_at")
    for token in (device_token, other_token):
        fill(send, token)
    before = rows_of(other.pk)
    counts_alone = Issue.objects.get().report_count

    answer = send("devices/me/erase/", b"", token=device_token)
    assert answer.status_code == 202
    assert erase_waiting(now=timezone.now())

    assert names_of(mine.pk) == set()
    assert rows_of(other.pk) == before
    issue = Issue.objects.get()
    left = Report.objects.filter(COUNTED, issue=issue).count()
    assert 0 < left < counts_alone
    assert (issue.report_count, issue.device_count) == (left, 1)
    assert sum(IssueTally.objects.values_list("reports", flat=True)) == left
    assert ReportContent.objects.filter(report__device_id=mine.pk).count() == 0
    work()
    assert Issue.objects.get().report_count == Report.objects.filter(COUNTED).count()


def test_an_issue_that_nothing_is_left_of_goes(send, device_token, other_token):
    fill(send, device_token, stack=OWN_STACK)
    fill(send, other_token)
    assert Issue.objects.count() == 2

    send("devices/me/erase/", b"", token=device_token)
    erase_waiting(now=timezone.now())

    assert Issue.objects.count() == 1


def test_spooled_bytes_and_files_on_their_way_go(send, device_token):
    fill(send, device_token)
    attachment = Attachment.objects.get()
    path = blobs().path(attachment.blob)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.partial").write_bytes(b"half")
    assert list(spool().names())

    send("devices/me/erase/", b"", token=device_token)
    erase_waiting(now=timezone.now())

    assert list(spool().names()) == []
    assert not path.with_name(f"{path.name}.partial").exists()


def test_the_receipt_says_what_was_there_names_nobody_and_verifies_offline(
    send, device_token, settings, tmp_path, capsys
):
    device = Device.objects.get()
    fill(send, device_token)
    request_id = send("devices/me/erase/", b"", token=device_token).json()["request_id"]
    waiting = send(f"erasures/{request_id}/", b"", method="get").json()

    erase_waiting(now=timezone.now())

    done = send(f"erasures/{request_id}/", b"", method="get").json()
    content = verify(done["receipt"], public_key=public_key_of(signing_key(settings.RECEIPT_KEY)))
    assert (waiting["state"], waiting["receipt"], done["state"]) == ("requested", None, "done")
    assert content["stores"]["reports"] == {"before": 3, "after": 0}
    assert content["stores"]["vital_samples"] == {"before": 1, "after": 0}
    assert {counts["after"] for counts in content["stores"].values()} == {0}
    assert str(device.pk) not in json.dumps(done)
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(done))
    call_command("verify_receipt", str(file))
    assert json.loads(capsys.readouterr().out)["valid"] is True
    file.write_text(json.dumps(done).replace('"before": 3', '"before": 2'))
    with pytest.raises(CommandError):
        call_command("verify_receipt", str(file))


def test_receipts_are_a_chain(send, device_token, other_token):
    receipts = []
    for token in (device_token, other_token):
        request_id = send("devices/me/erase/", b"", token=token).json()["request_id"]
        erase_waiting(now=timezone.now())
        receipts.append(receipt_of(request_id=request_id))

    assert receipts[0]["receipt"]["previous"] is None
    assert len(receipts[1]["receipt"]["previous"]) == 64


def test_what_an_erased_phone_still_sends_is_refused_until_it_enrolls_anew(send, key, device_token):
    old = Device.objects.get().pk
    send("devices/me/erase/", b"", token=device_token)

    late = [
        send("reports/", report(), token=device_token),
        send("vitals/", json.dumps(sample()).encode(), token=device_token),
        send("devices/me/erase/", b"", token=device_token),
    ]
    erase_waiting(now=timezone.now())
    later = send("reports/", report(), token=device_token)
    again = send("devices/enroll/", enrollment(), token=key).json()

    assert {(one.status_code, one.json()["code"]) for one in [*late, later]} == {
        (403, "device_erased")
    }
    assert Report.objects.count() == 0
    assert again["device_id"] != str(old)
    assert send("reports/", report(), token=again["device_token"]).status_code == 202
    assert IMEI not in str(list(IdentityLink.objects.values()))


def test_withdrawal_erases_what_was_collected_and_keeps_the_ledger(send, device_token):
    fill(send, device_token)
    withdrawn = send(
        "devices/me/consent/",
        {"policy_version": "2023-04-17", "purposes": []},
        token=device_token,
        method="put",
    ).json()
    refused = send("reports/", report(), token=device_token)

    erase_waiting(now=timezone.now())

    assert withdrawn["erasure_id"]
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_withdrawn")
    assert Report.objects.count() == VitalSample.objects.count() == IssueDevice.objects.count() == 0
    assert Device.objects.count() == 1
    assert ConsentEntry.objects.count() == 2
    assert Erasure.objects.get().device_id is None
    assert send("reports/", report(), token=device_token).json()["code"] == "consent_withdrawn"


def test_what_comes_after_a_new_consent_is_not_part_of_the_old_erasure(send, device_token):
    fill(send, device_token)
    consent = {"policy_version": "2023-04-17", "purposes": []}
    send("devices/me/consent/", consent, token=device_token, method="put")
    consent["purposes"] = ["development"]
    send("devices/me/consent/", consent, token=device_token, method="put")
    new = report()
    send("reports/", new, token=device_token)

    erase_waiting(now=timezone.now())

    assert [str(row.report_id) for row in Report.objects.all()] == [new["report_id"]]


def test_an_erasure_that_broke_off_is_gone_on_with_and_tells_of_all(
    send, device_token, monkeypatch
):
    fill(send, device_token)
    send("devices/me/erase/", b"", token=device_token)
    with monkeypatch.context() as patch:
        patch.setattr("crashes.services.erasing.erase_fleet_data", lambda erasure: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase_waiting(now=timezone.now())
    assert Report.objects.count() == 0
    assert not erase_waiting(now=timezone.now())  # leased to whoever died

    assert erase_waiting(now=timezone.now() + timedelta(minutes=6))

    assert receipt_of()["receipt"]["stores"]["reports"]["before"] == 3


def test_an_erasure_that_is_widened_meanwhile_is_not_called_done(
    send, device_token, monkeypatch, caplog
):
    fill(send, device_token)
    device = Device.objects.get()
    consent = {"policy_version": "2023-04-17", "purposes": []}
    send("devices/me/consent/", consent, token=device_token, method="put")

    def asked_again(erasure):
        request_erasure(device.pk, reason=REQUEST, now=timezone.now())

    with monkeypatch.context() as patch, caplog.at_level("INFO", "crashes.services.erasing"):
        patch.setattr("crashes.services.erasing.erase_fleet_data", asked_again)
        assert erase_waiting(now=timezone.now())
        first = caplog.messages[-1]
        patch.undo()
        assert erase_waiting(now=timezone.now())

    assert "is done" not in first
    assert "is done" in caplog.messages[-1]
    assert not erase_waiting(now=timezone.now())
    assert not Device.objects.exists()


def test_the_command_erases_and_prints_the_receipt(send, device_token, capsys):
    device = Device.objects.get()
    fill(send, device_token)

    call_command("erase_device", str(device.pk))

    assert verify(json.loads(capsys.readouterr().out))["reason"] == "operator"
    with pytest.raises(CommandError, match="no device"):
        call_command("erase_device", str(device.pk))
    with pytest.raises(CommandError, match="no device id"):
        call_command("erase_device", "nonsense")


def test_nothing_stays_longer_than_a_year(send, device_token):
    fill(send, device_token)
    now = timezone.now()
    kept = Report.objects.latest("pk")
    Report.objects.exclude(pk=kept.pk).update(
        received_at=now - timedelta(days=359), occurred_at=now - timedelta(days=360)
    )
    VitalSample.objects.update(interval_end=now - timedelta(days=359))
    assert oldest_record_age(now=now) >= timedelta(days=359)

    expired = forget_expired(now=now)

    assert (expired.reports, expired.samples) == (2, 1)
    assert list(Report.objects.values_list("pk", flat=True)) == [kept.pk]
    assert Issue.objects.count() == 0
    assert oldest_record_age(now=now) < timedelta(days=1)


def test_refused_tokens_and_sessions_go_in_time(client):
    now = timezone.now()
    client.force_login(make_user(Role.VIEWER))
    client.force_login(make_user(Role.VIEWER))
    ended = Session.objects.latest("expire_date")
    Session.objects.filter(pk=ended.pk).update(expire_date=now - timedelta(seconds=1))
    for days in (395, 397):
        hashed = bytes([days % 256]) * 32
        ErasedToken.objects.create(token_hash=hashed, erased_at=now - timedelta(days=days))

    forget_due(now=now)

    assert Session.objects.filter(pk=ended.pk).count() == 0
    assert ErasedToken.objects.count() == 1


def test_a_clock_that_cannot_be_believed_makes_no_report_old(send, device_token):
    fill(send, device_token)
    now = timezone.now()
    Report.objects.update(occurred_at=now - timedelta(days=20_000))

    assert forget_expired(now=now).reports == 0
    assert oldest_record_age(now=now) < timedelta(days=1)


def test_an_owner_gets_everything_and_nothing_of_others(send, device_token, other_token):
    fill(send, device_token)
    fill(send, other_token, stack=OWN_STACK)
    other = Device.objects.order_by("enrolled_at")[1]

    answer = send("devices/me/export/", b"", token=device_token, method="get")

    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert archive.testzip() is None
    texts = {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}
    reports = [json.loads(line) for line in texts["reports.jsonl"].splitlines()]
    assert len(reports) == 3
    assert reports[0]["crash"]["exception_type"]
    assert texts[reports[0]["payload"]] == STACK
    assert json.loads(texts["device.json"])["model"] == "Nokia G42 5G"
    assert len(texts["vitals.jsonl"].splitlines()) == len(texts["consent.jsonl"].splitlines()) == 1
    everything = "".join(texts.values())
    assert str(other.pk) not in everything
    assert "OnlyHere" not in everything


def test_only_a_phone_may_export_or_erase_itself(send, key, device_token):
    calls = (("devices/me/export/", "get"), ("devices/me/erase/", "post"))

    for path, method in calls:
        assert send(path, b"", method=method).status_code == 401
        assert send(path, b"", token=key, method=method).status_code in {401, 403}
    assert send(f"erasures/{uuid.uuid4()}/", b"", method="get").status_code == 404
    assert Erasure.objects.count() == ErasedToken.objects.count() == 0
