"""sentry-cli's calls: chunks, assembly, zips, and the calls around them."""

import gzip
import hashlib
import io
import json
import os
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from crashes.models import DebugFile
from crashes.services import chunks
from devices.models import Program
from tests.factories import make_api_token, make_program
from tests.integration.test_clients_sentry import FORM, form
from uxp_diag.roles import Scope

pytestmark = pytest.mark.django_db

MAPPING = b"com.example.Main -> a.a:\n    1:1:void run():10:10 -> a\n"
ASSEMBLE = "projects/maker/phone/files/difs/assemble/"
CHUNKS = "organizations/maker/chunk-upload/"
DSYMS = "projects/maker/phone/files/dsyms/"


def sha1(data):
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def program(key):
    return Program.objects.get()


@pytest.fixture
def call(client, program):
    token = make_api_token(program, Scope.SYMBOLS)

    def send(method, path, body=b"", *, content_type="application/json", token=token):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return client.generic(
            method, f"/api/0/{path}", data, content_type=content_type, headers=headers
        )

    return send


@pytest.fixture
def upload(call):
    def send(*pieces, part="file_gzip"):
        pack = gzip.compress if part == "file_gzip" else bytes
        fields = [(part, sha1(piece), pack(piece)) for piece in pieces]
        return call("POST", CHUNKS, form(*fields), content_type=FORM)

    return send


def question(data, *pieces, name="/proguard/x.txt"):
    return {sha1(data): {"name": name, "chunks": [sha1(piece) for piece in pieces or [data]]}}


def ask(call, *arguments, **more):
    ((_, answer),) = call("POST", ASSEMBLE, question(*arguments, **more)).json().items()
    return answer


def pieces_of(data, size=16):
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_the_options_say_how_files_are_cut(call):
    options = call("GET", CHUNKS).json()

    assert options["url"] == f"http://testserver/api/0/{CHUNKS}"
    assert options["hashAlgorithm"] == "sha1"
    assert options["chunkSize"] & (options["chunkSize"] - 1) == 0
    assert {"debug_files", "proguard"} <= set(options["accept"])


@pytest.mark.parametrize("part", ["file_gzip", "file"])
def test_a_file_is_asked_for_sent_and_assembled(call, upload, part):
    pieces = pieces_of(MAPPING)

    before = ask(call, MAPPING, *pieces)
    sent = upload(*pieces[1:], part=part)
    between = ask(call, MAPPING, *pieces)
    upload(pieces[0], part=part)
    after = ask(call, MAPPING, *pieces)

    assert (before["state"], before["missingChunks"]) == ("not_found", [sha1(p) for p in pieces])
    assert sent.status_code == 200
    assert between["missingChunks"] == [sha1(pieces[0])]
    assert (after["state"], after["dif"]["symbolType"]) == ("ok", "proguard")
    assert after["dif"]["data"]["features"] == ["mapping"]
    debug_file = DebugFile.objects.get()
    assert debug_file.sha256 == hashlib.sha256(MAPPING).hexdigest()
    assert after["dif"]["uuid"] == debug_file.build_id


def test_a_file_that_is_known_need_not_be_sent_again(call, upload, program):
    upload(MAPPING)
    ask(call, MAPPING)

    assert ask(call, MAPPING)["state"] == "ok"
    assert chunks.pending_bytes(program.pk) == 0
    assert DebugFile.objects.count() == 1


def test_a_chunk_has_to_be_what_its_name_says(call):
    answer = call("POST", CHUNKS, form(("file", "0" * 40, MAPPING)), content_type=FORM)

    assert (answer.status_code, answer.json()["code"]) == (400, "checksum_mismatch")
    assert ask(call, MAPPING)["state"] == "not_found"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ([("file", "../../etc/passwd", b"x")], 400, "bad_checksum"),
        ([("file_gzip", "0" * 40, b"no gzip")], 400, "damaged_encoding"),
        ([("file_gzip", "0" * 40, gzip.compress(bytes(9 << 20)))], 413, "body_too_large"),
        ([("file", "0" * 40, bytes(10 << 20))], 413, "body_too_large"),
    ],
    ids=["name", "gzip", "bomb", "large"],
)
def test_other_chunks_are_refused(call, fields, status, code):
    answer = call("POST", CHUNKS, form(*fields), content_type=FORM)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_what_waits_is_bounded(call, upload, monkeypatch):
    monkeypatch.setattr("crashes.api.clients.sentry_cli.MAX_PENDING_BYTES", 10)

    assert (upload(b"123456").status_code, upload(b"abcdef").status_code) == (200, 413)


def test_chunks_of_another_file_are_no_file(call, upload):
    upload(b"abc", b"def")
    body = {sha1(b"xyz"): {"name": "x", "chunks": [sha1(b"abc"), sha1(b"def")]}}

    ((_, answer),) = call("POST", ASSEMBLE, body).json().items()

    assert (answer["state"], answer["missingChunks"]) == ("error", [])
    assert "SHA-1" in answer["detail"]


def test_a_file_of_no_use_is_an_error_with_a_reason(call, upload):
    upload(b"prose")

    answer = ask(call, b"prose")

    assert (answer["state"], bool(answer["detail"])) == ("error", True)


