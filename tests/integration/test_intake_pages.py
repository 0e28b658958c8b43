"""What is lost, set aside or waiting is shown, to its own program's people and to nobody else."""

import json
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crashes.models import Attachment, ClientLoss, Report
from crashes.selectors.intake import get_backlog, list_losses, list_quarantined
from devices.dropped_keys import count_dropped_keys
from devices.models import AgentLoss, Device, Program
from devices.services.losses import Sent, count_not_kept
from devices.services.retention import forget_old_samples
from devices.vitals.sample import Sample
from tests.factories import (
    make_api_token,
    make_attachment,
    make_content,
    make_done_report,
    make_issue,
    make_loss,
    make_program,
    make_report,
    make_user,
    make_viewer,
)
from tests.integration.conftest import enrollment
from tests.integration.pages.reading import HOSTILE, Markup, client_for, text_of
from tests.integration.test_pipeline import work
from tests.integration.test_uploads import report
from tests.integration.test_vitals_upload import lines, sample
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def today():
    return timezone.now().date()


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def client(program):
    return client_for(Role.VIEWER, program)


def quarantined(program, code="not_a_tombstone", **fields):
    return make_report(
        program, state=Report.State.QUARANTINED, failure_code=code, attempts=1, **fields
    )


# Losses ---------------------------------------------------------------------------------------


def test_losses_are_summed_by_day_and_by_who_lost_what_why(program, today):
    viewer = make_viewer(program)
    for days_ago, count in ((0, 3), (2, 4), (6, 5), (7, 100)):
        make_loss(program, day=today - timedelta(days=days_ago), count=count)
    make_loss(program, client="sentry.native", reason="sample_rate", category="error",
              day=today - timedelta(days=1), count=50)  # fmt: skip
    make_loss(make_program(), day=today, count=1000)

    losses = list_losses(viewer=viewer, days=7, today=today)

    assert losses.total == 62
    assert losses.per_day == (5, 0, 0, 0, 4, 50, 3)
    assert [(row.client, row.reason, row.category, row.count) for row in losses.rows] == [
        ("sentry.native", "sample_rate", "error", 50), ("agent", "queue_full", "report", 12),
    ]  # fmt: skip
    assert losses.rows[1].last_day == today


def test_another_program_is_not_looked_into_by_naming_it(program, today):
    other = make_program()
    make_loss(other, day=today)

    losses = list_losses(viewer=make_viewer(program), days=7, today=today, program_id=other.pk)

    assert (losses.total, losses.rows) == (0, ())


def test_the_page_tells_what_was_lost_and_why(program, client, today):
    make_loss(program, day=today, count=1234)
    make_loss(program, day=today - timedelta(days=60), count=7, reason="too_old")

    month, quarter = text_of(client.get("/intake/")), text_of(client.get("/intake/?days=90"))

    assert "1,234" in month
    assert "The phone's queue was full" in month.replace("&#x27;", "'")
    assert "too_old" not in month
    assert "1,241 in 90 days" in quarter
    assert "too_old" in quarter


def test_somebody_with_two_programs_may_look_at_one(today):
    first, second = make_program(name="Alpha"), make_program(name="Beta")
    client = Client()
    client.force_login(make_user(Role.TRIAGER, programs=[first, second]))
    make_loss(first, day=today, count=11)
    make_loss(second, day=today, count=22)

    both = text_of(client.get("/intake/"))
    one = text_of(client.get(f"/intake/?program={second.pk}"))

    assert "33 in 30 days" in both
    assert "22 in 30 days" in one


def test_strange_parameters_change_nothing(program, client):
    for query in ("days=0", "days=x", "program=-1", "program=%00", "code=%00", f"code={'x' * 900}"):
        assert client.get(f"/intake/?{query}").status_code == 200, query
    assert client.get("/intake/?cursor=strange").status_code == 400


def test_a_page_without_anything_says_so(client):
    text = text_of(client.get("/intake/"))

    assert "nothing waits" in text
    assert "No report is in quarantine" in text
    assert "Nothing was lost in these 30 days" in text
    assert "everything is taken" in text


