"""From the list to a resolved issue that comes back: by pointer, by keyboard alone, without script."""

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from crashes.models import Issue, TriageEvent
from devices.services.access import get_or_create_ingest_key
from tests.conftest import ROOT, skip_or_fail
from tests.factories import make_api_token, make_user
from tests.integration.conftest import own_folders  # noqa: F401  spool and blobs of each test
from tests.integration.pages.test_device_page import measure
from tests.integration.test_audit import behind_django
from tests.integration.test_decisions import NOW, Fleet
from tests.integration.test_triage import DAY, build_seen
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = os.environ.get("UXP_TEST_SCREENSHOTS", "")


@pytest.fixture
def fleet():
    fleet = Fleet()
    fleet.send("a", build="V3.420", count=2)
    fleet.send("b", build="V3.420", phone=1)
    build_seen(fleet, "V3.420", NOW - 9 * DAY)
    return fleet


@pytest.fixture
def signed_in(live_server, fleet, settings):
    """Sign a browser context in as a triager; the test's server speaks no TLS."""
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "session", "csrf"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False

    def sign_in(context):
        user = make_user(Role.TRIAGER, programs=[fleet.program])
        client = Client()
        client.force_login(user)
        session = client.cookies["session"].value
        context.add_cookies([{"name": "session", "value": session, "url": live_server.url}])
        return user

    return sign_in


def comes_back(fleet):
    """One report from an older build, one from the build that should have the fix."""
    older = fleet.send("a", build="V3.420").state
    later = fleet.send("a", build="V3.430")
    return older, later.state, later.regressed_in


def test_by_pointer(page, live_server, fleet, signed_in):
    user = signed_in(page.context)
    page.goto(f"{live_server.url}/")
    page.get_by_role("searchbox").fill('model:"Nokia G42 5G" os_build:V3.420')
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**os_build*")
    page.locator("a.issue-signature").click()
    page.get_by_role("button", name="Assign to me").click()
    page.locator("#triage strong", has_text=user.username).wait_for()
    page.locator("#triage summary", has_text="Resolve").click()
    page.get_by_label("in OS build").check()
    page.get_by_label("OS build that has the fix").fill("V3.430")
    page.get_by_role("button", name="Resolve issue").click()
    page.locator("#triage .state-resolved").wait_for()
    page.locator("#activity", has_text="resolved: in build V3.430").wait_for()

    assert comes_back(fleet) == ("resolved", "open", "V3.430")

    page.goto(f"{live_server.url}/?q=is:regressed+assigned:me")
    assert page.locator(".regressed").inner_text() == "Regressed"


def test_by_keyboard_alone(page, live_server, fleet, signed_in):
    user = signed_in(page.context)
    keys = page.keyboard
    page.goto(f"{live_server.url}/")
    keys.press("/")
    keys.type(" os_build:V3.420 signature:*A.*")
    keys.press("Enter")
    page.wait_for_url("**signature*")
    page.get_by_role("searchbox").press("Tab")
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url("**/issues/*/")
    keys.press("a")
    keys.type(user.username)
    keys.press("Tab")
    keys.press("Enter")
    page.locator("#triage strong", has_text=user.username).wait_for()
    keys.press("e")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Tab")
    keys.type("V3.430")
    keys.press("Enter")
    page.locator("#triage .state-resolved").wait_for()
    keys.press("?")
    page.locator("dialog[open]").wait_for()
    keys.press("Escape")

    assert comes_back(fleet) == ("resolved", "open", "V3.430")

    page.reload()
    page.locator("#triage .regressed").wait_for()


