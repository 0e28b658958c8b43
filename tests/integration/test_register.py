"""The register knows everything that is stored, and says truly how it goes."""

import ast
import html
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils import timezone

from crashes.management.commands import privacy_register
from crashes.register import (
    REGISTER,
    erased_stores,
    exported_fields,
    of_persons,
    outdated,
    record,
    unregistered,
)
from crashes.register.words import Reach
from crashes.selectors.register import device_models, stored_fields
from crashes.services import batch_answers, refusals, retention
from crashes.services.erasing import erase_waiting
from devices.models import Device, Erasure
from devices.services import erasure
from tests.architecture.tree import source_trees
from tests.factories import make_program, make_user
from tests.integration.test_erasure import fill, report
from uxp_diag.limits import limiter
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db

TABLES = {table.model: table for table in REGISTER.tables}
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
KINDS = ("Counter", "Gauge", "Histogram", "Summary")
METRICS = {*KINDS, *(f"{kind}MetricFamily" for kind in KINDS)}


# Fields ---------------------------------------------------------------------------------------


def test_every_stored_field_is_registered():
    """Somebody who adds a field says in crashes/register what it is and what becomes of it."""
    assert unregistered(REGISTER, stored_fields()) == []
    assert outdated(REGISTER, stored_fields()) == []


@pytest.mark.parametrize("table", REGISTER.tables, ids=lambda table: table.model)
def test_each_field_is_missed_when_its_entry_goes(table):
    stored, before = stored_fields(), unregistered(REGISTER, stored_fields())
    for position, group in enumerate(table.fields):
        for name in group.names:
            names = tuple(other for other in group.names if other != name)
            fields = list(table.fields)
            fields[position] = replace(group, names=names)
            others = tuple(other for other in REGISTER.tables if other is not table)
            less = replace(REGISTER, tables=(*others, replace(table, fields=tuple(fields))))

            missed = set(unregistered(less, stored)) - set(before)
            assert missed == {f"{table.model}.{name}"}


def test_a_field_that_went_and_one_that_stands_twice_are_told():
    stored = stored_fields()
    stored["devices.Program"] = ("id", "name")
    twice = replace(TABLES["devices.Program"], fields=(*TABLES["devices.Program"].fields,) * 2)
    others = tuple(table for table in REGISTER.tables if table.model != "devices.Program")

    assert outdated(REGISTER, stored) == ["devices.Program.created_at"]
    assert len(outdated(replace(REGISTER, tables=(*others, twice)), stored_fields())) == 3


def test_readers_are_roles():
    readers = {
        reader
        for table in REGISTER.tables
        for group in table.fields
        for reader in group.terms.readers
    }

    assert readers - {role.value for role in Role} == {"device", "nobody"}


def test_no_field_has_a_name_of_an_identifier_that_may_not_be_kept():
    forbidden = re.compile(r"imei|imsi|iccid|msisdn|phone_number|mac_address|serial|ip_address")

    assert [
        f"{model}.{name}"
        for model, names in stored_fields().items()
        for name in names
        if forbidden.search(name)
    ] == []


# The way from a person ------------------------------------------------------------------------


def test_every_table_of_a_device_says_how_it_is_erased_and_exported():
    """A new table that hangs on a device fails here until somebody has thought of its owner."""
    persons = {table.model for table in of_persons(REGISTER)}

    assert device_models().keys() - persons == set()
    assert all(bool(table.path.export) != bool(table.path.unexported) for table in TABLES.values())
    assert all(table.path.erasure_of for table in of_persons(REGISTER))


def test_what_is_said_to_go_with_another_table_does():
    said = {
        table.model: table.path.erasure_of
        for table in REGISTER.tables
        if table.path.reach is Reach.CASCADE
    }

    assert said
    assert [model for model, parent in said.items() if parent not in device_models()[model]] == []


def test_an_erasure_counts_what_the_register_says(send, device_token):
    fill(send, device_token)
    device_id = Device.objects.get().pk
    send("devices/me/erase/", b"", token=device_token)
    erase_waiting(now=timezone.now())

    receipt = Erasure.objects.get().receipt
    assert receipt is not None
    counted = set(receipt["receipt"]["stores"])
    beside = {"payload_files", "spooled_reports"}
    assert counted - beside == erased_stores(REGISTER)
    assert beside < {place.erased.rpartition(" ")[2] for place in REGISTER.files} | counted
    for label in device_models():
        model = apps.get_model(label)
        for field in model._meta.concrete_fields:
            if field.name in {"device_id", "device"}:
                assert not model._default_manager.filter(**{field.name: device_id}).exists(), label
    assert not Device.objects.exists()


def test_an_export_has_what_the_register_says(send, device_token):
    fill(send, device_token)
    answer = send("devices/me/export/", b"", token=device_token, method="get")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))

    files = {table.path.export for table in REGISTER.tables if table.path.export}
    lines = {name for name in files if name.endswith((".json", ".jsonl"))}

    assert lines <= set(archive.namelist())
    for name in lines:
        there = json.loads(archive.read(name).splitlines()[0])
        assert exported_fields(REGISTER, name) - there.keys() == set(), name


# How long -------------------------------------------------------------------------------------


def test_the_plan_is_what_the_code_does():
    days = {model: table.retention.days for model, table in TABLES.items()}

    def of(span: timedelta) -> float:
        return span / timedelta(days=1)

    assert days["crashes.Report"] == days["devices.VitalSample"] == of(retention.KEPT)
    assert days["devices.ErasedToken"] == of(erasure.REFUSED_FOR)
    assert days["crashes.BatchAnswer"] == of(batch_answers.KEPT)
    assert days["crashes.RefusedPayload"] == of(refusals.KEPT)


