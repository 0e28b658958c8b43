"""What is turned away while workers do not keep up, and what never is."""

import json
import uuid
from datetime import date

import pytest
from django.db import OperationalError

from crashes.models import ClientLoss, Report
from crashes.selectors.reports import count_waiting
from crashes.services.load import KnownCrashes, known_crashes
from devices.models import Program, VitalSample
from tests.integration.test_clients_acra import REPORT as ACRA_REPORT
from tests.integration.test_clients_sentry import FORM, MINIDUMP, envelope, form, item
from tests.integration.test_pipeline import STACK, work
from tests.integration.test_uploads import report
from tests.integration.test_vitals_upload import sample
from uxp_diag.load import Backlog, backlog
from uxp_diag.outage import database_outage

pytestmark = pytest.mark.django_db

THRESHOLD = 10


@pytest.fixture
def overload(settings, monkeypatch):
    """Sets the load as if so many reports waited."""
    settings.BACKLOG_SHED = THRESHOLD

    def begin(load):
        monkeypatch.setattr(backlog, "_count", lambda most: min(most, int(load * THRESHOLD)))
        backlog.forget()

    known_crashes.forget()
    yield begin
    monkeypatch.undo()
    known_crashes.forget()
    backlog.forget()


def crash(line=1, **more):
    return (
        report(
            payload={
                "format": "java_stacktrace",
                "text": STACK + f"\tat com.example.A.b(A.kt:{line})",
            }
        )
        | more
    )


def statuses(answers):
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize(("load", "status"), [(0.9, 200), (1.0, 503), (3.0, 503)])
def test_vitals_are_turned_away_first(send, device_token, overload, load, status):
    overload(load)

    answer = send("vitals/", json.dumps(sample()).encode(), token=device_token)

    assert answer.status_code == status
    assert VitalSample.objects.count() == (status == 200)
    if status == 503:
        assert (answer.json()["code"], answer.json()["retry"]) == ("overloaded", True)
        assert 60 <= int(answer["Retry-After"]) <= 84


@pytest.mark.parametrize("load", [0.0, 1.0, 1.9])
def test_all_reports_are_let_in_below_twice_the_threshold(send, device_token, overload, load):
    overload(load)

    answers = [send("reports/", crash(), token=device_token) for _ in range(12)]

    assert statuses(answers) == [202] * 12


def test_one_in_ten_repeats_is_let_in_and_the_others_may_come_back(send, device_token, overload):
    overload(2.0)

    answers = [send("reports/", crash(), token=device_token) for _ in range(22)]

    assert statuses(answers) == [202, *[503] * 9, 202, *[503] * 9, 202, 503]
    assert (answers[1].json()["code"], answers[1].json()["retry"]) == ("overloaded", True)
    assert 60 <= int(answers[1]["Retry-After"]) <= 84
    overload(0)
    assert send("reports/", crash(), token=device_token).status_code == 202
    work()
    assert set(Report.objects.values_list("state", flat=True)) == {"done"}


def test_a_new_crash_is_never_turned_away(send, device_token, overload):
    overload(4.0)
    send("reports/", crash(), token=device_token)

    answers = [send("reports/", crash(line), token=device_token) for line in range(2, 30)]
    dumps = [
        send("reports/", report(payload={"format": "none"}), token=device_token) for _ in range(5)
    ]

    assert statuses(answers) == [202] * 28
    assert statuses(dumps) == [202] * 5


def test_what_was_let_in_at_the_first_threshold_is_known_at_the_second(
    send, device_token, overload
):
    overload(1.0)
    send("reports/", crash(), token=device_token)

    overload(2.0)

    assert send("reports/", crash(), token=device_token).status_code == 503


