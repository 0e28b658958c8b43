"""What the sandbox's child does, called directly."""

from pathlib import Path

import msgspec
import pytest

from crashes.symbolication.errors import UnreadableDebugFile
from crashes.symbolication.jobs import build_symcache_job, identify_job
from crashes.symbolication.lookup import Symcache
from tests.unit.symbolication.conftest import Toolchain


def test_the_facts_of_a_file_are_plain_values(host: Toolchain) -> None:
    with host.plain().open("rb") as file:
        facts = identify_job(file.fileno())

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(facts)) == facts
    assert (type(facts["kind"]), facts["kind"]) == (str, "elf")
    assert facts["build_id"] == host.build_id(host.plain())
    assert all(type(pair) is list for pair in facts["text_ranges"])


def test_a_symcache_is_built_from_one_descriptor_into_another(
    host: Toolchain, tmp_path: Path
) -> None:
    packed = host.copied(host.library(), "job", "--compress-debug-sections=zlib-gabi")
    target = tmp_path / "job.symcache"

    with (
        packed.open("rb") as source,
        target.open("w+b") as out,
        (tmp_path / "scratch").open("w+b") as scratch,
    ):
        facts = build_symcache_job(source.fileno(), out.fileno(), scratch.fileno())
        open_still = (source.read(4), out.closed, scratch.closed)

    assert open_still[1:] == (False, False)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(facts)) == facts
    assert (type(facts["source"]), facts["source"]) == (str, "dwarf")
    assert facts["size_bytes"] == target.stat().st_size
    assert Symcache(target).build_id == facts["build_id"]


def test_a_refusal_passes_through(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(b"noise")

    with path.open("rb") as file, pytest.raises(UnreadableDebugFile) as refusal:
        identify_job(file.fileno())

    assert refusal.value.code == "not_a_debug_file"
