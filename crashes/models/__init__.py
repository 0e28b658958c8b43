"""The tables of crashes: reports and their content, issues, grouping, debug files, losses."""

from crashes.models.debug_file import DebugFile, MissingDebugFile
from crashes.models.grouping import StackVariant, VariantTerm
from crashes.models.intake import BatchAnswer, ClientLoss
from crashes.models.issue import Issue, IssueDevice, IssueTally, TriageEvent
from crashes.models.report import Report, ReportContent

__all__ = [
    "BatchAnswer",
    "ClientLoss",
    "DebugFile",
    "Issue",
    "IssueDevice",
    "IssueTally",
    "MissingDebugFile",
    "Report",
    "ReportContent",
    "StackVariant",
    "TriageEvent",
    "VariantTerm",
]
