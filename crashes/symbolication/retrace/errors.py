"""The one error that reading a mapping may raise."""


class MalformedMapping(Exception):
    """The file is no mapping that R8 or ProGuard writes.

    `code` is a stable snake-case word (`not_text`, `no_classes`); `detail` is a sentence for
    people; `where` names the place (`line 12`) or is None. Plain values: the error may cross a
    process boundary.
    """

    def __init__(self, code: str, detail: str, *, where: str | None = None) -> None:
        super().__init__(f"{detail} ({where})" if where else detail)
        self.code = code
        self.detail = detail
        self.where = where
