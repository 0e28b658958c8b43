"""The tables of crashes: reports and their content, issues, grouping, debug files, losses."""

from crashes.models.attachment import Attachment
from crashes.models.debug_file import AppMapping, DebugFile, MissingDebugFile, WaitingReport
from crashes.models.grouping import StackVariant, VariantTerm
from crashes.models.intake import BatchAnswer, ClientLoss
from crashes.models.issue import (
    Issue,
    IssueDevice,
    IssueMove,
    IssueRedirect,
    IssueTally,
    TriageEvent,
)
from crashes.models.report import OccurrenceMark, Report, ReportContent

__all__ = [
    "AppMapping",
    "Attachment",
    "BatchAnswer",
    "ClientLoss",
    "DebugFile",
    "Issue",
    "IssueDevice",
    "IssueMove",
    "IssueRedirect",
    "IssueTally",
    "MissingDebugFile",
    "OccurrenceMark",
    "Report",
    "ReportContent",
    "StackVariant",
    "TriageEvent",
    "VariantTerm",
    "WaitingReport",
]
