"""The doctor sees what is wrong, says what to do, and is not fooled by what is right."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from crashes.management.commands import doctor
from crashes.management.doctor import State, examine, failed, machine, ok, stores
from crashes.services.erasing import erase_waiting
from devices.models import DataKey
from tests.conftest import ROOT
from tests.integration.test_erasure import report
from uxp_diag.db import applied_migrations

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def embedded(settings):
    """One shape on either database."""
    settings.EMBEDDED = True


def states(check):
    """What a check finds, by part."""
    return {finding.part: finding.state.value for finding in check()}


def only(check):
    (finding,) = check()
    return finding


@pytest.fixture
def production(settings):
    settings.EMBEDDED = False
    settings.REDIS_URL = "redis://redis:6379/0"
    settings.ENROLLMENT_LIMIT = True
    settings.PUBLIC_URL = "https://uxp.example"
    settings.ALLOWED_HOSTS = ["uxp.example"]
    return settings


def test_a_sound_installation_has_a_line_for_every_part(capsys):
    call_command("doctor", json=True)

    findings = json.loads(capsys.readouterr().out)
    assert {it["state"] for it in findings} <= {"ok", "warning"}
    assert {it["part"] for it in findings} == {
        "clock", "configuration", "database", "disk", "keys", "master keys", "receipts", "redis",
        "residency", "sandbox", "spool", "spool keys", "symbolication",
    }  # fmt: skip


def test_every_line_that_is_not_ok_says_what_to_do(settings, capsys):
    settings.RECEIPT_KEY = "short"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    with pytest.raises(SystemExit) as ended:
        call_command("doctor")

    lines = capsys.readouterr().out.splitlines()
    bad = [line for line in lines if not line.startswith("ok ")]
    assert ended.value.code == 1
    assert sorted(line.split()[1] for line in bad if line.startswith("failed")) == ["keys", "redis"]
    assert all(line.endswith(".") for line in bad)


def test_a_check_that_breaks_hides_no_other():
    def broken():
        raise RuntimeError("no\nspoon")

    def fine():
        yield ok("b", "good")

    assert examine([("a", broken), ("b", fine)]) == [
        failed("a", "RuntimeError: no spoon", "This was not expected; the words before say where."),
        ok("b", "good"),
    ]


def test_a_sound_production_passes(production):
    assert only(machine.check_configuration).state is State.OK


@pytest.mark.parametrize(
    ("name", "value", "state", "word"),
    [
        ("ALLOWED_HOSTS", ["other.example"], State.FAILED, "UXP_ALLOWED_HOSTS"),
        ("PUBLIC_URL", "http://uxp.example", State.WARNING, "TLS"),
        ("REDIS_URL", "", State.FAILED, "REDIS_URL"),
        ("ENROLLMENT_LIMIT", False, State.WARNING, "UXP_ENROLLMENT_LIMIT"),
    ],
)
def test_an_insecure_or_missing_value_is_named(production, name, value, state, word):
    setattr(production, name, value)

    finding = only(machine.check_configuration)

    assert finding.state is state
    assert word in finding.seen
    assert finding.advice


def test_an_embedded_platform_that_all_can_reach_is_named(settings):
    settings.BIND = "0.0.0.0"  # noqa: S104

    assert only(machine.check_configuration).state is State.WARNING


def test_a_host_below_an_allowed_domain_is_allowed(production):
    production.ALLOWED_HOSTS = [".example"]

    assert only(machine.check_configuration).state is State.OK


def test_outer_hosts_are_named_and_wide_permissions_warned_of(settings):
    settings.DEBUGINFOD_URLS = ["https://symbols.example/path"]
    settings.ALLOWED_OUTGOING_HOSTS = ["symbols.example"]
    named = only(machine.check_hosts)
    settings.ALLOWED_OUTGOING_HOSTS = ["*.example"]

    assert named.state is State.OK
    assert "symbols.example" in named.seen
    assert only(machine.check_hosts).state is State.WARNING


def test_a_spool_that_cannot_be_written_is_seen(settings, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    settings.SPOOL_DIR = tmp_path / "file" / "spool"

    assert states(machine.check_disk)["spool"] == "failed"


@pytest.mark.parametrize(
    ("free", "state"), [(500 << 20, "failed"), (8 << 30, "warning"), (50 << 30, "ok")]
)
def test_a_full_disk_is_seen(monkeypatch, free, state):
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100 << 30, 0, free))

    assert states(machine.check_disk)["disk"] == state


def test_a_data_folder_that_is_not_there_is_seen(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "nowhere"

    finding = only(machine.check_disk)

    assert finding.state is State.FAILED
    assert "make serve" in finding.advice


def test_missing_migrations_are_seen():
    newest = applied_migrations(("crashes",))["crashes"]
    MigrationRecorder(connection).record_unapplied("crashes", newest)

    finding = only(stores.check_database)

    assert finding.state is State.FAILED
    assert "manage.py migrate" in finding.advice


def test_a_database_that_is_newer_than_the_program_is_seen():
    MigrationRecorder(connection).record_applied("crashes", "9999_later")

    assert states(stores.check_database)["database"] == "warning"


@pytest.mark.parametrize(
    ("seconds", "state"), [(-0.5, "ok"), (5, "warning"), (-5, "warning"), (3600, "failed")]
)
def test_clocks_that_differ_are_seen(monkeypatch, seconds, state):
    there = timezone.now() + timedelta(seconds=seconds)
    monkeypatch.setattr(stores, "database_now", lambda: there)

    assert states(stores.check_database)["clock"] == state


def test_a_clock_that_was_set_back_is_seen():
    later = timezone.now() + timedelta(days=1)
    MigrationRecorder(connection).migration_qs.filter(app="crashes").update(applied=later)

    assert states(stores.check_database)["clock"] == "failed"


def test_master_keys_that_do_not_open_what_is_stored_are_seen(send, device_token, settings):
    send("reports/", report(), token=device_token)
    call_command("work", once=True)
    assert DataKey.objects.exists()
    right = states(stores.check_database)
    settings.SEALING_KEYS = "1:" + "x" * 40

    wrong = states(stores.check_database)

    assert right["master keys"] == "ok"
    assert wrong["master keys"] == "failed"


def test_receipts_of_another_key_are_seen(send, device_token, settings):
    send("devices/me/erase/", b"", token=device_token)
    erase_waiting(now=timezone.now())
    right = states(stores.check_database)
    settings.RECEIPT_KEY = "y" * 40

    assert right["receipts"] == "ok"
    assert states(stores.check_database)["receipts"] == "warning"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IDENTITY_KEYS", "1:feeble"),
        ("RECEIPT_KEY", "feeble"),
        ("SEALING_KEYS", "1:feeble"),
        ("SPOOL_PUBLIC_KEY", "1:zz"),
    ],
)
def test_a_key_that_cannot_be_read_is_seen_and_not_shown(settings, name, value):
    setattr(settings, name, value)

    finding = only(stores.check_keys)

    assert finding.state is State.FAILED
    assert value not in finding.seen


def test_halves_of_the_spools_keys_that_do_not_fit_are_seen(settings):
    right = states(stores.check_keys)
    settings.READ_SPOOL_KEYS = lambda: "1:" + "0b" * 32

    assert right["spool keys"] == "ok"
    assert states(stores.check_keys)["spool keys"] == "failed"


def test_redis_is_seen(settings, redis_url):
    settings.REDIS_URL = redis_url
    there = only(stores.check_redis)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert there.state is State.OK
    assert only(stores.check_redis).state is State.FAILED


def run_doctor(folder, **more):
    environment = {"PATH": os.environ["PATH"], "UXP_DATA_DIR": str(folder), **more}
    command = [sys.executable, str(ROOT / "manage.py"), "doctor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.own_servers
def test_on_an_empty_folder_it_says_how_to_begin_and_makes_no_database(tmp_path):
    code, findings = run_doctor(tmp_path)

    (bad,) = [it for it in findings if it["state"] == "failed"]
    assert code == 1
    assert bad["part"] == "database"
    assert "make serve" in bad["advice"]
    assert not list(tmp_path.glob("*.sqlite3"))


@pytest.mark.own_servers
def test_a_start_that_is_refused_is_a_finding(tmp_path):
    code, findings = run_doctor(tmp_path, DATABASE_URL="postgresql://somebody@localhost/none")

    assert code == 1
    assert [it["part"] for it in findings] == ["configuration"]
    assert "SECRET_KEY" in findings[0]["seen"]


def test_the_command_knows_every_check():
    known = {check for _, check in doctor.CHECKS}
    written = {
        value
        for module in (machine, stores)
        for name, value in vars(module).items()
        if name.startswith("check_") and value.__module__ == module.__name__
    }

    assert known == written
