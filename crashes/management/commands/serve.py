"""The embedded platform in one command: web server and workers as children, SQLite and files."""

import fcntl
import json
import os
import secrets
import shutil
import socket
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crashes.management.supervisor import Child, Supervisor
from crashes.management.webserver import allow_open_files, web_command, web_environment
from devices.services.access import (
    ensure_user,
    get_or_create_ingest_key,
    get_or_create_program,
    issue_api_token,
)
from uxp_diag.roles import Role, Scope

PROGRAM = "User Experience Program"
_OUR_FOLDERS = ("spool", "blobs", "static")
_OUR_FILES = ("uxp.sqlite3", "uxp.sqlite3-wal", "uxp.sqlite3-shm", "demo.json")
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
        os.umask(0o077)  # what phones sent is for nobody else on this machine
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        with _alone_in(settings.DATA_DIR):
            _refuse_taken_port(host, port)
            if options["reset"]:
                _throw_away(settings.DATA_DIR)
            self._prepare()
            self._run(host, port, is_demo=options["demo"])

    def _run(self, host: str, port: int, *, is_demo: bool) -> None:
        supervisor = Supervisor(report=self._say)
        supervisor.watch_signals()
        allow_open_files()
        supervisor.add(
            Child("web server", web_command(host=host, port=port), environment=web_environment())
        )
        for number in range(settings.EMBEDDED_WORKERS):
            reconcile = ["--reconcile"] if number == 0 else []
            supervisor.add(Child(f"worker {number + 1}", _manage("work", *reconcile)))
        if settings.DEBUGINFOD_URLS:
            every = f"--every={settings.FETCH_SECONDS}"
            supervisor.add(Child("fetcher", _manage("fetch_debug_files", every)))
        address = f"http://{host}:{port}"
        opening = _Opening(self, supervisor, address, is_demo=is_demo)
        supervisor.run(step=opening.step)
        self._say("stopped")

    def _prepare(self) -> None:
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
            self._close(fleet)

    def _close(self, fleet: Child) -> None:
        say = self._command._say  # noqa: SLF001
        if fleet.exit_code == 0:
            _remember(fleet_sent=True)
            say("\nThe fleet's reports are in.")
        else:
            say("\nThe fleet did not get through; `make demo` sends the rest the next time.")
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
        self._fleet = Child(
            "demo fleet",
            _manage("demo_fleet", "--url", self._address, "--key", access["ingest_key"]),
            is_kept=False,
            environment={"UXP_SYMBOLS_TOKEN": _symbols_token()},
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


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the data folder. Raises CommandError while another platform does, and may not be reset.

    The lock goes with this process, however it ends.
    """
    with (folder / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Another platform runs on {folder}. Stop it, or set UXP_DATA_DIR to another folder."
            ) from None
        yield


def _throw_away(folder: Path) -> None:
    """Remove our data from the data folder: what is not ours, and the secrets, stays."""
    if not settings.EMBEDDED:
        raise CommandError("--reset is for the embedded database. Unset DATABASE_URL.")
    for name in _OUR_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in _OUR_FILES:
        (folder / name).unlink(missing_ok=True)


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
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(known))
    fresh.replace(path)
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
