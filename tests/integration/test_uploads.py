"""What devices may send, and what they are answered."""

import gzip
import json
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import OperationalError
from django.utils import timezone

from crashes.models import BatchAnswer, ClientLoss, Report
from crashes.services.reconciling import reconcile
from crashes.services.spooled import spool
from devices.models import Device, DeviceToken, IdentityLink
from tests.integration.conftest import IMEI, enrollment
from tests.integration.test_pipeline import STACK, work
from uxp_diag import limits
from uxp_diag.limits import limiter
from uxp_diag.outage import database_outage

pytestmark = pytest.mark.django_db


def report(**more):
    return {
        "report_id": str(uuid.uuid4()),
        "kind": "java_crash",
        "payload": {"format": "java_stacktrace", "text": STACK},
    } | more


def test_the_same_phone_gets_the_same_id_and_a_new_token(send, key):
    first = send("devices/enroll/", enrollment(), token=key).json()
    again = send("devices/enroll/", enrollment(imei="49-015420-323751-8"), token=key).json()

    assert first["device_id"] == again["device_id"]
    assert first["device_token"] != again["device_token"]
    assert Device.objects.count() == IdentityLink.objects.count() == 1


def test_only_the_last_tokens_of_a_phone_work(send, key):
    tokens = [
        send("devices/enroll/", enrollment(), token=key).json()["device_token"] for _ in range(5)
    ]

    answers = [send("reports/", report(), token=token).status_code for token in tokens]

    assert answers == [401, 401, 202, 202, 202]
    assert DeviceToken.objects.count() == 5


@pytest.mark.parametrize(
    "imei", ["490154203237519", "1" * 14, "", "x" * 15, "0" * 15, "\uff14" * 15]
)
def test_a_wrong_imei_is_refused_without_being_repeated(send, key, imei):
    answer = send("devices/enroll/", enrollment(imei=imei), token=key)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_imei")
    assert not imei or imei not in answer.content.decode()


def test_the_imei_is_in_no_table(device_token):
    dump = "".join(
        str(row) for model in apps.get_models() for row in model._default_manager.values()
    )

    assert IMEI[:14] not in dump
    assert IMEI[8:14] not in dump


def test_an_upload_is_accepted_once(send, device_token):
    document = report()

    first = send("reports/", document, token=device_token)
    again = send("reports/", document, token=device_token)

    assert first.status_code == again.status_code == 202
    assert first.json() | {"server_time": None} == {
        "report_id": document["report_id"],
        "status": "accepted",
        "want": [],
        "advice": [],
        "server_time": None,
    }
    assert again.json()["status"] == "duplicate"


def test_an_upload_may_be_packed(send, device_token):
    body = gzip.compress(json.dumps(report()).encode())

    answer = send("reports/", body, token=device_token, **{"Content-Encoding": "gzip"})

    assert answer.status_code == 202


def test_a_program_key_alone_may_upload_and_is_tied_to_no_device(send, key):
    send("reports/", report(), token=key)

    assert Report.objects.get().device_id == uuid.UUID(int=0)


@pytest.mark.parametrize("token", [None, "uxpi_wrong", "uxpd_wrong", "nonsense"])
def test_strangers_are_not_let_in(send, token):
    answer = send("reports/", report(), token=token)

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert Report.objects.count() == 0


def test_an_enrollment_without_consent_may_not_upload(send, key):
    body = enrollment()
    del body["consent"]
    token = send("devices/enroll/", body, token=key).json()["device_token"]

    answer = send("reports/", report(), token=token)

    assert (answer.status_code, answer.json()["code"]) == (403, "consent_missing")


@pytest.mark.parametrize("policy_version", ["2023-04-17", ""])
@pytest.mark.parametrize("purposes", [[], ["personalisation"]])
def test_a_withdrawal_is_one_whatever_policy_it_names(
    send, key, device_token, purposes, policy_version
):
    statement = {"policy_version": policy_version, "purposes": purposes}
    code = "consent_missing" if purposes else "consent_withdrawn"

    send("devices/me/consent/", statement, token=device_token, method="put")
    put = send("reports/", report(), token=device_token).json()
    token = send("devices/enroll/", enrollment(consent=statement), token=key).json()["device_token"]
    enrolled = send("reports/", report(), token=token).json()

    assert put["code"] == enrolled["code"] == code


