"""The lock files: they pin what pyproject.toml asks for, on every Python we say we run on.

Checked without a network, from what is installed. Fresh machines install with
`--require-hashes`, where a dependency that only another Python needs, and that the lock lacks,
stops the installation: hence the look at other versions than this one.
"""

import importlib.metadata
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

RUNTIME = ROOT / "requirements.lock"
DEVELOPMENT = ROOT / "requirements-dev.lock"
PYTHONS = ("3.11.2", "3.11.9", "3.12.8", "3.13.1", "3.14.0")
MACHINES = ("x86_64", "aarch64")

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+) \\$", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in _PIN.findall(lock.read_text())}


def wanted() -> tuple[list[Requirement], list[Requirement]]:
    """What pyproject.toml asks for: at run time, and for development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = [Requirement(text) for text in project["dependencies"]]
    development = [Requirement(text) for text in project["optional-dependencies"]["dev"]]
    return runtime, runtime + development


@pytest.mark.parametrize(("lock", "which"), [(RUNTIME, 0), (DEVELOPMENT, 1)])
def test_a_lock_satisfies_pyproject(lock: Path, which: int) -> None:
    pinned = pins(lock)

    for requirement in wanted()[which]:
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock.name}: run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement} is not {version}"


@pytest.mark.parametrize(("lock", "which"), [(RUNTIME, 0), (DEVELOPMENT, 1)])
def test_a_lock_holds_nothing_that_nobody_asks_for(lock: Path, which: int) -> None:
    names = {canonicalize_name(requirement.name) for requirement in wanted()[which]}

    asked = set(re.findall(r"^([\w.-]+)==(?:(?!^\S).)*?uxp-diag", lock.read_text(), re.M | re.S))

    assert {canonicalize_name(name) for name in asked} == names


def test_development_pins_what_runs() -> None:
    development = pins(DEVELOPMENT)

    assert {name: development.get(name) for name in pins(RUNTIME)} == pins(RUNTIME)


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_every_pin_has_hashes_and_no_source(lock: Path) -> None:
    blocks = re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)

    without = [block for block in blocks if "==" in block and "--hash=sha256:" not in block]
    assert without == []
    assert re.search(r"https?://|^--", lock.read_text(), re.MULTILINE) is None


def environments() -> Iterator[dict[str, str]]:
    for full_version, machine in itertools.product(PYTHONS, MACHINES):
        yield {
            **{name: str(value) for name, value in default_environment().items()},
            "python_version": full_version.rpartition(".")[0],
            "python_full_version": full_version,
            "platform_machine": machine,
        }


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(it, id=it["python_full_version"] + it["platform_machine"])
        for it in environments()
    ],
)
def test_a_lock_is_whole_on_every_python(lock: Path, environment: dict[str, str]) -> None:
    pinned = pins(lock)

    missing = [
        f"{name} needs {requirement}"
        for name in pinned
        for requirement in requirements_of(name, environment)
        if canonicalize_name(requirement.name) not in pinned
    ]

    assert missing == []


def requirements_of(name: str, environment: dict[str, str]) -> Iterator[Requirement]:
    """What an installed distribution needs in an environment, its extras left out."""
    try:
        texts = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return  # pinned for another Python than this one
    for requirement in map(Requirement, texts):
        marker = requirement.marker
        if marker is None or marker.evaluate({**environment, "extra": ""}):
            yield requirement
