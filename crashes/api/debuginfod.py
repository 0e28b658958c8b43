"""debuginfod's protocol: gdb, elfutils and LLVM find our debug files by build id.

    GET /debuginfod/buildid/<build id>/debuginfo     a file with DWARF, else with a symbol table
    GET /debuginfod/buildid/<build id>/executable    the program or library itself
    GET /debuginfod/buildid/<build id>/source/<path>     404: sources are not kept
    GET /debuginfod/buildid/<build id>/section/<name>    404: clients then take the whole file

The protocol has no credentials of its own and its clients send none by themselves, but all of them
are libcurl, which understands an address with a password. So the API token is that password
(`DEBUGINFOD_URLS=https://token:uxpa_…@host/debuginfod`), where it stays out of the request line and
so out of the logs of proxies. Since elfutils 0.188 a file of headers can hold it as a bearer, too.
A token that holds `debug_files` can do this and nothing else.

HEAD and byte ranges work, so that a download that broke off can go on.
"""

import re

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import http_date
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from crashes.api.clients.door import AnyAnswer
from crashes.services.serving import ServedFile, WantedPart, open_served_file
from devices.api.auth import TokenAsPasswordAuthentication
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer
from uxp_diag.web.downloads import ranged_attachment

_BUILD_ID = re.compile(r"(?:[0-9a-f]{2}){2,32}")


class _DebuginfodView(APIView):
    authentication_classes = [TokenAsPasswordAuthentication]
    content_negotiation_class = AnyAnswer
    required_scopes = dict.fromkeys(("GET", "HEAD"), frozenset({Scope.DEBUG_FILES, Scope.SYMBOLS}))
    schema = None


class DebuginfodFileView(_DebuginfodView):
    """`/debuginfod/buildid/{build_id}/debuginfo` and `…/executable`."""

    def get(self, request: Request, build_id: str, part: str) -> HttpResponseBase:
        """The file, or the range of it that was asked for."""
        found = _open(request, build_id, part)
        response = ranged_attachment(
            request._request,
            found.stream,
            size_bytes=found.size_bytes,
            etag=f'"{found.sha256}"',
            file_name=f"{build_id}.{part}",
        )
        return _described(response, found)

    def head(self, request: Request, build_id: str, part: str) -> HttpResponseBase:
        """What GET says of the whole file, without the file."""
        found = _open(request, build_id, part)
        found.stream.close()
        response = HttpResponse(content_type="application/octet-stream")
        response["Content-Length"] = str(found.size_bytes)
        response["Accept-Ranges"] = "bytes"
        response["ETag"] = f'"{found.sha256}"'
        return _described(response, found)


def _open(request: Request, build_id: str, part: str) -> ServedFile:
    """The file. Raises NotFound."""
    viewer: Viewer = request.auth  # type: ignore[assignment]
    found = None
    if _BUILD_ID.fullmatch(build_id):
        found = open_served_file(
            viewer=viewer, build_id=build_id, part=WantedPart(part), now=timezone.now()
        )
    if found is None:
        raise NotFound("No debug file of this build id is here.")
    return found


def _described(response: HttpResponseBase, found: ServedFile) -> HttpResponseBase:
    response["Last-Modified"] = http_date(found.created_at.timestamp())
    response["X-DEBUGINFOD-SIZE"] = str(found.size_bytes)
    response["X-DEBUGINFOD-FILE"] = found.name.encode("ascii", "replace").decode()
    return response


class NoSourceView(_DebuginfodView):
    """What other debuginfod servers have and we have not."""

    def get(self, request: Request, **_: str) -> HttpResponse:
        del request
        raise NotFound("Neither sources nor single sections are served.")
