"""Nothing that names a person reaches a disk; and the scanner would have seen it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from crashes.management.canaries.values import VALUES
from tests.journeys.platform import ROOT

pytestmark = pytest.mark.own_servers


def scan(platform, *paths):
    done = subprocess.run(
        [sys.executable, "manage.py", "scan_canaries", *map(str, paths)],
        cwd=ROOT, env=platform.env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert done.returncode == (1 if lines[-1]["leaks"] else 0)
    return lines[:-1], lines[-1]


def test_planted_values_reach_no_disk_and_planted_leaks_are_found(running):
    key, token = running.ingest_key(), running.api_token("read")

    sent = json.loads(running.manage("scan_canaries", "--send", "--url", running.url, "--key", key))
    assert sent["statuses"].count(202) >= 28
    assert {400, 404} <= set(sent["statuses"])
    assert max(sent["statuses"]) < 500
    running.wait_until(lambda: is_settled(running, token), "all reports are settled")
    environment = Path(f"/proc/{running.processes['web'].pid}/environ").read_bytes().split(b"\0")
    assert b"UXP_SPOOL_KEYS=" in environment  # the web server cannot open what it wrote
    assert any(item.startswith(b"UXP_SPOOL_PUBLIC_KEY=1:") for item in environment)
    leaks, summary = scan(running)
    assert [tuple(leak.values()) for leak in leaks] == []
    assert summary["values"] == 14

    with (running.folder / "web.log").open("a") as log:
        log.write(f"login of {VALUES['email']}\n")
    (running.folder / "left.tmp").write_bytes(VALUES["ssid"].encode("utf-16-le"))
    (running.folder / "error.txt").write_text(f"KeyError: '{VALUES['imsi']}'")
    task = json.dumps({"kwargs": {"imei": VALUES["imei"]}})
    if "REDIS_URL" in running.extra_env:
        with redis.Redis.from_url(running.extra_env["REDIS_URL"]) as client:
            client.lpush("a queue that nobody reads", task)
    else:
        (running.folder / "queue.json").write_text(task)

    leaks, _ = scan(running)
    assert {leak["kind"] for leak in leaks} == {"email", "ssid", "imsi", "imei"}


def is_settled(platform, token):
    states = []
    cursor = None
    while True:
        path = "/api/v1/reports/" + (f"?cursor={cursor}" if cursor else "")
        page = platform.request("GET", path, token=token).json
        states += [item["state"] for item in page["results"]]
        cursor = page["next_cursor"]
        if not cursor:
            return states and set(states) <= {"done", "quarantined"}
