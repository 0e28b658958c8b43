"""The tour in the README, typed in as it stands."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, require_program
from tests.servers import free_port

WAIT = """
for attempt in $(seq 60); do
  .venv/bin/python manage.py explain_grouping $REPORT >/dev/null 2>&1 && break
  sleep 0.2
done
"""
_START_SECONDS = 60.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "UXP_DATA_DIR": str(tmp_path / "data"), "PORT": str(free_port())}


@pytest.fixture
def platform(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of an embedded platform of this test's own."""
    address = f"http://127.0.0.1:{environment['PORT']}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        wait_until_ready(address, process, tmp_path / "log")
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0, "Ctrl-C is a clean stop"


def wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health/ready", timeout=2):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    process.kill()
    pytest.fail(f"the platform did not start:\n{log.read_text()}")


def tour() -> list[str]:
    """The shell blocks of the tour."""
    _, _, text = (ROOT / "README.md").read_text().partition("## The tour of one crash")
    return re.findall(r"^```sh\n(.*?)^```", text.partition("\n## ")[0], re.MULTILINE | re.DOTALL)


@pytest.mark.own_servers
def test_the_tour_leads_from_a_tombstone_to_an_issue(
    platform: str, environment: dict[str, str]
) -> None:
    require_program("tour", "curl")
    *send, read, look = tour()
    script = "\n".join([*send, WAIT, read, look])
    script = script.replace("http://127.0.0.1:8000", platform)
    script = script.replace(".venv/bin/python", sys.executable)

    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert '"status":"accepted"' in result.stdout
    assert '"state": "done"' in result.stdout
    assert '"signal": "SIGSEGV"' in result.stdout
    assert '"mechanism": "v2"' in result.stdout
