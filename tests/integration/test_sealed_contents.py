"""What is kept of phones opens with their key alone, and with nothing once that is destroyed."""

import hashlib
import json
import uuid
from io import StringIO

import pytest
import zstandard
from django.core.management import CommandError, call_command
from django.utils import timezone

from crashes.models import Attachment, Report, ReportContent, StackVariant
from crashes.packing import UnreadablePack
from crashes.selectors.contents import document_of, raw_of
from crashes.selectors.export import export_archive
from crashes.selectors.replaying import replay
from crashes.selectors.sealed import ContentErased, read_blob
from crashes.services.blobs import blobs
from crashes.services.erasing import erase_waiting
from crashes.services.processing import lease_reports, process_reports
from crashes.services.reconciling import reconcile
from crashes.services.rescrubbing import rescrub_reports, rescrub_vitals
from devices.models import DataKey, Device, Erasure, Program, VitalSample
from devices.scrubbing import SCRUBBER_VERSION
from devices.selectors.data_keys import check_master_keys
from devices.selectors.vital_samples import with_contents
from devices.services.data_keys import fingerprint_of, forget_old_keys
from devices.services.erasure import request_erasure
from devices.services.rollups import roll_up
from tests.factories import (
    NOW,
    make_api_token,
    make_attachment,
    make_device,
    make_done_report,
    make_issue,
    make_program,
    make_user,
)
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db

STACK = "java.lang.IllegalStateException: paradise bird\n\tat com.example.Bird.sing(Bird.kt:7)\n"
LARGE = STACK + "".join(hashlib.sha256(bytes([n % 256, n >> 8])).hexdigest() for n in range(3000))
LOG = b"a log of paradise birds\n" * 9000


@pytest.fixture
def kept(send, device_token):
    """A phone with a small report, a large one, a file, and a sample of vitals."""
    file = {"sha256": hashlib.sha256(LOG).hexdigest(), "size_bytes": len(LOG)}
    document = a_report(STACK)
    assert send("reports/", document, token=device_token).status_code == 202
    document = a_report(LARGE) | {"attachments": [file]}
    assert send("reports/", document, token=device_token).status_code == 202
    place = f"reports/{document['report_id']}/attachments/{file['sha256']}/"
    answer = send(place, LOG[:100_000], token=device_token, method="put",
                  **{"Content-Range": f"bytes 0-99999/{len(LOG)}"})  # fmt: skip
    assert answer.status_code == 202, answer.content
    assert not [path for path in files() if b"paradise" in path.read_bytes()]
    answer = send(place, LOG[100_000:], token=device_token, method="put",
                  **{"Content-Range": f"bytes 100000-{len(LOG) - 1}/{len(LOG)}"})  # fmt: skip
    assert answer.status_code == 201, answer.content
    sample = {
        "sample_id": str(uuid.uuid4()), "interval_start": "2026-11-20T00:00:00Z",
        "interval_end": "2026-11-20T01:00:00Z", "apps": [{"package": "com.paradise.bird"}],
    }  # fmt: skip
    assert send("vitals/", json.dumps(sample).encode(), token=device_token).status_code == 200
    work()
    return Device.objects.get()


def a_report(text):
    return {
        "report_id": str(uuid.uuid4()), "kind": "java_crash", "boot_id": "paradise-boot",
        "payload": {"format": "java_stacktrace", "text": text},
    }  # fmt: skip


def work():
    while rows := lease_reports(limit=50, now=timezone.now()):
        process_reports(rows, now=timezone.now())
    reconcile(now=timezone.now())


def files():
    return [path for path in blobs().path("x").parent.glob("**/*") if path.is_file()]


def stored_bytes():
    """Every byte of contents, samples and files; packed ones are sealed, so nothing to unpack."""
    values = [
        *ReportContent.objects.values_list("document", flat=True),
        *ReportContent.objects.values_list("raw", flat=True),
        *VitalSample.objects.values_list("content", flat=True),
        *(path.read_bytes() for path in files()),
    ]
    return [bytes(value) for value in values if value]


def contents():
    return list(ReportContent.objects.order_by("pk"))


def test_everything_is_sealed_with_one_key_and_opens(kept):
    small, large = contents()

    assert DataKey.objects.count() == 1
    assert len(stored_bytes()) == 6
    assert {value[:4] for value in stored_bytes()} == {b"UXS1", b"UXC1"}
    for value in stored_bytes():
        assert b"paradise" not in value
        with pytest.raises(zstandard.ZstdError):
            zstandard.decompress(value, 1 << 20)
    assert raw_of(small, max_bytes=1 << 20) == STACK.encode()
    assert raw_of(large, max_bytes=1 << 20) == LARGE.encode()
    assert large.raw_blob
    assert document_of(small).envelope["boot_id"] == "paradise-boot"
    assert read_blob(Attachment.objects.get().blob, max_bytes=1 << 20) == LOG
    ((_, content),) = with_contents(VitalSample.objects.all())
    assert content
    assert content["apps"] == [{"package": "com.paradise.bird"}]


