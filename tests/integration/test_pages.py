"""The pages: what they show, what they cost, who sees them, and that no data becomes markup."""

import re
import uuid
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from crashes.stack import (
    CauseLink,
    CrashKind,
    ExceptionInfo,
    Frame,
    FrameStatus,
    LockWait,
    Module,
    Thread,
)
from tests.factories import (
    change_document,
    make_content,
    make_crash,
    make_debug_file,
    make_done_report,
    make_frame,
    make_issue,
    make_missing_debug_file,
    make_program,
    make_report,
    make_tally,
    make_thread,
    make_user,
)
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x1b[31m{{ 7 }}&amp;"
ABSENT = uuid.UUID(int=7)


@pytest.fixture
def program():
    return make_program()


def client_for(role, program):
    client = Client()
    client.force_login(make_user(role, programs=[program]))
    return client


@pytest.fixture
def client(program):
    return client_for(Role.VIEWER, program)


@pytest.fixture
def triager(program):
    return client_for(Role.TRIAGER, program)


def text_of(response):
    """What a reader sees, blanks joined."""
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text)


def native_crash():
    frames = (
        Frame(0, function="abort", module="/apex/com.android.runtime/lib64/bionic/libc.so"),
        Frame(
            1,
            module="/data/app/lib/arm64/libgame.so",
            build_id="ab12" * 10,
            address=0x1A2B,
            status=FrameStatus.MISSING_DEBUG_FILE,
        ),
        Frame(
            2,
            function="game::tick()",
            file="src/tick.cc",
            line=7,
            module="/data/app/lib/arm64/libgame.so",
            inlined=True,
            status=FrameStatus.SYMBOLICATED,
        ),
        *(make_frame(f"android.os.Handler.step{number}", index=3 + number) for number in range(4)),
    )
    thread = Thread(name="render", tid=9, crashing=True, frames=frames, registers={"x0": 255})
    return make_crash(
        kind=CrashKind.NATIVE_CRASH,
        package="com.example.game",
        abi="arm64",
        exception_type=None,
        signal="SIGSEGV",
        signal_code="SEGV_MAPERR",
        fault_addr=0,
        abort_message="it broke",
        threads=(
            thread,
            Thread(name="other", tid=10, frames=(make_frame("com.example.Idle.run"),)),
        ),
        modules=(Module("/system/lib64/libc.so", build_id="cd" * 20, start_addr=1, end_addr=2),),
    )


# The issue list -------------------------------------------------------------------------------


def test_the_list_shows_what_an_issue_is_where_and_how_often(program, client):
    issue = make_issue(
        program,
        signature="SIGSEGV in libgame.so: tick",
        kind="native_crash",
        report_count=12_345,
        device_count=678,
        first_os_build="V3.400",
        last_os_build="V3.420",
        last_seen_at=timezone.now() - timedelta(hours=3, minutes=5),
    )
    make_tally(issue, day=timezone.now().date(), model="Nokia X30", reports=5)

    response = client.get("/")

    text = text_of(response)
    for shown in ("SIGSEGV in libgame.so: tick", "Native crash", "12,345", "678", "V3.400"):
        assert shown in text
    assert "3 h ago" in text
    assert "Nokia X30" in text
    assert f'href="/issues/{issue.pk}/"' in response.content.decode()
    assert "5 reports in 14 days" in response.content.decode()


def test_the_list_begins_with_open_issues_and_the_address_decides(program, client):
    make_issue(program, signature="an open one")
    make_issue(program, signature="a muted one", state="muted")

    assert "a muted one" not in text_of(client.get("/"))
    assert "a muted one" in text_of(client.get("/?q="))
    assert "an open one" not in text_of(client.get("/?q=is:muted"))


def test_htmx_gets_the_fragment_of_the_same_page(program, client):
    make_issue(program, signature="the one")

    page = client.get("/?q=is:open")
    fragment = client.get("/?q=is:open", headers={"HX-Request": "true"})
    restored = client.get(
        "/?q=is:open", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}
    )

    assert fragment.content.decode().strip() in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert "<html" in restored.content.decode()
    assert "HX-Request" in page.headers["Vary"]


def test_every_link_of_htmx_works_without_script(program, client):
    for _ in range(51):
        make_tally(make_issue(program))

    html = client.get("/").content.decode()

    swapped = re.findall(r"<a\b[^>]*\bhx-get=[^>]*>", html)
    assert len(swapped) > 10
    for tag in swapped:
        href = re.search(r' href="([^"]*)"', tag)
        assert href is not None
        assert f'hx-get="{href.group(1)}"' in tag


def test_a_facet_adds_its_value_and_a_chip_drops_it(program, client):
    make_tally(make_issue(program, signature="on X30"), model="Nokia X30")
    make_tally(make_issue(program, signature="on G42"), model="Nokia G42")

    links = re.findall(r'href="(/\?[^"]*)"', client.get("/").content.decode())
    with_model = next(link for link in links if "X30" in link).replace("&amp;", "&")
    narrowed = client.get(with_model)

    assert parse_qs(urlsplit(with_model).query)["q"] == ['is:open model:"Nokia X30"']
    assert "on G42" not in text_of(narrowed)
    assert "Drop" in text_of(narrowed)


def test_facets_say_when_they_do_not_count_everything(program, client, monkeypatch):
    monkeypatch.setattr("crashes.web.issues.FACET_ISSUES", 2)
    for state in ("open", "open", "muted"):
        make_issue(program, state=state)

    assert "Counted among" not in text_of(client.get("/?q=!is:muted"))
    assert "Counted among the 2 issues seen last." in text_of(client.get("/?q="))


