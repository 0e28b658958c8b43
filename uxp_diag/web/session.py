"""Signing in and out, and the choice of light or dark.

A wrong name and a wrong password get the same answer after the same work, so the form tells
nobody which names exist. Whoever fails too often has to wait (`sign_in_limits`).
"""

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from uxp_diag.limits import retry_after
from uxp_diag.web.context import THEME_COOKIE, THEMES
from uxp_diag.web.sign_in_limits import begin_attempt

_REFUSED = "This name and password do not belong together."
_TOO_OFTEN = "Too many tries. Wait a minute, then try again."
_YEAR_SECONDS = 365 * 24 * 3600


class SignInForm(forms.Form):
    """Name and password."""

    username = forms.CharField(
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        max_length=1_000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password; then go where one wanted to go."""
    target = _safe_target(request)
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(target)
        return _form_page(request, SignInForm(), target)
    form = SignInForm(request.POST)
    if form.is_valid():
        attempt = begin_attempt(request, form.cleaned_data["username"])
        if attempt.wait_seconds:
            return _too_often(request, form, target, attempt.wait_seconds)
        user = authenticate(request, **form.cleaned_data)
        if user is not None:
            login(request, user)
            response = redirect(target)
            attempt.succeeded(response)
            return response
        form.add_error(None, _REFUSED)
    return _form_page(request, form, target, status=422)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark or the device's preference in a cookie."""
    theme = request.POST.get("theme", "")
    response = redirect(_safe_target(request))
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            theme,
            max_age=_YEAR_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _too_often(
    request: HttpRequest, form: SignInForm, target: str, wait_seconds: float
) -> HttpResponse:
    """429 with the form; the password was not looked at."""
    form.add_error(None, _TOO_OFTEN)
    response = _form_page(request, form, target, status=429)
    response.headers["Retry-After"] = retry_after(wait_seconds)
    return response


def _form_page(
    request: HttpRequest, form: SignInForm, target: str, *, status: int = 200
) -> HttpResponse:
    return render(request, "sign_in.html", {"form": form, "next": target}, status=status)


def _safe_target(request: HttpRequest) -> str:
    """Where `next` leads, if that is a place of ours; else the start page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts=None, require_https=request.is_secure()
    )
    return wanted if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
