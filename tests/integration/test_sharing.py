"""Developers of apps see weekly counts of their own packages, and nothing that leads to a phone."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crashes.models import Report, SharedCount, SharedPackage, SharedWeek
from crashes.services import noise
from crashes.services.sharing import (
    AlreadyReleased,
    count_cells,
    grant_package,
    release_due,
    release_week,
    shared_frames,
    week_of,
)
from tests.factories import make_issue, make_program, make_report, make_user, make_variant
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db

WEEK = date(2026, 11, 9)
DURING = datetime(2026, 11, 12, 10, tzinfo=UTC)
AFTER = datetime(2026, 11, 18, 9, tzinfo=UTC)
PACKAGE = "com.example.player"


@pytest.fixture
def program():
    return make_program()


def crash(program, signature="NullPointerException at Player.seek"):
    issue = make_issue(program, signature=signature, package=PACKAGE)
    make_variant(
        issue,
        content={
            "tokens": [
                "com.example.player.Player.seek",
                "com.vendor.secret.Tracker.note",
                "com.vendor.secret.Tracker.send",
                "android.os.Handler.dispatchMessage",
                "text 0badcafe",
            ],
            "in_app": [True, False, False, False, False],
        },
    )
    return issue


def phones(program, issue, count, *, version="1.4.2", at=DURING, first=0):
    for number in range(count):
        make_report(
            program,
            report_id=uuid.uuid4(),
            device_id=uuid.UUID(int=first + number + 1),
            issue=issue,
            package=PACKAGE,
            version_name=version,
            received_at=at,
            occurred_at=at,
            state="done",
        )


def cells(program):
    return count_cells(program_id=program.pk, package=PACKAGE, week=WEEK)


def test_a_cell_counts_phones_and_a_phone_is_in_three_cells_at_most(program):
    issues = [crash(program, f"A at B.c{number}") for number in range(5)]
    for issue in issues:
        phones(program, issue, 4)
        phones(program, issue, 4)  # the same phones once more
    phones(program, issues[0], 1, at=DURING - timedelta(days=7), first=50)

    counted = cells(program)

    assert sum(counted.values()) == 4 * noise.MOST_CELLS
    assert max(counted.values()) <= 4


def test_clients_without_enrollment_are_in_no_cell(program):
    issue = crash(program)
    phones(program, issue, 3)
    Report.objects.update(device_id=uuid.UUID(int=0))

    assert cells(program) == {}


def test_a_week_is_released_once_and_the_same_numbers_are_told_ever_after(program, client):
    issue = crash(program)
    phones(program, issue, 150)
    phones(program, crash(program, "B at C.d"), 12, first=500)
    make_user(Role.DEVELOPER_PARTNER, programs=[program], username="studio")
    grant_package(program.pk, PACKAGE, "studio", now=AFTER)

    assert release_due(now=AFTER) == 4
    assert release_due(now=AFTER) == 0
    with pytest.raises(AlreadyReleased):
        release_week(program_id=program.pk, package=PACKAGE, week=WEEK, now=AFTER)

    (row,) = SharedCount.objects.all()
    assert row.issue_id == issue.pk
    assert 120 <= row.devices <= 180
    assert {week.epsilon for week in SharedWeek.objects.all()} == {1.0}
    client.force_login(SharedPackage.objects.get().user)
    answers = {
        client.get(f"/partner/{PACKAGE}/counts.json?model=X{number}&mcc=244").content
        for number in range(20)
    }
    assert len(answers) == 1
    told = json.loads(answers.pop())
    assert told["crashes"][0]["devices"] == [None, None, None, row.devices]


def test_other_peoples_code_and_messages_are_not_named(program):
    issue = crash(program)

    assert shared_frames(issue.pk, PACKAGE) == [
        "com.example.player.Player.seek",
        "(other code)",
        "android.os.Handler.dispatchMessage",
        "(other code)",
    ]


def test_pages_show_partners_their_packages_and_nothing_else(program, client):
    phones(program, crash(program), 150)
    partner = make_user(Role.DEVELOPER_PARTNER, programs=[program], username="studio")
    make_user(Role.DEVELOPER_PARTNER, programs=[program], username="rival")
    grant_package(program.pk, PACKAGE, "studio", now=AFTER)
    grant_package(program.pk, "com.rival.app", "rival", now=AFTER)
    release_due(now=AFTER)
    client.force_login(partner)

    home = client.get("/", follow=True)
    page = client.get(f"/partner/{PACKAGE}/").content.decode()

    assert home.redirect_chain == [("/partner/", 302)]
    assert PACKAGE in home.content.decode()
    assert "com.rival.app" not in home.content.decode()
    assert "NullPointerException at Player.seek" in page
    assert "com.vendor.secret" not in page
    for path in ("/partner/com.rival.app/", "/partner/com.rival.app/counts.json"):
        assert client.get(path).status_code == 404
    for path in ("/releases/", "/issues/1/", "/vitals/", "/privacy/"):
        assert client.get(path).status_code == 403


def test_a_link_shows_one_package_for_a_week(program, client, monkeypatch):
    phones(program, crash(program), 150)
    partner = make_user(Role.DEVELOPER_PARTNER, programs=[program], username="studio")
    grant_package(program.pk, PACKAGE, "studio", now=AFTER)
    release_due(now=AFTER)
    client.force_login(partner)
    page = client.post(f"/partner/{PACKAGE}/link/").content.decode()
    link = page.partition("http://testserver")[2].partition("</code>")[0]
    client.logout()

    shown = client.get(link)
    assert shown.status_code == 200
    assert "NullPointerException" in shown.content.decode()
    assert shown["Cache-Control"] == "private, no-store"
    assert client.get(link[:-2] + "x/").status_code == 404
    assert client.get("/shared/nonsense/").status_code == 404

    later = (timezone.now() + timedelta(days=8)).timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert client.get(link).status_code == 404


def test_the_command_grants_releases_and_revokes(program, capsys):
    make_user(Role.DEVELOPER_PARTNER, programs=[program], username="studio")
    make_user(Role.VIEWER, programs=[program], username="reader")
    options = {"program": program.name}

    call_command("share_package", PACKAGE, "--with", "studio", **options)
    call_command("share_package", PACKAGE, "--week", "2026-11-09", **options)
    with pytest.raises(CommandError, match="once"):
        call_command("share_package", PACKAGE, "--week", "2026-11-09", **options)
    with pytest.raises(CommandError, match="Monday"):
        call_command("share_package", PACKAGE, "--week", "2026-11-10", **options)
    with pytest.raises(CommandError, match="no developer partner"):
        call_command("share_package", PACKAGE, "--with", "reader", **options)
    call_command("share_package", PACKAGE, "--with", "studio", "--revoke", **options)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"package": PACKAGE, "granted": "studio"}
    assert (lines[1]["week"], lines[1]["counts"], lines[1]["epsilon"]) == ("2026-11-09", 0, 1.0)
    assert lines[2]["revoked"] == 1


def test_a_week_begins_on_monday_in_utc():
    assert week_of(datetime(2026, 11, 15, 23, 59, tzinfo=UTC)) == WEEK
    assert week_of(datetime(2026, 11, 16, tzinfo=UTC)) == WEEK + timedelta(weeks=1)
