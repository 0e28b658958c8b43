"""The door's answer to a phone whose owner does not allow what it sends."""

from devices.selectors.access import Sender
from uxp_diag.api.problem import Problem


def refuse_without_consent(sender: Sender) -> None:
    """Raise Problem 403 when the phone's owner does not allow development."""
    if not sender.allows_development:
        raise consent_problem(has_withdrawn=sender.has_withdrawn)


def consent_problem(*, has_withdrawn: bool) -> Problem:
    """The 403 of a phone whose owner said no, or never said yes."""
    if has_withdrawn:
        return Problem(403, "consent_withdrawn", "The owner has withdrawn consent.")
    return Problem(403, "consent_missing", "The owner has not given consent.")
