"""The endpoints of crashes."""

from django.urls import path

from crashes.api.advice import AdviceView, CureView
from crashes.api.attachments import AttachmentFileView, AttachmentView
from crashes.api.batches import ReportBatchView
from crashes.api.debug_files import DebugFileUploadView, MissingDebugFilesView
from crashes.api.decisions import (
    DecisionUndoView,
    IssueApartView,
    IssueDecisionsView,
    IssueMergeView,
    IssueSplitView,
    ReportMoveView,
    SimilarIssuesView,
)
from crashes.api.export import ExportView
from crashes.api.grouping_proposals import ProposalApplyView, ProposalListView, ProposalView
from crashes.api.intake import (
    IntakeView,
    QuarantinedView,
    QuarantineRetryView,
    ReportRetryView,
)
from crashes.api.issues import IssueListView, IssueView
from crashes.api.raw import RawPayloadView
from crashes.api.releases import (
    ReleaseJudgeView,
    ReleaseListView,
    ReleaseVerdictView,
    ReleaseView,
    VitalQueryView,
)
from crashes.api.reports import ReportsView, ReportView
from crashes.api.triage import (
    ActionUndoView,
    IssueActivityView,
    IssueAssignView,
    IssueBulkView,
    IssueCommentView,
    IssueMuteView,
    IssueReopenView,
    IssueResolveView,
)
from uxp_diag import converters  # noqa: F401  registers `sha256`

urlpatterns = [
    path("reports/", ReportsView.as_view()),  # first: nearly all that comes
    path("reports/batch/", ReportBatchView.as_view()),
    path("debug-files/", DebugFileUploadView.as_view()),
    path("debug-files/missing/", MissingDebugFilesView.as_view()),
    path("devices/me/advice/", AdviceView.as_view()),
    path("devices/me/export/", ExportView.as_view()),
    path("intake/", IntakeView.as_view()),
    path("intake/quarantined/", QuarantinedView.as_view()),
    path("intake/quarantined/retry/", QuarantineRetryView.as_view()),
    path("issues/", IssueListView.as_view()),
    path("issues/bulk/", IssueBulkView.as_view()),
    path("actions/<uuid:action_id>/undo/", ActionUndoView.as_view()),
    path("decisions/<int:decision_id>/undo/", DecisionUndoView.as_view()),
    path("grouping-proposals/", ProposalListView.as_view()),
    path("grouping-proposals/<int:proposal_id>/", ProposalView.as_view()),
    path("grouping-proposals/<int:proposal_id>/apply/", ProposalApplyView.as_view()),
    path("issues/<int:issue_id>/", IssueView.as_view()),
    path("issues/<int:issue_id>/activity/", IssueActivityView.as_view()),
    path("issues/<int:issue_id>/apart/", IssueApartView.as_view()),
    path("issues/<int:issue_id>/assign/", IssueAssignView.as_view()),
    path("issues/<int:issue_id>/comment/", IssueCommentView.as_view()),
    path("issues/<int:issue_id>/decisions/", IssueDecisionsView.as_view()),
    path("issues/<int:issue_id>/merge/", IssueMergeView.as_view()),
    path("issues/<int:issue_id>/mute/", IssueMuteView.as_view()),
    path("issues/<int:issue_id>/reopen/", IssueReopenView.as_view()),
    path("issues/<int:issue_id>/resolve/", IssueResolveView.as_view()),
    path("issues/<int:issue_id>/similar/", SimilarIssuesView.as_view()),
    path("issues/<int:issue_id>/split/", IssueSplitView.as_view()),
    path("releases/", ReleaseListView.as_view()),
    path("releases/cures/", CureView.as_view()),
    path("releases/<int:release_id>/", ReleaseView.as_view()),
    path("releases/<int:release_id>/judge/", ReleaseJudgeView.as_view()),
    path("releases/<int:release_id>/verdict/", ReleaseVerdictView.as_view()),
    path("vitals/query/", VitalQueryView.as_view()),
    path("reports/<uuid:report_id>/", ReportView.as_view()),
    path("reports/<uuid:report_id>/attachments/<sha256:sha256>/", AttachmentView.as_view()),
    path(
        "reports/<uuid:report_id>/attachments/<sha256:sha256>/file/", AttachmentFileView.as_view()
    ),
    path("reports/<uuid:report_id>/attachments/<str:sha256>/", AttachmentView.as_view()),
    path("reports/<uuid:report_id>/move/", ReportMoveView.as_view()),
    path("reports/<uuid:report_id>/retry/", ReportRetryView.as_view()),
    path("reports/<uuid:report_id>/raw/", RawPayloadView.as_view()),
]
