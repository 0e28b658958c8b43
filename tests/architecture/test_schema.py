"""The OpenAPI document in the tree is the one that the code says."""

from pathlib import Path

from tests.architecture.tree import manage
from tests.conftest import ROOT


def test_the_openapi_document_is_fresh(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.yaml"

    result = manage("spectacular", "--validate", "--fail-on-warn", "--file", fresh)

    assert result.returncode == 0, result.stdout
    kept = ROOT / "uxp_diag" / "api" / "openapi.yaml"
    assert kept.read_text() == fresh.read_text(), "run `make schema`"
