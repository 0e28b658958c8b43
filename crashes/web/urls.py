"""The addresses of the pages about crashes."""

from django.urls import path
from django.views.generic import RedirectView

from crashes.web import (
    decisions,
    grouping,
    intake,
    issue_export,
    issues,
    partner,
    privacy,
    releases,
    reports,
    symbols,
    triage,
)
from uxp_diag import converters  # noqa: F401  registers `sha256`

urlpatterns = [
    path("", issues.issue_list, name="issue_list"),
    path("issues/", RedirectView.as_view(pattern_name="issue_list", query_string=True)),
    path("issues/<int:issue_id>/", issues.issue_detail, name="issue_detail"),
    path("issues/export.csv", issue_export.issue_export, {"kind": "csv"}, name="issues_csv"),
    path("issues/export.json", issue_export.issue_export, {"kind": "json"}, name="issues_json"),
    path("issues/bulk/", triage.bulk, name="issue_bulk"),
    path("issues/<int:issue_id>/act/", triage.act, name="issue_act"),
    path("issues/<int:issue_id>/comment/", triage.comment, name="issue_comment"),
    path("actions/<uuid:action_id>/undo/", triage.undo, name="action_undo"),
    path("issues/<int:issue_id>/merge/", decisions.merge, name="issue_merge"),
    path("issues/<int:issue_id>/split/", decisions.split, name="issue_split"),
    path("issues/<int:issue_id>/apart/", decisions.apart, name="issue_apart"),
    path("decisions/<int:decision_id>/undo/", decisions.undo, name="decision_undo"),
    path("reports/<uuid:report_id>/move/", decisions.move, name="report_move"),
    path("reports/<uuid:report_id>/", reports.report_detail, name="report_detail"),
    path("reports/<uuid:report_id>/retry/", intake.retry, name="report_retry"),
    path("reports/<uuid:report_id>/raw/", reports.raw_payload, name="raw_payload"),
    path("reports/<uuid:report_id>/raw/file/", reports.raw_file, name="raw_file"),
    path(
        "reports/<uuid:report_id>/attachments/<sha256:sha256>/file/",
        reports.attachment_file,
        name="attachment_file",
    ),
    path("partner/", partner.partner, name="partner"),
    path("partner/<str:package>/", partner.partner_package, name="partner_package"),
    path("partner/<str:package>/counts.json", partner.partner_json, name="partner_json"),
    path("partner/<str:package>/link/", partner.partner_link, name="partner_link"),
    path("shared/<str:token>/", partner.shared_link, name="shared_link"),
    path("privacy/", privacy.privacy, name="privacy"),
    path("privacy/audit/", privacy.audit, name="audit"),
    path("intake/", intake.intake, name="intake"),
    path("intake/retry/", intake.retry_all, name="intake_retry"),
    path("models/", releases.model_list, name="model_list"),
    path("releases/", releases.release_list, name="release_list"),
    path("releases/<int:release_id>/", releases.release_detail, name="release_detail"),
    path("releases/<int:release_id>/decide/", releases.release_decide, name="release_decide"),
    path("vitals/", releases.vital_page, name="vitals"),
    path("settings/grouping/", grouping.grouping, name="grouping"),
    path("settings/grouping/<int:proposal_id>/apply/", grouping.apply, name="grouping_apply"),
    path("settings/grouping/<int:proposal_id>/discard/", grouping.discard, name="grouping_discard"),
    path("symbols/", symbols.debug_file_list, name="debug_file_list"),
]
