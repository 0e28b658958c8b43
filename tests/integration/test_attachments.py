"""Files that follow their report in pieces: wanted, cut, resumed, checked, kept, digested."""

import gzip
import hashlib
import json
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from crashes.models import Attachment, Issue, Report, ReportContent
from crashes.selectors.sealed import read_blob
from crashes.services.attachments import AWAITED_FOR, FORGOTTEN_AFTER
from crashes.services.blobs import blobs
from crashes.services.reconciling import reconcile
from crashes.services.spooled import spool
from devices.models import Device
from tests.integration.conftest import enrollment
from tests.integration.test_pipeline import STACK, work
from uxp_diag.api.problem import Problem
from uxp_diag.limits import Rate, limiter
from uxp_diag.outage import database_outage

pytestmark = pytest.mark.django_db

DUMP = STACK.encode()
FILE = bytes(range(256)) * 1024


@pytest.fixture(autouse=True)
def fresh_buckets():
    limiter.cache_clear()
    yield
    limiter.cache_clear()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def announcing(*contents, **more):
    files = [{"sha256": sha256(content), "size_bytes": len(content)} for content in contents]
    return {"report_id": str(uuid.uuid4()), "kind": "java_crash", "attachments": files} | more


def with_payload(content, **more):
    document = announcing(content)
    document["attachments"][0] |= {"format": "java_stacktrace", "name": "tombstone_00"} | more
    return document


@pytest.fixture
def put(send):
    def call(document, content, start=None, stop=None, *, token, name=None, **headers):
        piece = content if start is None else content[start:stop]
        if start is not None:
            end = start + len(piece) - 1
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        path = f"reports/{document['report_id']}/attachments/{name or sha256(content)}/"
        return send(path, piece, token=token, method="put", **headers)

    return call


@pytest.fixture
def ask(client):
    def call(document, content, *, token):
        path = f"/api/v1/reports/{document['report_id']}/attachments/{sha256(content)}/"
        return client.get(path, headers={"Authorization": f"Bearer {token}"})

    return call


def test_what_is_announced_is_wanted_until_it_is_here(send, put, device_token):
    document = announcing(FILE, b"other")

    wanted = send("reports/", document, token=device_token).json()["want"]
    first = put(document, FILE, token=device_token)
    again = send("reports/", document, token=device_token).json()

    assert wanted == [sha256(FILE), sha256(b"other")]
    assert first.status_code == 201
    assert first.json() == {
        "received_bytes": len(FILE), "size_bytes": len(FILE), "is_complete": True,
    }  # fmt: skip
    assert (again["status"], again["want"]) == ("duplicate", [sha256(b"other")])
    kept = Attachment.objects.get(sha256=sha256(FILE))
    assert read_blob(kept.blob, max_bytes=len(FILE)) == FILE


def test_a_batch_says_what_it_wants_line_by_line(send, device_token):
    one, other = announcing(FILE), announcing()
    lines = "\n".join(json.dumps(document) for document in (one, other))

    results = send("reports/batch/", lines.encode(), token=device_token).json()["results"]

    assert results == [
        {"report_id": one["report_id"], "status": "accepted", "want": [sha256(FILE)]},
        {"report_id": other["report_id"], "status": "accepted"},
    ]


def test_a_file_may_come_in_pieces_and_be_asked_about(send, put, ask, device_token):
    document = announcing(FILE)
    send("reports/", document, token=device_token)

    before = ask(document, FILE, token=device_token).json()
    first = put(document, FILE, 0, 1000, token=device_token)
    told = ask(document, FILE, token=device_token).json()
    last = put(document, FILE, 1000, None, token=device_token)
    replay = put(document, FILE, 1000, None, token=device_token)

    assert before == {"received_bytes": 0, "size_bytes": len(FILE), "is_complete": False}
    assert first.status_code == 202
    assert told == first.json() == before | {"received_bytes": 1000}
    assert (last.status_code, last.json()["is_complete"]) == (201, True)
    assert (replay.status_code, replay.json()["is_complete"]) == (200, True)
    assert list(blobs().path("attachments").glob("**/*.partial")) == []


def test_pieces_may_be_packed(send, put, device_token):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    path = f"reports/{document['report_id']}/attachments/{sha256(FILE)}/"
    headers = {
        "Content-Range": f"bytes 0-{len(FILE) - 1}/{len(FILE)}", "Content-Encoding": "gzip",
    }  # fmt: skip

    answer = send(path, gzip.compress(FILE), token=device_token, method="put", **headers)

    assert answer.status_code == 201


