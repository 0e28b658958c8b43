"""The store of debug files: what it keeps, and what happens when something is not there."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from crashes.models import DebugFile, MissingDebugFile, Report
from crashes.services import symbols
from crashes.services.acceptance import accept_reports
from crashes.services.blobs import incoming_file
from crashes.services.symbol_tables import debug_file_path, prepare_debug_file
from crashes.services.symbols import DebugFileRefused, register_debug_file
from tests.factories import make_api_token, make_program, make_user
from tests.integration.test_pipeline import NOW, upload, work
from uxp_diag.roles import Role, Scope

SYM = b"MODULE Linux arm64 %s libodd.so\nFILE 0 a.c\nFUNC 1000 20 0 odd\n1000 20 1 0\n"
TOMBSTONE = """*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
ABI: 'arm64'
pid: 1, tid: 1, name: main  >>> com.example <<<
signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0

backtrace:
      #00 pc 0000000000001000  /system/lib64/libfoo.so (foo+4) (BuildId: {long})
      #01 pc 0000000000001000  /system/lib64/libbar.so (bar+4) (BuildId: aabbccdd)
"""

pytestmark = pytest.mark.django_db


def register(digit="A"):
    content = io.BytesIO(SYM % (digit * 33).encode())
    return register_debug_file(content, name="a\0b.sym", program_id=1, now=NOW)


def test_a_file_name_may_hold_what_databases_cannot_store():
    assert "\0" not in register().debug_file.name


@pytest.mark.parametrize(
    "content",
    [
        SYM.replace(b"odd", b"o\0dd") % (b"A" * 33),
        b"# compiler: R8\na.b -> c:\n" + b"    void x() -> d\n" * 9999 + b"    void \0() -> d\n",
    ],
)
def test_a_text_with_nul_is_no_debug_file(content):
    with pytest.raises(DebugFileRefused) as caught:
        register_debug_file(io.BytesIO(content), name="a", program_id=1, now=NOW)

    assert caught.value.code == "not_text"


def test_the_bytes_are_there_before_the_row_that_promises_them(monkeypatch):
    def dies(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(DebugFile.objects, "get_or_create", dies)
    kept = []
    monkeypatch.setattr(symbols, "keep_file", lambda *arguments: kept.append(arguments))

    with pytest.raises(KeyboardInterrupt):
        register()

    assert len(kept) == 1


def test_a_file_that_is_lost_holds_up_nobody_and_can_be_uploaded_again():
    debug_file = register().debug_file
    debug_file_path(debug_file.sha256).unlink()
    accept_reports([upload()])

    call_command("work", "--once")
    lost = DebugFile.objects.get()
    again = register()

    assert Report.objects.get().state == Report.State.DONE
    assert lost.state == DebugFile.State.UNUSABLE
    assert again.debug_file.state == DebugFile.State.RECEIVED
    assert prepare_debug_file(again.debug_file.pk).state == DebugFile.State.READY


def test_a_step_that_fails_holds_up_no_other(monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr("crashes.management.commands.work._prepare_debug_file", broken)
    monkeypatch.setattr("crashes.management.commands.work._reconcile", broken)
    accept_reports([upload()])

    call_command("work", "--once", "--reconcile")

    assert Report.objects.get().state == Report.State.DONE


def test_what_no_build_id_looks_like_is_not_missed():
    accept_reports([upload(TOMBSTONE.format(long="ab" * 60), payload_format="tombstone_text")])

    work()

    assert Report.objects.get().state == Report.State.DONE
    assert list(MissingDebugFile.objects.values_list("build_id", flat=True)) == ["aabbccdd"]


def test_a_session_uploads_with_its_token_in_the_header():
    program = make_program()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(Role.ADMIN, programs=[program]))
    client.get("/")
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.sym"\r\n\r\n'
        + SYM % (b"A" * 33) + b"\r\n--b--\r\n"
    )  # fmt: skip

    def post(**headers):
        path, kind = "/api/v1/debug-files/", "multipart/form-data; boundary=b"
        return client.post(path, body, content_type=kind, headers=headers)

    without = post()
    answer = post(**{"X-CSRFToken": client.cookies["csrftoken"].value})

    assert (without.status_code, without.json()["code"]) == (403, "not_allowed")
    assert answer.status_code == 201
    assert DebugFile.objects.get().program_id == program.pk


def test_a_large_upload_goes_to_the_disk_of_the_blobs(settings):
    with incoming_file() as file:
        file.write(b"x" * (2 << 20))
        file.flush()
        folder = Path(f"/proc/self/fd/{file.fileno()}").readlink().parent

    assert folder == settings.BLOB_DIR / "incoming"


def test_a_full_disk_asks_to_come_again(client, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crashes.api.debug_files.incoming_file", full)
    token = make_api_token(make_program(), Scope.SYMBOLS)
    headers = {"Authorization": f"Bearer {token}"}

    answer = client.post(
        "/api/v1/debug-files/", b"x", content_type="application/octet-stream", headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (503, "intake_unavailable")
    assert answer.json()["retry"] is True


@pytest.mark.parametrize(
    "spelling",
    [
        "c16b1f0c4f2e36bf9a0e4d7fa8a1e2d3b4c5d6e7",
        "c16b1f0c4f2e36bf9a0e4d7fa8a1e2d3",
        "0c1f6bc1-2e4f-bf36-9a0e-4d7fa8a1e2d3",
        "0c1f6bc12e4fbf369a0e4d7fa8a1e2d3",
        "0c1f6bc12e4fbf369a0e4d7fa8a1e2d30",
    ],
)
def test_a_debug_file_is_found_under_every_spelling_of_its_build_id(spelling):
    content = SYM % b"0C1F6BC12E4FBF369A0E4D7FA8A1E2D30"
    code_id = b"INFO CODE_ID C16B1F0C4F2E36BF9A0E4D7FA8A1E2D3B4C5D6E7\n"
    content = content.replace(b"FILE 0", code_id + b"FILE 0")
    register_debug_file(io.BytesIO(content), name="libodd.so.sym", program_id=1, now=NOW)

    find = symbols.store_finder(1, now=NOW, expected=[spelling])
    symcache = find.symcache_for(spelling, "arm64")

    assert symcache is not None
    assert symcache.lookup([0x1004])[0][0].function == "odd"
    assert symbols.store_finder(2, now=NOW).symcache_for(spelling, "arm64") is None
    other = "d" + spelling[1:]
    assert symbols.store_finder(1, now=NOW).symcache_for(other, "arm64") is None