def test_a_destroyed_key_leaves_nothing_readable_in_a_backup_of_the_rest(kept):
    backup, blob = contents(), Attachment.objects.get().blob
    samples = list(VitalSample.objects.all())
    copies = {path: path.read_bytes() for path in files()}
    key_id = DataKey.objects.get().pk

    request_erasure(kept.pk, reason=Erasure.Reason.REQUEST, now=timezone.now())

    # The key goes with the request; rows and files are still there.
    assert not DataKey.objects.exists()
    assert ReportContent.objects.count() == 2
    check_erased(backup, samples, blob)
    assert erase_waiting(now=timezone.now())
    for path, data in copies.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    check_erased(backup, samples, blob)
    signed = Erasure.objects.get().receipt
    assert signed
    receipt = signed["receipt"]
    assert receipt["destroyed_keys"] == [fingerprint_of(key_id)]
    assert key_id.hex not in json.dumps(receipt)


def check_erased(backup, samples, blob):
    for content in backup:
        with pytest.raises(ContentErased):
            document_of(content)
        with pytest.raises(ContentErased):
            raw_of(content, max_bytes=1 << 20)
    with pytest.raises(ContentErased):
        read_blob(blob, max_bytes=1 << 20)
    assert [content for _, content in with_contents(samples)] == [None]


def test_readers_take_a_destroyed_key_for_erased(kept, client, viewer, api):
    """Between the request and the end of the erasure, and after a backup came back."""
    report = Report.objects.order_by("pk")[1]
    DataKey.objects.all().delete()
    client.force_login(viewer)

    page = client.get(f"/reports/{report.report_id}/")
    assert (page.status_code, b"no longer kept" in page.content) == (200, True)
    assert client.get(f"/issues/{report.issue_id}/").status_code == 200
    assert client.get(f"/reports/{report.report_id}/raw/").status_code == 404
    assert client.get(f"/reports/{report.report_id}/raw/file/").status_code == 404
    assert api(f"reports/{report.report_id}/").json()["crash"] is None
    archive = b"".join(export_archive(kept.pk, program_id=kept.program_id, now=NOW))
    assert b"paradise" not in archive
    assert list(replay(kept.program_id, mechanism=mechanism(), since=NOW.replace(year=2020))) == []
    ReportContent.objects.update(scrubber_version=0)
    VitalSample.objects.update(scrubber_version=0)
    assert (rescrub_reports(limit=9), rescrub_reports(limit=9)) == (2, 0)
    assert (rescrub_vitals(limit=9), rescrub_vitals(limit=9)) == (1, 0)
    roll_up(kept.program_id, VitalSample.objects.get().interval_end.date())
    explained = StringIO()
    call_command("explain_grouping", str(report.report_id), stdout=explained)
    assert ReportContent.objects.count() == 2
    assert ReportContent.objects.filter(scrubber_version=SCRUBBER_VERSION).count() == 2


def mechanism():
    return StackVariant.objects.values_list("mechanism", flat=True)[0]


def test_a_report_that_is_digested_during_an_erasure_leaves_no_content_and_no_key(
    send, device_token
):
    document = {
        "report_id": str(uuid.uuid4()), "kind": "java_crash",
        "payload": {"format": "java_stacktrace", "text": LARGE},
    }  # fmt: skip
    send("reports/", document, token=device_token)
    rows = lease_reports(limit=5, now=timezone.now())
    device = Device.objects.get()
    send("devices/me/consent/", {"policy_version": "1", "purposes": []}, token=device_token,
         method="put")  # fmt: skip
    consent = {"policy_version": "1", "purposes": ["development"]}
    send("devices/me/consent/", consent, token=device_token, method="put")

    process_reports(rows, now=timezone.now())

    assert not DataKey.objects.exists()
    assert not ReportContent.objects.exists()
    assert not files()
    assert erase_waiting(now=timezone.now())
    fresh = document | {"report_id": str(uuid.uuid4())}
    assert send("reports/", fresh, token=device_token).status_code == 202
    work()
    assert raw_of(ReportContent.objects.get(), max_bytes=1 << 20) == LARGE.encode()
    assert DataKey.objects.get().holder == f"device/{device.pk.hex}"


def test_a_flipped_byte_harms_one_thing(kept, client, viewer):
    small, large = contents()
    for content, name in ((small, "document"), (large, "raw_blob")):
        if name == "document":
            data = bytearray(content.document)
            data[60] ^= 1
            ReportContent.objects.filter(pk=content.pk).update(document=bytes(data))
        else:
            path = blobs().path(content.raw_blob)
            data = bytearray(path.read_bytes())
            data[60] ^= 1
            path.write_bytes(bytes(data))
    client.force_login(viewer)
    one, two = Report.objects.order_by("pk")

    with pytest.raises(UnreadablePack, match="seal is broken"):
        document_of(contents()[0])
    assert client.get(f"/reports/{one.report_id}/").status_code == 200
    assert client.get(f"/reports/{two.report_id}/raw/").status_code == 404
    assert raw_of(contents()[0], max_bytes=1 << 20) == STACK.encode()
    assert document_of(contents()[1]).crash is not None


