"""Releases from samples to a verdict: a build that drains more is halted, with the reason in words."""

import json
import random
import uuid
from datetime import timedelta

import msgspec
import pytest
import zstandard
from django.utils import timezone

from crashes.models import Release, VerdictOverride, VerdictSnapshot
from crashes.selectors.releases import get_release, list_releases
from crashes.services.releasing import (
    ask_for_verdict,
    discover_releases,
    judge_again,
    judge_due,
    override_verdict,
)
from crashes.services.verdicts import Verdict
from devices.identity import luhn_digit
from devices.models import Program, VitalCell, VitalSample
from devices.selectors.vital_samples import with_contents
from devices.services.rollups import roll_up_one_day
from tests.factories import make_api_token, make_program, make_user, make_viewer
from tests.integration.conftest import enrollment
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
DAYS, DAY_ZERO = 32, 14
MODELS = {"Nokia X30 5G": ("V3.210", "V3.270"), "HMD Fusion": ("V1.330", "V2.120")}


def imei(number):
    body = f"35693803{number:06d}"
    return f"{body}{luhn_digit(body)}"


def send_fleet(send, key, *, devices=80, drain=1.0, seed=1):
    """Two models get a build each from day 14 on; one of them loses `drain` times as much with it."""
    rng = random.Random(seed)
    for number in range(devices):
        model = list(MODELS)[number % 2]
        token = send(
            "devices/enroll/",
            enrollment(imei=imei(number), model=model, os_build=MODELS[model][0]),
            token=key,
        ).json()["device_token"]
        updates = DAY_ZERO + number // 2 % 12 if number % 9 else DAYS
        level = rng.lognormvariate(0, 0.2)
        rows = []
        for day in range(DAYS):
            is_new = day >= updates
            worse = drain if is_new and model == "Nokia X30 5G" else 1.0
            start = NOW - timedelta(days=DAYS - day)
            rows.append(
                {
                    "sample_id": str(uuid.UUID(int=rng.getrandbits(128))),
                    "interval_start": start.isoformat(),
                    "interval_end": (start + timedelta(days=1)).isoformat(),
                    "software": {"os_version": "14", "os_build": MODELS[model][is_new]},
                    "network": {"mcc": "244"},
                    "battery": {
                        "screen_on_s": 10_000,
                        "screen_on_drain_pct": round(25 * level * rng.lognormvariate(0, 0.1), 2),
                        "screen_off_s": 76_400,
                        "screen_off_drain_pct": round(
                            12 * level * worse * rng.lognormvariate(0, 0.1), 2
                        ),
                    },
                    "counters": {"java_crashes": int(rng.random() < 0.3), "anrs": 0},
                    "apps": [
                        {
                            "package": "a.b",
                            "version_code": 7 + is_new,
                            "cold_start_ms": [rng.lognormvariate(6.4, 0.2)],
                        },
                        *([{"package": "of.one", "version_code": 1}] if not number else []),
                    ],
                }
            )
        body = "\n".join(map(json.dumps, rows)).encode()
        assert send("vitals/", body, token=token).status_code == 200


def judge_all():
    now = timezone.now() + timedelta(minutes=1)
    while roll_up_one_day(now=now):
        pass
    return judge_due(now=now)


def viewer():
    return make_viewer(Program.objects.get(), role=Role.RELEASE_MANAGER)


def by_build():
    return {release.os_build: release for release in list_releases(viewer=viewer())}


@pytest.fixture
def halted(send, key):
    """The fleet of a release that drains more, judged."""
    send_fleet(send, key, drain=2.5)
    assert judge_all() == 4
    return by_build()


def test_a_build_that_drains_more_is_halted_with_the_reason_in_words(halted):
    bad, good = halted["V3.270"], halted["V2.120"]

    assert bad.verdict == "halt"
    assert bad.reasons[0].startswith("Battery drain: ")
    assert "on Nokia X30 5G with V3.270" in bad.reasons[0]
    assert bad.previous == "V3.210"
    drain = bad.worst
    assert (drain["metric"], drain["state"]) == ("drain", "worse")
    # 12 of 37 percent points a day are 2.5 times as many: 49 percent in all.
    assert drain["low"] < 1 + 12 * 1.5 / 37 < drain["high"]
    assert bad.snapshot.by_model[0]["verdict"] == "halt"
    assert good.verdict in {"insufficient_data", "promote"}
    assert all(metric["state"] != "worse" for metric in good.metrics)

    old = halted["V3.210"]
    assert old.verdict == "insufficient_data"
    assert "nothing to compare" in old.reasons[0]
    anr = next(metric for metric in good.metrics if metric["metric"] == "anr")
    assert anr["state"] == "not_enough_data"
    assert anr["effect"] is None
    assert "too few events" in anr["needs"]


