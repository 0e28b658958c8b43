"""Every address of the platform. Apps are named as strings, so the project imports none."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from uxp_diag.web import health, session

urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("sign-in/", session.sign_in, name="sign_in"),
    path("sign-out/", session.sign_out, name="sign_out"),
    path("theme/", session.choose_theme, name="choose_theme"),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="schema",
    ),
    path("api/v1/", include("devices.api.urls")),
    path("api/v1/", include("crashes.api.urls")),
    path("api/", include("crashes.api.clients.urls")),
    path("debuginfod/", include("crashes.api.debuginfod_urls")),
    path("", include("crashes.web.urls")),
]

handler400 = "uxp_diag.web.errors.bad_request"
handler403 = "uxp_diag.web.errors.forbidden"
handler404 = "uxp_diag.web.errors.not_found"
handler500 = "uxp_diag.web.errors.server_error"
