"""`grouping-proposals/`: what another mechanism would join and split, applying it, and dropping it."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.staff import ProblemSchema, StaffView, viewer_in
from crashes.selectors.grouping_proposals import Proposal, get_proposal, list_proposals
from crashes.services.proposing import ImpossibleDiscard, discard_proposal
from crashes.services.switch_moves import count_to_move
from crashes.services.switching import ImpossibleSwitch, start_applying
from crashes.tasks import ring_moves
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope

_ANSWERS = {404: ProblemSchema, 409: ProblemSchema}


class ProposedChangeSchema(serializers.Serializer):
    """One join (into `into_id`) or split (a new issue with `new_signature`)."""

    change = serializers.CharField(help_text="join or split")
    issue_id = serializers.CharField()
    signature = serializers.CharField()
    into_id = serializers.CharField(allow_null=True)
    into_signature = serializers.CharField(allow_null=True)
    new_signature = serializers.CharField(allow_null=True)
    reports = serializers.IntegerField()
    kept_apart = serializers.BooleanField(help_text="somebody said that they are not the same")


class ProposalSchema(serializers.Serializer):
    """A proposal and how far it is. `before` is the mechanism that leads back."""

    id = serializers.CharField()
    program_id = serializers.CharField()
    mechanism = serializers.CharField()
    before = serializers.CharField()
    state = serializers.CharField(help_text="ready, applying or applied")
    since = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    reports = serializers.IntegerField()
    groups = serializers.IntegerField()
    joins = serializers.IntegerField()
    splits = serializers.IntegerField()
    applied_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    applied_at = serializers.DateTimeField(allow_null=True)
    moved = serializers.IntegerField()
    left = serializers.IntegerField()


class ProposalDetailSchema(ProposalSchema):
    """A proposal with its largest changes, and how many reports wait to be moved."""

    to_move = serializers.IntegerField()
    changes = ProposedChangeSchema(many=True)


class ProposalListSchema(serializers.Serializer):
    """Proposals, the newest first."""

    results = ProposalSchema(many=True)


class _ProposalView(StaffView):
    required_scopes = dict.fromkeys(("GET", "POST", "DELETE"), Scope.TRIAGE)

    def handle_exception(self, exc: Exception) -> Response:
        """What the state of a proposal does not allow is a conflict."""
        if isinstance(exc, ImpossibleSwitch | ImpossibleDiscard):
            exc = Problem(409, "impossible_switch", f"Not possible: {exc}.")
        return super().handle_exception(exc)


class ProposalListView(_ProposalView):
    """`grouping-proposals/`."""

    @extend_schema(operation_id="list_grouping_proposals", responses={200: ProposalListSchema})
    def get(self, request: Request) -> Response:
        """The newest proposals of the viewer's programs."""
        rows = list_proposals(viewer=viewer_in(request))
        return Response({"results": [_summary(row) for row in rows]})


class ProposalView(_ProposalView):
    """`grouping-proposals/{id}/`."""

    @extend_schema(
        operation_id="get_grouping_proposal",
        responses={200: ProposalDetailSchema, 404: ProblemSchema},
    )
    def get(self, request: Request, proposal_id: int) -> Response:
        """One proposal with its largest changes."""
        return _detail(get_proposal(viewer=viewer_in(request), proposal_id=proposal_id))

    @extend_schema(operation_id="discard_grouping_proposal", responses={204: None, **_ANSWERS})
    def delete(self, request: Request, proposal_id: int) -> Response:
        """Take back a proposal that nobody has applied."""
        proposal = get_proposal(viewer=viewer_in(request), proposal_id=proposal_id)
        discard_proposal(proposal.id)
        return Response(status=204)


class ProposalApplyView(_ProposalView):
    """`grouping-proposals/{id}/apply/`."""

    @extend_schema(
        operation_id="apply_grouping_proposal",
        request=None,
        responses={202: ProposalDetailSchema, **_ANSWERS},
    )
    def post(self, request: Request, proposal_id: int) -> Response:
        """Switch the program to the mechanism; workers then move its stored reports."""
        viewer = viewer_in(request)
        proposal = get_proposal(viewer=viewer, proposal_id=proposal_id)
        start_applying(proposal.id, by=viewer, now=timezone.now())
        ring_moves(proposal.id)
        answer = _detail(get_proposal(viewer=viewer, proposal_id=proposal.id))
        answer.status_code = 202
        return answer


def _summary(row: Proposal) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "program_id": str(row.program_id),
        "mechanism": row.mechanism,
        "before": row.before,
        "state": row.state,
        "since": row.since,
        "created_at": row.created_at,
        "created_by": row.created_by_name,
        "reports": row.reports,
        "groups": row.groups,
        "joins": row.joins,
        "splits": row.splits,
        "applied_by": row.applied_by_name or None,
        "started_at": row.started_at,
        "applied_at": row.applied_at,
        "moved": row.moved,
        "left": row.left,
    }


def _detail(row: Proposal) -> Response:
    return Response(
        {
            **_summary(row),
            "to_move": count_to_move(row.id) if row.is_applying else 0,
            "changes": [_change(change) for change in row.changes],
        }
    )


def _change(change: dict[str, Any]) -> dict[str, Any]:
    into_id = change.get("into_id")
    return {
        "change": change["change"],
        "issue_id": str(change["issue_id"]),
        "signature": change["signature"],
        "into_id": str(into_id) if into_id else None,
        "into_signature": change.get("into_signature"),
        "new_signature": change.get("new_signature"),
        "reports": change["reports"],
        "kept_apart": bool(change.get("kept_apart")),
    }
