"""What a sandbox child is asked to do with a payload: plain values in, plain values out."""

from typing import Any

from crashes.formats.registry import parse_payload, sniff
from crashes.stack import PayloadFormat, to_json


def parse_job(payload_format: str, payload: bytes) -> dict[str, Any]:
    """The crash of one payload as JSON values. Raises MalformedPayload."""
    document: dict[str, Any] = to_json(parse_payload(PayloadFormat(payload_format), payload))
    return document


def sniff_job(payload: bytes) -> str | None:
    """The name of the format that the payload looks like, or None."""
    found = sniff(payload)
    return None if found is None else found.value
