"""What is kept for personalisation is read by personalisation alone (P-06), and by the owner's rights."""

import ast

from tests.architecture.tree import files_under
from tests.conftest import ROOT

_TABLES = frozenset({"AdviceGiven"})
_MAY = {
    "devices/models/__init__.py": "the table",
    "devices/selectors/advice.py": "the purpose itself, and numbers of it",
    "devices/selectors/export.py": "the owner's copy",
    "devices/services/advice.py": "the purpose itself",
    "devices/services/consent.py": "it goes with the owner's yes",
    "devices/services/erasure.py": "it goes with the owner's data",
    "devices/services/retention.py": "it goes after its time",
}


def names_of(source: str) -> set[str]:
    """Every name and attribute that a module speaks of, imported ones included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom():
                found |= {part.name for part in node.names}
            case ast.Attribute():
                found.add(node.attr)
            case ast.Name():
                found.add(node.id)
            case ast.Constant(value=str() as text):
                found |= set(text.replace(".", " ").split()) if len(text) < 80 else set()
            case _:
                pass
    return found


def readers() -> set[str]:
    """Modules of the apps that speak of a table of that purpose."""
    code = [
        path
        for folder in ("crashes", "devices", "uxp_diag")
        for path in files_under(folder, suffix=".py")
        if "migrations" not in path.parts and "register" not in path.parts
    ]
    return {str(path.relative_to(ROOT)) for path in code if names_of(path.read_text()) & _TABLES}


def test_only_its_own_modules_read_what_is_kept_for_personalisation() -> None:
    assert readers() == set(_MAY)


def test_the_modules_that_speak_for_the_table_serve_that_purpose() -> None:
    importers = {
        str(path.relative_to(ROOT))
        for folder in ("crashes", "devices", "uxp_diag")
        for path in files_under(folder, suffix=".py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module in {"devices.selectors.advice", "devices.services.advice"}
    }

    assert importers == {
        "crashes/selectors/cures.py",  # numbers only, from 20 phones on
        "crashes/selectors/fixes.py",
        "crashes/services/advising.py",
        "devices/services/advice.py",
    }


def test_every_way_to_name_the_table_is_seen() -> None:
    for source in (
        "from devices.models import AdviceGiven",
        "from devices import models\nmodels.AdviceGiven.objects.all()",
        "from django.apps import apps\napps.get_model('devices.AdviceGiven')",
    ):
        assert names_of(source) & _TABLES
