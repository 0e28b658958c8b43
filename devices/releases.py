"""What software a phone runs, read from Android's build fingerprint.

`BRAND/PRODUCT/DEVICE:RELEASE/ID/INCREMENTAL:TYPE/TAGS` (AOSP, android.os.Build). Brand, product
and device hold no `/` or `:`, so the text is read from both ends: RELEASE may be `4.4.3.43`,
`15` or a code name, INCREMENTAL may hold dots and underscores, TAGS is a comma-separated list.
"""

import re
from dataclasses import dataclass

_FINGERPRINT = re.compile(
    r"(?P<brand>[^/:]+)/(?P<product>[^/:]+)/(?P<device>[^/:]+)"
    r":(?P<release>[^/:]+)/(?P<build>[^/:]+)/(?P<incremental>[^:]+)"
    r":(?P<type>[^/:]+)/(?P<tags>[^/:]+)"
)
_EMULATOR_MARKS = ("sdk_gphone", "emulator", "emu64", "generic", "vbox")


class MalformedBuildFingerprint(Exception):
    """The text is no Android build fingerprint."""


@dataclass(frozen=True, slots=True)
class BuildFingerprint:
    """The parts of one build fingerprint."""

    brand: str
    product: str
    device: str
    release: str
    build: str
    incremental: str
    type: str
    tags: tuple[str, ...]

    @property
    def is_field_build(self) -> bool:
        """Whether this is what customers run: a `user` build signed with release keys."""
        return self.type == "user" and "release-keys" in self.tags and not self.is_emulator

    @property
    def is_emulator(self) -> bool:
        """Whether the build is of an emulator, which has no owner and no battery."""
        return any(mark in text for mark in _EMULATOR_MARKS for text in (self.product, self.device))


def parse_build_fingerprint(text: str) -> BuildFingerprint:
    """The parts of a fingerprint. Raises MalformedBuildFingerprint."""
    match = _FINGERPRINT.fullmatch(text.strip())
    if match is None:
        raise MalformedBuildFingerprint(f"not a build fingerprint: {text[:120]!r}")
    parts = match.groupdict()
    tags = tuple(parts.pop("tags").split(","))
    return BuildFingerprint(**parts, tags=tags)
