"""Damage as devices do it: cut, flipped, repeated, missing and foreign parts."""

from hypothesis import strategies as st

_SCRAPS = [b"\x00", b"\xff\xfe", b"\r\n", b"\n\n", b'"', b"(", b")", b"\t", b"[[TRUNCATED]]", b": "]


@st.composite
def mutated(draw: st.DrawFn, payloads: list[bytes]) -> bytes:
    """One of `payloads` after a few accidents."""
    payload = draw(st.sampled_from(payloads))
    for _ in range(draw(st.integers(1, 4))):
        payload = _damage(draw, payload)
    return payload


def _damage(draw: st.DrawFn, payload: bytes) -> bytes:
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(payload))] * 2)))
    match draw(st.sampled_from(["cut", "drop", "repeat", "insert", "flip", "shuffle"])):
        case "cut":
            return payload[:end]
        case "drop":
            return payload[:start] + payload[end:]
        case "repeat":
            return payload[:end] + payload[start:]
        case "insert":
            return payload[:start] + draw(st.sampled_from(_SCRAPS)) + payload[start:]
        case "flip":
            return (
                payload[:start]
                + bytes(byte ^ 0x20 for byte in payload[start:end][:8])
                + payload[start:][8:]
            )
        case _:
            lines = payload.split(b"\n")
            at = draw(st.integers(0, len(lines) - 1))
            return b"\n".join([*lines[at:], *lines[:at]])
