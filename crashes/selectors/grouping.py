"""Why reports are where they are. For the operator's command line: it sees all programs."""

import uuid
from typing import Any

from crashes.models import Report, ReportContent
from crashes.selectors.contents import document_of
from crashes.selectors.sealed import ContentErased


def get_grouping_receipts(report_id: uuid.UUID) -> list[dict[str, Any]]:
    """The receipts of the reports with this id (one per program and device that used it).

    Each holds the state of the report and, once it is done, how its own stack was placed
    (`receipt`) and how the first stack of its kind was (`variant`).
    """
    rows = (
        Report.objects.filter(report_id=report_id)
        .select_related("issue", "variant", "content")
        .order_by("pk")
    )
    return [_receipt(row) for row in rows]


def _receipt(row: Report) -> dict[str, Any]:
    content = getattr(row, "content", None)
    return {
        "report_id": str(row.report_id),
        "state": row.state,
        "issue_id": row.issue_id,
        "signature": row.issue.signature if row.issue else None,
        "failure": {"code": row.failure_code, "detail": row.failure_detail}
        if row.failure_code
        else None,
        "receipt": _grouping_of(content) if content else None,
        "variant": {
            "id": row.variant.pk,
            "exact_key": row.variant.exact_key,
            "decision": row.variant.decision,
        }
        if row.variant
        else None,
    }


def _grouping_of(content: ReportContent) -> dict[str, Any] | None:
    """None for what is erased. Raises UnreadablePack for what is damaged."""
    try:
        return document_of(content).grouping
    except ContentErased:
        return None
