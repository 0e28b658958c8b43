"""Unwind tables in the sandbox: descriptors in, plain values out."""

from dataclasses import asdict
from typing import Any

from crashes.symbolication.unwind.builder import build_unwind_table


def build_cfi_job(debug_fd: int, out_fd: int) -> dict[str, Any]:
    """Compile `debug_fd` into `out_fd`; `UnwindFacts` as a dict. Raises UnreadableDebugFile."""
    return asdict(build_unwind_table(debug_fd, out_fd))
