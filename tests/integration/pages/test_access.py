"""Who sees which page, what a failure says, and that no data becomes markup."""

import re
from dataclasses import replace

import pytest

from crashes.stack import (
    ExceptionInfo,
    Frame,
    FrameStatus,
    LockWait,
    Module,
    Thread,
)
from tests.factories import (
    change_document,
    make_crash,
    make_debug_file,
    make_done_report,
    make_issue,
    make_missing_debug_file,
    make_program,
    make_tally,
)
from tests.integration.pages.reading import ABSENT, HOSTILE, Markup, client_for, text_of
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db


# Who sees what --------------------------------------------------------------------------------

STAFF_PAGES = ["/", "/issues/{issue}/", "/reports/{report}/", "/symbols/", "/intake/"]
RAW_PAGES = ["/reports/{report}/raw/", "/reports/{report}/raw/file/"]
MAY_SEE_RAW = {Role.TRIAGER, Role.PRIVACY_OFFICER}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("page", [*STAFF_PAGES, *RAW_PAGES])
def test_every_page_opens_for_the_roles_it_is_for(program, role, page):
    issue = make_issue(program)
    report = make_done_report(issue)
    url = page.format(issue=issue.pk, report=report.report_id)
    is_staff = role is not Role.DEVELOPER_PARTNER
    expected = is_staff if page in STAFF_PAGES else role in MAY_SEE_RAW

    response = client_for(role, program).get(url)

    led_on = 302 if page == "/" else 403  # partners have a page of their own
    assert response.status_code == (200 if expected else led_on)


@pytest.mark.parametrize("page", [*STAFF_PAGES, *RAW_PAGES])
def test_another_programs_pages_are_not_there(program, page):
    stranger = client_for(Role.TRIAGER, make_program())
    issue = make_issue(program, signature="not for strangers")
    report = make_done_report(issue)

    response = stranger.get(page.format(issue=issue.pk, report=report.report_id))

    assert "not for strangers" not in response.getvalue().decode()
    assert response.status_code == (200 if page in ("/", "/symbols/", "/intake/") else 404)


def test_partners_are_led_to_their_apps(program):
    client = client_for(Role.DEVELOPER_PARTNER, program)

    assert client.get("/")["Location"] == "/partner/"
    refused = client.get("/symbols/")
    assert refused.status_code == 403
    assert "Your apps" in text_of(refused)


# Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/nothing/", "/issues/0/", f"/issues/{2**70}/", f"/reports/{ABSENT}/", "/reports/x/"],
)
def test_a_page_that_is_not_there_has_a_reference(client, path):
    response = client.get(path)

    assert response.status_code == 404
    assert re.search(r"Reference [0-9a-f]{12}", text_of(response))


def test_our_own_failures_show_a_reference_and_no_more(program, monkeypatch, caplog):
    client = client_for(Role.VIEWER, program)
    client.raise_request_exception = False

    def broken(**_):
        raise RuntimeError("the secret inside")

    monkeypatch.setattr("crashes.web.issues.list_issues", broken)
    response = client.get("/")

    found = re.search(r"Reference ([0-9a-f]{12})", text_of(response))
    assert response.status_code == 500
    assert found is not None
    assert found.group(1) in caplog.text
    assert "the secret inside" not in response.content.decode()
    assert "Traceback" not in response.content.decode()


# Safety ---------------------------------------------------------------------------------------


def hostile_rows(program):
    """An issue and a report in which every text of a device is hostile."""
    frame = Frame(
        0,
        function=HOSTILE,
        raw_function=HOSTILE + "raw",
        file=HOSTILE,
        line=1,
        module=HOSTILE,
        build_id=HOSTILE,
        address=1,
        status=FrameStatus.MISSING_DEBUG_FILE,
    )
    wait = LockWait(HOSTILE, lock_class=HOSTILE, holder=HOSTILE)
    thread = Thread(
        name=HOSTILE,
        tid=1,
        crashing=True,
        state=HOSTILE,
        frames=(frame, replace(frame, function=None)),
        blocked_on=wait,
        held_locks=(HOSTILE,),
        registers={HOSTILE: 1},
    )
    crash = make_crash(
        process=HOSTILE,
        package=HOSTILE,
        abi=HOSTILE,
        signal=HOSTILE,
        signal_code=HOSTILE,
        abort_message=HOSTILE,
        reason=HOSTILE,
        threads=(thread, replace(thread, crashing=False)),
        exceptions=(ExceptionInfo(HOSTILE, HOSTILE, frames=(frame,)),),
        modules=(Module(HOSTILE, build_id=HOSTILE),),
    )
    issue = make_issue(
        program,
        signature=HOSTILE,
        package=HOSTILE,
        first_os_build=HOSTILE,
        last_os_build=HOSTILE,
    )
    make_tally(issue, model=HOSTILE, os_build=HOSTILE, version_name=HOSTILE)
    report = make_done_report(
        issue,
        crash=crash,
        model=HOSTILE,
        os_build=HOSTILE,
        process=HOSTILE,
        version_name=HOSTILE,
    )
    report.content.raw_format = "logcat"
    change_document(
        report,
        envelope={"software": {"kernel": HOSTILE}, "boot_id": HOSTILE},
        grouping={"matched": "new", "explanation": [HOSTILE]},
    )
    make_debug_file(program, name=HOSTILE, failure_detail=HOSTILE, kind=HOSTILE[:20])
    make_missing_debug_file(program, module=HOSTILE)
    return issue, report


def test_no_text_of_a_device_becomes_markup(program, triager):
    issue, report = hostile_rows(program)

    for path in (
        "/",
        f"/?q={HOSTILE[:30]}",
        f"/issues/{issue.pk}/",
        f"/reports/{report.report_id}/",
        f"/reports/{report.report_id}/raw/",
        "/symbols/",
    ):
        html = triager.get(path).content.decode()
        markup = Markup()
        markup.feed(html)
        assert not markup.forbidden, path
        assert "img" not in markup.tags, path
        assert markup.tags.count("script") == 2, path  # htmx and our own, both from files
        assert len(markup.ids) == len(set(markup.ids)), path
        assert "\u202e" not in html, path
        assert "\x1b" not in html, path


def test_pages_are_not_kept_by_anybody(program, client):
    response = client.get("/")

    assert "no-store" in response.headers["Cache-Control"]
    assert "'unsafe" not in response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