@pytest.mark.parametrize("role", Role)
def test_all_who_may_read_may_look(role, program):
    response = client_for(role, program).get("/intake/")

    assert response.status_code == (403 if role is Role.DEVELOPER_PARTNER else 200)


def test_what_a_payload_says_about_itself_is_no_markup(program, client):
    quarantined(program, model=HOSTILE[:90], package=HOSTILE, failure_detail=HOSTILE)
    markup = Markup()

    markup.feed(client.get("/intake/").content.decode())

    assert markup.forbidden == []
    assert "img" not in markup.tags
    assert len(markup.ids) == len(set(markup.ids))


def test_the_page_costs_the_same_however_much_there_is(
    program, client, today, django_assert_max_num_queries
):
    for number in range(30):
        quarantined(program, code=f"code_{number % 5}")
        make_loss(program, day=today, reason=f"reason_{number}")

    with django_assert_max_num_queries(14):
        client.get("/intake/")


# Quarantine and backlog -----------------------------------------------------------------------


def test_quarantine_is_listed_by_code_and_page_by_page(program):
    viewer = make_viewer(program)
    rows = [quarantined(program, code=code) for code in ("a", "b", "a")]
    make_report(program)
    quarantined(make_program())

    first = list_quarantined(viewer=viewer, size=2)
    rest = list_quarantined(viewer=viewer, size=2, cursor=first.next_cursor)
    only_a = list_quarantined(viewer=viewer, code="a")

    assert [row.pk for row in [*first.items, *rest.items]] == [row.pk for row in reversed(rows)]
    assert [row.pk for row in only_a.items] == [rows[2].pk, rows[0].pk]


def test_the_page_leads_from_a_code_to_its_reports(program, client):
    bad = quarantined(program, failure_detail="no signal line")
    quarantined(program, code="no_threads")

    everything = client.get("/intake/").content.decode()
    one = client.get("/intake/?code=not_a_tombstone").content.decode()

    assert 'href="?code=no_threads#quarantine-heading"' in everything
    assert f"/reports/{bad.report_id}/" in one
    assert "no signal line" in one
    assert one.count("data-row") == 1


def test_the_backlog_knows_its_oldest_report(program):
    viewer, now = make_viewer(program), timezone.now()
    make_report(program, received_at=now - timedelta(hours=2))
    make_report(program, received_at=now - timedelta(hours=1), state=Report.State.LEASED)
    make_report(program, received_at=now - timedelta(days=9), state=Report.State.DONE)
    make_report(make_program(), received_at=now - timedelta(days=9))

    backlog = get_backlog(viewer=viewer)

    assert (backlog.waiting, backlog.is_more) == (2, False)
    assert backlog.oldest_received_at == now - timedelta(hours=2)


def test_the_door_says_what_it_turns_away(client, monkeypatch):
    words = []
    for load in (0.0, 1.0, 2.0):
        monkeypatch.setattr("crashes.web.intake.load_of_the_door.load", lambda load=load: load)
        words.append(text_of(client.get("/intake/")))

    assert "everything is taken" in words[0]
    assert "vitals are turned away" in words[1]
    assert "vitals and repeats are turned away" in words[2]


# The API --------------------------------------------------------------------------------------


@pytest.fixture
def get(program):
    token = make_api_token(program, Scope.READ)

    def fetch(path, **parameters):
        return Client().get(
            f"/api/v1/{path}", parameters, headers={"Authorization": f"Bearer {token}"}
        )

    return fetch


def test_the_api_tells_the_same(program, get, today):
    make_loss(program, day=today, count=3)
    bad = quarantined(program, failure_detail="no signal line")
    make_report(program)

    document = get("intake/", days=2).json()
    listed = get("intake/quarantined/", code="not_a_tombstone").json()

    assert document["backlog"]["waiting"] == 1
    assert document["losses"] == {
        "days": 2, "total": 3, "per_day": [0, 3],
        "results": [{
            "program_id": program.pk, "client": "agent", "reason": "queue_full",
            "category": "report", "count": 3, "last_day": today.isoformat(),
        }],
    }  # fmt: skip
    assert [(row["code"], row["reports"]) for row in document["quarantine"]] == [
        ("not_a_tombstone", 1)
    ]
    (row,) = listed["results"]
    assert (row["report_id"], row["code"], row["detail"]) == (
        str(bad.report_id), "not_a_tombstone", "no signal line",
    )  # fmt: skip


