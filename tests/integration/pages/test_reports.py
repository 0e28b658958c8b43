"""The page of a report, its raw payload, and the symbols it may lack."""

from dataclasses import replace

import pytest
from django.test import Client

from crashes.models import ReportContent
from crashes.stack import (
    CrashKind,
    LockWait,
)
from tests.factories import (
    change_document,
    make_api_token,
    make_content,
    make_crash,
    make_debug_file,
    make_done_report,
    make_issue,
    make_missing_debug_file,
    make_report,
    make_thread,
)
from tests.integration.pages.reading import native_crash, text_of
from uxp_diag.roles import Scope

pytestmark = pytest.mark.django_db


# One report -----------------------------------------------------------------------------------


def test_a_report_shows_everything_that_was_read(program, client):
    issue = make_issue(program, kind="native_crash")
    report = make_done_report(issue, crash=native_crash())
    envelope = {
        "app": {"foreground": True},
        "software": {"security_patch": "2026-10-01"},
        "battery": {"level": 41.0, "temperature_c": 33.5, "charging": False},
        "uptime_ms": 7_384_000,
    }
    change_document(report, envelope=envelope)

    text = text_of(client.get(f"/reports/{report.report_id}/"))

    for shown in (
        "Crashing thread render",
        "00000000000000ff",
        "Other threads",
        "other tid 10",
        "/system/lib64/libc.so",
        "MCC 244 MNC 05",
        "Finland",
        "41 %",
        "33.5 °C",
        "2 h 3 min",
        "2026-10-01",
        "it broke",
    ):
        assert shown in text, shown


def test_a_blocked_thread_says_for_whom_it_waits(program, client):
    waiting = LockWait("0x0d3", lock_class="java.lang.Object", held_by_tid=12, holder="Binder:1")
    crash = make_crash(
        kind=CrashKind.ANR,
        threads=(replace(make_thread("a.B.c"), blocked_on=waiting, held_locks=("0x0aa",)),),
    )
    report = make_done_report(make_issue(program, kind="anr"), crash=crash)

    text = text_of(client.get(f"/reports/{report.report_id}/"))

    assert "Waits for 0x0d3 , a java.lang.Object , held by Binder:1" in text
    assert "Holds 0x0aa" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "received"}, "Waiting for a worker"),
        ({"state": "received", "failure_code": "sandbox_cpu", "attempts": 2}, "2 attempts failed"),
        ({"state": "leased"}, "A worker is on it"),
        (
            {"state": "quarantined", "failure_code": "unsupported_format"},
            "There is no parser for this format yet",
        ),
        ({"state": "done"}, "no longer kept"),
    ],
)
def test_a_report_without_a_crash_says_what_becomes_of_it(program, client, fields, words):
    report = make_report(program, **fields)

    assert words in text_of(client.get(f"/reports/{report.report_id}/"))


# Raw payloads ---------------------------------------------------------------------------------


def test_a_raw_payload_is_shown_as_text_and_only_as_text(program, triager):
    report = make_report(program)
    make_content(report, raw=b"<script>alert(1)</script>\x1b[0m\nnext\n")

    html = triager.get(f"/reports/{report.report_id}/raw/").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "⟨ESC⟩" in html
    assert "\nnext\n" in html


def test_a_long_payload_is_cut_and_a_binary_one_is_not_shown(program, triager):
    long, binary, empty = (make_report(program) for _ in range(3))
    make_content(long, raw=b"x" * 600_000)
    make_content(binary, raw=b"\x7fELF\0\0")
    make_content(empty)

    shown = triager.get(f"/reports/{long.report_id}/raw/").content.decode()

    assert "The first 512.0\xa0KB are shown" in shown
    assert shown.count("x") < 530_000
    assert "Binary content" in text_of(triager.get(f"/reports/{binary.report_id}/raw/"))
    assert "Nothing was sent" in text_of(triager.get(f"/reports/{empty.report_id}/raw/"))


def test_a_download_is_nothing_that_a_browser_would_run(program, triager):
    report = make_report(program)
    make_content(report, raw=b"<script>")

    response = triager.get(f"/reports/{report.report_id}/raw/file/")

    assert response.getvalue() == b"<script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("suffix", ["raw/", "raw/file/"])
def test_others_learn_that_raw_payloads_are_not_theirs(program, client, suffix):
    report = make_report(program)
    make_content(report, raw=b"secret bytes")

    response = client.get(f"/reports/{report.report_id}/{suffix}")

    assert response.status_code == 403
    assert "Your role does not let you see raw payloads." in text_of(response)
    assert "secret bytes" not in response.content.decode()


# Symbols --------------------------------------------------------------------------------------


def test_debug_files_and_missing_ones_are_listed(program, client):
    make_debug_file(program, name="libui.so", state="unusable", failure_detail="cut off")
    make_missing_debug_file(program, module="/vendor/lib64/libcam.so", reports=4_321)

    text = text_of(client.get("/symbols/"))

    for shown in ("libui.so", "cut off", "/vendor/lib64/libcam.so", "4,321", "1 build id"):
        assert shown in text


def test_symbols_without_any_say_how_to_add_some(client):
    text = text_of(client.get("/symbols/"))

    assert "No debug files yet" in text
    assert "No report waits for a debug file." in text
    assert "No debug file fits" in text_of(client.get("/symbols/?q=libnone"))


def test_a_report_whose_content_is_damaged_has_a_page_that_says_so(program, client):
    stored = make_done_report(make_issue(program), crash=make_crash())
    ReportContent.objects.update(document=b"not packed here")
    token = make_api_token(program, Scope.READ)

    page = client.get(f"/reports/{stored.report_id}/")
    answer = Client().get(
        f"/api/v1/reports/{stored.report_id}/", headers={"Authorization": f"Bearer {token}"}
    )

    assert "damaged in the database" in text_of(page)
    assert (answer.status_code, answer.json()["crash"]) == (200, None)
