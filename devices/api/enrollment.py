"""Phones enroll, and their owners say what they allow."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.api.auth import DeviceTokenAuthentication, IngestKeyAuthentication
from devices.api.budget import spend_enrollment
from devices.consent import Purpose
from devices.dropped_keys import count_dropped_keys
from devices.identity import InvalidImei, parse_keys
from devices.selectors.access import Sender
from devices.services.consent import record_consent
from devices.services.enrollment import EnrollmentRequest, enroll_device
from devices.services.losses import Sent, count_not_kept
from devices.strict_json import NotStrict, refuse_ambiguity
from uxp_diag.api.body import BodyLimits, read_body, without_nul
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem

_LIMITS = BodyLimits(wire_bytes=64 * 1024, unpacked_bytes=256 * 1024)

_Text40 = Annotated[str, msgspec.Meta(max_length=40)]
_Text100 = Annotated[str, msgspec.Meta(max_length=100)]
_Text200 = Annotated[str, msgspec.Meta(max_length=200)]
_Digits3 = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,3}\Z")]


class ConsentInput(msgspec.Struct, frozen=True):
    """What an owner allows from now on, under which policy text."""

    policy_version: _Text40
    purposes: list[Purpose]
    given_at: datetime | None = None


class EnrollmentInput(msgspec.Struct, frozen=True):
    """What a phone says when it enrolls."""

    imei: _Text40
    model: _Text100
    build_fingerprint: _Text200 = ""
    os_version: _Text40 = ""
    os_build: _Text100 = ""
    mcc: _Digits3 = ""
    mnc: _Digits3 = ""
    consent: ConsentInput | None = None


class ConsentSchema(serializers.Serializer):
    """An owner's consent, as the schema shows it."""

    policy_version = serializers.CharField(max_length=40)
    purposes = serializers.ListField(child=serializers.ChoiceField([str(item) for item in Purpose]))
    given_at = serializers.DateTimeField(required=False)


class EnrollmentSchema(serializers.Serializer):
    """An enrollment, as the schema shows it. `imei` appears in no other call."""

    imei = serializers.CharField(help_text="15 digits; used in memory and never stored")
    model = serializers.CharField(max_length=100)
    build_fingerprint = serializers.CharField(max_length=200, required=False)
    os_version = serializers.CharField(max_length=40, required=False)
    os_build = serializers.CharField(max_length=100, required=False)
    mcc = serializers.CharField(max_length=3, required=False)
    mnc = serializers.CharField(max_length=3, required=False)
    consent = ConsentSchema(required=False)


class EnrolledSchema(serializers.Serializer):
    """The answer to an enrollment."""

    device_id = serializers.UUIDField()
    device_token = serializers.CharField()
    server_time = serializers.DateTimeField()


class ConsentStateSchema(serializers.Serializer):
    """What is allowed now."""

    policy_version = serializers.CharField()
    purposes = serializers.ListField(child=serializers.CharField())
    erasure_id = serializers.UUIDField(
        allow_null=True, help_text="after a withdrawal: the erasure of what was collected"
    )


def decode_input(request: Request, kind: type[Any]) -> tuple[Any, int]:
    """The body as a struct, and how many of its keys were dropped, as we have no word for them.

    Raises Problem 400 or 422; neither repeats what was sent.
    """
    body = without_nul(read_body(request._request, _LIMITS))
    try:
        given = msgspec.json.decode(body, type=kind)
        refuse_ambiguity(body)
    except msgspec.ValidationError as error:
        _, separator, place = str(error).rpartition(" - at ")
        where = place if separator else "`$`"
        raise Problem(422, "invalid_field", f"The value at {where} cannot be used.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotStrict):
        raise Problem(400, "malformed_json", "The body is not valid JSON.") from None
    return given, count_dropped_keys(body, kind)


class EnrollView(APIView):
    """`POST devices/enroll/`."""

    authentication_classes = [IngestKeyAuthentication]
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="enroll_device", request=EnrollmentSchema, responses={201: EnrolledSchema}
    )
    def post(self, request: Request) -> Response:
        """Enroll a phone. The same phone gets the same id and a new token."""
        sender: Sender = request.auth  # type: ignore[assignment]
        spend_enrollment(request)
        given: EnrollmentInput
        given, dropped_keys = decode_input(request, EnrollmentInput)
        now = timezone.now()
        try:
            enrollment = enroll_device(
                given.imei,
                _enrollment_request(given, now=now),
                program_id=sender.program_id,
                keys=parse_keys(settings.IDENTITY_KEYS),
                region=settings.REGION,
                now=now,
            )
        except InvalidImei as problem:
            raise Problem(422, "invalid_imei", str(problem)) from None
        _count(Sent.ENROLLMENT, dropped_keys, sender, now=now)
        answer = {
            "device_id": str(enrollment.device_id),
            "device_token": enrollment.device_token,
            "server_time": now,
        }
        return Response(answer, status=201)


def _count(what: Sent, dropped_keys: int, sender: Sender, *, now: datetime) -> None:
    """Count what was dropped of a statement that is stored."""
    count_not_kept(what, program_id=sender.program_id, day=now.date(), unknown_keys=dropped_keys)


def _enrollment_request(given: EnrollmentInput, *, now: datetime) -> EnrollmentRequest:
    consent = given.consent
    return EnrollmentRequest(
        model=given.model,
        build_fingerprint=given.build_fingerprint,
        os_version=given.os_version,
        os_build=given.os_build,
        mcc=given.mcc,
        mnc=given.mnc,
        policy_version=consent.policy_version if consent else "",
        purposes=frozenset(consent.purposes) if consent else None,
        given_at=_given_at(consent, now=now) if consent else now,
    )


def _given_at(consent: ConsentInput, *, now: datetime) -> datetime:
    """When the owner said so, as the phone tells it: now, where that is no moment of a calendar."""
    said = consent.given_at
    if said is None:
        return now
    try:
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except OverflowError:
        return now


class ConsentView(APIView):
    """`PUT devices/me/consent/`."""

    authentication_classes = [DeviceTokenAuthentication]
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="set_consent", request=ConsentSchema, responses={200: ConsentStateSchema}
    )
    def put(self, request: Request) -> Response:
        """Say what the owner allows from now on; an empty list is withdrawal."""
        sender: Sender = request.auth  # type: ignore[assignment]
        given: ConsentInput
        given, dropped_keys = decode_input(request, ConsentInput)
        now = timezone.now()
        if sender.device_id is None:
            raise Problem(403, "not_allowed", "Only an enrolled phone has consent to give.")
        erasure_id = record_consent(
            sender.device_id,
            purposes=frozenset(given.purposes),
            policy_version=given.policy_version,
            given_at=_given_at(given, now=now),
        )
        _count(Sent.CONSENT, dropped_keys, sender, now=now)
        return Response(
            {
                "policy_version": given.policy_version,
                "purposes": sorted(set(given.purposes)),
                "erasure_id": None if erasure_id is None else str(erasure_id),
            }
        )
