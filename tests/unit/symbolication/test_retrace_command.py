"""`manage.py retrace`."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import ROOT

RETRACE = ROOT / "tests/data/retrace"


def retrace(*args: str | Path, name: str = "readings") -> str:
    output = io.StringIO()
    mapping = RETRACE / f"{name}.mapping.txt"
    call_command("retrace", "--mapping", str(mapping), *map(str, args), stdout=output)
    return output.getvalue()


@pytest.mark.parametrize(
    ("options", "answer"),
    [([], "readings.expected.txt"), (["--verbose"], "readings.expected-verbose.txt")],
)
def test_a_file_comes_out_retraced(options: list[str], answer: str) -> None:
    assert retrace(*options, RETRACE / "readings.stack.txt") == (RETRACE / answer).read_text()


@pytest.mark.parametrize("files", [[], ["-"]])
def test_a_stack_may_come_from_standard_input(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"q: no carrier\xff\r\n")))

    assert retrace(*files) == "org.example.radio.Tuner: no carrier\ufffd\n"


def test_json_tells_what_each_line_may_have_been(tmp_path: Path) -> None:
    stack = tmp_path / "stack.txt"
    stack.write_text("q: no carrier\n\tat q.c(SourceFile:2)\n\tat z.z(Z.java)\n")

    lines = [json.loads(line) for line in retrace("--json", stack).splitlines()]

    assert lines == [
        {
            "obfuscated": "q: no carrier",
            "retraced": ["org.example.radio.Tuner: no carrier"],
            "alternatives": [],
        },
        {
            "obfuscated": "\tat q.c(SourceFile:2)",
            "retraced": [
                "\tat org.example.radio.Tuner.step(Tuner.java:6)",
                "\tat org.example.radio.Tuner.step(Tuner.java:9)",
            ],
            "alternatives": [
                [
                    {"function": "org.example.radio.Tuner.step", "signature": "int step(int)", "line": 6},
                    {"function": "org.example.radio.Tuner.step", "signature": "int step(long)", "line": 9},
                ]
            ],
        },
        {
            "obfuscated": "\tat z.z(Z.java)",
            "retraced": ["\tat z.z(Z.java)"],
            "alternatives": [[{"function": "z.z", "signature": None, "line": None}]],
        },
    ]  # fmt: skip


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        retrace(tmp_path / "nothing.txt")
    with pytest.raises(CommandError, match="No such file"):
        retrace("-", name="nothing")
    with pytest.raises(CommandError, match="No class is mapped"):
        call_command("retrace", "--mapping", str(RETRACE / "lines.stack.txt"), "-")
