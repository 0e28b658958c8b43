"""Where fixtures and the shared samples are."""

import csv
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
DATA = REPOSITORY / "tests" / "data"


@dataclass(frozen=True)
class Golden:
    """A real input and its answer, checked by eye."""

    path: Path

    @property
    def payload(self) -> bytes:
        return self.path.read_bytes()

    @property
    def expected(self) -> dict[str, Any]:
        answer = self.path.with_name(f"{self.path.stem}.expected.json")
        expected: dict[str, Any] = json.loads(answer.read_text())
        return expected

    def __str__(self) -> str:
        return self.path.stem


def goldens(folder: str) -> list[Golden]:
    return [Golden(path) for path in sorted((DATA / folder).glob("*.txt"))]


def shared_dir() -> Path | None:
    """The folder of shared samples, or None where it is not at hand."""
    folder = Path(os.environ.get("UXP_SHARED_DIR", REPOSITORY.parent / "shared"))
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Sample:
    """One row of the manifest of sample payloads."""

    file: str
    kind: str
    expect: dict[str, Any]

    @property
    def payload(self) -> bytes:
        folder = shared_dir()
        assert folder is not None
        return (folder / "samples" / "payloads" / self.file).read_bytes()

    def __str__(self) -> str:
        return self.file


def samples(*kinds: str) -> list[Any]:
    """The samples of these kinds as parameters; one skipped parameter where they are absent.

    With `CI=true` absence is a failure.
    """
    folder = shared_dir()
    if folder is None:
        if os.environ.get("CI") == "true":
            pytest.fail("shared samples: UXP_SHARED_DIR not found", pytrace=False)
        reason = "shared samples: UXP_SHARED_DIR not found"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    csv.field_size_limit(sys.maxsize)
    with (folder / "samples" / "payloads" / "MANIFEST.tsv").open(newline="") as manifest:
        rows = [row for row in csv.DictReader(manifest, delimiter="\t") if row["kind"] in kinds]
    return [
        pytest.param(Sample(row["file"], row["kind"], json.loads(row["expect"])), id=row["file"])
        for row in rows
    ]
