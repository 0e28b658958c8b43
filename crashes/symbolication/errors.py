"""The one error that reading a debug file may raise."""


class UnreadableDebugFile(Exception):
    """The file is not a debug file we know, or it is damaged.

    `code` is a stable snake-case word such as `not_a_debug_file` or `truncated_elf`; `detail` is
    a sentence for people; `where` names the place (`section .debug_line`) or is None. All three
    are plain values: the error crosses a process boundary.
    """

    def __init__(self, code: str, detail: str, *, where: str | None = None) -> None:
        super().__init__(f"{detail} ({where})" if where else detail)
        self.code = code
        self.detail = detail
        self.where = where