@pytest.mark.parametrize("days", ["0", "367", "x", "", "१"])
def test_the_api_takes_a_period_of_up_to_a_year(get, days):
    assert get("intake/", days=days).json()["code"] == "bad_limit"


@pytest.mark.parametrize("path", ["intake/", "intake/quarantined/"])
def test_the_api_asks_who_wants_to_know(path, program):
    token = make_api_token(program, Scope.SYMBOLS)
    headers = {"Authorization": f"Bearer {token}"}

    assert Client().get(f"/api/v1/{path}").status_code == 401
    assert Client().get(f"/api/v1/{path}", headers=headers).status_code == 403


# Where losses come from -----------------------------------------------------------------------

DROPBOX = """Process: com.example.app
Flags: 0x0
Package: com.example.app v1 (1.0)
Dropped-Count: 5

java.lang.IllegalStateException: again
\tat com.example.app.Main.run(Main.java:1)
"""


def test_what_android_dropped_before_an_entry_is_counted(send, device_token):
    document = report(payload={"format": "dropbox", "text": DROPBOX})
    for _ in range(2):
        send("reports/", document, token=device_token)

    work()

    loss = ClientLoss.objects.get()
    assert (loss.client, loss.reason, loss.count) == ("dropbox", "os_rate_limit", 5)


@pytest.mark.parametrize("said", ["0", "-5", "many", "9" * 30])
def test_an_odd_count_of_dropped_entries_hurts_nothing(send, device_token, said):
    text = DROPBOX.replace("Dropped-Count: 5", f"Dropped-Count: {said}")
    send("reports/", report(payload={"format": "dropbox", "text": text}), token=device_token)

    work()

    assert Report.objects.get().state == Report.State.DONE
    assert sum(ClientLoss.objects.values_list("count", flat=True)) <= 1_000_000


def test_a_report_that_cannot_be_read_is_counted(send, device_token):
    send("reports/", b"{", token=device_token)
    send("reports/batch/", b'{"report_id": 1}\n{}', token=device_token)

    loss = ClientLoss.objects.get()

    assert (loss.client, loss.reason, loss.count) == ("agent", "malformed", 3)


MAIL = "anna.virtanen@gmail.com"


def beside_reports():
    return {(row.category, row.reason): row.count for row in AgentLoss.objects.all()}


def test_unknown_keys_of_vitals_are_counted_line_by_line_and_once(send, device_token):
    plain = sample() | {"apps": [{"package": "a", MAIL: 1}], "network": {"mcc": "244", "q": {}}}
    del plain["unknown"]
    body = lines(plain, sample() | {"x": [{"y": 1}]}, {"sample_id": "nonsense", "more": 1})

    for _ in range(2):
        send("vitals/", body, token=device_token)

    assert beside_reports() == {
        ("vitals", "unknown_keys"): 2 + dropped_of(sample()) + 1, ("vitals", "malformed"): 2,
    }  # fmt: skip


def dropped_of(document):
    return count_dropped_keys(json.dumps(document).encode(), Sample)


def test_unknown_keys_of_enrollments_and_consents_are_counted(send, key):
    document = enrollment() | {"serial": "1", MAIL: {"a": 1}}
    document["consent"] = document["consent"] | {MAIL: 1}
    token = send("devices/enroll/", document, token=key).json()["device_token"]
    send("devices/enroll/", enrollment() | {"imei": "1", "q": 1}, token=key)

    consent = {"policy_version": "1", "purposes": [], "q": 1}
    send("devices/me/consent/", consent, token=token, method="put")

    assert beside_reports() == {("enrollment", "unknown_keys"): 3, ("consent", "unknown_keys"): 1}


