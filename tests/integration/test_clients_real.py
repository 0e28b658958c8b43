"""The clients themselves, unmodified, against the production server.

sentry-sdk is used when this Python has it; sentry-cli when `SENTRY_CLI` names it, when npm has
put it under `var/` (`npm --prefix var install @sentry/cli`), or when it is on the PATH.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.conftest import require_program, skip_or_fail
from tests.journeys.platform import ROOT, Platform

pytestmark = pytest.mark.own_servers

PROGRAM = """
import sys, sentry_sdk
sentry_sdk.init(
    dsn=sys.argv[1], release="com.example.agent@1.2.3+45", traces_sample_rate=1.0,
    enable_logs=True, auto_session_tracking=True, include_local_variables=True,
)
def read(box):
    secret = "my secret value"
    return box["entry"]
sentry_sdk.set_user({"email": "owner@example.org"})
try:
    read(None)
except TypeError:
    sentry_sdk.get_current_scope().add_attachment(bytes=b"a line\\n" * 9, filename="log.txt")
    print(sentry_sdk.capture_exception())
print(sentry_sdk.capture_message("thermal shutdown threshold reached"))
with sentry_sdk.start_transaction(op="app.start", name="cold start"):
    sentry_sdk.logger.info("a log line")
sentry_sdk.flush(10)
"""
UNCAUGHT = """
import sys, sentry_sdk
sentry_sdk.init(dsn=sys.argv[1], release="com.example.agent@1.2.3+45")
def fall():
    return 1 // 0
fall()
"""
SOURCE = "int add(int a, int b) { return a + b; }\n"
MAPPING = "com.example.Main -> a.a:\n    1:1:void run():10:10 -> a\n"


def has_sdk():
    return importlib.util.find_spec("sentry_sdk") is not None


def find_cli():
    named = os.environ.get("SENTRY_CLI")
    by_npm = sorted((ROOT / "var" / "node_modules" / "@sentry").glob("cli*/bin/sentry-cli"))
    return named or next(map(str, by_npm), None) or shutil.which("sentry-cli")


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    if not has_sdk() and find_cli() is None:
        skip_or_fail("existing clients: neither sentry-sdk nor sentry-cli is installed")
    made = Platform(tmp_path_factory.mktemp("real"))
    made.prepare()
    made.start_web()
    made.start_worker()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def token(platform):
    return platform.api_token("read", "symbols")


@pytest.fixture(scope="module")
def dsn(platform):
    return f"http://{platform.ingest_key()[-32:]}@127.0.0.1:{platform.port}/1"


def reports(platform, token):
    return platform.request("GET", "/api/v1/reports/?limit=100", token=token).json["results"]


# sentry-sdk -----------------------------------------------------------------------------------


@pytest.fixture
def sdk():
    if not has_sdk():
        skip_or_fail("existing clients: sentry-sdk is not installed")

    def run(program, dsn):
        return subprocess.run(
            [sys.executable, "-c", program, dsn],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_the_python_sdk_delivers_what_it_captures(sdk, platform, token, dsn):
    done = sdk(PROGRAM, dsn)
    assert done.returncode == 0, done.stderr
    error, message = done.stdout.split()

    crash = platform.wait_for_report(uuid.UUID(error), token)["crash"]
    told = platform.wait_for_report(uuid.UUID(message), token)

    assert (crash["exception_type"], crash["kind"]) == ("TypeError", "error")
    assert (crash["package"], crash["version_name"], crash["version_code"]) == (
        "com.example.agent", "1.2.3", 45,
    )  # fmt: skip
    assert crash["threads"][0]["frames"][0]["function"] == "__main__.read"
    assert "secret value" not in str(crash)
    assert "ann@" not in str(crash)
    assert told["crash"]["reason"] == "thermal shutdown threshold reached"


def test_the_python_sdk_delivers_what_nobody_caught(sdk, platform, token, dsn):
    before = {report["report_id"] for report in reports(platform, token)}

    assert sdk(UNCAUGHT, dsn).returncode == 1

    (new,) = [row for row in reports(platform, token) if row["report_id"] not in before]
    report = platform.wait_for_report(new["report_id"], token)
    assert report["crash"]["exception_type"] == "ZeroDivisionError"


def test_the_python_sdk_lives_on_without_a_good_key(sdk, platform, token, dsn):
    count = len(reports(platform, token))

    done = sdk(PROGRAM, f"http://{'0' * 32}@127.0.0.1:{platform.port}/1")

    assert done.returncode == 0, done.stderr
    assert len(reports(platform, token)) == count


# sentry-cli -----------------------------------------------------------------------------------


@pytest.fixture
def cli(platform, token, dsn, tmp_path):
    program = find_cli()
    if program is None:
        skip_or_fail("existing clients: sentry-cli is not installed")

    def run(*arguments, token=token):
        settings = {
            "SENTRY_URL": platform.url, "SENTRY_AUTH_TOKEN": token, "SENTRY_DSN": dsn,
            "SENTRY_ORG": "maker", "SENTRY_PROJECT": "phone", "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
        }  # fmt: skip
        return subprocess.run(
            [program, *map(str, arguments)],
            env=settings, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


@pytest.fixture
def library(tmp_path):
    compiler = require_program("C compiler", "cc", "gcc")
    source, made = tmp_path / "add.c", tmp_path / "libadd.so"
    source.write_text(SOURCE)
    subprocess.run(
        [compiler, "-g", "-shared", "-fPIC", "-Wl,--build-id", "-o", made, source], check=True
    )
    return made


def files(platform):
    return {path.name for path in Path(platform.folder / "blobs").glob("debug-files/*/*")}


def test_sentry_cli_uploads_a_debug_file_once(cli, platform, library):
    before = files(platform)

    first = cli("debug-files", "upload", "--include-sources", "--wait", library)
    again = cli("debug-files", "upload", library)

    assert first.returncode == 0, first.stderr + first.stdout
    assert " OK " in first.stdout
    assert again.returncode == 0, again.stderr
    assert "Nothing to upload" in again.stdout
    assert len(files(platform) - before) == 1


def test_sentry_cli_uploads_a_mapping(cli, platform, tmp_path):
    before = files(platform)
    mapping = tmp_path / "mapping.txt"
    mapping.write_text(MAPPING)

    done = cli("upload-proguard", mapping)

    assert done.returncode == 0, done.stderr + done.stdout
    assert len(files(platform) - before) == 1


def test_sentry_cli_sends_an_event(cli, platform, token):
    done = cli("send-event", "-m", "hello from the build", "-r", "com.example.camera@7.2.0+72000")

    assert done.returncode == 0, done.stderr
    event_id = done.stdout.rpartition(":")[2].strip()
    report = platform.wait_for_report(uuid.UUID(event_id), token)
    assert report["crash"]["reason"] == "hello from the build"
    assert report["crash"]["version_name"] == "7.2.0"


@pytest.mark.parametrize(
    "arguments",
    [
        ("info",),
        ("releases", "new", "com.example@1+1"),
        ("releases", "finalize", "com.example@1+1"),
        ("deploys", "new", "-e", "beta", "-r", "com.example@1+1"),
        ("releases", "list"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_sentry_cli_goes_on_after_calls_that_store_nothing(cli, arguments):
    done = cli(*arguments)

    assert done.returncode == 0, done.stderr


def test_sentry_cli_is_told_why_it_may_not(cli, library):
    done = cli("debug-files", "upload", library, token="uxpa_wrong")

    assert done.returncode != 0
    assert "unknown, revoked or expired" in done.stderr
