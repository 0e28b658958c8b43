"""The web application, as servers load it.

A server has a main process and workers; a worker whose main process is killed would keep the port
and go on answering, unseen and for ever. So the kernel ends it with its parent (Linux).
"""

import ctypes
import os
import signal
import sys

from django.core.wsgi import get_wsgi_application

_PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "uxp_diag.settings")
application = get_wsgi_application()