def test_a_snapshot_can_be_judged_again_and_a_release_is_daily_and_on_request(halted):
    snapshot = halted["V3.270"].snapshot
    ((later, content),) = with_contents(VitalSample.objects.all()[:1])
    later.pk, later.sample_id = None, uuid.uuid4()
    later.content, later.is_sealed = zstandard.compress(msgspec.json.encode(content)), False
    later.received_at = snapshot.made_at + timedelta(seconds=1)
    later.save()

    judgement, rows_hash = judge_again(snapshot)

    assert rows_hash == snapshot.inputs_hash
    assert (judgement.verdict, judgement.reasons, judgement.metrics, judgement.by_model) == (
        snapshot.verdict, snapshot.reasons, snapshot.metrics, snapshot.by_model,
    )  # fmt: skip

    now = timezone.now() + timedelta(minutes=3)
    assert judge_due(now=now) == 0

    ask_for_verdict(release_id=halted["V3.270"].id, now=now)
    assert judge_due(now=now) == 1
    assert judge_due(now=now + timedelta(hours=25)) == 4

    snapshots = VerdictSnapshot.objects.filter(release=halted["V3.270"].id)
    assert len({snapshot.inputs_hash for snapshot in snapshots}) == 1
    for snapshot in VerdictSnapshot.objects.all():
        snapshot.inputs["samples_rolled_up"] = 10
        snapshot.save()
    assert judge_due(now=now + timedelta(hours=26)) == 4


def test_a_person_may_decide_otherwise_and_back_and_both_are_on_record(halted):
    release = halted["V3.270"]
    who = viewer()

    override_verdict(
        release_id=release.id, verdict=Verdict.PROMOTE, reason="known", by=who, now=NOW
    )
    decided = get_release(viewer=who, release_id=release.id)
    override_verdict(release_id=release.id, verdict=None, reason="it is real", by=who, now=NOW)
    back = get_release(viewer=who, release_id=release.id)

    assert (decided.verdict, decided.judged, decided.override and decided.override.by_name) == (
        "promote", "halt", "release_manager",
    )  # fmt: skip
    assert (back.verdict, back.is_overridden) == ("halt", False)
    records = VerdictOverride.objects.order_by("pk").values_list("reason", "snapshot")
    assert list(records) == [("known", release.snapshot.pk), ("it is real", release.snapshot.pk)]


def test_an_enrolled_build_is_a_release_before_it_tells_anything(send, key):
    send("devices/enroll/", enrollment(), token=key)

    assert discover_releases(now=timezone.now()) == 1
    assert discover_releases(now=timezone.now()) == 0
    assert judge_due(now=timezone.now()) == 0

    release = by_build()["V3.420"]
    assert (release.verdict, release.reasons) == ("insufficient_data", ["Not judged yet."])


def test_releases_of_other_programs_are_nobodys_business(halted):
    stranger = make_viewer(make_program())

    assert list_releases(viewer=stranger) == []
    with pytest.raises(Release.DoesNotExist):
        get_release(viewer=stranger, release_id=halted["V3.270"].id)


