"""Missing debug files, fetched from Debian's own debuginfod and from servers that mean no good."""

import contextlib
import http.server
import io
import json
import subprocess
import threading
import time
import urllib.request
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from crashes.models import DebugFile, MissingDebugFile
from crashes.services import fetching
from crashes.services.debuginfod_client import (
    BadServerAddress,
    DebuginfodClient,
    FetchLimits,
    server_at,
)
from crashes.services.fetching import fetch_missing_debug_files
from crashes.services.symbol_tables import prepare_debug_file
from tests.conftest import require_program
from tests.factories import NOW, make_debug_file, make_missing_debug_file, make_program
from tests.servers import free_port

pytestmark = pytest.mark.django_db

LIMITS = FetchLimits(size_bytes=1 << 20, seconds=20.0)


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory):
    """A stripped program and its debug file, as a build leaves them."""
    folder = tmp_path_factory.mktemp("upstream")
    (folder / "a.c").write_text(
        "int add(int a, int b) { return a + b; }\nint main(void) { return 0; }\n"
    )
    for command in (
        "gcc -g -O1 -Wl,--build-id=sha1 -o whole a.c",
        "objcopy --only-keep-debug whole files/a.debug",
        "objcopy --strip-all whole files/a",
    ):
        (folder / "files").mkdir(exist_ok=True)
        subprocess.run(command.split(), cwd=folder, check=True)
    (folder / "whole").unlink()
    return folder / "files"


@pytest.fixture(scope="session")
def build_id(build_folder):
    notes = subprocess.run(
        ["readelf", "-n", build_folder / "a"], check=True, capture_output=True, text=True
    )
    return notes.stdout.partition("Build ID: ")[2].split()[0]


@pytest.fixture(scope="session")
def debuginfod(build_folder, build_id, tmp_path_factory):
    """Debian's server over the build's files; its address."""
    folder, port = tmp_path_factory.mktemp("debuginfod"), free_port()
    program = require_program("debuginfod server", "debuginfod")
    command = [program, "-p", str(port), "-d", str(folder / "db"), "-F", str(build_folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder)})
    try:
        wait_for(f"http://127.0.0.1:{port}/buildid/{build_id}/executable")
        wait_for(f"http://127.0.0.1:{port}/buildid/{build_id}/debuginfo")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(url):
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url) as answer:  # noqa: S310
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture
def program():
    return make_program()


def fetch(*urls, limit=50, now=NOW, limits=LIMITS):
    client = DebuginfodClient(map(server_at, urls), limits)
    return list(fetch_missing_debug_files(client, limit=limit, now=now))


# --- A server that has what is missing --------------------------------------------------------


def test_what_is_missing_comes_with_the_program_that_can_unwind(debuginfod, build_id, program):
    make_missing_debug_file(program, build_id=build_id, module="/system/bin/a")

    (fetched,) = fetch(debuginfod)

    files = [one.debug_file for one in fetched.registrations]
    assert [(file.kind, file.build_id) for file in files] == [
        ("elf_debug", build_id),
        ("elf", build_id),
    ]
    assert {file.facts["fetched_from"] for file in files} == {"127.0.0.1"}
    assert {prepare_debug_file(file.pk).state for file in files} == {DebugFile.State.READY}
    assert not MissingDebugFile.objects.exists()


def test_the_most_wanted_are_asked_for_first(debuginfod, build_id, program):
    make_missing_debug_file(program, reports=3)
    make_missing_debug_file(program, build_id=build_id, reports=5)
    make_missing_debug_file(program, reports=4)

    asked = fetch(debuginfod, limit=2)

    assert [one.reports for one in asked] == [5, 4]
    assert [bool(one.registrations) for one in asked] == [True, False]


def test_what_nobody_has_is_asked_for_less_and_less_often(debuginfod, program):
    make_missing_debug_file(program)
    client = DebuginfodClient([server_at(debuginfod)], LIMITS)
    pauses, now = [], NOW

    for _ in range(12):
        assert len(list(fetch_missing_debug_files(client, limit=9, now=now))) == 1
        assert list(fetch_missing_debug_files(client, limit=9, now=now)) == []
        ask_after = MissingDebugFile.objects.get().ask_after
        assert ask_after is not None
        pauses.append(ask_after - now)
        now += pauses[-1]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(minutes=15), timedelta(days=7))


@pytest.mark.parametrize("name", ["abc", "zz" * 20, "../../etc", "a" * 63, "AB" * 20])
def test_only_build_ids_are_asked_for(debuginfod, program, name):
    make_missing_debug_file(program, build_id=name)

    assert fetch(debuginfod) == []


