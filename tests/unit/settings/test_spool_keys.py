"""Which process gets which half of the spool's key pair."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from devices.sealing.spool import parse_private_keys, public_half
from uxp_diag.spool_keys import spool_private_keys, spool_public_key, without_private_keys

KEYS = f"1:{'11' * 32},2:{'22' * 32}"


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch):
    for name in ("UXP_SPOOL_KEYS", "UXP_SPOOL_KEYS_FILE", "UXP_SPOOL_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_production_says_what_to_set():
    with pytest.raises(ImproperlyConfigured, match="UXP_SPOOL_PUBLIC_KEY is not set"):
        spool_public_key(kept_in=None)


def test_a_web_server_starts_with_the_public_key_alone(monkeypatch):
    monkeypatch.setenv("UXP_SPOOL_PUBLIC_KEY", f"3:{'33' * 32}")

    assert spool_public_key(kept_in=None) == f"3:{'33' * 32}"
    with pytest.raises(ImproperlyConfigured, match="for workers only"):
        spool_private_keys(kept_in=None)()


def test_a_worker_with_private_keys_knows_the_newest_public_one(monkeypatch, tmp_path):
    (tmp_path / "keys").write_text(KEYS)
    monkeypatch.setenv("UXP_SPOOL_KEYS_FILE", str(tmp_path / "keys"))

    assert spool_public_key(kept_in=None) == public_half(parse_private_keys(KEYS)).text
    assert spool_private_keys(kept_in=None)() == KEYS


def test_the_embedded_platform_makes_a_pair_once_and_the_web_server_reads_one_half(tmp_path):
    path = tmp_path / "data" / "spool_key"
    public = spool_public_key(kept_in=path)
    private = spool_private_keys(kept_in=path)()

    assert public_half(parse_private_keys(private)).text == public
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.mkdir()  # reading it would raise
    assert spool_public_key(kept_in=path) == public


def test_keys_that_cannot_be_read_stop_the_start(monkeypatch):
    monkeypatch.setenv("UXP_SPOOL_KEYS", "1:abc")

    with pytest.raises(ImproperlyConfigured, match="make env"):
        spool_public_key(kept_in=None)


def test_the_environment_of_a_web_server_has_no_private_key(monkeypatch):
    monkeypatch.setenv("UXP_SPOOL_KEYS", KEYS)
    for name, value in without_private_keys(spool_public_key(kept_in=None)).items():
        monkeypatch.setenv(name, value)

    assert spool_public_key(kept_in=None) == public_half(parse_private_keys(KEYS)).text
    with pytest.raises(ImproperlyConfigured):
        spool_private_keys(kept_in=None)()