def test_deleted_rows_of_devices_are_taken_out_of_files_daily():
    tables = {
        apps.get_model(table.model)._meta.db_table
        for table in REGISTER.tables
        if table.path.reach is Reach.DELETED
    }

    assert tables - set(retention.GROWING_TABLES) == set()


# Beside the database --------------------------------------------------------------------------


def unmatched(names, places):
    patterns = [re.compile(place.pattern) for place in places]
    return [name for name in names if not any(one.fullmatch(name) for one in patterns)]


def test_every_file_is_of_a_registered_kind(send, device_token, settings, tmp_path):
    fill(send, device_token)
    log = {"format": "kernel_log", "text": "<4>[ 1.0] kernel words\n" * 40_000}
    send("reports/", report(kind="kernel_panic", payload=log), token=device_token)
    (tmp_path / "something").mkdir()
    (tmp_path / "something" / "else").write_bytes(b"")

    files = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]

    assert len(files) >= 3
    assert unmatched(files, REGISTER.files) == ["something/else"]


def test_every_key_in_redis_is_of_a_registered_family(send, key, device_token, request, client):
    redis_url, settings = map(request.getfixturevalue, ("redis_url", "settings"))
    settings.REDIS_URL = redis_url
    settings.ENROLLMENT_LIMIT = True
    limiter.cache_clear()
    try:
        fill(send, device_token)
        send("devices/enroll/", {"imei": "1"}, token=key)
        client.post("/sign-in/", {"username": "somebody", "password": "wrong"})
    finally:
        limiter.cache_clear()

    found = [name.decode() for name in redis.Redis.from_url(redis_url).scan_iter()]
    assert len(found) >= 3
    assert unmatched([*found, "other:key"], REGISTER.redis_keys) == ["other:key"]


def log_values(tree):
    """The values that the lines of a module may hold, as its source writes them; None without any."""
    found = None
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        owner = ast.unparse(call.func.value)
        if call.func.attr not in LEVELS or not owner.endswith("logger"):
            continue
        found = (found or set()) | {ast.unparse(value) for value in call.args[1:]}
        if call.func.attr == "exception" or call.keywords:
            found.add("traceback")
        if not isinstance(call.args[0], ast.Constant):
            found.add(ast.unparse(call.args[0]))
    return found


def test_every_value_in_a_log_line_is_registered():
    written = {
        path.removesuffix(".py").replace("/", "."): values
        for path, tree in source_trees().items()
        if (values := log_values(tree)) is not None
    }

    assert written == {log.logger: set(log.values) for log in REGISTER.logs}


def test_a_value_in_a_log_line_is_seen():
    tree = ast.parse("logger.info('x %s', device.imei)\nlogger.warning(f'{secret}')")

    assert log_values(tree) == {"device.imei", "f'{secret}'"}


def metrics_of(tree):
    """The names of metrics that a module makes with prometheus_client, with their labels.

    Third after name and help are the labels, or in a family the value.
    """
    found = {}
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] in METRICS):
            continue
        if call.args and isinstance(call.args[0], ast.Constant) and len(call.args) > 1:
            third = [] if ast.unparse(call.func).endswith("Family") else call.args[2:3]
            named = [it.value for it in call.keywords if it.arg in {"labelnames", "labels"}]
            given = [*third, *named]
            found[call.args[0].value] = tuple(ast.literal_eval(given[0])) if given else ()
    return found


def test_every_label_of_a_metric_is_registered():
    made = {
        name: labels
        for tree in source_trees().values()
        for name, labels in metrics_of(tree).items()
    }

    assert made == {metric.name: metric.labels for metric in REGISTER.metrics}


def test_a_label_of_a_metric_is_seen():
    tree = ast.parse(
        "Counter('a', 'b', ['device_id'])\nGauge('c', 'd')\nCounter(rows)\n"
        "GaugeMetricFamily('e', 'f', labels=['model'])\nCounterMetricFamily('g', 'h', 3)"
    )

    assert metrics_of(tree) == {"a": ("device_id",), "c": (), "e": ("model",), "g": ()}


# The record -----------------------------------------------------------------------------------


def test_the_command_prints_the_record(capsys, monkeypatch):
    call_command("privacy_register")
    printed = json.loads(capsys.readouterr().out)
    call_command("privacy_register", check=True)
    checked = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(privacy_register, "REGISTER", replace(REGISTER, tables=REGISTER.tables[1:]))

    assert printed == record(REGISTER)
    assert checked == {
        "fields": sum(len(table.field_names) for table in TABLES.values()),
        "missing": 0,
    }
    with pytest.raises(CommandError, match=r"devices\.Device\.model"):
        call_command("privacy_register")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.PRIVACY_OFFICER, 200), (Role.ADMIN, 200), (Role.TRIAGER, 403), (Role.VIEWER, 403)],
)
def test_the_page_is_for_the_privacy_officer_and_the_administrator(client, role, status):
    client.force_login(make_user(role, programs=[make_program()]))

    answer = client.get("/privacy/")

    assert answer.status_code == status
    if status == 200:
        text = html.unescape(answer.content.decode())
        assert all(table.holds in text for table in TABLES.values())
        assert "consent, Art. 6(1)(a) GDPR" in text
