"""Every management command of ours says what it is for."""

import pytest
from django.core.management import get_commands, load_command_class

from tests.architecture.tree import PACKAGES

OURS = {name: app for name, app in get_commands().items() if app in PACKAGES}


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_command_answers_help(name: str) -> None:
    command = load_command_class(OURS[name], name)

    text = command.create_parser("manage.py", name).format_help()

    assert command.help, f"{name} does not say what it does"
    assert f"manage.py {name}" in text


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_argument_of_a_command_is_explained_or_obvious(name: str) -> None:
    parser = load_command_class(OURS[name], name).create_parser("manage.py", name)

    unexplained = [
        action.option_strings[0]
        for action in parser._actions
        if action.option_strings and not action.help and not (action.default or action.choices)
    ]

    assert unexplained == []
