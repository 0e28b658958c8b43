"""A program, and people who are signed in to it."""

import pytest

from tests.factories import (
    make_program,
)
from tests.integration.pages.reading import client_for
from uxp_diag.roles import Role


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def client(program):
    return client_for(Role.VIEWER, program)


@pytest.fixture
def triager(program):
    return client_for(Role.TRIAGER, program)
