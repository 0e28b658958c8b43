"""Kernel logs of the shared samples get the titles that their source gives them; damage is survived."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats.errors import MalformedPayload
from crashes.formats.kernel_log import parse
from crashes.formats.registry import sniff
from crashes.stack import Crash, CrashKind, PayloadFormat
from tests.unit.formats.fixtures import Sample, goldens, samples, shared_dir
from tests.unit.formats.mutations import mutated

LOGS = Path("samples/symbolication/kernel/syzkaller-linux-report")
KERNEL_LINES = [golden.payload for golden in goldens("kernel")]


@dataclass(frozen=True)
class Judged:
    """A log with the verdict of its source in the first lines."""

    path: Path

    @property
    def verdict(self) -> dict[str, str]:
        head = self.path.read_text(errors="replace").partition("\n\n")[0]
        return dict(re.findall(r"^([A-Z]+): (.*)$", head, re.MULTILINE))

    @property
    def payload(self) -> bytes:
        return self.path.read_bytes().partition(b"\nREPORT:\n")[0]

    def __str__(self) -> str:
        return self.path.name


def judged_logs() -> list[Any]:
    folder = shared_dir()
    if folder is None:
        if os.environ.get("CI") == "true":
            pytest.fail("shared samples: UXP_SHARED_DIR not found", pytrace=False)
        reason = "shared samples: UXP_SHARED_DIR not found"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(Judged(path), id=path.name) for path in sorted((folder / LOGS).iterdir())]


def said(crash: Crash) -> dict[str, str]:
    """The crash in the words of a verdict."""
    words = {"TITLE": crash.reason, "TYPE": crash.details.get("type")}
    words["PANICKED"] = "Y" if "panicked" in crash.details else None
    words["CORRUPTED"] = "Y" if "incomplete" in crash.details else None
    return {name: str(word) for name, word in words.items() if word}


@pytest.mark.parametrize("log", judged_logs())
def test_a_log_gets_the_title_and_type_of_its_source(log: Judged):
    names = {"TITLE", "TYPE", "PANICKED", "CORRUPTED"}
    expected = {name: word for name, word in log.verdict.items() if name in names}

    assert said(parse(log.payload)) == expected


@pytest.mark.parametrize("log", judged_logs())
def test_a_log_is_recognized_by_its_content(log: Judged):
    assert sniff(log.payload) is PayloadFormat.KERNEL_LOG


@pytest.mark.parametrize("sample", samples("kernel"))
def test_a_sample_is_read_as_the_manifest_says(sample: Sample):
    expected = sample.expect

    crash = parse(sample.payload)

    assert (crash.kind is not CrashKind.REBOOT) == expected.get("is_crash", False)
    assert crash.reason == expected.get("title", expected.get("reset_reason"))
    for name in ("type", "frame", "raw", "reset_reason"):
        if name in expected:
            assert crash.details[name] == expected[name]
    assert said(crash).get("PANICKED") == expected.get("panicked")
    assert said(crash).get("CORRUPTED") == expected.get("corrupted")


def outcome_of(payload: bytes) -> Crash | str:
    """The crash, or the code of the refusal."""
    try:
        return parse(payload)
    except MalformedPayload as problem:
        return problem.code


@given(payload=st.binary(max_size=2048))
def test_any_bytes_are_a_crash_or_malformed(payload: bytes):
    outcome = outcome_of(payload)

    assert isinstance(outcome, Crash) or outcome == "not_a_kernel_log"


@settings(max_examples=300)
@given(payload=mutated(KERNEL_LINES))
def test_a_damaged_log_is_a_crash_or_malformed(payload: bytes):
    outcome = outcome_of(payload)

    assert isinstance(outcome, Crash) or outcome == "not_a_kernel_log"


_WORDS = [
    "BUG: KASAN: x in f+0x1/0x2",
    "WARNING:",
    "INFO:",
    "at: f+0x1/0x2",
    "Call Trace:",
    "{",
    "}",
]
_WORDS += [" f+0x1/0x2", "Kernel panic - not syncing: {0}", "RIP: 0010:f+0x1/0x2", "Read of size 1"]
_WORDS += [
    "is trying to acquire lock",
    "kernel BUG at {x}",
    "UBSAN: a in b.c:1",
    "\t",
    "? f+0x1/0x2",
]
_WORDS += ["rust_kernel: panicked at ", "Freed by task 1:", "pc : f+0x1/0x2", "Panic#1 Part1"]


@given(lines=st.lists(st.lists(st.sampled_from(_WORDS), max_size=4).map(" ".join), max_size=24))
def test_marks_in_any_order_are_read_without_failing(lines: list[str]):
    payload = "\n".join(f"[    1.0000{at:02}] {line}" for at, line in enumerate(lines)).encode()

    outcome = outcome_of(payload)

    assert isinstance(outcome, Crash) or outcome == "not_a_kernel_log"
