"""Settings: what can be set for the viewer's role, and what is set for everybody."""

import re

from django.conf import settings as platform_settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crashes.register.beside import LOG_RETENTION
from crashes.register.terms import EMPLOYED, LATE, OF_USE, TWO_YEARS, YEAR
from crashes.selectors.sharing import list_shared
from devices.selectors.credentials import list_api_tokens, list_ingest_keys, list_people
from devices.selectors.programs import program_names
from devices.services.credentials import (
    MOST_DAYS,
    BadCredential,
    grantable_scopes,
    make_api_token,
    make_ingest_key,
    revoke_api_token,
    revoke_ingest_key,
)
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope

_RETENTION = (
    ("Reports, samples and counts", YEAR),
    ("The audit", TWO_YEARS),
    ("Hashes of erased phones' tokens", LATE),
    ("Debug files", OF_USE),
    ("Accounts", EMPLOYED),
    ("Logs", LOG_RETENTION),
)


@require_safe
@needs(Scope.READ)
def settings(request: StaffRequest) -> HttpResponse:
    """All of it."""
    return _page(request)


@require_POST
@needs(Scope.ADMIN)
def make_token(request: StaffRequest) -> HttpResponse:
    """A new API token. The answer shows it; nothing ever does again."""
    try:
        token = make_api_token(
            request.viewer,
            program_id=_number(request, "program"),
            label=request.POST.get("label", ""),
            scopes=request.POST.getlist("scope"),
            days=_number(request, "days"),
            now=timezone.now(),
        )
    except BadCredential as problem:
        return _page(request, problem=str(problem), status=422)
    return _page(request, token=token)


@require_POST
@needs(Scope.ADMIN)
def revoke_token(request: StaffRequest, token_id: int) -> HttpResponse:
    """End an API token."""
    label = revoke_api_token(request.viewer, token_id, now=timezone.now())
    messages.success(request, f"The token “{label}” is revoked.")
    return redirect("settings")


@require_POST
@needs(Scope.ADMIN)
def make_key(request: StaffRequest) -> HttpResponse:
    """A new ingest key; the list shows it."""
    try:
        make_ingest_key(
            request.viewer,
            program_id=_number(request, "program"),
            label=request.POST.get("label", ""),
            now=timezone.now(),
        )
    except BadCredential as problem:
        return _page(request, problem=str(problem), status=422)
    messages.success(request, "The ingest key is made.")
    return redirect("settings")


@require_POST
@needs(Scope.ADMIN)
def revoke_key(request: StaffRequest, key_id: int) -> HttpResponse:
    """End an ingest key: whoever still has it cannot send any more."""
    label = revoke_ingest_key(request.viewer, key_id, now=timezone.now())
    messages.success(request, f"The ingest key “{label}” is revoked.")
    return redirect("settings")


def _page(
    request: StaffRequest, *, token: str = "", problem: str = "", status: int = 200
) -> HttpResponse:
    viewer, now = request.viewer, timezone.now()
    is_admin = viewer.may(Scope.ADMIN)
    context = {
        "now": now,
        "is_admin": is_admin,
        "may_group": viewer.may(Scope.TRIAGE),
        "programs": program_names(viewer=viewer).items(),
        "tokens": list_api_tokens(viewer=viewer, now=now) if is_admin else [],
        "keys": list_ingest_keys(viewer=viewer) if is_admin else [],
        "scopes": grantable_scopes(viewer),
        "most_days": MOST_DAYS,
        "people": list_people(viewer=viewer),
        "shared": list_shared(viewer=viewer),
        "retention": [(what, term.text) for what, term in _RETENTION],
        "region": platform_settings.REGION,
        "token": token,
        "problem": problem,
    }
    return render(request, "crashes/settings.html", context, status=status)


def _number(request: StaffRequest, name: str) -> int:
    """A number of the form. Raises BadCredential."""
    text = request.POST.get(name, "")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadCredential("A field of the form is missing.")
    return int(text)
