"""How the settings reach PostgreSQL."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SHOW = "from uxp_diag.settings import DATABASES as d; import json; print(json.dumps(d['default']))"
CONNECT = """
import django
django.setup()
from django.db import OperationalError, connection
try:
    connection.ensure_connection()
except OperationalError:
    print("given up")
"""


def run(code, tmp_path, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    production = {
        "SECRET_KEY": "x" * 50, "UXP_IDENTITY_KEYS": "1:" + "y" * 32,
        "UXP_RECEIPT_KEY": "z" * 32,
        "UXP_SEALING_KEYS": "1:" + "w" * 32,
        "UXP_SPOOL_PUBLIC_KEY": "1:" + "0a" * 32,
        "UXP_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "uxp_diag.settings",
        "UXP_ALLOWED_OUTGOING_HOSTS": "db.example",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={**kept, **production, **environment}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("pool", ["0", "4"])
def test_what_the_address_says_is_kept_beside_our_own_patience(tmp_path, pool):
    url = "postgresql://u:p@db.example/uxp?sslmode=verify-full&connect_timeout=2"

    options = json.loads(run(SHOW, tmp_path, DATABASE_URL=url, UXP_DATABASE_POOL=pool))["OPTIONS"]

    assert (options["sslmode"], int(options["connect_timeout"])) == ("verify-full", 2)
    assert options["tcp_user_timeout"] == 20_000
    assert ("pool" in options) is (pool != "0")


@pytest.mark.parametrize("pool", ["0", "1"])
def test_a_database_that_is_silent_is_given_up(tmp_path, pool):
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/uxp?connect_timeout=2"

        said = run(CONNECT, tmp_path, DATABASE_URL=url, UXP_DATABASE_POOL=pool)

    assert said.strip() == "given up"
