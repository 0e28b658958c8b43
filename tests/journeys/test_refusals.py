"""Whoever is refused while still sending hears why, through a real socket and server."""

import pytest

_MIB = 1 << 20

pytestmark = pytest.mark.own_servers


@pytest.mark.parametrize("platform", ["embedded"], indirect=True)
def test_a_refusal_reaches_a_client_that_is_still_sending(platform):
    platform.start_web()

    stranger = platform.request("POST", "/api/v1/reports/", b"x" * 5 * _MIB)
    nowhere = platform.request("POST", "/api/v1/nowhere/", b"x" * 5 * _MIB)
    key = platform.ingest_key()
    large = platform.request("POST", "/api/v1/reports/", b"x" * 26 * _MIB, token=key)
    batch = platform.request("POST", "/api/v1/reports/batch/", b"x" * 9 * _MIB, token=key)

    answers = [(answer.status, answer.json["code"]) for answer in (stranger, nowhere, large, batch)]
    assert answers == [
        (401, "not_authenticated"), (404, "not_found"),
        (413, "body_too_large"), (413, "body_too_large"),
    ]  # fmt: skip
