"""Owners who allow personalisation hear that what their phone met is fixed; nobody else does."""

import io
import json
import uuid
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from crashes.models import BuildSeen, Issue, Release
from crashes.selectors.cures import list_cures
from crashes.services import advising
from crashes.services.advising import settle_advice
from crashes.services.processing import lease_reports, process_reports
from devices.identity import luhn_digit
from devices.models import AdviceGiven, Program
from devices.services.rollups import roll_up_one_day
from tests.factories import (
    make_api_token,
    make_device,
    make_done_report,
    make_issue,
    make_issue_device,
    make_program,
    make_user,
    make_viewer,
)
from tests.integration.conftest import enrollment
from uxp_diag.outage import database_outage
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db

BOTH = {"policy_version": "2023-04-17", "purposes": ["development", "personalisation"]}
STACK = (
    "java.lang.IllegalStateException: closed\n"
    "\tat com.example.app.Player.seek(Player.java:41)\n"
    "\tat com.example.app.Player.onClick(Player.java:12)\n"
)


@pytest.fixture(autouse=True)
def asked_nobody():
    advising.memory.forget()


@pytest.fixture
def token(send, key):
    return send("devices/enroll/", enrollment(consent=BOTH), token=key).json()["device_token"]


def valid_imei(number):
    body = f"35693803{number:06d}"
    return f"{body}{luhn_digit(body)}"


def report(*, code=1402, build="V3.420", at=None):
    return {
        "report_id": str(uuid.uuid4()),
        "kind": "java_crash",
        "occurred_at": (at or timezone.now()).isoformat(),
        "process": "com.example.app",
        "software": {"os_version": "14", "os_build": build},
        "app": {"package": "com.example.app", "version_name": f"1.{code}", "version_code": code},
        "payload": {"format": "java_stacktrace", "text": STACK},
    }


def digest():
    now = timezone.now()
    process_reports(lease_reports(limit=50, now=now), now=now)


@pytest.fixture
def issue(send, token):
    """A crash that the phone had, digested."""
    assert send("reports/", report(), token=token).json()["advice"] == []
    digest()
    return Issue.objects.get()


def resolve(issue, resolution="version", **fields):
    Issue.objects.filter(pk=issue.pk).update(
        state="resolved", resolution=resolution, resolved_at=timezone.now(), **fields
    )
    advising.memory.forget()


def advice(send, token):
    answer = send("devices/me/advice/", b"", token=token, method="get")
    return answer.status_code, answer.json()


def test_a_fixed_crash_is_told_once_with_an_upload_and_always_on_request(send, token, issue):
    resolve(issue, resolved_in_version="1.1403", resolved_in_version_code=1403)

    first = send("reports/", report(), token=token).json()["advice"]
    advising.memory.forget()
    again = send("reports/", report(), token=token).json()["advice"]
    status, asked = advice(send, token)

    assert first == [
        {
            "kind": "fixed",
            "problem": "java_crash",
            "package": "com.example.app",
            "fixed_in": {"version_name": "1.1403", "version_code": 1403},
            "text": "The crash of com.example.app that this phone had is fixed in version 1.1403.",
        }
    ]
    assert again == []
    assert (status, asked) == (200, {"advice": first})
    assert AdviceGiven.objects.count() == 1


def test_who_has_the_fix_or_cannot_get_it_hears_nothing(send, token, issue):
    resolve(issue, "build", resolved_in_build="V3.500")
    assert advice(send, token)[1] == {"advice": []}  # no phone of the model was seen with it

    make_device(Program.objects.get(), model="Nokia G42 5G", os_build="V3.500")
    (told,) = advice(send, token)[1]["advice"]
    assert told["fixed_in"] == {"os_build": "V3.500"}

    send("reports/", report(build="V3.500"), token=token)
    digest()
    assert advice(send, token)[1] == {"advice": []}
    assert settle_advice(now=timezone.now() + timedelta(hours=2)) == 1
    assert AdviceGiven.objects.get().installed_at is not None
    assert Issue.objects.get().state == "open"  # it was no cure


def test_what_was_only_closed_or_came_back_is_no_fix(send, token, issue):
    resolve(issue, "now")
    assert advice(send, token)[1] == {"advice": []}

    Issue.objects.update(state="open", resolution="")
    assert advice(send, token)[1] == {"advice": []}


def test_the_next_release_is_told_of_when_it_is_there(send, token, issue):
    resolve(issue, "next_release")
    assert advice(send, token)[1] == {"advice": []}

    BuildSeen.objects.create(
        program_id=issue.program_id,
        model="Nokia G42 5G",
        os_build="V3.600",
        first_seen_at=timezone.now() + timedelta(seconds=1),
    )
    (told,) = advice(send, token)[1]["advice"]
    assert told["fixed_in"] == {"os_build": "V3.600"}


