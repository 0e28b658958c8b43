"""ACRA's sender at the door, in all its forms."""

import base64
import gzip
import json
import uuid
from urllib.parse import urlencode

import pytest

from crashes.models import ClientLoss, Issue, Report
from crashes.selectors.contents import document_of
from crashes.storage import Spool
from devices.models import Program
from tests.integration.test_pipeline import STACK, work
from uxp_diag.limits import limiter

pytestmark = pytest.mark.django_db

ID = "394b6770-fa07-4079-aa7e-330c9ad65844"
REPORT = {
    "REPORT_ID": ID,
    "PACKAGE_NAME": "com.example.shop",
    "APP_VERSION_CODE": 3,
    "APP_VERSION_NAME": "1.1",
    "ANDROID_VERSION": "15",
    "PHONE_MODEL": "Nokia G42 5G",
    "STACK_TRACE": STACK,
    "IS_SILENT": False,
    "BUILD": {"DISPLAY": "V3.420", "FINGERPRINT": "a/b/c:15/x/1:user/release-keys"},
    "USER_EMAIL": "ann@example.org",
}
BOUNDARY = "%&ACRA_REPORT_DIVIDER&%"


@pytest.fixture
def small_budget(settings):
    settings.PROGRAM_REPORTS_PER_SECOND = 1
    limiter.cache_clear()
    yield
    limiter.cache_clear()


@pytest.fixture
def send(client, key):
    program = Program.objects.get()

    def call(body, *, name="", method="POST", user="reporter", password=key,
             content_type="application/json", **headers):  # fmt: skip
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers.setdefault("Authorization", f"Basic {pair}")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.generic(
            method,
            f"/api/{program.pk}/acra{name}",
            data,
            content_type=content_type,
            headers=headers,
        )

    return call


def multipart(*parts):
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        f"Content-Type: application/json\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, file_name, content in parts
    )
    return body + f"--{BOUNDARY}--\r\n".encode()


def test_a_report_becomes_part_of_an_issue(send):
    answer = send(REPORT)

    assert (answer.status_code, answer.json()) == (200, {"report_id": ID, "status": "accepted"})
    work()
    report = Report.objects.get()
    assert (report.state, report.kind, report.model) == ("done", "java_crash", "Nokia G42 5G")
    assert (report.os_build, report.version_code) == ("V3.420", 3)
    assert Issue.objects.get().signature == "IllegalStateException at CartFragment.refresh"
    assert "ann@" not in json.dumps(document_of(report.content).envelope)


def test_a_report_may_be_put_again(send):
    put = {"name": f"/{ID}", "method": "PUT"}

    assert [send(REPORT, **put).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]


@pytest.mark.parametrize("name", ["", "/", f"/{ID}", f"/{ID}/"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_address_works_with_and_without_slash_and_id(send, name, method):
    assert send(REPORT, name=name, method=method).status_code == 200


def test_the_address_names_a_report_that_does_not(send):
    send({name: value for name, value in REPORT.items() if name != "REPORT_ID"}, name=f"/{ID}")

    assert Report.objects.get().report_id == uuid.UUID(ID)


def test_a_form_is_the_same_report(send):
    fields = REPORT | {"BUILD": "DISPLAY=V3.420\nFINGERPRINT=x"}

    answer = send(
        urlencode(fields).encode(), content_type="application/x-www-form-urlencoded; charset=UTF-8"
    )

    assert answer.status_code == 200
    work()
    report = Report.objects.get()
    assert (report.state, report.os_build) == ("done", "V3.420")
    assert Issue.objects.get().signature == "IllegalStateException at CartFragment.refresh"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("file_name", ["", "report.json"])
def test_a_multipart_form_has_an_odd_boundary_and_an_empty_file_name(send, packed, file_name):
    body = multipart(
        ("ACRA_REPORT", file_name, json.dumps(REPORT).encode()),
        ("ACRA_ATTACHMENT", "logcat.txt", b"a log"),
    )
    headers = {"Content-Encoding": "gzip"} if packed else {}

    answer = send(
        gzip.compress(body) if packed else body,
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        **headers,
    )

    assert answer.json() == {"report_id": ID, "status": "accepted"}
    assert ClientLoss.objects.get().category == "attachment"


def test_an_attachment_is_counted_and_let_go(send):
    answer = send(b"a log", name=f"/{ID}-logcat.txt", method="PUT", content_type="text/plain")

    assert (answer.status_code, answer.json()) == (200, {"status": "not_kept"})
    assert (ClientLoss.objects.get().client, Report.objects.count()) == ("acra", 0)


def test_either_half_of_the_credentials_may_be_the_key(send, key):
    assert send(REPORT, user=key, password="x").status_code == 200
    assert send(REPORT, user="x", password=key[-32:]).status_code == 200
    assert send(REPORT, user="reporter", password="s3cret").status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"nonsense", "application/json", 400, "malformed_json"),
        (b"", "application/json", 400, "malformed_json"),
        (b'{"a": 1}', "application/json", 422, "not_acra"),
        (b"a=b", "application/x-www-form-urlencoded", 422, "not_acra"),
        (b"&".join(b"a=b" for _ in range(300)), "application/x-www-form-urlencoded", 413, "too_many_parts"),
        (multipart(("X", "", b"{}")), f"multipart/form-data; boundary={BOUNDARY}", 422, "report_part_missing"),
        (b'{"REPORT_ID": "' + b"x" * (5 << 20) + b'"}', "application/json", 413, "body_too_large"),
    ],
    ids=["nonsense", "empty", "json", "form", "fields", "parts", "large"],
)  # fmt: skip
def test_what_is_no_report_is_refused(send, body, content_type, status, code):
    answer = send(body, content_type=content_type)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_spent_budget_makes_the_client_keep_its_report(send, small_budget):
    answers = [send(REPORT) for _ in range(30)]

    refused = next(answer for answer in answers if answer.status_code != 200)
    assert (refused.status_code, refused.json()["code"]) == (503, "program_budget")
    assert refused["Retry-After"]


def test_a_full_disk_makes_the_client_keep_its_report(send, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "write", full)

    assert send(REPORT).status_code == 503
