"""Debug files at the door and from the command line: single, in zips, named for an app."""

import io
import json
import zipfile

import pytest
from django.core.management import CommandError, call_command

from crashes.models import AppMapping, DebugFile
from tests.factories import make_api_token, make_program
from tests.integration.late_symbols import MAPPING, breakpad
from uxp_diag.roles import Scope

pytestmark = pytest.mark.django_db
APP = {"package": "com.example.shop", "version_code": "1402"}
OCTETS = "application/octet-stream"


@pytest.fixture
def upload(client):
    token = make_api_token(make_program(), Scope.SYMBOLS)

    def send(body, *, query="", content_type=OCTETS):
        return client.post(
            f"/api/v1/debug-files/{query}", body, content_type=content_type,
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip

    return send


def zipped(*entries):
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return holder.getvalue()


def form(fields, files):
    """Fields behind the files: their order is the sender's."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    parts += [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    return b"".join([*parts, b"--x--\r\n"])


def test_every_debug_file_in_a_zip_is_registered(upload):
    body = zipped(
        ("system/lib64/a.sym", breakpad()),
        ("mapping.txt", MAPPING),
        ("readme.txt", b"prose"),
        ("../../etc/passwd", breakpad("aa" * 16)),
    )

    answer = upload(body)

    assert answer.status_code == 201
    assert [(file["status"], file["code"]) for file in answer.json()["files"]] == [
        ("created", None),
        ("created", None),
        ("refused", "not_a_debug_file"),
        ("refused", "unsafe_entry"),
    ]
    assert set(DebugFile.objects.values_list("kind", flat=True)) == {
        "breakpad_sym",
        "proguard_mapping",
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"PK\x03\x04" + b"\xff" * 60, "damaged_archive"),
        (zipped(*((str(number), b"") for number in range(1001))), "too_many_entries"),
        (zipped(("zeros", bytes(8 << 20))), "file_too_large"),
        (zipped(("inner.zip", zipped(("a.sym", breakpad())))), "not_a_debug_file"),
    ],
    ids=["damage", "many", "bomb", "nested"],
)
def test_a_hostile_zip_is_refused(upload, body, code):
    answer = upload(body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not DebugFile.objects.exists()


def test_an_entry_that_lies_about_its_size_is_left_out(upload):
    body = bytearray(zipped(("a.sym", breakpad()), ("b.sym", breakpad("bb" * 16))))
    at = body.rindex(b"PK\x01\x02", 0, body.rindex(b"PK\x01\x02"))
    body[at + 24 : at + 28] = (10).to_bytes(4, "little")  # the first entry's unpacked size

    answer = upload(bytes(body))

    assert [file["status"] for file in answer.json()["files"]] == ["refused", "created"]


def test_a_mapping_is_named_for_an_app_by_query_or_fields(upload):
    by_query = upload(MAPPING, query="?package=com.example.shop&version_code=1401")
    by_fields = upload(
        form(APP, [("m.txt", MAPPING)]), content_type="multipart/form-data; boundary=x"
    )

    assert (by_query.status_code, by_fields.status_code) == (201, 201)
    named = AppMapping.objects.order_by("version_code").values_list("package", "version_code")
    assert list(named) == [("com.example.shop", 1401), ("com.example.shop", 1402)]


def test_the_mapping_named_last_counts(upload):
    other = MAPPING + b"com.example.shop.Late -> a.c:\n"
    for content in (MAPPING, other):
        upload(content, query="?package=com.example.shop&version_code=1402")

    assert AppMapping.objects.get().debug_file.size_bytes == len(other)


@pytest.mark.parametrize(
    "query", ["?package=a.b", "?version_code=7", "?package=a/b&version_code=7",
              "?package=a.b&version_code=-7", f"?package=a.b&version_code={'9' * 19}"]
)  # fmt: skip
def test_half_a_name_is_refused(upload, query):
    answer = upload(MAPPING, query=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


def test_the_command_takes_zips_and_names_mappings(tmp_path):
    (tmp_path / "symbols.zip").write_bytes(zipped(("a.sym", breakpad()), ("b.txt", b"prose")))
    (tmp_path / "mapping.txt").write_bytes(MAPPING)
    out = io.StringIO()

    call_command(
        "add_debug_files", str(tmp_path), "--wait", "--package", APP["package"],
        "--version-code", APP["version_code"], stdout=out,
    )  # fmt: skip

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["kind"], line["state"]) for line in lines] == [
        ("proguard_mapping", "ready"),
        ("breakpad_sym", "ready"),
    ]
    assert AppMapping.objects.get().version_code == 1402


def test_the_command_wants_package_and_version_together(tmp_path):
    with pytest.raises(CommandError, match="belong together"):
        call_command("add_debug_files", str(tmp_path), "--package", "a.b")
