"""The tables of crashes: reports and their content, issues, grouping, debug files, losses."""

from crashes.models.attachment import Attachment
from crashes.models.debug_file import (
    AppMapping,
    DebugFile,
    DebugFilePart,
    MissingDebugFile,
    WaitingReport,
)
from crashes.models.decision import ApartPair, GroupingDecision, ReportPin, SplitVariant
from crashes.models.grouping import (
    ProgramMechanism,
    StackVariant,
    TermCount,
    VariantLikeness,
    VariantTerm,
)
from crashes.models.intake import BatchAnswer, ClientLoss, RefusedPayload
from crashes.models.issue import (
    BuildSeen,
    Issue,
    IssueDevice,
    IssueMove,
    IssueRedirect,
    IssueTally,
    TriageEvent,
    VersionSeen,
)
from crashes.models.proposal import GroupingProposal, ProposedReport, ProposedStack
from crashes.models.release import Release, VerdictOverride, VerdictSnapshot
from crashes.models.report import OccurrenceMark, Report, ReportContent
from crashes.models.sharing import SharedCount, SharedPackage, SharedWeek

__all__ = [
    "ApartPair",
    "AppMapping",
    "Attachment",
    "BatchAnswer",
    "BuildSeen",
    "ClientLoss",
    "DebugFile",
    "DebugFilePart",
    "GroupingDecision",
    "GroupingProposal",
    "Issue",
    "IssueDevice",
    "IssueMove",
    "IssueRedirect",
    "IssueTally",
    "MissingDebugFile",
    "OccurrenceMark",
    "ProgramMechanism",
    "ProposedReport",
    "ProposedStack",
    "RefusedPayload",
    "Release",
    "Report",
    "ReportContent",
    "ReportPin",
    "SharedCount",
    "SharedPackage",
    "SharedWeek",
    "SplitVariant",
    "StackVariant",
    "TermCount",
    "TriageEvent",
    "VariantLikeness",
    "VariantTerm",
    "VerdictOverride",
    "VerdictSnapshot",
    "VersionSeen",
    "WaitingReport",
]