def test_a_crash_is_not_known_before_it_is_durable(send, device_token, overload, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    overload(2.0)
    with monkeypatch.context() as disk:
        disk.setattr("crashes.storage.write_durably", full)
        refused = send("reports/", crash(), token=device_token)
    again = send("reports/", crash(), token=device_token)

    assert refused.json()["code"] == "intake_unavailable"
    assert again.status_code == 202


def test_a_batch_comes_in_whole_when_one_of_its_crashes_is_new(send, device_token, overload):
    overload(2.0)
    send("reports/", crash(), token=device_token)
    repeats = [json.dumps(crash()).encode() for _ in range(3)]
    new = json.dumps(crash(2)).encode()

    refused = send("reports/batch/", b"\n".join(repeats), token=device_token)
    taken = send("reports/batch/", b"\n".join([*repeats, new]), token=device_token)

    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert [line["status"] for line in taken.json()["results"]] == ["accepted"] * 4


def test_a_sentry_sdk_is_told_to_wait(client, key, overload):
    overload(2.0)
    frames = [{"module": "com.example.Main", "function": "step"}]
    error = {"type": "E", "value": "x", "stacktrace": {"frames": frames}}
    bodies = [
        envelope(item("event", {"event_id": f"{n:032x}", "exception": {"values": [error]}}))
        for n in (1, 2)
    ]
    path = f"/api/{Program.objects.get().pk}/envelope/?sentry_key={key}"

    taken, refused = (client.generic("POST", path, body) for body in bodies)

    assert (taken.status_code, refused.status_code) == (200, 429)
    assert refused["X-Sentry-Rate-Limits"].endswith(":organization:overloaded")
    assert ClientLoss.objects.count() == 0


def test_acra_keeps_what_is_turned_away_and_comes_back(client, key, overload):
    overload(2.0)
    path = f"/api/{Program.objects.get().pk}/acra"
    headers = {"Authorization": f"Bearer {key}"}

    def answer(number):
        document = ACRA_REPORT | {"REPORT_ID": str(uuid.UUID(int=number))}
        return client.post(path, json.dumps(document), "application/json", headers=headers)

    taken, refused = answer(1), answer(2)
    overload(0.0)
    again = answer(2)

    assert (taken.status_code, refused.status_code, again.status_code) == (200, 503, 200)
    assert int(refused["Retry-After"]) >= 60
    assert ClientLoss.objects.count() == 0


def test_a_dump_that_would_not_come_again_is_never_turned_away(client, key, overload):
    overload(4.0)
    path = f"/api/{Program.objects.get().pk}/crashpad/?key={key}"
    answers = [
        client.generic(
            "POST",
            path,
            form(("prod", None, b"Camera"), ("upload_file_minidump", "d", MINIDUMP + bytes([n]))),
            content_type=FORM,
        )
        for n in range(5)
    ]

    assert statuses(answers) == [200] * 5
    assert all(answer.content.startswith(b"CrashID=") for answer in answers)
    assert Report.objects.count() == 5


def test_known_crashes_are_forgotten_overnight_and_beyond_a_limit():
    known = KnownCrashes(most=2)
    today, tomorrow = date(2026, 11, 20), date(2026, 11, 21)

    known.learn([b"a", None, b"b"], today=today)
    met = known.meet([b"a", b"a", None, b"c"], today=today)
    known.learn([b"c"], today=today)

    assert met == [1, 2, 0, 0]
    assert known.meet([b"a", b"b", b"c"], today=today) == [3, 0, 1]
    assert known.meet([b"a", b"c"], today=tomorrow) == [0, 0]


def test_what_waits_is_counted_up_to_a_limit(send, device_token):
    for _ in range(3):
        send("reports/", crash(), token=device_token)

    assert [count_waiting(10), count_waiting(2)] == [3, 2]
    work()
    assert count_waiting(10) == 0


def test_the_backlog_is_counted_at_most_every_other_second(settings):
    settings.BACKLOG_SHED = THRESHOLD
    counts = iter([10, 30])
    waiting = Backlog()
    waiting.counted_by(lambda most: min(most, next(counts)))

    loads = [waiting.load() for _ in range(5)]
    waiting.forget()

    assert loads == [1.0] * 5
    assert waiting.load() == 3.0


def test_the_last_count_stands_while_nothing_can_be_counted(settings):
    def away(most):
        raise OperationalError("server closed the connection")

    settings.BACKLOG_SHED = THRESHOLD
    waiting = Backlog()
    waiting.counted_by(lambda most: 20)
    before = waiting.load()
    waiting.counted_by(away)
    waiting.forget()

    after = waiting.load()

    assert before == after == 2.0
    assert database_outage.is_on()
    database_outage.end()