def test_what_was_dropped_beside_reports_is_on_the_page_and_in_the_api(send, key, device_token):
    program = Program.objects.get(pk=Device.objects.get().program_id)
    make_loss(program, day=timezone.now().date(), count=2)
    send("vitals/", lines(sample() | {MAIL: 1}), token=device_token)
    count = dropped_of(sample()) + 1
    token = make_api_token(program, Scope.READ)

    page = client_for(Role.VIEWER, program).get("/intake/")
    other = client_for(Role.VIEWER, make_program()).get("/intake/")
    losses = (
        Client()
        .get("/api/v1/intake/", headers={"Authorization": f"Bearer {token}"})
        .json()["losses"]
    )

    assert (losses["total"], losses["per_day"][-1]) == (2 + count, 2 + count)
    assert {
        "program_id": program.pk, "client": "agent", "reason": "unknown_keys", "category": "vitals",
        "count": count, "last_day": timezone.now().date().isoformat(),
    } in losses["results"]  # fmt: skip
    assert "unknown_keys" in text_of(page)
    assert "unknown_keys" not in text_of(other)
    assert MAIL not in page.content.decode()


def test_counts_of_what_was_dropped_go_after_a_year(program):
    day = timezone.now().date()
    for days in (10, 400):
        count_not_kept(
            Sent.VITALS, program_id=program.pk, day=day - timedelta(days=days), unknown_keys=1
        )

    forget_old_samples(before=timezone.now() - timedelta(days=358))

    assert [row.day for row in AgentLoss.objects.all()] == [day - timedelta(days=10)]


# Attachments ----------------------------------------------------------------------------------


@pytest.fixture
def with_files(program):
    stored = make_done_report(make_issue(program))
    make_attachment(stored, b"heap dump" * 100, name_kind="heap")
    make_attachment(
        stored, b"?", sha256="c" * 64, size_bytes=1000, received_bytes=250, state="partial",
        format="minidump", name_kind="minidump",
    )  # fmt: skip
    return stored


FILE = "attachments/{sha256}/file/"


def sha256_of(report_row):
    return Attachment.objects.get(report_id=report_row.report_id, state="complete").sha256


def test_the_files_of_a_report_are_listed(program, client, get, with_files):
    text = text_of(client.get(f"/reports/{with_files.report_id}/"))
    whole, part = get(f"reports/{with_files.report_id}/").json()["attachments"]

    assert "file · heap · 900" in text.replace("\xa0", " ")
    assert "25 % here" in text
    assert "kept, not read" in text
    assert (whole["size_bytes"], whole["is_complete"], whole["name_kind"]) == (900, True, "heap")
    assert (part["received_bytes"], part["is_complete"]) == (250, False)


def test_a_file_is_for_those_who_may_see_raw_payloads(program, client, with_files):
    path = f"/reports/{with_files.report_id}/{FILE.format(sha256=sha256_of(with_files))}"
    triager = client_for(Role.TRIAGER, program)

    page = triager.get(f"/reports/{with_files.report_id}/").content.decode()
    from_page, from_api = triager.get(path), triager.get(f"/api/v1{path}")

    assert path in page
    assert path not in client.get(f"/reports/{with_files.report_id}/").content.decode()
    for response in (from_page, from_api):
        assert b"".join(response.streaming_content) == b"heap dump" * 100
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert client.get(path).status_code == 403
    assert client.get(f"/api/v1{path}").status_code == 403


def test_what_is_not_here_or_not_ones_own_is_not_found(program, with_files):
    triager = client_for(Role.TRIAGER, program)
    stranger = client_for(Role.TRIAGER, make_program())
    whole = FILE.format(sha256=sha256_of(with_files))
    report_id = with_files.report_id

    assert triager.get(f"/reports/{report_id}/{FILE.format(sha256='c' * 64)}").status_code == 404
    assert triager.get(f"/reports/{report_id}/{FILE.format(sha256='%00')}").status_code == 404
    assert triager.get(f"/reports/{uuid.uuid4()}/{whole}").status_code == 404
    assert stranger.get(f"/reports/{report_id}/{whole}").status_code == 404


def test_a_payload_that_came_too_late_says_so(program, client):
    stored = make_report(program, state=Report.State.DONE, issue=make_issue(program))
    make_content(stored, raw_format="none")
    make_attachment(stored, b"dump", format="minidump")

    assert "came too late to be the payload" in text_of(client.get(f"/reports/{stored.report_id}/"))
