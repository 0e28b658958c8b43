"""The documents say what the code does: settings, error codes, decisions, commands, links."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from crashes.register import REGISTER
from tests.architecture.error_codes import codes_in
from tests.architecture.tree import run, source_trees, tracked_files
from tests.conftest import ROOT
from uxp_diag.sandbox import FailureReason

DOCUMENTS = [path for path in tracked_files() if path.suffix == ".md"]
HOUSE = [path for path in DOCUMENTS if not path.is_relative_to(ROOT / "tests" / "data")]
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def section(path: Path, heading: str) -> str:
    """The text under a second-level heading, up to the next."""
    _, _, rest = path.read_text().partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def test_the_readme_lists_every_setting(tmp_path: Path) -> None:
    code = "import uxp_diag.settings, uxp_diag.env as env; print(*sorted(env.KNOWN))"

    known = run("env", "-i", f"UXP_DATA_DIR={tmp_path}", sys.executable, "-c", code).stdout.split()

    assert sorted(dict(ROW.findall(section(ROOT / "README.md", "Settings")))) == known


def test_operations_explain_every_metric() -> None:
    """With its labels; and none that has gone."""
    explained = dict(ROW.findall(section(ROOT / "docs" / "operations.md", "Metrics")))

    known = [
        metric.name + ("{" + ",".join(metric.labels) + "}" if metric.labels else "")
        for metric in REGISTER.metrics
    ]

    assert sorted(explained) == sorted(known)


def test_every_error_code_is_explained() -> None:
    codes = codes_in(source_trees())
    codes |= {f"sandbox_{reason}": "uxp_diag/sandbox/terms.py" for reason in FailureReason}

    documented = dict(ROW.findall((ROOT / "docs" / "errors.md").read_text()))

    assert {code: place for code, place in codes.items() if code not in documented} == {}


def test_no_explained_error_code_has_gone() -> None:
    source = "\n".join((ROOT / path).read_text() for path in source_trees())
    documented = dict(ROW.findall((ROOT / "docs" / "errors.md").read_text()))

    gone = [
        code
        for code in documented
        if f'"{code}"' not in source and f'"{code.removeprefix("sandbox_")}"' not in source
    ]

    assert gone == []


def test_error_codes_look_alike_and_end_in_a_sentence() -> None:
    documented = dict(ROW.findall((ROOT / "docs" / "errors.md").read_text()))

    assert [code for code in documented if not re.fullmatch(r"[a-z]+(?:_[a-z]+)*", code)] == []
    assert [code for code, text in documented.items() if not text.endswith(".")] == []


def test_the_index_lists_every_decision_by_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()

    for path in sorted(folder.glob("0*.md")):
        number, _, title = path.read_text().partition("\n")[0].removeprefix("# ").partition(": ")
        assert path.name.startswith(f"{number}-")
        assert f"| [{number}]({path.name}) | {title} |" in index


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text())

    inside = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]

    assert [link for link in inside if link and not (path.parent / link).exists()] == []


def mentions(pattern: str) -> list[tuple[str, str]]:
    """(document, what follows) of every mention of a command in the house's documents."""
    return [
        (str(path.relative_to(ROOT)), found)
        for path in HOUSE
        for found in re.findall(pattern, path.read_text())
    ]


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    mentioned = mentions(r"(?:`|^)make ([a-z]+)")

    assert [mention for mention in mentioned if mention[1] not in targets] == []


def test_every_management_command_that_is_mentioned_exists_with_its_options() -> None:
    wrong = []
    for place, line in mentions(r"manage\.py ([a-z_]+[^`\n]*)"):
        name, *words = shlex.split(line.rstrip(")|"), comments=True)
        if name not in get_commands():
            wrong.append((place, name))
            continue
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        options = [word for word in words if re.fullmatch(r"--[a-z-]+", word)]
        wrong += [(place, f"{name} {it}") for it in options if it not in parser.format_help()]

    assert wrong == []
