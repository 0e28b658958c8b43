"""Whatever a file does to its reader, it ends soon, with a reason, and nobody else notices.

The suite reads a part of the corpus; `UXP_TEST_HOSTILE=all` reads all of it.
"""

import os
import tempfile
from dataclasses import replace

import pytest

from crashes.formats.registry import SUPPORTED
from crashes.services.sandboxes import BUILD_SYMCACHE, PARSE, sandbox
from crashes.stack import Crash
from tests import hostile_files
from tests.hostile_files import HostileFile
from tests.hostile_files import hostile_files as all_files
from uxp_diag.sandbox import JobRefused, SandboxFailure

STACK = b"java.lang.Error: gone\n\tat com.example.Main.run(Main.java:1)\n"


def read(file: HostileFile) -> str:
    """What became of a file: "read", the code of its refusal, or why its child was stopped."""
    content = file.make()
    try:
        if file.job == hostile_files.PARSE:
            payload_format = str(file.payload_format)
            sandbox().run(file.job, payload_format, content, limits=PARSE, into=Crash)
        else:
            _read_debug_file(file.job, content)
    except JobRefused as refusal:
        return refusal.code
    except SandboxFailure as failure:
        return f"sandbox_{failure.reason.value}"
    return "read"


def _read_debug_file(job: str, content: bytes) -> None:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
        source.write(content)
        source.flush()
        files = [source.fileno()]
        limits = PARSE
        if job == hostile_files.SYMCACHE:
            files.append(out.fileno())
            limits = replace(PARSE, memory_bytes=BUILD_SYMCACHE.memory_bytes, file_bytes=1 << 30)
        sandbox().run(job, files=files, limits=limits)


def chosen() -> list[HostileFile]:
    files = all_files()
    return files if os.environ.get("UXP_TEST_HOSTILE") == "all" else files[::9]


def test_the_corpus_is_large_and_meets_every_format():
    files = all_files()

    assert len(files) >= 200
    assert len({str(file) for file in files}) == len(files)
    formats = {file.payload_format for file in files if file.payload_format}
    assert {str(one) for one in formats} == {str(one) for one in SUPPORTED}
    assert PARSE.wall_seconds < 9


@pytest.mark.parametrize("file", chosen(), ids=str)
def test_a_hostile_file_ends_with_a_reason(file):
    outcome = read(file)

    assert outcome
    assert outcome not in {"sandbox_unavailable", "sandbox_crashed"}
    assert sandbox().run("crashes.formats.jobs:sniff_job", STACK) == "java_stacktrace"
