"""The embedded platform's command: its data folder, and the children it looks after."""

import subprocess
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from crashes.management.commands import serve
from crashes.management.supervisor import Child, Supervisor
from crashes.management.webserver import web_environment


@pytest.fixture
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.EMBEDDED = True
    return settings.DATA_DIR


def test_a_reset_removes_our_data_and_nothing_else(data_dir):
    ours = [data_dir / name for name in ("uxp.sqlite3", "uxp.sqlite3-wal", "demo.json")]
    other = [data_dir / name for name in ("secret_key", "identity_key", "thesis.txt", "photo.jpg")]
    for path in ours + other:
        path.write_text("x")
    (data_dir / "spool" / "ab").mkdir(parents=True)
    (data_dir / "photos").mkdir()

    serve._throw_away(data_dir)

    left = {path.name for path in data_dir.iterdir()}
    assert left == {path.name for path in other} | {"photos"}


def test_a_reset_is_not_for_the_production_database(data_dir, settings):
    settings.EMBEDDED = False

    with pytest.raises(CommandError, match="DATABASE_URL"):
        serve._throw_away(data_dir)


def test_only_one_platform_runs_on_a_data_folder(data_dir, monkeypatch):
    monkeypatch.setattr("os.umask", lambda mask: mask)
    (data_dir / "uxp.sqlite3").write_text("in use")

    with serve._alone_in(data_dir), pytest.raises(CommandError, match="Another platform"):
        call_command("serve", "--reset", "--port", "1")

    assert (data_dir / "uxp.sqlite3").exists()
    with serve._alone_in(data_dir):
        pass


def test_a_child_that_is_not_kept_tells_how_it_ended(capfd):
    supervisor = Supervisor(report=print)
    code = "import os; print(os.environ['SECRET']); raise SystemExit(3)"
    child = Child(
        "once", [sys.executable, "-c", code], is_kept=False, environment={"SECRET": "whispered"}
    )
    supervisor.add(child)

    def stop_when_it_ended():
        supervisor.is_stopping = child.process is None

    supervisor.run(step=stop_when_it_ended)

    assert child.exit_code == 3
    assert "whispered" in capfd.readouterr().out
    assert "whispered" not in " ".join(child.command)


def test_the_web_server_may_open_more_files_than_a_shell():
    code = (
        "import resource as r; _, hard = r.getrlimit(r.RLIMIT_NOFILE);"
        "r.setrlimit(r.RLIMIT_NOFILE, (256, hard));"
        "from crashes.management.webserver import allow_open_files; allow_open_files();"
        "print(r.getrlimit(r.RLIMIT_NOFILE)[0] == min(hard, 65_536))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "True"


def test_the_environment_of_the_web_server_can_be_overruled(monkeypatch):
    monkeypatch.setenv("UXP_DATABASE_POOL", "3")

    assert web_environment()["UXP_DATABASE_POOL"] == "3"
    assert int(web_environment()["MALLOC_MMAP_THRESHOLD_"]) > 0
