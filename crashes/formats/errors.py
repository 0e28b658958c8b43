"""The one error a parser may raise.

Untrusted bytes end in a `Crash` or in `MalformedPayload`, nothing else. The code is stable: it is
shown to people, stored on quarantined reports and counted.
"""


class MalformedPayload(Exception):
    """The payload cannot be read as the format it claims to be.

    `code` is a stable snake-case word such as `not_a_tombstone` or `truncated_protobuf`;
    `where` says at which line (`line 12`; `line 1, letter 8` of JSON) or offset (`offset 0x40`) reading failed, or is None.
    """

    def __init__(self, code: str, detail: str, *, where: str | None = None) -> None:
        super().__init__(f"{detail} ({where})" if where else detail)
        self.code = code
        self.detail = detail
        self.where = where
