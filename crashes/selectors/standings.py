"""Where issues stand, in the words of the rules of triage."""

from dataclasses import fields

from crashes.models import Issue
from crashes.triage.transitions import IssueState, Resolution, Standing

STANDING_FIELDS = tuple(part.name for part in fields(Standing))


def standing_of(issue: Issue) -> Standing:
    """Where an issue stands."""
    values = {name: getattr(issue, name) for name in STANDING_FIELDS}
    values["state"] = IssueState(issue.state)
    values["resolution"] = Resolution(issue.resolution)
    return Standing(**values)