@pytest.mark.parametrize(
    "more",
    [
        {"model": "a\0b"},
        {"os_build": "\0"},
        {"consent": {"policy_version": "a\0b", "purposes": []}},
        *(
            {"consent": {"policy_version": "1", "purposes": [], "given_at": moment}}
            for moment in (
                "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00",
            )
        ),
    ],
)  # fmt: skip
def test_an_enrollment_survives_what_databases_cannot_store(send, key, more):
    answer = send("devices/enroll/", enrollment(**more), token=key)

    assert answer.status_code == 201


@pytest.mark.parametrize("mcc", ["244\n", "2444", "24x", "\uff12\uff14\uff14"])
def test_a_country_code_has_digits_only(send, key, device_token, mcc):
    enrolled = send("devices/enroll/", enrollment(mcc=mcc), token=key)
    sent = send("reports/", report(network={"mcc": mcc}), token=device_token)

    assert enrolled.status_code == sent.status_code == 422
    assert enrolled.json()["code"] == sent.json()["code"] == "invalid_field"


def test_withdrawal_closes_the_door_and_consent_opens_it_again(send, device_token):
    withdrawal = {"policy_version": "2023-04-17", "purposes": []}
    consent = withdrawal | {"purposes": ["development"]}

    send("devices/me/consent/", withdrawal, token=device_token, method="put")
    refused = send("reports/", report(), token=device_token)
    send("devices/me/consent/", consent, token=device_token, method="put")
    accepted = send("reports/", report(), token=device_token)

    assert (refused.status_code, refused.json()["code"]) == (403, "consent_withdrawn")
    assert accepted.status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (
            b'{"\xff": 1, "report_id": "0e8a3c5b9d2f4e71a6c4b8d09f135e27", "kind": "anr"}',
            400,
            "malformed_json",
        ),
        (b"[]", 422, "invalid_field"),
        (b"{}", 422, "invalid_field"),
        (b'{"report_id": "x", "kind": "anr"}', 422, "invalid_field"),
        (
            b'{"report_id": "5b1f0c9e47d24a8cb3e6d7f8a9012c34", "kind": "weird"}',
            422,
            "invalid_field",
        ),
        (b'{"x": ' + b"[" * 100_000, 400, "malformed_json"),
    ],
)
def test_a_damaged_upload_is_refused_with_its_code(send, device_token, body, status, code):
    answer = send("reports/", body, token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["retry"] is False


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1980-01-06T00:00:00Z"]
)
def test_impossible_clocks_do_not_matter(send, device_token, moment):
    answer = send("reports/", report(occurred_at=moment), token=device_token)

    assert answer.status_code == 202
    stored = Report.objects.get()
    assert stored.occurred_at == stored.received_at


def test_an_id_may_lack_its_dashes(send, device_token):
    report_id = uuid.uuid4()

    one = send("reports/", report(report_id=report_id.hex), token=device_token).json()
    two = send("reports/", report(report_id=str(report_id)), token=device_token).json()

    assert (one["status"], two["status"]) == ("accepted", "duplicate")


def test_a_batch_judges_every_line_by_itself(send, device_token):
    good, other = report(), report()
    lines = [
        json.dumps(good), "not json", json.dumps(good), "",
        json.dumps(report(kind="weird") | {"report_id": other["report_id"]}),
        json.dumps(other),
    ]  # fmt: skip

    answer = send("reports/batch/", "\n".join(lines).encode(), token=device_token)

    assert answer.status_code == 200
    assert answer.json()["results"] == [
        {"report_id": good["report_id"], "status": "accepted"},
        {"report_id": None, "status": "rejected", "code": "malformed_json"},
        {"report_id": good["report_id"], "status": "duplicate"},
        {"report_id": other["report_id"], "status": "rejected", "code": "invalid_field"},
        {"report_id": other["report_id"], "status": "accepted"},
    ]
    work()
    assert set(Report.objects.values_list("state", flat=True)) == {"done"}


