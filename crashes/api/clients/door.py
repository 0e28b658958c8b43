"""What the endpoints of existing clients share: no negotiation, and one way to keep reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from crashes.api.uploads import unavailable
from crashes.intake.client_losses import Loss
from crashes.intake.report import Report
from crashes.services.acceptance import IntakeUnavailable, Receipt, Upload
from crashes.services.client_losses import count_losses
from crashes.services.load import Overloaded, admit_reports
from crashes.tasks import ring
from devices.api.budget import overloaded, spend_reports
from devices.selectors.access import Sender


class AnyAnswer(BaseContentNegotiation):
    """Clients get the answer that their protocol has, whatever `Accept` says.

    A 406 would lose the crash, and no client means it.
    """

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The first."""
        del request
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """The first."""
        del request, format_suffix
        return renderers[0], renderers[0].media_type


class ClientView(APIView):
    """An endpoint of a protocol that is not ours.

    The key is looked for by the handler and not by an authentication class, since a client may
    say it in the body.
    """

    authentication_classes = []
    permission_classes = []
    content_negotiation_class = AnyAnswer
    schema = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """One report that a client brought, and the phone's model as far as it says."""

    report: Report
    model: str
    payload: bytes


def keep(
    delivered: Sequence[Delivered], losses: Sequence[Loss], *, sender: Sender, now: datetime
) -> list[Receipt]:
    """Make the reports durable and count what was lost.

    Raises Problem 503, and 429 when the program has spent its budget or too much waits: the caller
    says it in the words that its client acts on best.
    """
    if delivered:
        spend_reports(sender, count=len(delivered))
    uploads = [
        Upload(
            program_id=sender.program_id,
            device_id=None,
            model=item.model,
            report=item.report,
            payload=item.payload,
            received_at=now,
        )
        for item in delivered
    ]
    try:
        receipts = admit_reports(uploads)
    except Overloaded as problem:
        raise overloaded(status_code=429) from problem
    except IntakeUnavailable as problem:
        raise unavailable(problem) from problem
    ring([receipt.pk for receipt in receipts if receipt.pk is not None])
    count_losses(losses, program_id=sender.program_id, day=now.date())
    return receipts