@pytest.mark.parametrize("start", [0, 999, 1001])
def test_a_piece_at_the_wrong_place_is_told_the_right_one(send, put, device_token, start):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    put(document, FILE, 0, 1000, token=device_token)

    answer = put(document, FILE, start, start + 100, token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (409, "offset_mismatch")
    assert answer.json()["expected_offset"] == 1000
    assert (answer.json()["retry"], answer["Upload-Offset"]) == (True, "1000")


def test_the_whole_file_may_be_sent_over_its_beginning(send, put, device_token):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    put(document, FILE, 0, 1000, token=device_token)

    assert put(document, FILE, token=device_token).status_code == 201


def test_a_cut_connection_loses_nothing_that_arrived(send, ask, put, device_token, monkeypatch):
    def cut(*_):
        yield FILE[:150_000]
        yield FILE[150_000:200_000]
        raise Problem(400, "truncated_body", "The body ends early.", retry=True)

    document = announcing(FILE)
    send("reports/", document, token=device_token)
    with monkeypatch.context() as network:
        network.setattr("crashes.api.attachments.iterate_body", cut)
        answer = put(document, FILE, token=device_token)
    told = ask(document, FILE, token=device_token).json()["received_bytes"]
    rest = put(document, FILE, told, None, token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (400, "truncated_body")
    assert told == 200_000
    assert rest.status_code == 201


def test_a_file_that_is_something_else_is_dropped_and_may_come_again(send, put, ask, device_token):
    document = announcing(FILE)
    send("reports/", document, token=device_token)

    wrong = put(document, FILE[::-1], token=device_token, name=sha256(FILE))
    told = ask(document, FILE, token=device_token).json()["received_bytes"]
    right = put(document, FILE, token=device_token)

    assert (wrong.status_code, wrong.json()["code"]) == (422, "checksum_mismatch")
    assert told == 0
    assert right.status_code == 201


@pytest.mark.parametrize(
    ("header", "body", "refusal"),
    [
        ("bytes 5-1/262144", b"x", (400, "bad_range")),
        ("bytes 0-262144/262144", b"x", (400, "bad_range")),
        ("lines 0-1/2", b"x", (400, "bad_range")),
        ("bytes 0-0/7", b"x", (422, "size_mismatch")),
        ("bytes 0-0/262144", b"xx", (413, "body_too_large")),
        ("bytes 0-9/262144", b"x" * 100_000, (413, "body_too_large")),
    ],
)
def test_a_range_must_be_one(send, device_token, header, body, refusal):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    path = f"reports/{document['report_id']}/attachments/{sha256(FILE)}/"

    answer = send(path, body, token=device_token, method="put", **{"Content-Range": header})

    assert (answer.status_code, answer.json()["code"]) == refusal


def test_only_the_sender_of_the_report_may_add_to_it(send, put, ask, key, device_token):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    other = enrollment(imei="356938035643809")
    stranger = send("devices/enroll/", other, token=key).json()["device_token"]

    statuses = [put(document, FILE, token=token).status_code for token in (stranger, key, None)]
    asked = [ask(document, FILE, token=token).status_code for token in (stranger, key)]

    assert statuses == [404, 404, 401]
    assert asked == [404, 404]
    assert put(document, FILE, token=device_token).status_code == 201


def test_a_program_key_adds_to_its_own_reports(send, put, key):
    document = announcing(FILE)
    send("reports/", document, token=key)

    assert put(document, FILE, token=key).status_code == 201


def test_what_is_too_large_is_not_wanted_and_harms_nothing(send, device_token, settings):
    settings.ATTACHMENT_BYTES = 1000
    document = announcing(FILE, b"small")

    answer = send("reports/", document, token=device_token)

    assert (answer.status_code, answer.json()["want"]) == (202, [sha256(b"small")])


@pytest.mark.parametrize(
    "file",
    [
        {"sha256": "x", "size_bytes": 1},
        {"sha256": "A" * 64, "size_bytes": 1},
        {"sha256": "a" * 64, "size_bytes": 0},
        {"sha256": "a" * 64, "size_bytes": 1, "format": "none"},
    ],
)
def test_an_announcement_must_be_one(send, device_token, file):
    answer = send("reports/", announcing() | {"attachments": [file]}, token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


def test_six_files_are_too_many(send, device_token):
    document = announcing(*(bytes([n]) for n in range(6)))

    assert send("reports/", document, token=device_token).status_code == 422


def test_a_report_waits_for_its_payload_and_counts_once(send, put, device_token, client):
    document = with_payload(DUMP)

    send("reports/", document, token=device_token)
    work(timezone.now())
    waiting = Report.objects.get()
    put(document, DUMP, 0, 10, token=device_token)
    put(document, DUMP, 10, None, token=device_token)
    work(timezone.now())

    assert waiting.state == "awaiting"
    report, issue = Report.objects.get(), Issue.objects.get()
    assert (report.state, issue.report_count) == ("done", 1)
    assert issue.signature == "IllegalStateException at CartFragment.refresh"
    assert ReportContent.objects.get().raw_format == "java_stacktrace"
    assert list(spool().names()) == []
    assert Attachment.objects.get().name_kind == "tombstone"


def test_a_report_that_has_its_payload_waits_for_nothing(send, put, device_token):
    document = with_payload(DUMP) | {"payload": {"format": "java_stacktrace", "text": STACK}}

    send("reports/", document, token=device_token)
    work(timezone.now())
    put(document, DUMP, token=device_token)
    work(timezone.now())

    assert Report.objects.get().state == "done"
    assert Issue.objects.get().report_count == 1


def test_neighbors_in_the_spool_file_of_a_waiting_report_stay(send, put, device_token):
    waiting = with_payload(DUMP)
    other = {
        "report_id": str(uuid.uuid4()), "kind": "java_crash",
        "payload": {"format": "java_stacktrace", "text": STACK},
    }  # fmt: skip
    lines = "\n".join(json.dumps(document) for document in (waiting, other))
    send("reports/batch/", lines.encode(), token=device_token)

    put(waiting, DUMP, token=device_token)
    files = len(list(spool().names()))
    work(timezone.now())

    assert files == 1
    assert set(Report.objects.values_list("state", flat=True)) == {"done"}
    assert list(spool().names()) == []


def test_a_payload_that_does_not_come_is_waited_for_a_day(send, put, device_token):
    document = with_payload(DUMP)
    send("reports/", document, token=device_token)

    reconcile(now=timezone.now() + AWAITED_FOR - timedelta(minutes=5))
    still = Report.objects.get().state
    reconcile(now=timezone.now() + AWAITED_FOR)
    work(timezone.now())
    late = put(document, DUMP, token=device_token)
    work(timezone.now())

    assert still == "awaiting"
    assert Report.objects.get().state == "done"
    assert late.status_code == 201
    assert Issue.objects.get().report_count == 1


def test_what_never_became_whole_is_forgotten_and_what_did_is_kept(send, put, device_token):
    document = announcing(FILE, b"whole")
    send("reports/", document, token=device_token)
    put(document, FILE, 0, 1000, token=device_token)
    put(document, b"whole", token=device_token)

    reconcile(now=timezone.now() + FORGOTTEN_AFTER)

    assert Attachment.objects.get().sha256 == sha256(b"whole")
    files = [path for path in blobs().path("attachments").glob("**/*") if path.is_file()]
    assert len(files) == 1
    assert put(document, FILE, 1000, None, token=device_token).status_code == 404


def test_an_end_between_the_last_byte_and_the_answer_is_made_good(
    send, put, ask, device_token, monkeypatch
):
    document = with_payload(DUMP)
    send("reports/", document, token=device_token)
    with monkeypatch.context() as death:
        death.setattr("crashes.services.attachments._complete", _die)
        with pytest.raises(KeyboardInterrupt):
            put(document, DUMP, token=device_token)
    reconcile(now=timezone.now() + timedelta(hours=1))

    told = ask(document, DUMP, token=device_token).json()
    path = f"reports/{document['report_id']}/attachments/{sha256(DUMP)}/"
    headers = {"Content-Range": f"bytes */{len(DUMP)}"}
    answer = send(path, b"", token=device_token, method="put", **headers)
    work(timezone.now())

    assert told["received_bytes"] == len(DUMP)
    assert told["is_complete"] is False
    assert answer.status_code == 201
    assert Report.objects.get().state == "done"
    assert Issue.objects.get().report_count == 1


def _die(*_):
    raise KeyboardInterrupt


def test_a_full_disk_is_told_and_keeps_what_is_here(send, put, ask, device_token, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    document = announcing(FILE)
    send("reports/", document, token=device_token)
    put(document, FILE, 0, 1000, token=device_token)
    with monkeypatch.context() as disk:
        disk.setattr("os.pwrite", full)
        refused = put(document, FILE, 1000, None, token=device_token)

    assert (refused.status_code, refused.json()["code"]) == (503, "intake_unavailable")
    assert ask(document, FILE, token=device_token).json()["received_bytes"] == 1000


def test_a_withdrawal_drops_what_is_on_its_way(send, put, device_token, monkeypatch):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    put(document, FILE, 0, 1000, token=device_token)
    Device.objects.update(allows_development=False)
    monkeypatch.setattr("crashes.api.attachments.refuse_without_consent", lambda sender: None)

    answer = put(document, FILE, 1000, None, token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (403, "consent_withdrawn")
    assert Attachment.objects.count() == 0


def test_attachments_of_an_outage_are_wanted_and_taken_afterwards(
    send, put, device_token, monkeypatch
):
    def away(*_, **__):
        raise OperationalError("server closed the connection")

    document = with_payload(DUMP)
    send("reports/", announcing(), token=device_token)
    with monkeypatch.context() as outage:
        outage.setattr("crashes.services.acceptance.insert_new", away)
        answer = send("reports/", document, token=device_token)
    database_outage.end()
    reconcile(now=timezone.now() + timedelta(minutes=10))
    put(document, DUMP, token=device_token)
    work(timezone.now())

    assert answer.json()["want"] == [sha256(DUMP)]
    assert set(Report.objects.values_list("state", flat=True)) == {"done"}


def test_a_device_has_a_budget_of_bytes(send, put, device_token, monkeypatch):
    document = announcing(FILE)
    send("reports/", document, token=device_token)
    small = Rate(per_second=0.001, burst=2000)
    monkeypatch.setattr("devices.api.budget._DEVICE_ATTACHMENTS", small)

    codes = [
        put(document, FILE, start, start + 1000, token=device_token).status_code
        for start in (0, 1000, 2000)
    ]

    assert codes == [202, 202, 429]