def test_a_source_bundle_does_not_fail_the_build(call, upload):
    upload(b"SYSB\x02\0\0\0PK")

    answer = ask(call, b"SYSB\x02\0\0\0PK")
    again = ask(call, b"SYSB\x02\0\0\0PK")

    assert again == answer
    assert (answer["state"], answer["detail"]) == ("ok", "Source bundles are not kept.")
    assert DebugFile.objects.count() == 0


@pytest.mark.parametrize(
    "description",
    [None, [], {"chunks": "x"}, {"chunks": []}, {"chunks": ["../x"]}, {"chunks": [1]}],
    ids=range(6),
)
def test_a_question_without_sense_is_an_error(call, description):
    body = {sha1(b""): description}

    assert call("POST", ASSEMBLE, body).json()[sha1(b"")]["state"] == "error"


def test_a_bad_checksum_is_an_error(call):
    assert call("POST", ASSEMBLE, {"../../x": {"chunks": ["../../x"]}}).json()["../../x"][
        "state"
    ] == ("error")
    assert call("POST", ASSEMBLE, b"[]").status_code == 400
    assert call("POST", ASSEMBLE, b"[" * 9999).status_code == 400


def test_pieces_belong_to_a_program(call, upload):
    upload(MAPPING)
    stranger = make_api_token(make_program(), Scope.SYMBOLS)

    answer = call("POST", ASSEMBLE, question(MAPPING), token=stranger).json()

    assert answer[sha1(MAPPING)]["state"] == "not_found"


def test_pieces_and_memories_are_gone_after_a_day(call, upload, program):
    upload(MAPPING, b"rest")
    ask(call, MAPPING)
    day_after = timezone.now() + timedelta(hours=25)

    assert chunks.forget_expired(now=timezone.now()) == 0
    assert chunks.forget_expired(now=day_after) == 2
    assert ask(call, MAPPING)["state"] == "not_found"


def zipped(*entries):
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return form(("file", "a.zip", holder.getvalue()))


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


def test_a_zip_of_mappings_is_taken_entry_by_entry(call):
    other = MAPPING.replace(b"Main", b"Other")
    body = zipped(
        ("proguard/a.txt", MAPPING), ("proguard/b.txt", other), ("readme.md", b"prose"),
        ("../c.txt", MAPPING), ("/d.txt", MAPPING), (link("e.txt"), b"/etc/passwd"),
        ("bomb.txt", bytes(9 << 20)),
    )  # fmt: skip

    answer = call("POST", DSYMS, body, content_type=FORM)

    assert answer.status_code == 200
    assert {dif["symbolType"] for dif in answer.json()} == {"proguard"}
    assert len(answer.json()) == DebugFile.objects.count() == 2


def test_a_single_file_needs_no_zip(call):
    answer = call("POST", DSYMS, form(("file", "mapping.txt", MAPPING)), content_type=FORM)

    assert [dif["objectName"] for dif in answer.json()] == ["mapping.txt"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(("file", "a.zip", b"PK\x03\x04" + os.urandom(40))), "damaged_archive"),
        (zipped(("a.txt", b"prose")), "not_a_debug_file"),
        (form(("x", None, b"y")), "no_file"),
    ],
    ids=["damaged", "prose", "nothing"],
)
def test_an_upload_of_no_use_is_refused(call, body, code):
    answer = call("POST", DSYMS, body, content_type=FORM)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_mapping_may_be_named_with_a_release(call):
    path = "projects/maker/phone/files/proguard-artifact-releases"
    said = call("POST", DSYMS, form(("file", "mapping.txt", MAPPING)), content_type=FORM).json()

    known = call("POST", path, {"release_name": "a@1", "proguard_uuid": said[0]["uuid"]})
    unknown = call("POST", path, {"release_name": "a@1", "proguard_uuid": "x"})

    assert (known.status_code, unknown.status_code) == (201, 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 200),
        ("POST", "organizations/maker/releases/", 201),
        ("POST", "projects/maker/phone/releases/", 201),
        ("GET", "organizations/maker/releases/", 200),
        ("PUT", "organizations/maker/releases/a@1+2/", 200),
        ("GET", "projects/maker/phone/releases/a@1+2/", 200),
        ("POST", "organizations/maker/releases/a@1+2/deploys/", 201),
        ("GET", "organizations/maker/releases/a@1+2/deploys/", 200),
        ("GET", "projects/maker/phone/files/dsyms/", 200),
        ("GET", "nothing/like/that/", 404),
        ("POST", "projects/maker/phone/reprocessing/", 404),
    ],
)
def test_the_calls_around_are_answered(call, method, path, status):
    body = {"version": "a@1+2", "environment": "beta"} if method != "GET" else b""

    answer = call(method, path, body)

    assert answer.status_code == status
    assert isinstance(answer.json(), dict | list)
    if status == 404:
        assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", CHUNKS), ("POST", CHUNKS), ("POST", ASSEMBLE), ("POST", DSYMS)]
)  # fmt: skip
def test_nobody_comes_in_without_the_scope(call, program, method, path):
    reader = make_api_token(program, Scope.READ)

    assert call(method, path, token=None).status_code == 401
    assert call(method, path, token="uxpa_wrong").status_code == 401
    assert call(method, path, token=reader).status_code == 403
