"""Formatters, linters and types: what `make check` runs, so that plain pytest runs it too."""

import pytest

from tests.architecture.tree import PACKAGES, files_under, manage, run, run_module, tracked_files


def test_ruff_finds_nothing() -> None:
    result = run_module("ruff", "check", "--quiet", "--output-format=concise", ".")

    assert result.returncode == 0, result.stdout


def test_python_is_formatted() -> None:
    result = run_module("ruff", "format", "--check", "--quiet", ".")

    assert result.returncode == 0, result.stdout


def test_types_hold() -> None:
    result = run_module("mypy", ".")

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("check", ["--check", "--lint"])
def test_templates_are_in_order(check: str) -> None:
    templates = list(files_under(*PACKAGES, suffix=".html"))

    result = run_module("djlint", "--quiet", check, *templates)

    assert result.returncode == 0, result.stdout


def test_migrations_say_what_the_models_say() -> None:
    result = manage("makemigrations", "--check", "--dry-run")

    assert result.returncode == 0, result.stdout


def test_the_settings_pass_djangos_own_check() -> None:
    result = manage("check", "--fail-level", "WARNING")

    assert result.returncode == 0, result.stdout


def test_shell_scripts_can_be_read() -> None:
    scripts = [path for path in tracked_files() if path.suffix == ".sh" or path.match(".ci/*")]

    for script in scripts:
        shell = script.read_text().partition("\n")[0].rpartition("/")[2].removeprefix("env ")
        result = run(shell, "-n", script)
        assert result.returncode == 0, result.stdout
