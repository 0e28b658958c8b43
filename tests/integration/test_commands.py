"""Commands of people: they read standard input, and say it when the database is not ready."""

import io
import json
import uuid

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError
from django.db import connection

from crashes.models import ReportContent
from tests.architecture.tree import PACKAGES
from tests.factories import make_crash, make_done_report, make_issue, make_program
from uxp_diag.commands import DatabaseCommand

STACK = b"java.lang.Error: gone\n\tat a.B.c(B.kt:1)\n"
ID = str(uuid.UUID(int=7))

WITHOUT_DATABASE = {
    "bench", "demo_fleet", "group_stacks", "judge_fleet", "parse_payload", "privacy_register", "retrace",
    "send_report", "serve", "train_packing", "verify_receipt", "web", "work",
}  # fmt: skip
"""They need none, bring their own, or wait for it. scan_canaries looks into whatever there is."""


@pytest.fixture
def stdin(monkeypatch):
    def give(content):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


@pytest.mark.parametrize(
    ("command", "table"),
    [
        (("symbolicate", "--json"), "crashes_debugfile"),
        (("add_debug_files", __file__), "devices_program"),
        (("erase_device", ID), "devices_device"),
        (("explain_grouping", ID), "crashes_report"),
        (("issue_token", "--scope", "read"), "devices_program"),
        (("issue_token", "--ingest-key"), "devices_program"),
        (("rescrub",), "crashes_reportcontent"),
        (("replay_grouping", "--mechanism", "v1"), "crashes_report"),
        (("apply_grouping", "1"), "crashes_groupingproposal"),
        (("verify_audit",), "devices_auditentry"),
        (
            ("make_user", "x", "--role", "viewer", "--password", "Oikea-salasana-77"),
            "devices_program",
        ),
    ],
)
@pytest.mark.django_db
def test_a_database_without_tables_is_named_and_so_is_the_way_out(command, table, stdin):
    stdin(b"0301020005040706080a0b0c0d0e0f10 0x10")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")

    with pytest.raises(CommandError, match=rf"(?s)cannot be used: .*{table}.*manage.py migrate"):
        call_command(*command)


def test_every_command_that_needs_a_database_says_so_in_the_same_words():
    ours = {name: app for name, app in get_commands().items() if app in PACKAGES}
    plain = {
        name
        for name, app in ours.items()
        if not isinstance(load_command_class(app, name), DatabaseCommand)
    }

    assert plain == WITHOUT_DATABASE | {"doctor", "scan_canaries"}  # these look for what is wrong


@pytest.mark.parametrize("arguments", [(), ("-",), ("--format", "java_stacktrace")])
def test_a_payload_may_come_on_standard_input(arguments, stdin, capsys):
    stdin(STACK)

    call_command("parse_payload", *arguments)

    assert json.loads(capsys.readouterr().out)["exception_type"] == "java.lang.Error"


def test_a_receipt_may_come_on_standard_input(stdin, capsys):
    stdin(b"{}")

    with pytest.raises(CommandError, match="not a receipt"):
        call_command("verify_receipt")

    assert json.loads(capsys.readouterr().out)["valid"] is False


@pytest.mark.django_db
def test_ids_may_come_on_standard_input(stdin, capsys):
    reports = [make_done_report(make_issue(make_program()), crash=make_crash()) for _ in range(2)]
    stdin("\n".join(str(row.report_id) for row in reports).encode())

    call_command("explain_grouping")

    assert len(capsys.readouterr().out.splitlines()) == 2
    stdin(b"nonsense")
    for name in ("explain_grouping", "erase_device"):
        stdin(b"nonsense")
        with pytest.raises(CommandError, match="nonsense is no"):
            call_command(name)


@pytest.mark.django_db
def test_a_damaged_report_cannot_be_explained_and_that_is_said():
    row = make_done_report(make_issue(make_program()), crash=make_crash())
    ReportContent.objects.update(document=b"not packed here")

    with pytest.raises(CommandError, match="is damaged"):
        call_command("explain_grouping", str(row.report_id))
