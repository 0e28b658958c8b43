"""Kernel logs wait for the kernel's debug files by its release, and get names when they come."""

import io
import subprocess

import pytest

from crashes.models import MissingDebugFile, Report, WaitingReport
from crashes.selectors.reports import get_report_content
from crashes.services.acceptance import accept_reports
from crashes.services.regrouping import list_awaited, regroup_waiting
from crashes.services.symbol_tables import prepare_debug_file
from crashes.services.symbols import DebugFileRefused, register_debug_file
from tests.conftest import require_program
from tests.factories import make_program, make_viewer
from tests.integration.test_pipeline import NOW, upload, work

_NAME = "kernel/5.10.198-android12-9-gdeadbeef/wlan"
_DRIVER = """
static const char facts[] __attribute__((section(".modinfo"), used)) =
    "name=wlan\\0vermagic=5.10.198-android12-9-gdeadbeef SMP preempt";
int ring_take(int *ring)
{
    return ring[0] + 1;
}
"""
_LOG = """[   10.000001] Unable to handle kernel NULL pointer dereference at virtual address 0000
[   10.000002] Internal error: Oops: 96000004 [#1] PREEMPT SMP
[   10.000003] CPU: 4 PID: 7 Comm: kworker Not tainted 5.10.198-android12-9-gdeadbeef #1
[   10.000004] pc : ring_take+0x0/0x100 [wlan]
[   10.000005] Call trace:
[   10.000006]  ring_take+0x0/0x100 [wlan]
[   10.000009] Kernel panic - not syncing: Oops: Fatal exception
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def driver(tmp_path):
    source, path = tmp_path / "wlan.c", tmp_path / "wlan.ko"
    source.write_text(_DRIVER)
    program = require_program("C compiler", "gcc")
    note = tmp_path / "note.s"
    note.write_text(
        '.section .note.gnu.build-id,"a",%note\n.long 4,8,3\n.asciz "GNU"\n.quad 0x1122334455667788\n'
    )
    for flags in (["-c", "-g", "-O2", source, "-o", path], ["-c", note, "-o", tmp_path / "note.o"]):
        subprocess.run([program, *flags], check=True)
    linked = tmp_path / "whole.ko"
    subprocess.run(
        [program, "-r", "-nostdlib", path, tmp_path / "note.o", "-o", linked], check=True
    )
    return linked


_MAP = b"".join(
    b"%016x T %s\n" % (0xFFFFFFC008000000 + number * 0x100, name)
    for number, name in enumerate((b"_text", b"ring_take", b"ring_free", b"kthread"))
)
_BARE = """[    0.000000] Linux version 5.10.198-android12-9-gdeadbeef (a@b) #1 SMP PREEMPT
[   10.000001] Unable to handle kernel NULL pointer dereference at virtual address 0000
[   10.000002] Internal error: Oops: 96000004 [#1] PREEMPT SMP
[   10.000004] pc : 0xffffffd008000110
[   10.000005] Call trace:
[   10.000006]  0xffffffd008000110
[   10.000007]  0xffffffd008000304
[   10.000009] Kernel panic - not syncing: Oops: Fatal exception
[   10.000010] Kernel Offset: 0x1000000000 from 0xffffffc008000000
"""


def test_bare_addresses_get_names_when_the_map_comes():
    program = make_program()
    accept_reports([upload(_BARE, payload_format="kernel_log", program_id=program.pk)])
    work()
    name = "kernel/5.10.198-android12-9-gdeadbeef"
    assert MissingDebugFile.objects.get().build_id == name

    with pytest.raises(DebugFileRefused) as caught:
        register_debug_file(io.BytesIO(_MAP), name="System.map", program_id=program.pk, now=NOW)
    called = f"System.map-{name.removeprefix('kernel/')}"
    found = register_debug_file(io.BytesIO(_MAP), name=called, program_id=program.pk, now=NOW)
    prepare_debug_file(found.debug_file.pk)
    late = NOW.replace(year=2036)
    for number in list_awaited(now=late, limit=9):
        while regroup_waiting(number, now=late):
            pass

    assert caught.value.code == "no_kernel_release"
    content = get_report_content(viewer=make_viewer(program), report_pk=Report.objects.get().pk)
    assert content is not None
    assert content.crash is not None
    frames = content.crash.threads[0].frames
    assert [frame.function for frame in frames] == ["ring_take", "kthread"]
    assert not MissingDebugFile.objects.exists()


def test_a_kernel_log_gets_its_lines_when_the_module_comes(driver):
    program = make_program()
    accept_reports([upload(_LOG, payload_format="kernel_log", program_id=program.pk)])
    work()
    assert MissingDebugFile.objects.get(build_id=_NAME).module == "wlan"
    assert WaitingReport.objects.count() == 1

    module = io.BytesIO(driver.read_bytes())
    file = register_debug_file(module, name="wlan.ko", program_id=program.pk, now=NOW).debug_file
    prepare_debug_file(file.pk)
    late = NOW.replace(year=2036)
    for number in list_awaited(now=late, limit=9):
        while regroup_waiting(number, now=late):
            pass

    file.refresh_from_db()
    assert (file.mapping_id, file.state) == (_NAME, "ready")
    report = Report.objects.get()
    content = get_report_content(viewer=make_viewer(program), report_pk=report.pk)
    assert content is not None
    assert content.crash is not None
    frame = content.crash.threads[0].frames[0]
    assert (frame.function, frame.line, frame.status) == ("ring_take", 6, "symbolicated")
    assert not MissingDebugFile.objects.filter(build_id=_NAME).exists()
    assert not WaitingReport.objects.exists()
