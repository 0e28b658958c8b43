"""Breakpad and Crashpad at the door, answered in Socorro's words."""

import gzip
import json
import uuid

import pytest

from crashes.models import ClientLoss, Report
from crashes.selectors.contents import document_of
from crashes.storage import Spool
from devices.models import Program
from tests.integration.test_clients_sentry import FORM, MINIDUMP, form
from tests.integration.test_pipeline import work
from uxp_diag.limits import limiter

pytestmark = pytest.mark.django_db

DUMP = ("upload_file_minidump", "c.dmp", MINIDUMP)


@pytest.fixture
def small_budget(settings):
    settings.PROGRAM_REPORTS_PER_SECOND = 1
    limiter.cache_clear()
    yield
    limiter.cache_clear()


@pytest.fixture
def post(client, key):
    program = Program.objects.get()

    def send(body, *, query=f"?key={key}", content_type=FORM, **headers):
        return client.generic(
            "POST",
            f"/api/{program.pk}/crashpad/{query}",
            body,
            content_type=content_type,
            headers=headers,
        )

    return send


def text(answer):
    assert answer["Content-Type"] == "text/plain"
    return answer.content.decode().strip()


def test_a_minidump_gets_a_crash_id(post):
    answer = post(form(("prod", None, b"VendorModemd"), ("ver", None, b"3.1.0"), DUMP))

    report = Report.objects.get()
    assert text(answer) == f"CrashID=bp-{report.report_id}"
    assert (report.package, report.version_name, report.kind) == (
        "VendorModemd", "3.1.0", "native_crash",
    )  # fmt: skip
    work()
    report.refresh_from_db()
    assert report.content.raw_format == "minidump"
    assert document_of(report.content).envelope["annotations"]["prod"] == "VendorModemd"


def test_the_same_dump_again_is_the_same_crash(post):
    body = form(("prod", None, b"a"), DUMP)

    assert text(post(body)) == text(post(body))
    assert Report.objects.count() == 1


def test_crashpad_packs_the_form_and_annotates_in_the_address(post, key):
    body = gzip.compress(form(("ptype", None, b"gpu"), DUMP))

    answer = post(
        body,
        query=f"?product=Browser&version=156&guid=g-1&key={key}",
        **{"Content-Encoding": "gzip"},
    )

    assert answer.status_code == 200
    report = Report.objects.get()
    assert (report.package, report.version_name) == ("Browser", "156")
    work()
    said = document_of(report.content).envelope["annotations"]
    assert (said["ptype"], said["annotations_dropped"]) == ("gpu", "1")
    assert "g-1" not in str(said)
    assert key not in str(said)


def test_annotations_may_be_one_json_field(post):
    extra = json.dumps({"ProductName": "Fenix", "Version": "9", "uuid": str(uuid.UUID(int=9))})

    post(form(("extra", None, extra.encode()), DUMP))

    report = Report.objects.get()
    assert (report.package, report.version_name, report.report_id) == (
        "Fenix",
        "9",
        uuid.UUID(int=9),
    )


def test_annotations_without_a_dump_are_a_report(post):
    assert text(post(form(("prod", None, b"a")))).startswith("CrashID=bp-")
    work()
    assert Report.objects.get().state == "done"


def test_other_files_are_counted(post):
    post(form(("upload_file_log", "log.txt", b"x"), ("other", "a.bin", b"y"), DUMP))

    loss = ClientLoss.objects.get()
    assert (loss.client, loss.reason, loss.category, loss.count) == (
        "breakpad", "not_kept", "attachment", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers", "status", "why"),
    [
        (b"x", {"content_type": ""}, 400, "malformed_no_content_type"),
        (b"{}", {"content_type": "application/json"}, 400, "malformed_wrong_content_type"),
        (b"x", {"content_type": "multipart/form-data"}, 400, "malformed_no_boundary"),
        (form(), {}, 400, "malformed_no_annotations"),
        (form(("extra", None, b"[")), {}, 400, "malformed_invalid_json"),
        (b"garbage", {}, 400, "malformed_invalid_payload_structure"),
        (form(DUMP)[:-20], {}, 400, "malformed_truncated"),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400, "malformed_bad_gzip"),
        (b"x", {"Content-Encoding": "rot13"}, 415, "malformed_unsupported_encoding"),
        (form(DUMP), {"query": ""}, 401, "no_key"),
        (form(DUMP), {"query": "?key=uxpi_" + "f" * 32}, 401, "unknown_key"),
        (form(DUMP) + bytes(70 << 20), {}, 413, "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_kept_is_discarded_with_a_reason(post, body, headers, status, why):
    answer = post(body, **headers)

    assert (answer.status_code, text(answer)) == (status, f"Discarded={why}")
    assert Report.objects.count() == 0


def test_beyond_the_budget_a_dump_is_counted_and_gone(post, small_budget):
    answers = [post(form(DUMP)) for _ in range(30)]

    refused = next(answer for answer in answers if text(answer).startswith("Discarded"))
    assert (refused.status_code, text(refused)) == (200, "Discarded=rule_program_budget")
    assert ClientLoss.objects.get().reason == "over_budget"


def test_a_full_disk_is_no_acceptance(post, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "write", full)
    answer = post(form(DUMP))

    assert (answer.status_code, text(answer)) == (503, "Discarded=unavailable")
    assert answer["Retry-After"]
