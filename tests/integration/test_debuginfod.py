"""Our store as a debuginfod server, asked by elfutils' own client."""

import base64
import os
import subprocess
from pathlib import Path

import pytest
from django.core.files.base import File

from crashes.models import DebugFile
from crashes.services.symbol_tables import debug_file_path
from crashes.services.symbols import register_debug_file
from tests.conftest import require_program
from tests.factories import NOW, make_api_token, make_program
from uxp_diag.roles import Scope

SOURCE = "int add(int a, int b) { return a + b; }\nint main(void) { return add(1, 2); }\n"


@pytest.fixture(scope="session")
def debuginfod_find():
    return require_program("debuginfod client", "debuginfod-find")


@pytest.fixture(scope="session")
def program_files(tmp_path_factory):
    """A program, its stripped form and its separate debug file, all of one build id."""
    folder = tmp_path_factory.mktemp("debuginfod")
    (folder / "a.c").write_text(SOURCE)
    for command in (
        "gcc -g -O1 -Wl,--build-id=sha1 -o whole a.c",
        "objcopy --only-keep-debug whole separate",
        "objcopy --strip-all whole stripped",
    ):
        subprocess.run(command.split(), cwd=folder, check=True)
    return folder


@pytest.fixture
def program(db):
    return make_program()


def register(program, path):
    with path.open("rb") as file:
        return register_debug_file(
            File(file), name=path.name, program_id=program.pk, now=NOW
        ).debug_file


@pytest.fixture
def stored(program, program_files):
    return [register(program, program_files / name) for name in ("stripped", "separate")]


@pytest.fixture
def build_id(stored):
    return stored[0].build_id


@pytest.fixture
def find(live_server, debuginfod_find, tmp_path):
    """elfutils' client with a cache of its own; what it wrote, or None when it found nothing."""

    def ask(token, *arguments, headers_file=None):
        host = live_server.url.removeprefix("http://")
        user = f"any:{token}@" if token else ""
        environment = os.environ | {
            "DEBUGINFOD_URLS": f"http://{user}{host}/debuginfod",
            "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache"),
        }
        if headers_file:
            environment["DEBUGINFOD_HEADERS_FILE"] = str(headers_file)
        command = [debuginfod_find, *arguments]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        return None if done.returncode else Path(done.stdout.strip()).read_bytes()

    return ask


@pytest.fixture
def token(program):
    return make_api_token(program, Scope.DEBUG_FILES)


def test_elfutils_finds_the_debug_info_and_the_program(find, token, build_id, program_files):
    assert find(token, "debuginfo", build_id) == (program_files / "separate").read_bytes()
    assert find(token, "executable", build_id) == (program_files / "stripped").read_bytes()


def test_elfutils_may_send_the_token_as_a_bearer(find, token, build_id, tmp_path):
    headers = tmp_path / "headers"
    headers.write_text(f"Authorization: Bearer {token}\n")

    assert find("", "debuginfo", build_id, headers_file=headers)


def test_whoever_asks_without_a_token_of_the_program_finds_nothing(find, program, build_id):
    other = make_api_token(make_program(), Scope.DEBUG_FILES)
    reader = make_api_token(program, Scope.READ)

    found = [find(token, "debuginfo", build_id) for token in ("", "uxpa_x", other, reader)]

    assert found == [None] * 4


def test_sources_and_unknown_build_ids_are_not_found(find, token, build_id):
    assert find(token, "source", build_id, "/src/a.c") is None
    assert find(token, "debuginfo", "ab" * 20) is None


def test_a_program_with_everything_in_it_serves_as_both(find, token, program, program_files):
    build_id = register(program, program_files / "whole").build_id

    assert find(token, "debuginfo", build_id) == (program_files / "whole").read_bytes()
    assert find(token, "executable", build_id) == (program_files / "whole").read_bytes()


# --- What HTTP allows, asked directly ---------------------------------------------------------


@pytest.fixture
def get(client, token, build_id):
    def ask(part="debuginfo", method="get", path=None, **headers):
        password = base64.b64encode(f"any:{token}".encode()).decode()
        headers = {"Authorization": f"Basic {password}"} | headers
        path = path or f"/debuginfod/buildid/{build_id}/{part}"
        return getattr(client, method)(path, headers=headers)

    return ask


@pytest.fixture
def content(stored, program_files):
    return (program_files / "separate").read_bytes()


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-7", -7, None)],
)
def test_a_range_is_a_part(get, content, wanted, start, end):
    response = get(Range=wanted)

    part = content[start:end]
    first = content.index(part) if end else len(content) - len(part)
    assert response.status_code == 206
    assert response.getvalue() == part
    assert int(response["Content-Length"]) == len(part)
    assert response["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(content)}"


@pytest.mark.parametrize("wanted", ["bytes=999999999-", "bytes=9-3", "bytes=-0"])
def test_a_range_that_cannot_be_had_is_refused(get, content, wanted):
    response = get(Range=wanted)

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"])
def test_what_is_no_single_range_gets_the_whole(get, content, wanted):
    response = get(Range=wanted)

    assert (response.status_code, response.getvalue()) == (200, content)


def test_a_download_goes_on_only_with_the_same_content(get, content):
    etag = get(method="head")["ETag"]

    again = get(**{"If-None-Match": etag})
    same = get(Range="bytes=5-", **{"If-Range": etag})
    other = get(Range="bytes=5-", **{"If-Range": '"another"'})

    assert (same.status_code, same.getvalue()) == (206, content[5:])
    assert (other.status_code, other.getvalue()) == (200, content)
    assert again.status_code == 304


def test_head_tells_the_size_and_sends_nothing(get, content):
    response = get(method="head")

    assert response.status_code == 200
    assert response["X-DEBUGINFOD-SIZE"] == response["Content-Length"] == str(len(content))
    assert response.content == b""


@pytest.mark.parametrize("name", ["zz", "a", "../../etc/passwd", "AB" * 40, "%00" * 20])
def test_what_is_no_build_id_is_not_found(get, name):
    assert get(path=f"/debuginfod/buildid/{name}/debuginfo").status_code == 404


def test_the_challenge_names_what_clients_know(client, build_id):
    response = client.get(f"/debuginfod/buildid/{build_id}/debuginfo")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Basic ")


def test_fetching_counts_as_use_and_a_lost_file_is_not_found(get, stored):
    get().getvalue()
    used = DebugFile.objects.get(pk=stored[1].pk).last_used_at
    debug_file_path(stored[1].sha256).unlink()

    assert used is not None
    assert get().status_code == 404