def test_the_api_tells_verdicts_and_vitals_with_intervals(halted, client):
    program = Program.objects.get()
    reader = {"Authorization": f"Bearer {make_api_token(program, Scope.READ)}"}
    manager = {"Authorization": f"Bearer {make_api_token(program, Scope.RELEASES, Scope.READ)}"}
    release = f"/api/v1/releases/{halted['V3.270'].id}/"

    listed = client.get("/api/v1/releases/", headers=reader).json()["results"]
    verdict = client.get(f"{release}verdict/", headers=reader).json()

    assert {row["os_build"]: row["verdict"] for row in listed}["V3.270"] == "halt"
    assert client.get(release, headers=reader).json()["previous"] == "V3.210"
    assert verdict["verdict"] == "halt"
    assert "Nokia X30 5G" in verdict["reasons"][0]
    assert {metric["metric"] for metric in verdict["metrics"]} == {"crash", "anr", "drain", "cold"}
    body = json.dumps({"verdict": "hold", "reason": "looking"})
    decide = {"content_type": "application/json"}
    refused = client.post(f"{release}verdict/", body, headers=reader, **decide)
    answer = client.post(f"{release}verdict/", body, headers=manager, **decide)
    assert (refused.status_code, answer.status_code) == (403, 200)
    assert (answer.json()["verdict"], answer.json()["judged"]) == ("hold", "halt")
    assert client.post(f"{release}judge/", headers=manager).status_code == 202

    address = "/api/v1/vitals/query/?metric=drain_screen_off&days=60&group="
    by_model = client.get(f"{address}model", headers=reader).json()["results"]
    by_build = client.get(f"{address}os_build&q=os_build:V3.270", headers=reader).json()
    by_country = client.get(f"{address}mcc,model,os_build", headers=reader).json()["results"]

    assert [row["group"]["model"] for row in by_model] == ["HMD Fusion", "Nokia X30 5G"]
    for row in by_model:
        assert row["low"] < row["value"] < row["high"]
        assert row["devices"] == 40
    assert [row["group"] for row in by_build["results"]] == [{"os_build": "V3.270"}]
    assert by_build["results"][0]["value"] > 1.5 * by_model[0]["value"]
    assert all(row["state"] == "ok" for row in by_country)
    address_of_apps = "/api/v1/vitals/query/?metric=cold_start_ms&days=60&package="
    by_version = client.get(f"{address_of_apps}a.b", headers=reader).json()["results"]
    assert [row["group"]["version_code"] for row in by_version] == ["7", "8"]
    assert all(row["low"] < row["value"] < row["high"] for row in by_version)
    assert client.get(f"{address_of_apps}of.one", headers=reader).json()["results"] == []
    VitalCell.objects.update(devices=9)
    for row in client.get(f"{address}model", headers=reader).json()["results"]:
        assert (row["state"], row["value"], row["devices"]) == ("not_enough_data", None, None)
    for wrong, code in (("metric=x", "bad_vital"), ("metric=wakeups&group=imei", "bad_group"),
                        ("metric=wakeups&q=kind:anr", "bad_query"),
                        ("metric=wakeups&package=a.b", "bad_vital"),
                        ("metric=slow_frames&package=a.b&group=model", "bad_group"),
                        ("metric=slow_frames&package=a.b&q=model:x", "bad_query"),
                        ("metric=wakeups&days=0", "bad_limit")):  # fmt: skip
        answer = client.get(f"/api/v1/vitals/query/?{wrong}", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_pages_show_the_verdict_its_reason_and_every_slice(halted, client):
    client.force_login(make_user(Role.RELEASE_MANAGER, programs=[Program.objects.get()]))
    address = f"/releases/{halted['V3.270'].id}/"

    listed, detail = client.get("/releases/"), client.get(address)
    models, vitals = client.get("/models/"), client.get("/vitals/?metric=drain_screen_off")

    for answer in (listed, detail, models, vitals):
        assert answer.status_code == 200
        assert " style=" not in answer.content.decode()
    assert "verdict-halt" in listed.content.decode()
    assert halted["V3.270"].reasons[0] in detail.content.decode()
    assert "verdict-halt" in models.content.decode()
    assert "Nokia X30 5G" in vitals.content.decode()
    assert '<path class="band"' in vitals.content.decode()
    narrow = client.get("/vitals/?metric=wakeups&model=HMD+Fusion&mcc=244&days=7").content.decode()
    assert '<option value="HMD Fusion" selected>' in narrow
    assert '<option value="244" selected>Finland 244</option>' in narrow
    assert '<option value="7" selected>' in narrow
    app = client.get("/vitals/?metric=cold_start_ms&package=a.b").content.decode()
    assert '<th scope="row">8</th>' in app
    rare = client.get("/vitals/?metric=cold_start_ms&package=of.one").content.decode()
    assert "no day with 20 devices" in rare
    assert '<option value="of.one"' not in client.get("/vitals/").content.decode()

    assert "effect-worse" in models.content.decode()
    other = halted["V2.120"]
    compared = client.get(f"{address}?against={other.id}").content.decode()
    assert f'<option value="{other.id}" selected>' in compared
    assert "against its own builds before" in compared
    days = '<td class="num">40</td>'
    assert days in detail.content.decode()
    VitalCell.objects.update(devices=9)
    few, few_models = (client.get(it).content.decode() for it in (address, "/models/"))
    assert days not in few
    assert "fewer than 20 devices" in few
    assert "fewer than 20 devices" in few_models
    assert "effect-worse" not in few_models
    assert 'class="part"' not in client.get("/releases/").content.decode()

    client.post(f"{address}decide/", {"verdict": "promote", "reason": "<b>known</b>"})
    decided = client.get(address).content.decode()
    assert "&lt;b&gt;known&lt;/b&gt;" in decided
    assert "Judged it is: Halt" in decided
    client.post(f"{address}decide/", {"verdict": "promote", "reason": ""})
    assert VerdictOverride.objects.count() == 1
