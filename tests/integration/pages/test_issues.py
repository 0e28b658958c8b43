"""The list of issues and the page of one: what they show and what they cost."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from crashes.stack import (
    CauseLink,
    ExceptionInfo,
)
from tests.factories import (
    make_crash,
    make_done_report,
    make_issue,
    make_report,
    make_tally,
    make_thread,
)
from tests.integration.pages.reading import native_crash, text_of

pytestmark = pytest.mark.django_db


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
