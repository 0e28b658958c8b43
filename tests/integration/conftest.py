"""A program, an enrolled phone, and a way to send what it has to say."""

import json
from datetime import UTC, datetime

import pytest

from crashes.services import retracing
from devices.models import IngestKey, Program
from uxp_diag.outage import database_outage

IMEI = "490154203237518"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def enrollment(**more):
    return {
        "imei": IMEI,
        "model": "Nokia G42 5G",
        "os_build": "V3.420",
        "consent": {"policy_version": "2023-04-17", "purposes": ["development"]},
    } | more


@pytest.fixture
def key():
    program = Program.objects.create(name="program", created_at=NOW)
    return IngestKey.objects.create(program=program, key="uxpi_" + "a" * 32, created_at=NOW).key


@pytest.fixture
def send(client):
    def post(path, body, *, token=None, method="post", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        call = getattr(client, method)
        return call(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    return post


@pytest.fixture
def device_token(send, key):
    return send("devices/enroll/", enrollment(), token=key).json()["device_token"]


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path):
    """Every test has a spool and blobs of its own, as it has a database of its own."""
    database_outage.end()
    retracing.memo.clear()
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.BLOB_DIR = tmp_path / "blobs"


@pytest.fixture(autouse=True)
def many_phones_in_one_network(settings):
    """All tests enroll from one address."""
    settings.ENROLLMENT_LIMIT = False
