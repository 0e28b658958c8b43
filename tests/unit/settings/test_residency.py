"""A cell serves one region, and starts with no address outside of it."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.conftest import ROOT
from uxp_diag.residency import check_outgoing, check_region, hosts_of, is_inside


def start(tmp_path, **environment):
    """What the settings say of an environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    production = {
        "SECRET_KEY": "x" * 50, "UXP_IDENTITY_KEYS": "1:" + "y" * 32, "UXP_RECEIPT_KEY": "z" * 32,
        "UXP_SEALING_KEYS": "1:" + "w" * 32,
        "UXP_SPOOL_PUBLIC_KEY": "1:" + "0a" * 32,
        "UXP_DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://u:p@postgres/uxp",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", "import uxp_diag.settings"],
        cwd=ROOT, env={**kept, **production, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("region", ["eu,us", "eu us", "eu;us", "EU", "eu/us", " "])
def test_two_regions_are_refused(region):
    with pytest.raises(ImproperlyConfigured, match="one region"):
        check_region(region)
    assert check_region("eu-central") == "eu-central"


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("UXP_REGION", "eu,us"),
        ("DATABASE_URL", "postgresql://u:p@db.far.example/uxp"),
        ("REDIS_URL", "rediss://:p@cache.far.example:6380/0"),
        ("UXP_DEBUGINFOD_URLS", "https://debuginfod.far.example/"),
    ],
)
def test_the_start_is_refused_with_a_sentence(tmp_path, setting, address):
    refused = start(tmp_path, **{setting: address})

    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {setting} " in refused.stderr.splitlines()[-1]
    assert "u:p" not in refused.stderr.splitlines()[-1]


def test_the_start_goes_on_with_hosts_inside_and_hosts_on_the_list(tmp_path):
    inside = start(tmp_path, REDIS_URL="redis://redis:6379/0")
    listed = start(
        tmp_path,
        DATABASE_URL="postgresql://u:p@db.near.example/uxp",
        UXP_DEBUGINFOD_URLS="https://debug.near.example",
        UXP_ALLOWED_OUTGOING_HOSTS="*.near.example",
    )

    assert (inside.returncode, listed.returncode) == (0, 0), inside.stderr + listed.stderr


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "10.1.2.3", "172.20.0.5", "192.168.1.1", "fd00::1", "localhost", "postgres",
     "db.internal", "169.254.1.1"],
)  # fmt: skip
def test_hosts_inside(host):
    assert is_inside(host)


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "172.32.0.1", "2001:4860:4860::8888", "db.example", "134744072", "a.local.io"],
)
def test_hosts_outside(host):
    assert not is_inside(host)


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("", []),
        ("sqlite:////data/uxp.sqlite3", []),
        ("postgresql://u:p@A.Example:5432/uxp", ["a.example"]),
        ("postgresql://u:p@one.example,two.example:5433/uxp", ["one.example", "two.example"]),
        ("postgresql://u:p@/uxp?host=/run/postgresql", []),
        ("postgresql://u:p@postgres/uxp?hostaddr=8.8.8.8", ["postgres", "8.8.8.8"]),
        ("redis://[2001:db8::1]:6379/0", ["2001:db8::1"]),
        ("mail.example", ["mail.example"]),
    ],
)
def test_every_host_of_an_address_is_seen(address, hosts):
    assert hosts_of(address) == hosts


def test_a_name_on_the_list_does_not_open_its_neighbors():
    allowed = ["near.example", "*.far.example"]

    check_outgoing({"X": ["https://near.example", "https://a.far.example"]}, allowed=allowed)
    for address in ("https://evilnear.example", "https://a.near.example", "https://far.example"):
        with pytest.raises(ImproperlyConfigured, match="X leads to"):
            check_outgoing({"X": [address]}, allowed=allowed)
