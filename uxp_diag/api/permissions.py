"""The permission class of every view: the view names the scope it needs."""

from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer


class HasScope(BasePermission):
    """Lets in who holds the scope, or one of the scopes, that the view names per method.

    A view without `required_scopes` lets nobody in, so a forgotten line is a closed door.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the viewer holds a scope that this method of the view asks for."""
        required: dict[str, Scope | frozenset[Scope]] = getattr(view, "required_scopes", {})
        wanted = required.get(request.method or "", frozenset())
        any_of = {wanted} if isinstance(wanted, Scope) else wanted
        viewer = request.auth
        return isinstance(viewer, Viewer) and any(map(viewer.may, any_of))


class AnyCredential(BasePermission):
    """For endpoints whose authentication class already decided."""

    message: ClassVar[str] = "This credential cannot be used here."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether authentication found somebody."""
        del view
        return request.auth is not None
