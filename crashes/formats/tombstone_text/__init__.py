"""Tombstones as text: what debuggerd writes to `/data/tombstones`, DropBox and logcat.

    *** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
    Build fingerprint: 'nokia/…'
    ABI: 'arm64'
    Timestamp: 2025-11-24 16:26:18.007439439+0100
    Cmdline: com.example.app
    pid: 4515, tid: 4520, name: RenderThread  >>> com.example.app <<<
    signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0
        x0  0000000000000000  …
    backtrace:
          #00 pc 00000000000bd448  /data/app/…/libfoo.so (f(int)+8) (BuildId: 1b9f…)
    memory map (3181 entries): …
    --- --- --- --- --- --- …                              the next thread

The steps: bytes become lines (`crashes.formats.lines`), a log becomes the lines of one writer
(`logs`), lines open and fill sections (`reader`), single lines are taken apart (`frames`, `rows`,
`header`), and the whole becomes a `Crash` (`dump`).

Read are Android 2 to 16, every ABI, xCrash's own header, and the reports of the address
sanitizers. Written from the output of AOSP system/core `debuggerd` (`tombstone.cpp`,
`tombstone_proto_to_text.cpp`). A dump may be cut anywhere: what is there is given. Memory, log
lines and paths of open files are never kept.

`details` may hold: uid, uptime_s, page_size_bytes, has_been_16kb_mode, command_line, revision,
guest_architecture, selinux_label, tagged_addr_ctrl, pac_enabled_keys, signal_code_number,
sender {pid, uid}, requested_dump, causes, crash_details [{name, data}], backtrace_notes,
heap_stacks [{role, tid, frames}], guest_threads [{tid, frames}], memory_mappings, open_fds,
frames_omitted, threads_omitted, tombstones, dropped_count, and from xCrash app_id, app_version, crash_type,
crash_time, start_time, device_model, manufacturer, brand, api_level, os_version, kernel,
abi_list, rooted, tombstone_maker, java_stack.
"""

from crashes.formats.lines import text_lines
from crashes.formats.tombstone_parts import inflated
from crashes.formats.tombstone_text.logs import tombstone_lines
from crashes.formats.tombstone_text.reader import read_dump
from crashes.stack import Crash

__all__ = ["MAX_LINES", "parse"]

MAX_LINES = 500_000  # the longest dump seen has 11,670; what comes behind is not read


def parse(payload: bytes) -> Crash:
    """The first tombstone in a text, which may be a log and may be gzip.

    Raises MalformedPayload: `not_a_tombstone` when neither header nor backtrace is there, and
    for gzip `corrupt_gzip`, `truncated_gzip`, `too_large`.
    """
    lines, others = tombstone_lines(text_lines(inflated(payload))[:MAX_LINES])
    dump = read_dump(lines)
    dump.more_tombstones += others
    return dump.to_crash()
