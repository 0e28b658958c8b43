"""The page of one phone: who may see it, what it tells, and that every look is written down."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from crashes.stack import CrashKind
from devices.models import AuditEntry, ConsentEntry, DataKey, Device, VitalSample
from devices.services.audit import NO_ALIAS
from devices.services.erasure import OPERATOR, request_erasure
from devices.services.vitals import accept_samples
from devices.vitals.sample import AppUse, Battery, Counters, Installed, Sample, Software
from tests.factories import make_device, make_done_report, make_issue, make_program
from tests.integration.pages.reading import ABSENT, HOSTILE, Markup, client_for, text_of
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def device(program, now):
    made = now - timedelta(days=200)
    return make_device(program, enrolled_at=made, last_seen_at=now)


def page_of(device):
    return f"/devices/{device.pk}/"


def measure(device, end, *, build="V3.420", version=1402, drain=6.0, **counters):
    """One hour of the phone, kept as the door keeps it."""
    sample = Sample(
        sample_id=uuid.uuid4(),
        interval_start=end - HOUR,
        interval_end=end,
        software=Software(os_build=build),
        battery=Battery(
            screen_on_drain_pct=drain, screen_on_s=1800, temperature_max_c=drain + 30.5
        ),
        counters=Counters(**counters),
        apps=[AppUse(package="com.example.app", version_code=version - 1)],
        installed=[Installed(package="com.example.app", version_code=version)],
    )
    accept_samples(
        [sample],
        program_id=device.program_id,
        device_id=device.pk,
        model=device.model,
        now=timezone.now(),
    )


def report(device, at, *, kind=CrashKind.JAVA_CRASH, **fields):
    issue = make_issue(device.program, kind=kind.value, last_seen_at=at)
    return make_done_report(issue, device_id=device.pk, **fields)


def test_it_tells_what_happened_on_a_phone(program, triager, device, now):
    ConsentEntry.objects.create(
        device=device, purposes=["development"], policy_version="2023-04-17",
        given_at=now, recorded_at=now,
    )  # fmt: skip
    measure(device, now - 50 * HOUR)
    measure(device, now - 26 * HOUR, build="V3.430", version=1403, drain=9.0, reboots_unexpected=2)
    crash = report(device, now - 25 * HOUR, os_build="V3.430", version_code=1404)
    kill = report(device, now - 2 * HOUR, kind=CrashKind.LOW_MEMORY_KILL, os_build="V3.430",
                  version_code=1404)  # fmt: skip
    old = report(device, now - timedelta(days=100))
    report(make_device(program), now - HOUR)

    response = triager.get(page_of(device))

    html, text = response.content.decode(), text_of(response)
    assert response.status_code == 200
    for one in (crash, kill):
        assert f'href="/reports/{one.report_id}/"' in html
        assert f'href="/issues/{one.issue_id}/"' in html
    assert str(old.report_id) not in html
    assert html.count('href="/reports/') == 2
    assert "Low-memory kill" in text
    assert "System update V3.420 to V3.430" in text
    assert "App update com.example.app 1402 to 1403" in text
    assert "App update com.example.app 1403 to 1404" in text
    assert text.count(" update ") == 3
    assert "2 \u00d7 unexpected reboot" in text
    assert "Drain with the screen on, 2 days measured, at most 18.0 %/h" in html
    assert "Highest battery temperature, 2 days measured, at most 39.5 °C" in html
    assert "screen off" not in text
    assert "Development allowed Personalisation not allowed" in text
    assert "policy 2023-04-17" in text


def test_a_day_with_much_on_it_is_told_by_the_hour(triager, device, now, monkeypatch):
    monkeypatch.setattr("crashes.selectors.device_page.MOST_REPORTS", 15)
    monkeypatch.setattr("crashes.web.devices.MOST_REPORTS", 15)
    noon = now.replace(hour=12, minute=0, second=0) - timedelta(days=1)
    for minute in range(16):
        report(device, noon + timedelta(minutes=4 * minute))

    text = text_of(triager.get(page_of(device)))

    assert "Only the newest 15 reports are shown." in text
    assert "13:00 · 1" in text
    assert "12:00 · 14" in text


def test_every_look_is_written_down_without_the_phone(program, triager, device):
    first = text_of(triager.get(page_of(device)))
    triager.get(page_of(device))

    looks = list(AuditEntry.objects.order_by("number"))
    assert [look.action for look in looks] == ["device", "device"]
    assert looks[0].program_id == program.pk
    assert looks[0].fields == ["enrollment", "consent", "reports", "vitals"]
    assert looks[0].subject == looks[1].subject
    assert looks[0].subject in first
    assert looks[0].subject != str(device.pk)
    assert (
        text_of(client_for(Role.PRIVACY_OFFICER, program).get("/privacy/audit/")).count(
            looks[0].subject
        )
        == 2
    )


def test_the_alias_ends_with_the_key(triager, device):
    triager.get(page_of(device))
    DataKey.objects.all().delete()
    triager.get(page_of(device))
    Device.objects.update(allows_development=False)
    DataKey.objects.all().delete()
    triager.get(page_of(device))

    *aliases, last = AuditEntry.objects.order_by("number").values_list("subject", flat=True)
    assert len(set(aliases)) == 2
    assert last == str(NO_ALIAS)


@pytest.mark.parametrize("role", list(Role))
def test_only_some_roles_see_single_phones(program, device, role):
    allowed = role in {Role.TRIAGER, Role.PRIVACY_OFFICER}
    shown = report(device, timezone.now())
    client = client_for(role, program)

    assert client.get(page_of(device)).status_code == (200 if allowed else 403)
    assert AuditEntry.objects.filter(action="device").exists() == allowed
    linked = page_of(device) in client.get(f"/reports/{shown.report_id}/").content.decode()
    assert linked == allowed


def test_phones_that_are_unknown_or_anothers_or_erased_are_not_there(triager, device, now):
    stranger = client_for(Role.TRIAGER, make_program())
    measure(device, now)

    assert triager.get(f"/devices/{ABSENT}/").status_code == 404
    assert stranger.get(page_of(device)).status_code == 404
    request_erasure(device.pk, reason=OPERATOR, now=now)
    assert triager.get(page_of(device)).status_code == 404
    assert not AuditEntry.objects.exists()


def test_texts_of_a_phone_do_not_become_markup_and_damage_is_told(triager, program, now):
    device = make_device(program, model=HOSTILE, os_build=HOSTILE, os_version=HOSTILE[:40])
    measure(device, now - 2 * HOUR)
    measure(device, now - HOUR, build=HOSTILE)
    VitalSample.objects.filter(os_build="V3.420").update(content=b"damaged")
    report(device, now, os_build="V3.421", package=HOSTILE, version_name=HOSTILE)

    html = triager.get(page_of(device)).content.decode()

    markup = Markup()
    markup.feed(html)
    assert "1 sample could not be read" in html
    assert not markup.forbidden
    assert "img" not in markup.tags
    assert len(markup.ids) == len(set(markup.ids))
    assert "\u202e" not in html
