"""Devices tell how they have been doing."""

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from devices.models import VitalSample
from devices.selectors.vital_samples import with_contents

pytestmark = pytest.mark.django_db


def sample(**more):
    now = timezone.now()
    return {
        "sample_id": str(uuid.uuid4()),
        "interval_start": (now - timedelta(hours=12)).isoformat(),
        "interval_end": now.isoformat(),
        "software": {"os_build": "V3.420", "os_version": "14"},
        "network": {"mcc": "244", "mnc": "05"},
        "battery": {"screen_on_drain_pct": 6.1, "screen_on_s": 2400, "temperature_max_c": 38.2},
        "counters": {"java_crashes": 0, "anrs": 1},
        "apps": [{"package": "com.example.app", "foreground_s": 640, "cold_start_ms": [812, 790]}],
        "installed": [{"package": "com.example.app", "version_code": 1402}],
        "unknown": {"dropped": True},
    } | more


def lines(*documents):
    return "\n".join(
        item if isinstance(item, str) else json.dumps(item) for item in documents
    ).encode()


def test_samples_are_kept_once_and_unknown_keys_are_not(send, device_token):
    one, two = sample(), sample()

    answer = send("vitals/", lines(one, one, two), token=device_token)
    again = send("vitals/", lines(two), token=device_token)

    assert [item["status"] for item in answer.json()["results"]] == [
        "accepted", "duplicate", "accepted",
    ]  # fmt: skip
    assert again.json()["results"] == [{"sample_id": two["sample_id"], "status": "duplicate"}]
    ((row, content),) = with_contents(VitalSample.objects.filter(sample_id=one["sample_id"]))
    assert content
    assert (row.os_build, row.mcc, row.model) == ("V3.420", "244", "Nokia G42 5G")
    assert content["battery"] == {
        "screen_on_drain_pct": 6.1, "screen_on_s": 2400, "temperature_max_c": 38.2,
    }  # fmt: skip
    assert content["counters"] == {"java_crashes": 0, "anrs": 1}
    assert "unknown" not in content


def test_a_sample_survives_what_databases_cannot_store(send, device_token):
    odd = sample(software={"os_build": "V\0\\u0000"}, network={"mcc": "244\n"})

    answer = send("vitals/", lines(odd | {"network": {}}, odd), token=device_token)

    assert [item.get("code") for item in answer.json()["results"]] == [None, "invalid_field"]
    assert VitalSample.objects.get().os_build == "V\ufffd\\u0000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            {"interval_start": "1980-01-06T00:00:00Z", "interval_end": "1980-01-06T01:00:00Z"},
            "bad_clock",
        ),
        ({"interval_start": "2020-01-01T00:00:00Z"}, "bad_interval"),
        ({"interval_end": "2020-01-01T00:00:00Z"}, "bad_interval"),
        ({"interval_end": "9999-12-31T23:59:59-14:00"}, "bad_interval"),
        ({"counters": {"anrs": -1}}, "invalid_field"),
        ({"battery": {"screen_on_s": "long"}}, "invalid_field"),
        ({"sample_id": "x"}, "invalid_field"),
    ],
)
def test_a_bad_line_does_not_hurt_its_neighbors(send, device_token, change, code):
    answer = send("vitals/", lines(sample(), sample(**change), "{", sample()), token=device_token)

    results = answer.json()["results"]
    assert [item["status"] for item in results] == ["accepted", "rejected", "rejected", "accepted"]
    assert (results[1]["code"], results[2]["code"]) == (code, "malformed_json")


def test_withdrawal_stops_vitals(send, device_token):
    send(
        "devices/me/consent/", {"policy_version": "1", "purposes": []},
        token=device_token, method="put",
    )  # fmt: skip

    answer = send("vitals/", lines(sample()), token=device_token)

    assert (answer.status_code, answer.json()["code"]) == (403, "consent_withdrawn")
    assert VitalSample.objects.count() == 0


def test_a_program_key_has_no_vitals(send, key):
    assert send("vitals/", lines(sample()), token=key).status_code == 401