def test_the_form_for_another_value_leads_to_the_address_with_it(client):
    response = client.get("/", {"q": "is:open", "key": "os_build", "value": 'V3.* "beta"'})

    assert parse_qs(urlsplit(response.headers["Location"]).query)["q"] == [
        'is:open os_build:"V3.* \\"beta\\""'
    ]


def test_pages_follow_one_another(program, client):
    made = {make_issue(program, signature=f"number {number}.").pk for number in range(60)}

    first = client.get("/").content.decode()
    next_url = re.search(r'rel="next" href="([^"]*)"', first)
    assert next_url is not None
    second = client.get(next_url.group(1).replace("&amp;", "&")).content.decode()

    shown = [int(pk) for pk in re.findall(r'href="/issues/(\d+)/"', first + second)]
    assert (len(shown), set(shown)) == (60, made)
    assert "First page" in second
    assert 'rel="next"' not in second


@pytest.mark.parametrize("count", [0, 3, 50])
def test_the_list_costs_at_most_twelve_queries(
    program, client, count, django_assert_max_num_queries
):
    for _ in range(count):
        make_tally(make_issue(program))

    with django_assert_max_num_queries(12):
        client.get("/")


def test_a_query_that_is_none_is_answered_with_what_to_write(client):
    response = client.get("/?q=modle:x")

    assert response.status_code == 400
    assert "There is no key `modle` (at character 1). Did you mean `model:`?" in text_of(response)
    assert 'value="modle:x"' in response.content.decode()


@pytest.mark.parametrize("parameters", ["cursor=x", "sort=colour", "q=a%00b"])
def test_an_address_that_makes_no_sense_is_a_page_that_says_so(client, parameters):
    assert client.get(f"/?{parameters}").status_code == 400


def test_empty_lists_name_the_next_step(program, client):
    assert "manage.py send_report" in text_of(client.get("/"))

    make_issue(program, state="muted")

    assert "show all of them" in text_of(client.get("/"))
    assert "No issue fits" in text_of(client.get("/?q=is:open zzz"))


# One issue ------------------------------------------------------------------------------------


def test_an_issue_shows_its_latest_crash_its_breakdowns_and_why(program, client):
    issue = make_issue(program, kind="native_crash", package="com.example.game")
    make_tally(issue, day=timezone.now().date(), mcc="244", reports=4)
    report = make_done_report(issue, crash=native_crash())

    response = client.get(f"/issues/{issue.pk}/")

    text = text_of(response)
    assert "SIGSEGV" in text
    assert "game::tick()" in text
    assert "inlined" in text
    assert "4 platform frames" in text
    assert "Upload the debug file of libgame.so with build id " + "ab12" * 10 in text
    assert "1 frame could get a name." in text
    assert "Finland (244)" in text
    assert "100 %" in text
    assert "4 reports in 30 days" in response.content.decode()
    assert "Why here" in text
    assert f"/reports/{report.report_id}/" in response.content.decode()


def test_a_chain_of_exceptions_is_shown_with_what_was_suppressed(program, client):
    crash = make_crash(
        exceptions=(
            ExceptionInfo(
                "java.lang.RuntimeException", "outer", frames=make_thread("a.B.c").frames
            ),
            ExceptionInfo("java.io.IOException", "close", link=CauseLink.SUPPRESSED, depth=1),
            ExceptionInfo(
                "java.lang.NullPointerException", link=CauseLink.CAUSED_BY, frames_omitted=12
            ),
        )
    )
    issue = make_issue(program)
    make_done_report(issue, crash=crash)

    text = text_of(client.get(f"/issues/{issue.pk}/"))

    assert "Caused by java.lang. NullPointerException" in text
    assert "1 suppressed exception" in text
    assert "12 frames are the same" in text


def test_an_issue_without_reports_keeps_its_numbers(program, client):
    issue = make_issue(program, report_count=77)

    text = text_of(client.get(f"/issues/{issue.pk}/"))

    assert "77" in text
    assert "No crash to show" in text
    assert "their retention has ended" in text


def test_the_reports_of_an_issue_have_pages(program, client):
    issue = make_issue(program)
    for _ in range(25):
        make_report(program, issue=issue)

    first = client.get(f"/issues/{issue.pk}/").content.decode()
    cursor = re.search(r'href="(\?cursor=[^"#]*)#', first)
    assert cursor is not None
    second = client.get(f"/issues/{issue.pk}/{cursor.group(1)}").content.decode()

    shown = re.findall(r'href="/reports/([0-9a-f-]{36})/"', first + second)
    assert (len(shown), len(set(shown))) == (25, 25)


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

    assert response.status_code == (200 if expected else 403)


@pytest.mark.parametrize("page", [*STAFF_PAGES, *RAW_PAGES])
def test_another_programs_pages_are_not_there(program, page):
    stranger = client_for(Role.TRIAGER, make_program())
    issue = make_issue(program, signature="not for strangers")
    report = make_done_report(issue)

    response = stranger.get(page.format(issue=issue.pk, report=report.report_id))

    assert "not for strangers" not in response.getvalue().decode()
    assert response.status_code == (200 if page in ("/", "/symbols/", "/intake/") else 404)


def test_partners_learn_what_there_will_be_for_them(program):
    response = client_for(Role.DEVELOPER_PARTNER, program).get("/")

    assert response.status_code == 403
    assert "Nothing here yet for partners" in text_of(response)


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


class Markup(HTMLParser):
    """Collects what a policy without inline code forbids, and the elements of a page."""

    def __init__(self):
        super().__init__()
        self.forbidden, self.tags, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        names = {name for name, _ in attrs}
        if any(name.startswith("on") or name in {"style", "srcdoc"} for name in names):
            self.forbidden.append((tag, attrs))
        if tag == "style" or (tag == "script" and "src" not in names):
            self.forbidden.append((tag, attrs))
        self.ids += [value for name, value in attrs if name == "id"]


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
