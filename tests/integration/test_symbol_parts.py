"""Debug information in companion files: joined when it is there, waited for when it is not."""

import io
import subprocess
from datetime import timedelta

import pytest

from crashes.models import DebugFile, DebugFilePart, MissingDebugFile, Report
from crashes.services.collecting import collect_debug_files
from crashes.services.serving import WantedPart, open_served_file
from crashes.services.symbol_parts import companions_of
from crashes.services.symbol_tables import list_unprepared, prepare_debug_file, table_path
from crashes.services.symbols import register_debug_file, store_finder
from crashes.symbolication.elf import identify
from tests.conftest import require_program
from tests.factories import make_program, make_viewer
from tests.integration.late_symbols import LATER, NOW, crash_of, regroup, send, tombstone

Quality, State = DebugFile.Quality, DebugFile.State

pytestmark = pytest.mark.django_db


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def shortened(tmp_path_factory):
    """A library that shares debug information with a program, the shared file, an inlined place."""
    folder = tmp_path_factory.mktemp("shortened")
    cc, dwz = require_program("C compiler", "gcc"), require_program("dwz", "dwz")
    library, program, shared = (folder / name for name in ("libs.so", "program", "shared.debug"))
    header = [
        f"struct part{n} {{ int first{n}, second{n}; struct part{n} *next{n}; }};\n"
        f"static inline int sum{n}(struct part{n} *p) {{\n"
        f"  int total{n} = 0;\n  while (p) {{ total{n} += p->first{n} * p->second{n};\n"
        f"    p = p->next{n}; }}\n  return total{n}; }}\n"
        for n in range(20)
    ]
    (folder / "parts.h").write_text("".join(header))
    for name in ("libs.c", "main.c"):
        calls = "".join(
            f"int {name[0]}{n}(void *p) {{ return sum{n}(p) + 1; }}\n" for n in range(20)
        )
        end = "int main(void) { return 0; }\n" if name == "main.c" else ""
        (folder / name).write_text(f'#include "parts.h"\n{calls}{end}')
    flags = ("-O2", "-g", "-Wl,--build-id")
    run(cc, *flags, "-shared", "-fPIC", "-o", library, folder / "libs.c")
    run(cc, *flags, "-o", program, folder / "main.c")
    run(dwz, "-m", shared, "-M", shared.name, library, program)
    return library.read_bytes(), shared.read_bytes()


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A library of two units that were split off, and these."""
    folder = tmp_path_factory.mktemp("split")
    cc = require_program("C compiler", "gcc")
    objects = []
    for name in ("one", "two"):
        (folder / f"{name}.c").write_text(f"int {name}(int a) {{ return a * 3 + 1; }}\n")
        objects.append(folder / f"{name}.o")
        flags = ("-O1", "-g", "-gsplit-dwarf", "-fPIC", "-c")
        run(cc, *flags, "-o", objects[-1], folder / f"{name}.c")
    library = folder / "libsplit.so"
    run(cc, "-shared", "-Wl,--build-id", "-o", library, *objects)
    return library.read_bytes(), [path.with_suffix(".dwo").read_bytes() for path in objects]


@pytest.fixture
def program():
    return make_program()


def add(program, content):
    """Take a file in as an upload and the workers do; what became of it."""
    source = io.BytesIO(content)
    found = register_debug_file(source, name="file", program_id=program.pk, now=NOW)
    prepare_debug_file(found.debug_file.pk)
    sweep()
    return DebugFile.objects.get(pk=found.debug_file.pk)


def sweep():
    while waiting := list_unprepared(limit=10):
        for debug_file_id in waiting:
            prepare_debug_file(debug_file_id)


def innermost(program, report):
    frame = crash_of(program, report).threads[0].frames[0]
    return frame.function, frame.line


def inlined_place(program, debug_file):
    """An address at which a function of a known file was inlined."""
    symcache = store_finder(program.pk, now=NOW).symcache_for(debug_file.build_id, None)
    assert symcache is not None
    addresses = range(symcache.text_bounds[0], symcache.text_bounds[-1])
    found = zip(addresses, symcache.lookup(addresses), strict=True)
    return next(address for address, frames in found if len(frames) > 1 and frames[0].line)


def test_what_dwz_moved_is_joined_whenever_it_comes(program, shortened):
    library, shared = shortened
    alone = add(program, library)
    place = inlined_place(program, alone)
    report = send(program, tombstone(place, build_id=alone.build_id).replace("arm64", "x86_64"))
    assert innermost(program, report)[0] is None  # nobody knows which function was inlined

    companion = add(program, shared)
    regroup()

    joined = DebugFile.objects.get(pk=alone.pk)
    assert (alone.quality, joined.quality) == (Quality.NAMES, Quality.LINES)
    assert alone.failure_detail == f"its alternate file {companion.build_id} is missing"
    assert joined.failure_detail == ""
    assert joined.regrouped_reports == 1
    name, line = innermost(program, report)
    assert name.startswith("sum")
    assert line
    assert Report.objects.count() == 1


def test_a_shared_file_is_missed_by_its_build_id_and_served_to_debuggers(program, shortened):
    library, shared = shortened
    add(program, library)
    build_id = identify(shared).build_id
    missed = list(MissingDebugFile.objects.values_list("build_id", "module", "reports"))

    add(program, shared)

    viewer = make_viewer(program)
    part = WantedPart.DEBUG_INFO
    served = open_served_file(viewer=viewer, build_id=build_id or "", part=part, now=NOW)
    assert served is not None
    assert missed == [(build_id, "shared debug information of file", 0)]
    assert not MissingDebugFile.objects.exists()
    assert served.stream.read() == shared
    served.stream.close()


def test_the_order_of_companions_does_not_matter(program, shortened):
    library, shared = shortened
    add(program, shared)

    joined = add(program, library)

    assert (joined.state, joined.quality) == (State.READY, Quality.LINES)
    assert not list_unprepared(limit=10)


def test_programs_do_not_share_companions(program, shortened):
    library, shared = shortened
    other = make_program(name="other")
    add(other, shared)
    theirs = add(other, library)

    ours = add(program, library)

    assert (ours.quality, theirs.quality) == (Quality.NAMES, Quality.LINES)
    assert ours.sha256 == theirs.sha256
    assert table_path(ours) != table_path(theirs)


def test_split_units_are_taken_one_by_one(program, split):
    library, units = split
    add(program, units[0])
    half = add(program, library)
    address = inlined_or_first(program, half)
    report = send(program, tombstone(*address, build_id=half.build_id).replace("arm64", "x86_64"))

    add(program, units[1])
    regroup()

    whole = DebugFile.objects.get(pk=half.pk)
    assert half.failure_detail == "1 of its split units are missing"
    assert (half.quality, whole.quality) == (Quality.NAMES, Quality.LINES)
    frames = crash_of(program, report).threads[0].frames
    assert [(frame.function, frame.line) for frame in frames] == [("one", 1), ("two", 1)]
    assert len(companions_of(whole).split) == 2


def collected():
    gone = collect_debug_files(older_than=timedelta(days=1), now=LATER, is_rehearsal=False)
    return [one.build_id for one in gone]


def inlined_or_first(program, debug_file):
    """Where the two functions are."""
    symcache = store_finder(program.pk, now=NOW).symcache_for(debug_file.build_id, None)
    assert symcache is not None
    addresses = range(symcache.text_bounds[0], symcache.text_bounds[-1])
    found = dict.fromkeys(("one", "two"), 0)
    for address, frames in zip(addresses, symcache.lookup(addresses), strict=True):
        if frames and frames[0].function in found:
            found[frames[0].function] = found[frames[0].function] or address
    return found.values()


def test_companions_stay_as_long_as_their_files(program, split):
    library, units = split
    files = [add(program, content) for content in (library, *units)]
    assert DebugFilePart.objects.count() == 4
    regroup()

    first = collected()

    assert first[0] == files[0].build_id
    assert not table_path(files[0]).exists()
    assert not DebugFilePart.objects.filter(is_held=False).exists()
    assert {*first, *collected()} == {file.build_id for file in files}
    assert not DebugFilePart.objects.exists()