def test_without_that_purpose_nothing_is_told_or_kept(send, key, device_token):
    send("reports/", report(), token=device_token)
    digest()
    resolve(Issue.objects.get(), resolved_in_version="2", resolved_in_version_code=2000)

    assert send("reports/", report(), token=device_token).json()["advice"] == []
    status, problem = advice(send, device_token)
    assert (status, problem["code"]) == (403, "consent_missing")
    assert AdviceGiven.objects.count() == 0


def test_what_was_told_goes_with_the_purpose_and_is_in_the_owners_copy(send, token, issue):
    resolve(issue, resolved_in_version="2", resolved_in_version_code=2000)
    advice(send, token)

    archive = send("devices/me/export/", b"", token=token, method="get")
    packed = zipfile.ZipFile(io.BytesIO(b"".join(archive.streaming_content)))
    (line,) = packed.read("advice.jsonl").splitlines()
    assert json.loads(line)["fixed_in"] == "2"

    only = {"policy_version": "2023-04-17", "purposes": ["development"]}
    assert send("devices/me/consent/", only, token=token, method="put").status_code == 200
    assert AdviceGiven.objects.count() == 0


def test_a_database_that_is_away_costs_an_upload_nothing(send, token, issue):
    resolve(issue, resolved_in_version="2", resolved_in_version_code=2000)
    database_outage.begin()

    answer = send("reports/", report(), token=token)

    assert (answer.status_code, answer.json()["advice"]) == (202, [])


def test_the_cure_rate_is_what_counting_by_hand_gives_and_hides_the_few(client):
    program = make_program()
    issue = make_issue(program, signature="Player.seek")
    at = datetime(2026, 11, 1, tzinfo=UTC)
    phones = [make_device(program, allows_personalisation=True) for _ in range(24)]
    for number, phone in enumerate(phones):
        AdviceGiven.objects.create(
            device=phone,
            program_id=program.pk,
            issue_id=issue.pk,
            fixed_in="V3.500",
            given_at=at,
            checked_at=at,
            installed_at=at if number < 20 else None,
        )
        make_issue_device(issue, phone.pk)
    for phone in phones[:5]:
        make_done_report(issue, device_id=phone.pk, occurred_at=at + timedelta(days=2))
    make_done_report(issue, device_id=phones[7].pk, occurred_at=at - timedelta(days=2))
    AdviceGiven.objects.create(
        device=phones[0], program_id=program.pk, issue_id=issue.pk, fixed_in="V3.600",
        given_at=at, checked_at=at,
    )  # fmt: skip

    many, few = list_cures(viewer=make_viewer(program))

    assert (many.told, many.installed, many.met_again, many.rate) == (24, 20, 5, 0.75)
    assert (few.fixed_in, few.told, few.installed, few.rate) == ("V3.600", None, None, None)
    headers = {"Authorization": f"Bearer {make_api_token(program, Scope.READ)}"}
    told = client.get(f"/api/v1/releases/cures/?issue={issue.pk}", headers=headers).json()
    assert [row["rate"] for row in told["results"]] == [0.75, None]
    assert client.get("/api/v1/releases/cures/?issue=x", headers=headers).status_code == 400

    release = Release.objects.create(
        program_id=program.pk, os_build="V3.500", first_seen=at.date(), discovered_at=at
    )
    client.force_login(make_user(Role.RELEASE_MANAGER, programs=[program]))
    page = client.get(f"/releases/{release.pk}/").content.decode()
    assert "Fixed in this build" in page
    assert "75 %" in page


def test_an_app_that_drains_the_phone_is_named_when_its_update_drains_less(send, key, token):
    now = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)

    def use(sender, code, percent):
        rows = [
            {
                "sample_id": str(uuid.uuid4()),
                "interval_start": (now - timedelta(days=day + 1)).isoformat(),
                "interval_end": (now - timedelta(days=day)).isoformat(),
                "apps": [
                    {
                        "package": "com.example.maps",
                        "version_code": code,
                        "foreground_s": 3600,
                        "battery_pct": percent,
                    }
                ],
            }
            for day in range(2)
        ]
        body = "\n".join(map(json.dumps, rows)).encode()
        assert send("vitals/", body, token=sender).status_code == 200

    use(token, 7, 14.0)
    for number in range(40):
        phone = enrollment(imei=valid_imei(number))
        other = send("devices/enroll/", phone, token=key).json()["device_token"]
        use(other, *((7, 12.0) if number % 2 else (8, 6.0)))
    while roll_up_one_day(now=timezone.now() + timedelta(minutes=1)):
        pass

    (told,) = advice(send, token)[1]["advice"]

    assert (told["kind"], told["package"], told["version_code"]) == (
        "battery",
        "com.example.maps",
        7,
    )
    assert told["fixed_in"] == {"version_code": 8}
    assert "14 % of this phone's battery a day" in told["text"]
