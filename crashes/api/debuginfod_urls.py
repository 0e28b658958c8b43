"""The addresses of debuginfod, below `/debuginfod/`."""

from django.urls import path, re_path

from crashes.api.debuginfod import DebuginfodFileView, NoSourceView

urlpatterns = [
    re_path(
        r"^buildid/(?P<build_id>[^/]+)/(?P<part>debuginfo|executable)/?$",
        DebuginfodFileView.as_view(),
    ),
    path("buildid/<str:build_id>/source/<path:name>", NoSourceView.as_view()),
    path("buildid/<str:build_id>/section/<path:name>", NoSourceView.as_view()),
]