def test_without_script(browser, live_server, fleet, signed_in):
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(10_000)
    user = signed_in(context)
    page = context.new_page()
    page.goto(f"{live_server.url}/?q=model%3A%22Nokia+G42+5G%22")
    page.locator(".pick input").first.check()
    page.get_by_role("button", name="Assign").click()
    page.get_by_label("Assign to").select_option(user.username)
    page.get_by_role("button", name="Assign 1").click()
    page.locator("a.issue-signature").first.click()
    page.locator("#triage summary", has_text="Resolve").click()
    page.get_by_label("in OS build").check()
    page.get_by_label("OS build that has the fix").fill("V3.430")
    page.get_by_role("button", name="Resolve issue").click()
    page.locator("#triage .state-resolved").wait_for()

    assert comes_back(fleet) == ("resolved", "open", "V3.430")

    page.reload()
    assert page.locator("#triage .regressed").is_visible()
    assert Issue.objects.get(regressed_in="V3.430").assignee_id == user.pk
    context.close()


def test_many_are_counted_muted_and_undone_from_the_list(page, live_server, fleet, signed_in):
    signed_in(page.context)
    page.goto(f"{live_server.url}/")
    page.get_by_label("All 2 that match").check()
    page.get_by_role("button", name="Mute").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Mute 2 issues"
    assert set(Issue.objects.values_list("state", flat=True)) == {"open"}
    page.get_by_label("for a week").check()
    page.get_by_role("button", name="Mute 2").click()
    page.get_by_text("2 issues muted.").wait_for()
    assert set(Issue.objects.values_list("state", flat=True)) == {"muted"}
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone for 2 issues.").wait_for()

    assert set(Issue.objects.values_list("state", flat=True)) == {"open"}


# What everybody can use ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which npm put below `var/`."""
    script = ROOT / "var" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        skip_or_fail("accessibility: axe-core is not installed (npm --prefix var i axe-core)")
    return script.read_text()


_RUN = """async () => {
  const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]});
  return found.violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))]);
}"""


@pytest.fixture(params=["light", "dark"])
def themed(request, browser, signed_in):
    """A page of somebody who is signed in, where scripts of a test may run."""
    context = browser.new_context(bypass_csp=True, color_scheme=request.param)
    context.set_default_timeout(10_000)
    user = signed_in(context)
    user.groups.add(Group.objects.get_or_create(name=Role.ADMIN.value)[0])
    yield request.param, context.new_page()
    context.close()
    behind_django("DELETE FROM devices_auditentry")  # no test may leave looks, nor delete them


def test_the_main_pages_have_no_barrier(live_server, fleet, themed, axe):
    theme, page = themed
    issue = Issue.objects.order_by("pk")[0]
    Issue.objects.filter(pk=issue.pk).update(regressed_at=NOW, regressed_in="V3.430")
    TriageEvent.objects.create(issue=issue, kind="comment", by_name="mika", text="seen", at=NOW)
    found = {}
    phone = fleet.devices[0]
    for days in range(1, 4):
        measure(phone, NOW - days * DAY, build=f"V3.42{9 - days}", drain=4.0 + days, anrs=days)
    make_api_token(fleet.program, Scope.READ, Scope.SYMBOLS)
    get_or_create_ingest_key(fleet.program, label="firmware", now=NOW)
    pages = ("/", f"/issues/{issue.pk}/", "/symbols/", "/intake/", "/?q=nokey:")
    for path in (*pages, f"/devices/{phone.pk}/", "/settings/"):
        page.goto(f"{live_server.url}{path}")
        page.evaluate(axe)
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            menus = page.locator("#triage details.menu")
            for number in range(menus.count() if FOLDER or width < 1280 else 0):
                menus.nth(number).locator("summary").click()
                if FOLDER and number == 0:
                    page.screenshot(path=Path(FOLDER, f"menu-{theme}-{width}.png"))
                found[path, width, f"menu {number}"] = page.evaluate(_RUN)
                menus.nth(number).locator("summary").click()
            found[path, width, ""] = page.evaluate(_RUN)
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            found[path, width, "wide"] = [["scrolls sideways"]] if too_wide else []
            if FOLDER:
                name = path.strip("/").replace("/", "-").replace("?", "") or "list"
                page.screenshot(path=Path(FOLDER, f"{name}-{theme}-{width}.png"), full_page=True)

    assert {place: what for place, what in found.items() if what} == {}
