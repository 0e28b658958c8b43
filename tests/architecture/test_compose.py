"""The production shape in docker-compose.yml starts what exists and watches over it."""

import re
from functools import cache
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from devices.sealing.spool import parse_private_keys, parse_public_key, public_half
from tests.architecture.tree import run
from tests.conftest import ROOT
from uxp_diag.celery import app as celery_app

SECRETS = {
    "POSTGRES_PASSWORD", "SECRET_KEY", "UXP_IDENTITY_KEYS", "UXP_RECEIPT_KEY",
    "UXP_SEALING_KEYS", "UXP_SPOOL_PUBLIC_KEY", "UXP_SPOOL_KEYS",
}  # fmt: skip


@cache
def services() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = document["services"]
    return found


def ours() -> dict[str, Any]:
    return {name: service for name, service in services().items() if "build" in service}


def runs_once(service: dict[str, Any]) -> bool:
    return bool(service["restart"] == "no")


def test_the_shape_is_the_one_that_we_promise() -> None:
    assert set(services()) == {
        "migrate", "web", "worker", "symbolication", "beat", "postgres", "redis",
    }  # fmt: skip


@pytest.mark.parametrize("name", services())
def test_a_service_has_a_health_check_or_runs_once(name: str) -> None:
    service = services()[name]

    assert runs_once(service) or service["healthcheck"]["test"]


@pytest.mark.parametrize("name", services())
def test_a_service_runs_confined(name: str) -> None:
    service = services()[name]

    assert service["read_only"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]  # noqa: S108
    assert "privileged" not in service


@pytest.mark.parametrize("name", ours())
def test_a_service_starts_something_that_exists(name: str) -> None:
    for command in commands_of(ours()[name]["command"]):
        if command[:2] == ["python", "manage.py"]:
            assert command[2] in get_commands()
        else:
            assert command[:3] == ["celery", "-A", "uxp_diag.celery"]
            assert command[3] in {"worker", "beat"}


def commands_of(command: list[str]) -> list[list[str]]:
    """The commands behind one entry: a list of words, or a line for the shell."""
    if command[:2] == ["sh", "-c"]:
        return [line.split() for line in command[2].split("&&")]
    return [command]


def test_every_queue_has_a_worker_that_listens() -> None:
    celery_app.loader.import_default_modules()
    tasks = [name for name in celery_app.tasks if not name.startswith("celery.")]

    needed = {celery_app.amqp.router.route({}, name)["queue"].name for name in tasks}

    served = {
        service["command"][service["command"].index("-Q") + 1]
        for service in ours().values()
        if "-Q" in service["command"]
    }
    assert served == needed


def test_whatever_needs_tables_waits_for_the_migration() -> None:
    for service in ours().values():
        if not runs_once(service):
            after = service["depends_on"]["migrate"]
            assert after == {"condition": "service_completed_successfully"}


def test_only_the_worker_can_open_the_spool() -> None:
    holders = [
        name for name, service in ours().items() if "UXP_SPOOL_KEYS" in service["environment"]
    ]

    assert holders == ["worker"]
    assert all("UXP_SPOOL_PUBLIC_KEY" in service["environment"] for service in ours().values())


def test_no_secret_stands_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    named = set(re.findall(r"\$\{(\w+):\?", text))

    assert named == SECRETS


def test_make_env_writes_what_compose_asks_for_and_never_again(tmp_path: Any) -> None:
    script = ROOT / "uxp_diag" / "deploy" / "write-env.sh"

    first = run("sh", "-c", f"cd {tmp_path} && sh {script}")
    written = (tmp_path / ".env").read_text()
    second = run("sh", "-c", f"cd {tmp_path} && sh {script}")

    assert first.returncode == 0, first.stdout
    values = dict(re.findall(r"^(\w+)=(.+)$", written, re.MULTILINE))
    assert set(values) >= SECRETS
    assert len(values["SECRET_KEY"]) >= 50
    pair = public_half(parse_private_keys(values["UXP_SPOOL_KEYS"]))
    assert parse_public_key(values["UXP_SPOOL_PUBLIC_KEY"]) == pair
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert second.returncode == 1
    assert (tmp_path / ".env").read_text() == written


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "uxp_diag" / "deploy" / "Dockerfile").read_text()

    assert "--require-hashes" in dockerfile
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["uxp"]
    copied = re.findall(r"^COPY (?!--)(\S+)", dockerfile, re.MULTILINE)
    assert [name for name in copied if not (ROOT / name).exists()] == []
