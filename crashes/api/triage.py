"""`issues/{id}/resolve/` and the like, `issues/bulk/`, and undoing what they did."""

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crashes.api.issues import IssueSchema, issue_document
from crashes.api.staff import ProblemSchema, StaffView, viewer_in
from crashes.selectors.issues import get_issue
from crashes.selectors.triage import (
    find_assignee,
    has_action,
    keep_known_issue_ids,
    list_activity,
    list_issue_ids,
    program_ids_of,
)
from crashes.services.issues import (
    Action,
    Assign,
    Done,
    Mute,
    NothingToUndo,
    Reopen,
    Resolve,
    act_on_issue,
    act_on_issues,
    comment_on_issue,
    undo_action,
)
from crashes.triage.query import parse
from crashes.triage.transitions import (
    LARGEST_COUNT,
    NO_VERSION,
    ImpossibleTransition,
    Resolution,
    Target,
)
from uxp_diag.api.problem import Problem
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

MOST_ISSUES = 10_000
"""How many issues one action may mean; U-07 asks for as many within five seconds."""
_LARGEST = 2**63 - 1
_ANSWERS = {400: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema}


class ResolveInput(serializers.Serializer):
    """From where on the cause is gone: at once when nothing is said."""

    in_build = serializers.CharField(required=False, max_length=100)
    in_version = serializers.CharField(required=False, max_length=100)
    in_version_code = serializers.IntegerField(required=False, min_value=0, max_value=_LARGEST)
    in_next_release = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One way of saying it; a version may come with its code."""
        ways = [name for name in ("in_build", "in_version", "in_next_release") if attrs.get(name)]
        if len(ways) > 1:
            raise serializers.ValidationError(
                "Give one of in_build, in_version and in_next_release."
            )
        if "in_version_code" in attrs and ways != ["in_version"]:
            raise serializers.ValidationError("in_version_code goes with in_version.")
        return attrs


class MuteInput(serializers.Serializer):
    """What ends the mute; nothing mutes for good. `more_reports` counts from now on."""

    until = serializers.DateTimeField(required=False)
    more_reports = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_COUNT)
    daily_reports = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_COUNT)


class AssignInput(serializers.Serializer):
    """The name of a person who works on the program, or null for nobody."""

    user = serializers.CharField(allow_null=True, max_length=150)


class CommentInput(serializers.Serializer):
    """Words."""

    text = serializers.CharField(max_length=10_000)


class BulkInput(serializers.Serializer):
    """What to do, and to which issues: by number, or all that a query means.

    `preview` only counts. `expected` is that count; when there are more or fewer issues meanwhile,
    nothing is done.
    """

    action = serializers.ChoiceField(["resolve", "reopen", "mute", "assign"])
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=_LARGEST),
        required=False,
        max_length=MOST_ISSUES,
    )
    q = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    preview = serializers.BooleanField(default=False)
    expected = serializers.IntegerField(required=False, min_value=0)
    resolve = ResolveInput(required=False)
    mute = MuteInput(required=False)
    assign = AssignInput(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Numbers or a query; a person where one is meant."""
        if ("ids" in attrs) == ("q" in attrs):
            raise serializers.ValidationError("Give either ids or q.")
        if attrs["action"] == "assign" and "assign" not in attrs:
            raise serializers.ValidationError("Say in assign whom.")
        return attrs


class DoneSchema(serializers.Serializer):
    """What an action did; `action_id` undoes it. A preview changes nothing and has none."""

    action_id = serializers.UUIDField(allow_null=True)
    matching = serializers.IntegerField()
    changed = serializers.IntegerField()
    skipped = serializers.IntegerField()


class TriagedIssueSchema(IssueSchema):
    """The issue afterwards; `action_id` undoes what was done, null when nothing changed."""

    action_id = serializers.UUIDField(allow_null=True)


class ActivitySchema(serializers.Serializer):
    """Something that happened to an issue; without `by` the platform did it."""

    kind = serializers.CharField()
    by = serializers.CharField(allow_null=True)
    text = serializers.CharField()
    at = serializers.DateTimeField()
    action_id = serializers.UUIDField(allow_null=True)
    is_undone = serializers.BooleanField()


