"""The layers: they hold, and each contract would notice if they did not.

The contracts themselves are in pyproject.toml. A contract that no fault can break protects
nothing, so faults are planted into a copy of the packages, one at a time.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, files_under
from tests.conftest import ROOT

RULES = (
    "crashes.intake",
    "crashes.formats",
    "crashes.symbolication",
    "crashes.grouping",
    "crashes.triage",
    "crashes.stack",
    "devices.consent",
    "devices.releases",
    "devices.identity",
    "devices.credentials",
)

LAYERS_OF_THE_HOUSE = "Crashes know devices, both know the project"
LAYERS_OF_CRASHES = "Inside crashes"
LAYERS_OF_DEVICES = "Inside devices"
PURE_RULES = "The rules and the words know no framework"
CRASH_TABLES = "Only crash queries and use cases touch the crash tables"
FLEET_TABLES = "Only fleet queries and use cases touch the fleet tables"
NO_CYCLE = "No package is part of a cycle"

FAULTS = {
    "project imports an app": (LAYERS_OF_THE_HOUSE, {"uxp_diag/planted.py": "import crashes"}),
    "devices import crashes": (
        LAYERS_OF_THE_HOUSE,
        {"devices/services/planted.py": "import crashes.services"},
    ),
    "a rule imports a rule": (
        LAYERS_OF_CRASHES,
        {"crashes/grouping/planted.py": "import crashes.formats"},
    ),
    "the words import a rule": (LAYERS_OF_CRASHES, {"crashes/stack.py": "import crashes.intake"}),
    "a service imports the tasks": (
        LAYERS_OF_CRASHES,
        {"crashes/services/planted.py": "import crashes.tasks"},
    ),
    "a module fits no layer of crashes": (LAYERS_OF_CRASHES, {"crashes/utils.py": ""}),
    "a selector imports a service": (
        LAYERS_OF_DEVICES,
        {"devices/selectors/planted.py": "import devices.services"},
    ),
    "a module fits no layer of devices": (LAYERS_OF_DEVICES, {"devices/utils.py": ""}),
    "a rule imports the framework": (PURE_RULES, {"crashes/intake/planted.py": "import django"}),
    "a rule imports the project": (PURE_RULES, {"crashes/triage/planted.py": "import uxp_diag.db"}),
    "a page imports a table": (CRASH_TABLES, {"crashes/web/planted.py": "import crashes.models"}),
    "an endpoint imports a table": (
        CRASH_TABLES,
        {"crashes/api/planted.py": "import crashes.models"},
    ),
    "a task imports a table": (CRASH_TABLES, {"crashes/tasks.py": "import crashes.models"}),
    "crashes import a fleet table": (
        FLEET_TABLES,
        {"crashes/services/planted.py": "import devices.models"},
    ),
    "two modules import each other": (
        NO_CYCLE,
        {
            "crashes/triage/planted.py": "import crashes.triage.seed",
            "crashes/triage/seed.py": "import crashes.triage.planted",
        },
    ),
}


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("import-graph")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages in a folder where faults do no harm."""
    for path in files_under(*PACKAGES, suffix=".py"):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path, cache_dir: Path) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-logo", "--cache-dir", cache_dir],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def broken_contracts(report: str) -> list[str]:
    return [line for line in report.splitlines() if line.endswith(" BROKEN")]


def test_the_layers_hold(cache_dir: Path) -> None:
    result = lint(ROOT, cache_dir)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, copy: Path, cache_dir: Path) -> None:
    contract, files = FAULTS[fault]
    for name, code in files.items():
        with (copy / name).open("a") as file:
            file.write(f"\n{code}\n")

    result = lint(copy, cache_dir)

    broken = broken_contracts(result.stdout)
    assert any(line.startswith(contract) for line in broken), result.stdout + result.stderr


def test_every_contract_has_a_planted_fault(cache_dir: Path) -> None:
    contracts = [line for line in lint(ROOT, cache_dir).stdout.splitlines() if " KEPT" in line]

    planted = {contract for contract, _ in FAULTS.values()}
    assert contracts
    assert [name for name in contracts if not name.startswith(tuple(planted))] == []


_WITHOUT_FRAMEWORKS = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"django", "rest_framework", "celery", "redis", "uxp_diag"}:
            raise ImportError(f"{name} is out of bounds")

sys.meta_path.insert(0, Blocker())
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
        importlib.import_module(found.name)
"""


def test_the_rules_run_where_no_framework_is_installed() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _WITHOUT_FRAMEWORKS, *RULES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
