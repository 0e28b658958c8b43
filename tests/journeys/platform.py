"""The platform as its operator runs it: real processes, reached only over HTTP and by signals.

A `Platform` has a data folder, a port and an environment; what it starts are the commands of
production and of the embedded shape. Each process leads its own process group, so that SIGKILL
ends all of it at once, as a power cut would.
"""

import atexit
import functools
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Platform:
    folder: Path
    extra_env: dict = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: dict = field(default_factory=dict)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self):
        ours = {
            "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "UXP_IDENTITY_KEYS", "UXP_RECEIPT_KEY",
            "UXP_SEALING_KEYS", "UXP_SPOOL_KEYS", "UXP_SPOOL_PUBLIC_KEY",
        }  # fmt: skip
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ours and name != "DJANGO_SETTINGS_MODULE"
        }
        return kept | {
            "UXP_DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "SECRET_KEY": "only-for-tests-" + "0" * 50,
            "UXP_IDENTITY_KEYS": "1:only-for-tests-" + "0" * 32,
            "UXP_RECEIPT_KEY": "only-for-tests-" + "0" * 32,
            "UXP_SEALING_KEYS": "1:only-for-tests-" + "0" * 32,
            "UXP_SPOOL_KEYS": "1:" + "0a" * 32,
            "UXP_LOG_LEVEL": "WARNING",
            "UXP_RECOVERY_SECONDS": "6",
            **self.extra_env,
        }

    # Processes

    def manage(self, *arguments, text=None):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.env, input=text, capture_output=True, text=True, check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name, *command):
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        log.close()

    def start_web(self):
        self.start("web", "manage.py", "web", "--port", str(self.port))
        self.wait_until(self.is_ready, "the web server answers")

    def start_worker(self):
        self.start("worker", "manage.py", "work", "--reconcile")

    def start_celery(self, name="celery", queues="reports,symbols", *, with_beat=True):
        beat = ["-B", "-s", str(self.folder / "beat")] if with_beat else []
        self.start(
            name, "-m", "celery", "-A", "uxp_diag.celery", "worker", "-Q", queues,
            "-c", "2", "-l", "warning", *beat,
        )  # fmt: skip

    def prepare(self):
        """Tables and static files; made once for all platforms, and copied."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(prepared_folder() / "static", self.folder / "static", dirs_exist_ok=True)
        if "DATABASE_URL" not in self.extra_env:
            shutil.copy(prepared_folder() / "uxp.sqlite3", self.folder)
        elif not _has_tables(self.extra_env["DATABASE_URL"]):
            self.manage("migrate", "-v0")

    def kill(self, name):
        process = self.processes.pop(name, None)
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for name, process in list(self.processes.items()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            self.kill(name)

    def logs(self):
        return {path.name: path.read_text()[-3000:] for path in self.folder.glob("*.log")}

    # Requests

    def request(self, method, path, body=None, *, token=None, headers=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def is_ready(self):
        try:
            return self.request("GET", "/health/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_until(self, holds, what, *, seconds=PATIENCE_SECONDS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := holds():
                return found
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.logs()}")

    # Steps that many journeys take

    def ingest_key(self):
        return json.loads(self.manage("issue_token", "--ingest-key"))["ingest_key"]

    def api_token(self, *scopes):
        wanted = [part for scope in scopes for part in ("--scope", scope)]
        return json.loads(self.manage("issue_token", *wanted))["token"]

    def enroll(self, key, *, imei="490154203237518", model="Nokia G42 5G"):
        answer = self.request(
            "POST",
            "/api/v1/devices/enroll/",
            {
                "imei": imei,
                "model": model,
                "os_version": "14",
                "os_build": "V3.420",
                "mcc": "244",
                "mnc": "05",
                "consent": {"policy_version": "2023-04-17", "purposes": ["development"]},
            },
            token=key,
        )
        assert answer.status == 201, answer.body
        return answer.json

    def upload(self, token, document):
        return self.request("POST", "/api/v1/reports/", document, token=token)

    def report(self, report_id, token):
        answer = self.request("GET", f"/api/v1/reports/{report_id}/", token=token)
        return answer.json if answer.status == 200 else None

    def wait_for_report(self, report_id, token, *, seconds=PATIENCE_SECONDS):
        def settled():
            report = self.report(report_id, token)
            return report if report and report["state"] in {"done", "quarantined"} else None

        return self.wait_until(settled, f"report {report_id} is settled", seconds=seconds)


def report_document(payload_format, text=None, **more):
    payload = {"format": payload_format} | ({"text": text} if text is not None else {})
    return {
        "report_id": str(uuid.uuid4()),
        "kind": "java_crash",
        "software": {"os_build": "V3.420", "os_version": "14"},
        "payload": payload,
    } | more


def multipart(report, payload):
    """Body and content type of a report with a binary payload."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = b"".join(
        [
            f'{head}report"\r\n\r\n'.encode(), json.dumps(report).encode(),
            f'\r\n{head}payload"; filename="payload"\r\n\r\n'.encode(), payload,
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )  # fmt: skip
    return body, f"multipart/form-data; boundary={boundary}"


@functools.cache
def prepared_folder():
    """The data folder of an embedded platform that has never run."""
    folder = Path(tempfile.mkdtemp(prefix="uxp-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Platform(folder)
    made.manage("migrate", "-v0")
    made.manage("collectstatic", "-v0", "--noinput")
    return folder


def _has_tables(url):
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    return found is not None and found[0] is not None
