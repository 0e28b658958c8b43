"""The ceiling: the least that a Django view can do for a durable upload.

It reads the body, writes it to a file of its own, fsyncs the file, and answers. No key is checked,
nothing is unpacked, read, or remembered. `UXP_DATA_DIR` says where the files go.
"""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from uxp_diag.env import env_path

settings.configure(
    SECRET_KEY=secrets.token_hex(32), ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"]
)
_FOLDER = env_path("UXP_DATA_DIR", Path("var"))


def accept(request: HttpRequest) -> HttpResponse:
    """Keep the body."""
    body = request.META["wsgi.input"].read(int(request.META.get("CONTENT_LENGTH") or 0))
    name = _FOLDER / secrets.token_hex(12)
    with name.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    return JsonResponse({"status": "accepted"}, status=202)


urlpatterns = [path("upload/", accept)]
application = get_wsgi_application()
