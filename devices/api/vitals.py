"""`POST vitals/`: how a device has been doing, one interval per line."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.api.auth import DeviceTokenAuthentication
from devices.api.budget import refuse_vitals_under_load
from devices.api.consent import refuse_without_consent
from devices.dropped_keys import count_dropped_keys
from devices.selectors.access import Sender
from devices.services.losses import Sent, count_not_kept
from devices.services.vitals import SampleStatus, VitalsUnavailable, accept_samples
from devices.vitals.sample import MalformedSample, Sample, decode_sample
from uxp_diag.api.body import BodyLimits, read_lines, without_nul
from uxp_diag.api.permissions import AnyCredential
from uxp_diag.api.problem import Problem

MAX_LINES = 500
VITALS_LIMITS = BodyLimits(wire_bytes=4 << 20, unpacked_bytes=32 << 20)


class SampleResultSchema(serializers.Serializer):
    """What became of one line. `sample_id` is null when the line could not be read."""

    sample_id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "duplicate", "rejected"])
    code = serializers.CharField(required=False)


class VitalsSchema(serializers.Serializer):
    """The answer to samples."""

    results = SampleResultSchema(many=True)


class VitalsView(APIView):
    """`POST vitals/`."""

    authentication_classes = [DeviceTokenAuthentication]
    permission_classes = [AnyCredential]

    @extend_schema(
        operation_id="upload_vitals",
        request={"application/x-ndjson": OpenApiTypes.STR},
        responses={200: VitalsSchema},
    )
    def post(self, request: Request) -> Response:
        """Take samples; 200 once all that are accepted are durable."""
        sender: Sender = request.auth  # type: ignore[assignment]
        refuse_without_consent(sender)
        refuse_vitals_under_load()
        now = timezone.now()
        lines = read_lines(request._request, VITALS_LIMITS, most=MAX_LINES)
        judged = [_judge(line, received_at=now) for line in lines]
        samples = [item for item in judged if isinstance(item, Sample)]
        try:
            statuses = iter(
                accept_samples(
                    samples,
                    program_id=sender.program_id,
                    device_id=sender.device_id,
                    model=sender.model,
                    now=now,
                )
                if samples and sender.device_id
                else []
            )
        except VitalsUnavailable as problem:
            raise Problem(
                503, "intake_unavailable", str(problem), retry=True, headers={"Retry-After": "30"}
            ) from problem
        results = [
            {"sample_id": None, "status": "rejected", "code": item.code}
            if isinstance(item, MalformedSample)
            else _result(item, next(statuses))
            for item in judged
        ]
        count_not_kept(
            Sent.VITALS,
            program_id=sender.program_id,
            day=now.date(),
            unknown_keys=_dropped_keys(lines, results),
            malformed=sum(isinstance(item, MalformedSample) for item in judged),
        )
        return Response({"results": results})


def _dropped_keys(lines: Sequence[bytes], results: Sequence[Mapping[str, Any]]) -> int:
    """The keys that new samples have and we do not know; of replays they were counted before."""
    return sum(
        count_dropped_keys(line, Sample)
        for line, result in zip(lines, results, strict=True)
        if result["status"] == SampleStatus.ACCEPTED.value
    )


def _judge(line: bytes, *, received_at: Any) -> Sample | MalformedSample:
    try:
        return decode_sample(without_nul(line), received_at=received_at)
    except MalformedSample as problem:
        return problem


def _result(sample: Sample, status: SampleStatus) -> dict[str, Any]:
    sample_id = str(sample.sample_id)
    if status is SampleStatus.CONSENT_WITHDRAWN:
        return {"sample_id": sample_id, "status": "rejected", "code": status.value}
    return {"sample_id": sample_id, "status": status.value}
