"""On whose behalf something is read: the argument of every selector."""

from dataclasses import dataclass

from uxp_diag.roles import Scope


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may see the rows of some programs, as far as the scopes go.

    `user_id` is None for an API token that belongs to no person.
    """

    name: str
    scopes: frozenset[Scope]
    program_ids: frozenset[int]
    user_id: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether this viewer holds the scope."""
        return scope in self.scopes