def test_a_batch_has_a_limit(send, device_token):
    answer = send("reports/batch/", b"{}\n" * 501, token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_lines")


def test_what_postgres_cannot_store_does_not_get_in_the_way(send, device_token):
    text = STACK.replace("not attached", "a\0b")
    document = report(process="com.\0example", payload={"format": "java_stacktrace", "text": text})

    answer = send("reports/", document, token=device_token)
    work()

    assert answer.status_code == 202
    assert Report.objects.get().state == "done"


def test_reports_of_a_database_outage_wait_in_the_spool(send, device_token, monkeypatch):
    def away(*_, **__):
        raise OperationalError("server closed the connection")

    send("reports/", report(), token=device_token)
    with monkeypatch.context() as outage:
        outage.setattr("crashes.services.acceptance.insert_new", away)
        outage.setattr("devices.api.auth.find_sender_by_device_token", away)
        document = report()
        answer = send("reports/", document, token=device_token)
        stranger = send("reports/", report(), token="uxpd_stranger")
        again = send("reports/", report(), token=device_token)
    database_outage.end()
    before = Report.objects.count()
    reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert (stranger.status_code, stranger.json()["code"]) == (503, "database_away")
    assert stranger["Retry-After"]
    assert again.status_code == 202
    assert (before, Report.objects.count()) == (1, 3)
    assert send("reports/", document, token=device_token).json()["status"] == "duplicate"


def test_a_withdrawal_during_an_outage_is_honored_afterwards(send, device_token, monkeypatch):
    def away(*_, **__):
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as outage:
        outage.setattr("crashes.services.acceptance.insert_new", away)
        send("reports/", report(), token=device_token)
    database_outage.end()
    withdrawal = {"policy_version": "2023-04-17", "purposes": []}
    send("devices/me/consent/", withdrawal, token=device_token, method="put")

    reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    assert Report.objects.count() == 0
    assert list(spool().names()) == []


def test_a_full_disk_refuses_before_anything_is_stored(send, device_token, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crashes.storage.write_durably", full)

    answer = send("reports/", report(), token=device_token)

    assert (answer.status_code, answer.json()["retry"]) == (503, True)
    assert Report.objects.count() == 0


@pytest.fixture
def fresh_buckets(monkeypatch):
    """Full buckets, and a clock that stands still: none fills up while requests take their time."""
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 1_000.0))
    limiter.cache_clear()
    yield
    limiter.cache_clear()


def test_a_device_has_a_budget(send, device_token, settings, fresh_buckets):
    settings.DEVICE_REPORTS_PER_DAY = 3

    answers = [send("reports/", report(), token=device_token) for _ in range(4)]
    batch = send("reports/batch/", json.dumps(report()).encode(), token=device_token)

    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert answers[3].json()["code"] == batch.json()["code"] == "device_budget"
    assert answers[3].json()["retry"] is True
    assert int(answers[3]["Retry-After"]) > 20_000
    assert Report.objects.count() == 3


def test_a_program_has_a_budget(send, key, settings, fresh_buckets):
    settings.PROGRAM_REPORTS_PER_SECOND = 1

    codes = [send("reports/", report(), token=key).status_code for _ in range(12)]

    assert codes == [202] * 10 + [429] * 2


def test_a_network_cannot_make_up_phones_without_end(send, key, settings, fresh_buckets):
    settings.ENROLLMENT_LIMIT = True

    codes = [send("devices/enroll/", enrollment(), token=key).status_code for _ in range(53)]

    assert codes == [201] * 50 + [429] * 3


def test_a_network_is_the_one_that_the_proxy_names(send, key, settings, fresh_buckets):
    settings.ENROLLMENT_LIMIT = True
    settings.CLIENT_ADDRESS_HEADER = "X-Forwarded-For"
    path = "devices/enroll/"

    def enroll(address):
        return send(path, enrollment(), token=key, **{"X-Forwarded-For": address}).status_code

    spoofed = [enroll(f"192.0.2.{number}, 198.51.100.7") for number in range(53)]

    assert spoofed == [201] * 50 + [429] * 3
    assert enroll("198.51.100.7, 203.0.113.9") == 201


def test_our_own_trouble_tells_a_device_to_try_again(client, send, key, monkeypatch):
    def raising(error):
        def enroll(*_, **__):
            raise error

        monkeypatch.setattr("devices.api.enrollment.enroll_device", enroll)
        return send("devices/enroll/", enrollment(), token=key)

    client.raise_request_exception = False
    away = raising(OperationalError("server closed the connection"))
    bug = raising(ZeroDivisionError())

    assert (away.status_code, away.json()["code"]) == (503, "database_away")
    assert away["Retry-After"]
    assert bug.status_code == 500
    assert away.json()["retry"] is bug.json()["retry"] is True


