"""The embedded platform in one command: web server and workers as children, SQLite and files."""

import json
import secrets
import shutil
import socket
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crashes.management.commands.web import web_command
from crashes.management.supervisor import Child, Supervisor
from devices.services.access import (
    ensure_user,
    get_or_create_ingest_key,
    get_or_create_program,
    issue_api_token,
)
from uxp_diag.roles import Role, Scope

PROGRAM = "User Experience Program"
DEMO_LOGINS = {
    "viewer": Role.VIEWER,
    "triager": Role.TRIAGER,
    "release": Role.RELEASE_MANAGER,
    "privacy": Role.PRIVACY_OFFICER,
    "admin": Role.ADMIN,
    "partner": Role.DEVELOPER_PARTNER,
}


class Command(BaseCommand):
    """Run the whole platform on this machine."""

    help = "Run the whole platform on this machine: web server and workers, SQLite and files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen, and whether to show something."""
        parser.add_argument("--host", default=settings.BIND)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--demo", action="store_true", help="send a demo fleet's uploads")
        parser.add_argument("--reset", action="store_true", help="throw away all data first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, start, watch, stop."""
        del args
        host, port = options["host"], options["port"]
        _refuse_taken_port(host, port)
        if options["reset"]:
            _throw_away(settings.DATA_DIR)
        self._prepare()
        supervisor = Supervisor(report=self._say)
        supervisor.watch_signals()
        supervisor.add(Child("web server", web_command(host=host, port=port)))
        for number in range(settings.EMBEDDED_WORKERS):
            reconcile = ["--reconcile"] if number == 0 else []
            supervisor.add(Child(f"worker {number + 1}", _manage("work", *reconcile)))
        address = f"http://{host}:{port}"
        opening = _Opening(self, supervisor, address, is_demo=options["demo"])
        supervisor.run(step=opening.step)
        self._say("stopped")

    def _prepare(self) -> None:
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _Opening:
    """What is left to do once the server answers: say so, and send the demo fleet."""

    def __init__(
        self, command: Command, supervisor: Supervisor, address: str, *, is_demo: bool
    ) -> None:
        self._command = command
        self._supervisor = supervisor
        self._address = address
        self._is_demo = is_demo
        self._is_open = False
        self._fleet: Child | None = None

    def step(self) -> None:
        """Look whether the server answers, or whether the fleet is done."""
        if not self._is_open and _is_ready(self._address):
            self._is_open = True
            self._open()
        fleet = self._fleet
        if fleet is not None and fleet.process is None:
            self._fleet = None
            _remember(fleet_sent=True)
            self._command._say("\nThe fleet's reports are in.")  # noqa: SLF001
            self._print_access()

    def _open(self) -> None:
        say = self._command._say  # noqa: SLF001
        if not self._is_demo:
            say(f"\nuxp_diag is at {self._address}/ (Ctrl-C stops it)")
            return
        access = _demo_access()
        self._print_access()
        if access.get("fleet_sent"):
            return
        say("\nSending a fleet's reports through the API; pages fill while it runs:\n")
        token = _symbols_token()
        self._fleet = Child(
            "demo fleet",
            _manage(
                "demo_fleet", "--url", self._address, "--key", access["ingest_key"],
                "--symbols-token", token,
            ),
            is_kept=False,
        )
        self._supervisor.add(self._fleet)

    def _print_access(self) -> None:
        access = _demo_access()
        lines = [
            "",
            f"  uxp_diag    {self._address}/",
            f"  logins      {', '.join(DEMO_LOGINS)}",
            f"  password    {access['password']}",
            f"  ingest key  {access['ingest_key']}",
            "",
            "  Ctrl-C stops it; `make demo` starts it again with its data.",
        ]
        self._command._say("\n".join(lines))  # noqa: SLF001


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used ({error.strerror}). "
                "Choose another one, for example PORT=8001."
            ) from None


def _throw_away(folder: Path) -> None:
    """Empty the data folder; refuse one that is not ours."""
    if not folder.exists():
        return
    is_ours = (folder / "secret_key").exists() or (folder / "uxp.sqlite3").exists()
    if any(folder.iterdir()) and not is_ours:
        raise CommandError(f"{folder} holds other things than ours; it is left alone.")
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in {"secret_key", "identity_key"}:  # this process has read them
            path.unlink()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


def _demo_file() -> Path:
    return settings.DATA_DIR / "demo.json"


def _remember(**facts: Any) -> dict[str, Any]:
    path = _demo_file()
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    known |= facts
    path.touch(mode=0o600)
    path.write_text(json.dumps(known))
    return known


def _demo_access() -> dict[str, Any]:
    """The demo's password and ingest key, with the people and the program behind them."""
    known = _remember()
    if "password" in known:
        return known
    now = timezone.now()
    password = secrets.token_urlsafe(9)
    program = get_or_create_program(PROGRAM, now=now)
    for name, role in DEMO_LOGINS.items():
        ensure_user(name, role=role, program=program, password=password)
    key = get_or_create_ingest_key(program, label="demo", now=now)
    return _remember(password=password, ingest_key=key.key)


def _symbols_token() -> str:
    program = get_or_create_program(PROGRAM, now=timezone.now())
    return issue_api_token(
        program, label="demo fleet", scopes=[Scope.SYMBOLS.value], now=timezone.now()
    )