def test_what_is_here_already_is_not_asked_for(debuginfod, program):
    waiting = make_missing_debug_file(program)
    make_debug_file(program, build_id=waiting.build_id, state=DebugFile.State.RECEIVED)

    assert fetch(debuginfod) == []


def test_two_workers_do_not_ask_for_the_same(debuginfod, program, monkeypatch):
    make_missing_debug_file(program)
    wanted = fetching._wanted(NOW)
    first = fetch(debuginfod)
    monkeypatch.setattr(fetching, "_wanted", lambda _now: wanted)

    assert (len(first), fetch(debuginfod)) == (1, [])


def test_the_command_fetches_and_tells(debuginfod, build_id, program, settings):
    make_missing_debug_file(program, build_id=build_id, reports=7)
    settings.DEBUGINFOD_URLS = [debuginfod]
    fetching.upstream_client.cache_clear()
    out = io.StringIO()

    call_command("fetch_debug_files", stdout=out)

    fetching.upstream_client.cache_clear()
    assert json.loads(out.getvalue()) == {
        "build_id": build_id,
        "reports": 7,
        "files": ["elf_debug", "elf"],
        "from": "127.0.0.1",
    }


def test_without_a_server_nothing_is_ever_asked(settings):
    assert settings.DEBUGINFOD_URLS == []
    with pytest.raises(CommandError):
        call_command("fetch_debug_files")


# --- Servers that mean no good ----------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Answers everything in one way, and remembers what it was asked."""

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.seen = answer, []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.server.answer(self)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """A server of one function on loopback; its address, and what it was asked for."""
    servers = []

    def start(answer):
        server = Server(answer)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", server.seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answering(status, body=b"", **headers):
    def answer(handler):
        handler.send_response(status)
        sent = {"Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        for name, value in sent.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65_536)


def trickling(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.05)


HOSTILE = {
    "an error": answering(500),
    "another file": answering(200, b"not a debug file"),
    "more than it may be": answering(200, b"x", Content_Length=str(1 << 40)),
    "no end": endless,
    "a trickle": trickling,
    "less than it says": answering(200, b"x" * 10, Content_Length="1000"),
    "packed": answering(200, b"x", Content_Encoding="gzip"),
    "no http": lambda handler: handler.wfile.write(b"\0\1\2\n\n"),
    "a redirect to itself": lambda handler: answering(302, Location=handler.path)(handler),
    "a redirect to a file": answering(302, Location="file:///etc/passwd"),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_is_kept_of_what_is_no_answer(serve, program, answer, settings):
    make_missing_debug_file(program, reports=2)
    make_missing_debug_file(program, reports=1)
    url, seen = serve(answer)

    asked = fetch(url, limits=FetchLimits(size_bytes=1 << 20, seconds=0.3))

    assert [(one.reports, one.registrations) for one in asked] == [(2, ())]
    assert len(seen) <= 4
    assert list(settings.BLOB_DIR.rglob("*/*")) == []


def test_a_file_of_another_build_id_is_not_kept(debuginfod, build_id, serve, program):
    wanted = make_missing_debug_file(program)
    body = wait_for(f"{debuginfod}/buildid/{build_id}/debuginfo")
    url, _ = serve(answering(200, body))

    fetch(url)

    assert not DebugFile.objects.exists()
    assert MissingDebugFile.objects.get() == wanted


def test_a_redirect_to_a_host_that_is_not_named_is_not_followed(serve, program):
    make_missing_debug_file(program)
    inside, seen = serve(answering(200, b"secret"))
    outside, _ = serve(answering(302, Location=f"{inside}/latest/meta-data"))

    fetch(outside)

    assert seen == []


def test_a_redirect_to_a_named_host_is_followed_without_the_password(serve, program):
    make_missing_debug_file(program)
    second, seen = serve(answering(404))
    first, asked = serve(answering(307, Location=f"{second}/there"))
    address = first.replace("://", "://me:secret@")

    fetch(address, second)

    assert asked[0][1] == "Basic bWU6c2VjcmV0"
    assert ("/there", None) in seen


def test_a_server_that_fails_leaves_the_others_their_turn(serve, debuginfod, build_id, program):
    make_missing_debug_file(program, reports=2)
    make_missing_debug_file(program, build_id=build_id, reports=1)
    broken, seen = serve(answering(503))

    asked = fetch(broken, debuginfod)

    assert [bool(one.registrations) for one in asked] == [False, True]
    assert len(seen) == 1


@pytest.mark.parametrize("address", ["", "host", "ftp://host/", "https://", "http://[x/"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(BadServerAddress):
        server_at(address)