def test_a_batch_with_a_key_gets_the_same_answer_again(send, device_token):
    body = b"\n".join([json.dumps(report()).encode(), b"{", json.dumps(report()).encode()])
    headers = {"Idempotency-Key": "batch-1"}

    first = send("reports/batch/", body, token=device_token, **headers)
    again = send("reports/batch/", body, token=device_token, **headers)
    other = send("reports/batch/", body, token=device_token, **{"Idempotency-Key": "batch-2"})

    assert again.json()["results"] == first.json()["results"]
    assert [item["status"] for item in other.json()["results"]] == [
        "duplicate", "rejected", "duplicate",
    ]  # fmt: skip
    assert Report.objects.count() == 2


def test_another_batch_with_the_same_key_is_stored(send, key, device_token):
    headers = {"Idempotency-Key": "batch-1"}

    answers = [
        send("reports/batch/", json.dumps(report()).encode(), token=token, **headers)
        for token in (device_token, device_token, key, key)
    ]

    assert [answer.json()["results"][0]["status"] for answer in answers] == ["accepted"] * 4
    assert Report.objects.count() == 4


def test_the_losses_of_a_batch_are_counted_together(
    send, device_token, django_assert_max_num_queries
):
    lines = [json.dumps(report(discarded={"too_old": 2}, more=1)).encode() for _ in range(20)]

    with django_assert_max_num_queries(20):
        send("reports/batch/", b"\n".join(lines), token=device_token)

    counts = dict(ClientLoss.objects.values_list("reason", "count"))
    assert counts == {"too_old": 40, "unknown_keys": 20}


def test_the_key_of_one_device_says_nothing_to_another(send, key, device_token):
    body = json.dumps(report()).encode()
    headers = {"Idempotency-Key": "batch-1"}
    send("reports/batch/", body, token=device_token, **headers)

    answer = send("reports/batch/", body, token=key, **headers)

    assert answer.json()["results"][0]["status"] == "accepted"


def test_remembered_answers_are_forgotten_after_three_days(send, device_token):
    body = json.dumps(report()).encode()
    send("reports/batch/", body, token=device_token, **{"Idempotency-Key": "batch-1"})

    reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    assert BatchAnswer.objects.count() == 0


@pytest.mark.parametrize("key_text", ["x" * 101, "a\tb"])
def test_a_strange_batch_key_is_refused(send, device_token, key_text):
    answer = send("reports/batch/", b"{}", token=device_token, **{"Idempotency-Key": key_text})

    assert answer.json()["code"] == "bad_idempotency_key"


def test_what_the_agent_lost_is_counted_once(send, device_token):
    document = report(
        discarded={"queue_full": 3, "os_rate_limit": 2, "made up": 1},
        new_key=1,
        app={"package": "com.example.app", "colour": "red"},
    )

    for _ in range(2):
        send("reports/", document, token=device_token)

    counts = dict(ClientLoss.objects.values_list("reason", "count"))
    assert counts == {"queue_full": 3, "os_rate_limit": 2, "other": 1, "unknown_keys": 2}


@pytest.mark.parametrize(
    ("behind", "boots", "minutes_off"),
    [
        (timedelta(hours=3), ("a", "a"), 0),
        (timedelta(days=-400), ("a", ""), 0),
        (timedelta(seconds=20), ("a", "a"), 1),
        (timedelta(hours=3), ("a", "b"), 180),
    ],
)
def test_a_clock_that_is_off_is_set_right(send, device_token, behind, boots, minutes_off):
    now = timezone.now()
    happened = now - timedelta(hours=1)
    document = report(
        occurred_at=(happened - behind).isoformat(),
        sent_at=(now - behind).isoformat(),
        boot_id=boots[0],
        sent_boot_id=boots[1],
    )

    answer = send("reports/", document, token=device_token)

    stored = Report.objects.get()
    assert abs(stored.occurred_at - happened) <= timedelta(minutes=minutes_off, seconds=5)
    assert answer.json()["server_time"]


def test_what_a_stranger_calls_our_host_is_not_logged(client, caplog):
    answer = client.post("/api/v1/reports/", headers={"Host": f"evil{IMEI}"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert IMEI not in caplog.text
    assert "UXP_ALLOWED_HOSTS" in caplog.text
