"""The addresses of existing clients, below `/api/`. Each works with and without its last slash."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, path

from crashes.api.clients.acra import AcraView
from crashes.api.clients.breakpad import CrashpadView
from crashes.api.clients.sentry import EnvelopeView, MinidumpView, StoreView
from crashes.api.clients.sentry_cli import (
    AssembleView,
    ChunkUploadView,
    DebugFilesView,
    DeployView,
    NoSuchCallView,
    ProguardReleaseView,
    ReleaseListView,
    ReleaseView,
    RootView,
)

_ORG = "0/organizations/<str:org>"
_PROJECT = "0/projects/<str:org>/<str:project>"


def _both(route: str, view: Any) -> Iterator[URLPattern]:
    handler = view.as_view()
    yield path(route, handler)
    yield path(f"{route}/", handler)


urlpatterns = [
    *_both("<int:program>/envelope", EnvelopeView),
    *_both("<int:program>/store", StoreView),
    *_both("<int:program>/minidump", MinidumpView),
    *_both("<int:program>/crashpad", CrashpadView),
    *_both("<int:program>/acra", AcraView),
    *_both("<int:program>/acra/<str:name>", AcraView),
    *_both("0", RootView),
    *_both(f"{_ORG}/chunk-upload", ChunkUploadView),
    *_both(f"{_PROJECT}/files/difs/assemble", AssembleView),
    *_both(f"{_PROJECT}/files/dsyms", DebugFilesView),
    *_both(f"{_PROJECT}/files/proguard-artifact-releases", ProguardReleaseView),
    *_both(f"{_ORG}/releases", ReleaseListView),
    *_both(f"{_PROJECT}/releases", ReleaseListView),
    *_both(f"{_ORG}/releases/<str:version>/deploys", DeployView),
    *_both(f"{_ORG}/releases/<str:version>", ReleaseView),
    *_both(f"{_PROJECT}/releases/<str:version>", ReleaseView),
    path("0/<path:rest>", NoSuchCallView.as_view()),
]
