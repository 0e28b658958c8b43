"""Why a phone restarted, where the log holds no report: what loader, watchdog or vendor wrote.

Last reset was system watchdog timer reset (RST_STAT=0x100000)      Samsung, Google: last_kmsg
Boot reason: kernel_panic,subsys                                   several loaders
reboot: Restarting system with command 'recovery'                  kernel/reboot.c
Booting the kernel.                                                the next boot, in one text
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_RESTARTS = tuple(
    (word, re.compile(expression))
    for word, expression in (
        (
            "Last reset was",
            r"Last reset was (?P<reason>[^(]{1,256}?)\s*(?:\((?P<status>[^)]{1,64})\))?\s*$",
        ),
        ("eset reason", r"(?i)\b(?:last )?reset reason\s*[:=]\s*(?P<reason>\S.{0,128})"),
        ("estart reason", r"(?i)\b(?:last )?restart reason\s*[:=]\s*(?P<reason>\S.{0,128})"),
        ("oot reason", r"(?i)\bboot reason\s*[:=]\s*(?P<reason>\S.{0,128})"),
        ("sys.boot.reason", r"sys\.boot\.reason[\]:= \[]{1,5}(?P<reason>[\w,.:@-]{1,128})"),
        ("ootreason", r"bootreason[\]:= \[]{1,5}(?P<reason>[\w,.:@-]{1,128})"),
        ("Restarting system", r"(?P<reason>Restarting system(?: with command '[^']{1,64}')?)"),
        ("Power down", r"(?P<reason>Power down)"),
        ("System halted", r"(?P<reason>System halted)"),
    )
)
_NEXT_BOOT = re.compile(r"^Booting the kernel")
_NOT_A_BOOT = re.compile(r"Parsing ELF|Decompressing Linux|Unknown parameter '")
UNEXPECTED = "unexpected kernel reboot"


@dataclass(frozen=True, slots=True)
class Restart:
    """Why, as it was written, and the whole line (`raw`)."""

    reason: str
    raw: str
    status: str | None = None


def find_restart(texts: Iterable[str]) -> Restart | None:
    """The most telling sentence about a restart: what the loader says beats the kernel's."""
    best: tuple[int, Restart] | None = None
    rebooted = False
    for text in texts:
        rebooted = rebooted or _is_next_boot(text)
        for rank, (word, expression) in enumerate(_RESTARTS):
            if word in text and (best is None or rank < best[0]):
                found = expression.search(text)
                best = (rank, _restart(found, text)) if found else best
    if best is not None:
        return best[1]
    return Restart(UNEXPECTED, UNEXPECTED) if rebooted else None


def _is_next_boot(text: str) -> bool:
    return text.startswith("Booting the") and bool(
        _NEXT_BOOT.match(text) and not _NOT_A_BOOT.search(text)
    )


def _restart(found: re.Match[str], text: str) -> Restart:
    return Restart(found["reason"].strip(), text.strip(), found.groupdict().get("status"))