class ActivityListSchema(serializers.Serializer):
    """Latest first."""

    results = ActivitySchema(many=True)


class _TriageView(StaffView):
    required_scopes = {"POST": Scope.TRIAGE}

    def handle_exception(self, exc: Exception) -> Response:
        """What the state of an issue does not allow is a conflict."""
        if isinstance(exc, ImpossibleTransition):
            exc = Problem(409, "impossible_transition", f"Not possible: {exc}.")
        elif isinstance(exc, NothingToUndo):
            exc = Problem(409, "nothing_to_undo", f"Not undone: {exc}.")
        return super().handle_exception(exc)

    def _do(self, request: Request, issue_id: int, name: str) -> Response:
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        now = timezone.now()
        values = _input(_INPUTS[name], request) if name in _INPUTS else {}
        action = _action(name, values, viewer=viewer, program_ids={issue.program_id})
        done = act_on_issue(issue.id, action, by=viewer, now=now)
        after = issue_document(get_issue(viewer=viewer, issue_id=issue.id))
        return Response({**after, "action_id": str(done.action_id) if done.changed else None})


class IssueResolveView(_TriageView):
    """`issues/{id}/resolve/`."""

    @extend_schema(
        operation_id="resolve_issue",
        request=ResolveInput,
        responses={200: TriagedIssueSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Say that the cause is gone; a report from there on reopens it as regressed."""
        return self._do(request, issue_id, "resolve")


class IssueReopenView(_TriageView):
    """`issues/{id}/reopen/`."""

    @extend_schema(
        operation_id="reopen_issue",
        request=None,
        responses={200: TriagedIssueSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Put a resolved or muted issue back among the open ones."""
        return self._do(request, issue_id, "reopen")


class IssueMuteView(_TriageView):
    """`issues/{id}/mute/`."""

    @extend_schema(
        operation_id="mute_issue",
        request=MuteInput,
        responses={200: TriagedIssueSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Silence an open issue, for good or until something is reached."""
        return self._do(request, issue_id, "mute")


class IssueAssignView(_TriageView):
    """`issues/{id}/assign/`."""

    @extend_schema(
        operation_id="assign_issue",
        request=AssignInput,
        responses={200: TriagedIssueSchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Give an issue to a person, or to nobody."""
        return self._do(request, issue_id, "assign")


class IssueCommentView(_TriageView):
    """`issues/{id}/comment/`."""

    @extend_schema(
        operation_id="comment_on_issue",
        request=CommentInput,
        responses={201: ActivitySchema, **_ANSWERS},
    )
    def post(self, request: Request, issue_id: int) -> Response:
        """Leave words at an issue."""
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        text = _input(CommentInput, request)["text"]
        comment_on_issue(issue.id, text, by=viewer, now=timezone.now())
        return Response(_activity(viewer, issue.id)[0], status=201)


class IssueActivityView(StaffView):
    """`issues/{id}/activity/`."""

    required_scopes = {"GET": Scope.READ}

    @extend_schema(
        operation_id="list_activity", responses={200: ActivityListSchema, 404: ProblemSchema}
    )
    def get(self, request: Request, issue_id: int) -> Response:
        """What happened to an issue, latest first."""
        viewer = viewer_in(request)
        issue = get_issue(viewer=viewer, issue_id=issue_id)
        return Response({"results": _activity(viewer, issue.id)})


class IssueBulkView(_TriageView):
    """`issues/bulk/`."""

    @extend_schema(
        operation_id="act_on_issues",
        request=BulkInput,
        responses={200: DoneSchema, **_ANSWERS},
    )
    def post(self, request: Request) -> Response:
        """Do one thing to many issues, in one transaction with one undo; or count them."""
        viewer = viewer_in(request)
        wanted = _input(BulkInput, request)
        issue_ids = _meant(wanted, viewer)
        name = wanted["action"]
        action = _action(
            name,
            wanted.get(name, {}),
            viewer=viewer,
            program_ids=program_ids_of(viewer=viewer, issue_ids=issue_ids),
        )
        if wanted["preview"]:
            counted = {"matching": len(issue_ids), "changed": 0, "skipped": 0}
            return Response({"action_id": None, **counted})
        if wanted.get("expected", len(issue_ids)) != len(issue_ids):
            raise Problem(
                409,
                "count_changed",
                f"There are {len(issue_ids)} such issues now; nothing was done.",
            )
        done = act_on_issues(issue_ids, action, by=viewer, now=timezone.now())
        return Response(_done(done, matching=len(issue_ids)))


class ActionUndoView(_TriageView):
    """`actions/{action_id}/undo/`."""

    @extend_schema(
        operation_id="undo_action", request=None, responses={200: DoneSchema, **_ANSWERS}
    )
    def post(self, request: Request, action_id: uuid.UUID) -> Response:
        """Put back what an action changed, where nobody changed it since."""
        viewer = viewer_in(request)
        if not has_action(viewer=viewer, action_id=action_id):
            raise Problem(404, "not_found", "Not found.")
        done = undo_action(action_id, by=viewer, now=timezone.now())
        return Response(_done(done, matching=done.changed + done.skipped))


_INPUTS: dict[str, type[serializers.Serializer]] = {
    "resolve": ResolveInput,
    "mute": MuteInput,
    "assign": AssignInput,
}


def _input(kind: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def _action(name: str, values: dict[str, Any], *, viewer: Viewer, program_ids: set[int]) -> Action:
    match name:
        case "resolve":
            return Resolve(_target(values))
        case "mute":
            until: datetime | None = values.get("until")
            return Mute(until, values.get("more_reports"), values.get("daily_reports"))
        case "assign":
            return _assign(values["user"], viewer=viewer, program_ids=program_ids)
        case _:
            return Reopen()


def _assign(name: str | None, *, viewer: Viewer, program_ids: set[int]) -> Assign:
    if not name:
        return Assign()
    member = find_assignee(viewer=viewer, program_ids=program_ids, name=name)
    if member is None:
        raise Problem(400, "invalid_input", "user: nobody of this name works on the program.")
    return Assign(member.user_id, member.name)


def _target(values: dict[str, Any]) -> Target:
    if build := values.get("in_build"):
        return Target(Resolution.BUILD, build=build)
    if version := values.get("in_version"):
        code = values.get("in_version_code", NO_VERSION)
        return Target(Resolution.VERSION, version=version, version_code=code)
    is_next = values.get("in_next_release", False)
    return Target(Resolution.NEXT_RELEASE if is_next else Resolution.NOW)


def _meant(wanted: dict[str, Any], viewer: Viewer) -> list[int]:
    """The numbers of the issues; one that is not there makes all of it a 404."""
    if "q" in wanted:
        found = list_issue_ids(
            viewer=viewer, query=parse(wanted["q"], asked_at=timezone.now()), most=MOST_ISSUES
        )
        if len(found) > MOST_ISSUES:
            detail = f"More than {MOST_ISSUES} issues match; narrow the query."
            raise Problem(409, "too_many_issues", detail)
        return found
    asked = sorted(set(wanted["ids"]))
    found = keep_known_issue_ids(viewer=viewer, issue_ids=asked)
    if found != asked:
        raise Problem(404, "not_found", "Not found.")
    return found


def _done(done: Done, *, matching: int) -> dict[str, Any]:
    return {
        "action_id": str(done.action_id) if done.changed else None,
        "matching": matching,
        "changed": done.changed,
        "skipped": done.skipped,
    }


def _activity(viewer: Viewer, issue_id: int) -> list[dict[str, Any]]:
    return [
        {
            "kind": row.kind,
            "by": row.by_name or None,
            "text": row.text,
            "at": row.at,
            "action_id": row.action_id,
            "is_undone": row.is_undone,
        }
        for row in list_activity(viewer=viewer, issue_id=issue_id)
    ]
