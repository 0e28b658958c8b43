"""Breakpad and Crashpad: a form with a minidump and annotations, answered as Socorro does.

Neither client asks twice: whatever the answer is, the dump is gone afterwards. The answer is for
people who read its text:

    200 CrashID=bp-UUID            it is durable, or was already
    200 Discarded=rule_WHY         we take no more for now; it is counted and gone
    400 Discarded=malformed_WHY    it can never be kept
    401, 403 Discarded=WHY         no key, or not for this program
    413 Discarded=too_large

Crashpad packs the whole body with gzip and sends it in chunks; it may say annotations in the
address too. The same dump sent again has the same id.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from python_multipart.multipart import parse_options_header
from rest_framework.request import Request

from crashes.api.clients.credentials import sender_of
from crashes.api.clients.door import ClientView, Delivered, keep
from crashes.api.clients.forms import MINIDUMP_LIMITS, Form, read_form
from crashes.intake.client_ids import report_id_of_content
from crashes.intake.client_losses import NOT_KEPT, OVER_BUDGET, LossCounter
from crashes.intake.crash_annotations import (
    MAX_ANNOTATIONS,
    annotations_in,
    model_of_annotations,
    report_of_annotations,
)
from crashes.stack import PayloadFormat
from devices.selectors.access import Sender
from uxp_diag.api.problem import Problem

_CLIENT = "breakpad"
_KEY_NAMES = frozenset({"key", "sentry_key", "ingest_key"})
_WHY: Final = {
    "damaged_encoding": "malformed_bad_gzip",
    "truncated_body": "malformed_truncated",
    "malformed_multipart": "malformed_invalid_payload_structure",
    "bad_content_length": "malformed_no_content_length",
    "unsupported_encoding": "malformed_unsupported_encoding",
    "body_too_large": "too_large",
    "too_many_parts": "too_large",
    "not_authenticated": "no_key",
    "bad_credentials": "unknown_key",
    "not_allowed": "key_of_another_program",
    "intake_unavailable": "unavailable",
    "database_away": "unavailable",
    "program_budget": "rule_program_budget",
    "overloaded": "rule_overloaded",
}
_TOO_MANY = 429


class CrashpadView(ClientView):
    """`POST /api/{program}/crashpad/`."""

    def post(self, request: Request, program: int) -> HttpResponse:
        """Keep one minidump."""
        try:
            report_id = self._take(request._request, program)
        except Problem as problem:
            return _discarded(problem)
        return HttpResponse(f"CrashID=bp-{report_id}\n", content_type="text/plain")

    def _take(self, request: HttpRequest, program: int) -> str:
        sender = sender_of(request, program)
        _refuse_no_form(request)
        form = read_form(request, MINIDUMP_LIMITS)
        annotations = _annotations(request, form)
        if form.minidump is None and not annotations:
            raise Problem(400, "no_annotations", "The form has neither a dump nor annotations.")
        return _keep(form, annotations, sender)


def _refuse_no_form(request: HttpRequest) -> None:
    """Raise Problem 400 unless the content type is a form with a boundary."""
    said = request.headers.get("Content-Type", "")
    kind, options = parse_options_header(said)
    if not said:
        raise Problem(400, "no_content_type", "The request has no Content-Type.")
    if kind != b"multipart/form-data":
        raise Problem(400, "wrong_content_type", "The Content-Type is not multipart/form-data.")
    if not options.get(b"boundary"):
        raise Problem(400, "no_boundary", "The Content-Type names no boundary.")


def _annotations(request: HttpRequest, form: Form) -> dict[str, str]:
    """What form, JSON and address say, in this order of trust. Raises Problem 400."""
    said = dict(form.fields)
    extra = said.pop("extra", None)
    if extra is not None:
        document = annotations_in(extra.encode())
        if document is None:
            raise Problem(400, "invalid_json", "The field `extra` is not a JSON object.")
        said = document | said
    in_address = {name: request.GET[name] for name in request.GET if name not in _KEY_NAMES}
    return dict(list((in_address | said).items())[:MAX_ANNOTATIONS])


def _keep(form: Form, annotations: dict[str, str], sender: Sender) -> str:
    dump = form.minidump or b""
    losses = LossCounter(_CLIENT)
    for _ in form.others:
        losses.add(NOT_KEPT, "attachment")
    pairs = [f"{name}={value}" for name, value in sorted(annotations.items())]
    said = [pair.encode("utf-8", "surrogatepass") for pair in pairs]
    report = report_of_annotations(
        annotations,
        report_id=report_id_of_content(dump) if dump else report_id_of_content(*said),
        payload_format=PayloadFormat.MINIDUMP if dump else PayloadFormat.NONE,
        client=_CLIENT,
    )
    delivered = Delivered(report, model_of_annotations(annotations), dump)
    try:
        keep([delivered], losses.losses(), sender=sender, now=timezone.now())
    except Problem as problem:
        if problem.status_code == _TOO_MANY:  # it will not come again, so it is counted here
            losses.add(OVER_BUDGET, "minidump")
            keep([], losses.losses(), sender=sender, now=timezone.now())
        raise
    return str(report.report_id)


def _discarded(problem: Problem) -> HttpResponse:
    why = _WHY.get(problem.code, f"malformed_{problem.code}")
    is_rule = problem.status_code == _TOO_MANY
    response = HttpResponse(
        f"Discarded={why}\n",
        status=200 if is_rule else problem.status_code,
        content_type="text/plain",
    )
    for name, value in problem.headers.items():
        response[name] = value
    return response
