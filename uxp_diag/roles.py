"""Who may do what: six roles for people, the same scopes for API tokens.

A scope is the unit of permission; a role is a set of scopes. A view names the scope it needs and
never a role. `RAW_PAYLOAD` is apart from `READ` because what a device sent may hold more than the
crash; `ADMIN` does not include it: running the platform is no reason to read people's data.
`DEBUG_FILES` fetches what `SYMBOLS` uploads: it ends up in the environment of a debugger, so it can
do nothing else, and no role needs it.
"""

from enum import StrEnum


class Scope(StrEnum):
    """One permission."""

    READ = "read"
    TRIAGE = "triage"
    RAW_PAYLOAD = "raw_payload"
    SYMBOLS = "symbols"
    DEBUG_FILES = "debug_files"
    RELEASES = "releases"
    PRIVACY = "privacy"
    ADMIN = "admin"
    PARTNER = "partner"


class Role(StrEnum):
    """What a person is here to do. The value is the name of a Django group."""

    VIEWER = "viewer"
    TRIAGER = "triager"
    RELEASE_MANAGER = "release_manager"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"
    DEVELOPER_PARTNER = "developer_partner"


ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.TRIAGER: frozenset({Scope.READ, Scope.TRIAGE, Scope.RAW_PAYLOAD}),
    Role.RELEASE_MANAGER: frozenset({Scope.READ, Scope.TRIAGE, Scope.RELEASES}),
    Role.PRIVACY_OFFICER: frozenset({Scope.READ, Scope.PRIVACY, Scope.RAW_PAYLOAD}),
    Role.ADMIN: frozenset({Scope.READ, Scope.TRIAGE, Scope.SYMBOLS, Scope.RELEASES, Scope.ADMIN}),
    Role.DEVELOPER_PARTNER: frozenset({Scope.PARTNER}),
}

TOKEN_SCOPES = frozenset(
    {
        Scope.READ,
        Scope.TRIAGE,
        Scope.SYMBOLS,
        Scope.DEBUG_FILES,
        Scope.RELEASES,
        Scope.PRIVACY,
        Scope.ADMIN,
    }
)
"""What an API token may hold."""


def scopes_of(role_names: frozenset[str]) -> frozenset[Scope]:
    """All scopes of a person with these roles; names that are no role add nothing."""
    known = [scopes for role, scopes in ROLE_SCOPES.items() if role.value in role_names]
    return frozenset[Scope]().union(*known)