def test_contents_cannot_change_rows(kept):
    small, large = contents()
    small.document, large.document = large.document, small.document

    for content in (small, large):
        with pytest.raises(UnreadablePack, match="seal is broken"):
            document_of(content)


def test_master_keys_are_rotated_by_wrapping_anew(kept, settings):
    sealed = stored_bytes()
    old = settings.SEALING_KEYS
    settings.SEALING_KEYS = f"2:{'n' * 40},{old}"
    out = StringIO()

    call_command("seal_stored", stdout=out)

    assert json.loads(out.getvalue())["keys"] == 1
    settings.SEALING_KEYS = f"2:{'n' * 40}"
    assert raw_of(contents()[0], max_bytes=1 << 20) == STACK.encode()
    assert stored_bytes() == sealed


def test_a_worker_with_other_master_keys_does_not_start(kept, settings):
    right = settings.SEALING_KEYS
    check_master_keys()
    for wrong in ("1:" + "w" * 40, "2:" + "w" * 40):
        settings.SEALING_KEYS = wrong
        with pytest.raises(CommandError, match="UXP_SEALING_KEYS"):
            call_command("work", once=True)
    settings.SEALING_KEYS = f"2:{'w' * 40},{right}"
    check_master_keys()


def test_what_is_from_before_there_were_keys_is_readable_and_gets_sealed(settings):
    program = make_program()
    device = make_device(program)
    report = make_done_report(make_issue(program), device_id=device.pk)
    ReportContent.objects.update(
        raw=None, raw_blob="payloads/00/old", raw_bytes=len(LARGE), raw_format="java_stacktrace"
    )
    blobs().put("payloads/00/old", [zstandard.compress(LARGE.encode())])
    attachment = make_attachment(report, LOG)
    partial = make_attachment(report, b"half", state=Attachment.State.PARTIAL, received_bytes=2)
    half = blobs().path(f"{partial.blob}.partial")
    half.write_bytes(b"ha")
    VitalSample.objects.create(
        program_id=program.pk, device_id=device.pk, sample_id=uuid.uuid4(), received_at=NOW,
        interval_start=NOW, interval_end=NOW, content=zstandard.compress(b'{"apps": []}'),
    )  # fmt: skip
    before = document_of(ReportContent.objects.get())
    assert raw_of(ReportContent.objects.get(), max_bytes=1 << 20) == LARGE.encode()

    first, again = StringIO(), StringIO()
    call_command("seal_stored", stdout=first)
    call_command("seal_stored", stdout=again)

    done = {"reports": 1, "attachments": 2, "samples": 1, "keys": 0, "left": 0}
    assert json.loads(first.getvalue()) == done
    assert json.loads(again.getvalue()) == dict.fromkeys(done, 0)
    content = ReportContent.objects.get()
    assert document_of(content) == before
    assert content.raw_blob == f"payloads/{report.pk % 256:02x}/{report.pk}"
    assert raw_of(content, max_bytes=1 << 20) == LARGE.encode()
    assert not blobs().path("payloads/00/old").exists()
    assert read_blob(attachment.blob, max_bytes=1 << 20) == LOG
    assert not half.exists()
    assert [document for _, document in with_contents(VitalSample.objects.all())] == [{"apps": []}]
    assert {value[:4] for value in stored_bytes()} <= {b"UXS1", b"UXC1", b"\x28\xb5\x2f\xfd"}
    assert bytes(content.document or b"")[:4] == b"UXS1"


def test_clients_without_enrollment_share_a_key_that_goes_with_its_month(send, key):
    document = {
        "report_id": str(uuid.uuid4()), "kind": "java_crash",
        "payload": {"format": "java_stacktrace", "text": STACK},
    }  # fmt: skip
    assert send("reports/", document, token=key).status_code == 202
    work()
    found = DataKey.objects.get()
    now = timezone.now()

    assert found.holder == f"program/{Report.objects.get().program_id}/{now:%Y-%m}"
    assert forget_old_keys(before=now) == 0
    assert forget_old_keys(before=now.replace(year=now.year + 1)) == 1


@pytest.fixture
def viewer(kept):
    return make_user(Role.TRIAGER, programs=[Program.objects.get(pk=kept.program_id)])


@pytest.fixture
def api(kept, client):
    token = make_api_token(Program.objects.get(pk=kept.program_id), Scope.READ)
    return lambda path: client.get(f"/api/v1/{path}", HTTP_AUTHORIZATION=f"Bearer {token}")
