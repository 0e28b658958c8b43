"""The addresses of demo tombstones are places in real programs."""

from dataclasses import replace

import pytest

from crashes.formats.registry import parse_payload
from crashes.management.fleet import native
from crashes.management.fleet.programs import Step, compile_programs, find_toolchain, toolchain_of
from crashes.management.fleet.system_image import system_frames
from crashes.stack import FrameStatus, PayloadFormat
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.symcache import build_symcache
from tests.conftest import skip_or_fail

BUGS = {name: value for name, value in vars(native).items() if isinstance(value, native.NativeBug)}


class Folder:
    """Symcaches of all programs in one folder."""

    def __init__(self, folder, programs):
        self.caches = {}
        for program in programs.values():
            debug_file = folder / f"{program.build_id}.debug"
            debug_file.write_bytes(program.debug_file)
            path = folder / program.build_id
            with debug_file.open("rb") as source, path.open("w+b") as out:
                build_symcache(source.fileno(), out.fileno())
            self.caches[program.build_id] = Symcache(path)

    def symcache_for(self, build_id, arch):
        return self.caches.get(build_id)

    def close(self):
        for cache in self.caches.values():
            cache.close()


@pytest.fixture(scope="module", params=["aarch64-linux-gnu-", ""], ids=["cross", "host"])
def built(request, tmp_path_factory):
    toolchain = toolchain_of(request.param)
    if toolchain is None or toolchain.cxx is None:
        skip_or_fail(f"C++ compiler {request.param or 'of this machine'}: not installed")
        raise AssertionError  # skip_or_fail does not return
    programs = compile_programs(toolchain)
    folder = Folder(tmp_path_factory.mktemp("symcaches"), programs)
    yield programs, folder
    folder.close()


def plain(function):
    return (function or "").partition("(")[0]


@pytest.mark.parametrize("name", BUGS)
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_symbols_give_back_the_calls_of_the_bug(built, name, generation):
    programs, folder = built
    bug = BUGS[name]
    if (name, generation) in {("RECYCLED_FRAME", 1), ("RECYCLED_FRAME", 2), ("BAD_CODE", 3)}:
        return  # the bug is not in this generation
    program = programs[bug.source, generation]
    aborts = bug.signal is native.ABORT
    cache = folder.caches[program.build_id]

    places = program.places(bug.steps, in_call=aborts)
    found = [
        plain(frame.function)
        for frames in cache.lookup(place.address for place in places)
        for frame in frames
    ]

    calls = list(dict.fromkeys(found))
    assert calls == list(dict.fromkeys(step.function for step in bug.steps))[-len(calls) :]


def test_every_build_has_a_build_id_of_its_own(built):
    programs, _ = built

    assert len({program.build_id for program in programs.values()}) == len(programs)


def test_compiling_again_gives_the_same_build_ids(programs):
    toolchain = find_toolchain()
    assert toolchain is not None

    again = compile_programs(toolchain)

    assert {key: one.build_id for key, one in again.items()} == {
        key: one.build_id for key, one in programs.items()
    }


def test_an_unknown_mark_is_an_error(programs):
    program = programs["sensor_hub", 1]

    with pytest.raises(KeyError):
        program.places([Step("fuse", "no_such_mark")], in_call=False)


def test_text_and_protobuf_tombstones_are_named_by_the_uploaded_debug_files(
    reports, programs, tmp_path
):
    folder = Folder(tmp_path, programs)
    seen = set()
    for report in reports:
        if report.bug_key != "tone-curve" or report.is_damaged:
            continue
        crash = parse_payload(report.dump.format, report.dump.content)
        named = symbolicate(crash, find=folder).crash
        seen.add(report.dump.format)
        assert plain(named.threads[0].frames[0].function) == "hmd::camera::ToneCurve::at"
        assert named.threads[0].frames[0].status is FrameStatus.SYMBOLICATED
        assert named.threads[0].frames[-1].status is FrameStatus.MISSING_DEBUG_FILE
        assert len(named.modules) > 10
        assert len(named.threads) > 3
    folder.close()
    assert seen == {PayloadFormat.TOMBSTONE_TEXT, PayloadFormat.TOMBSTONE_PROTO}


def test_only_exported_functions_have_names_on_the_phone(reports):
    report = next(
        one for one in reports if one.bug_key == "past-the-samples" and not one.is_damaged
    )
    crash = parse_payload(report.dump.format, report.dump.content)
    own = [frame for frame in crash.threads[0].frames if "libhmd_" in (frame.module or "")]

    assert [frame.function for frame in own if frame.function] == ["hmd_mixer_thread"]
    assert len(own) > 3


def test_a_program_that_was_not_compiled_has_no_crashes():
    assert native.native_crash(native.TONE_CURVE, {}) is None


def test_system_libraries_differ_between_releases():
    older, newer = (system_frames(("abort",), release)[0] for release in ("13", "14"))

    assert older.function == newer.function
    assert older.build_id != newer.build_id


def test_a_machine_without_cxx_compiles_the_programs_written_in_c(programs):
    toolchain = find_toolchain()
    assert toolchain is not None

    made = compile_programs(replace(toolchain, cxx=None))

    assert {source for source, _ in made} == {"ril_parser", "sensor_hub"}
    assert native.native_crash(native.NESTED_RECORD, made) is not None
    assert native.native_crash(native.TONE_CURVE, made) is None
