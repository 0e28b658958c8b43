"""A real program crashes, its debug file is on the server, an engineer reads the crash."""

import subprocess

import pytest

from crashes.formats.tombstone_writer import write_text
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, Thread
from tests.conftest import ROOT, require_program
from tests.journeys.platform import report_document

pytestmark = pytest.mark.own_servers

SOURCE = ROOT / "tests" / "data" / "journey" / "camera.cc"
DEVICE_PATH = "/vendor/bin/hw/camera_service"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program as shipped, and its debug file."""
    return build_program(tmp_path_factory.mktemp("program"))


def build_program(folder):
    """The program as shipped (stripped), and its debug file."""
    built, shipped, debug = folder / "built", folder / "shipped", folder / "camera.debug"
    gcc = require_program("C++ compiler", "g++")
    subprocess.run([gcc, "-g", "-O2", "-o", built, SOURCE], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", built, debug], check=True)
    subprocess.run(["strip", "-o", shipped, built], check=True)
    return shipped, debug


def crash_of(shipped):
    """Let the stripped program crash, and write what the phone would send."""
    done = subprocess.run([shipped], capture_output=True, text=True, check=True)
    notes = subprocess.run(
        ["readelf", "-n", shipped], capture_output=True, text=True, check=True
    ).stdout
    build_id = notes.split("Build ID:")[1].split()[0]
    frames = tuple(
        Frame(
            index=index, module=DEVICE_PATH, build_id=build_id, address=int(line, 16),
            status=FrameStatus.MISSING_DEBUG_FILE,
        )
        for index, line in enumerate(done.stdout.split())
        if int(line, 16) < 1 << 32  # frames of libc are another module's
    )  # fmt: skip
    crash = Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=DEVICE_PATH,
        pid=731,
        tid=735,
        abi="x86_64",
        signal="SIGSEGV",
        signal_number=11,
        signal_code="SEGV_MAPERR",
        fault_addr=0,
        build_fingerprint="Nokia/Avengers_00WW/AVG_sprout:14/UKQ1.230924.001/00WW_3_420:user/release-keys",
        threads=(Thread(name="CameraLoop", tid=735, crashing=True, frames=frames),),
    )
    return write_text(crash)


def test_an_engineer_reads_the_crash_of_a_stripped_program(running, program, page):
    shipped, debug = program
    key, token = running.ingest_key(), running.api_token("read", "symbols")
    device = running.enroll(key)
    running.manage("make_user", "engineer", "--role", "triager", "--password", "a long secret 1")

    answer = running.request(
        "POST", "/api/v1/debug-files/", debug.read_bytes(), token=token,
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert answer.status == 201, answer.body
    assert answer.json["files"][0]["kind"] == "elf_debug"
    document = report_document("tombstone_text", crash_of(shipped), kind="native_crash")
    assert running.upload(device["device_token"], document).status == 202
    report = running.wait_for_report(document["report_id"], token)

    frames = report["crash"]["threads"][0]["frames"]
    assert [frame["function"] for frame in frames[:4]] == [
        "brightness",  # DWARF gives inlined static functions no qualified name
        "exposure",
        "camera::process(camera::Frame const*, int)",
        "camera::Pipeline::run(camera::Frame const*)",
    ]
    assert [frame["inlined"] for frame in frames[:4]] == [True, True, False, False]
    assert frames[0]["file"].endswith("camera.cc")
    crash_line = 1 + SOURCE.read_text().splitlines().index(
        "    const int first = *static_cast<const volatile int *>(frame->pixels);  // the crash"
    )
    assert frames[0]["line"] == crash_line

    page.goto(f"{running.url}/")
    page.get_by_label("Username").fill("engineer")
    page.get_by_label("Password").fill("a long secret 1")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="camera_service", exact=False).first.click()
    text = page.inner_text("main")
    for part in ("brightness", "exposure", "camera::process", "camera::Pipeline::run"):
        assert part in text
    assert f"camera.cc:{crash_line}" in text
    assert "inlined" in text
