"""One mapping and all that can be asked of it."""

from collections.abc import Iterable, Iterator
from mmap import mmap
from pathlib import Path

from crashes.stack import Crash
from crashes.symbolication.retrace.crash import retrace_crash
from crashes.symbolication.retrace.frames import (
    NO_CONTEXT,
    Answer,
    Context,
    FrameRetracer,
)
from crashes.symbolication.retrace.mapping import Mapping, MappingFacts
from crashes.symbolication.retrace.members import NO_LINE
from crashes.symbolication.retrace.text import RetracedLine, retrace_lines, split_lines


class Retracer:
    """Retraces with one mapping; keep it, as answers and read classes are remembered.

    Takes the bytes of the mapping (or a memory map) or the path of the file. Raises
    MalformedMapping for what is no mapping, and OSError for a path.
    """

    def __init__(self, mapping: bytes | mmap | Path) -> None:
        self.mapping = Mapping.open(mapping) if isinstance(mapping, Path) else Mapping(mapping)
        self._frames = FrameRetracer(self.mapping)

    @property
    def facts(self) -> MappingFacts:
        """Map id, compiler, versions."""
        return self.mapping.facts

    def retrace_class(self, name: str) -> str:
        """The original name of a class; the same one if the mapping does not have it."""
        return self.mapping.original_class(name) or name

    def retrace_frame(
        self, class_name: str, method: str, line: int = NO_LINE, context: Context = NO_CONTEXT
    ) -> Answer:
        """What one obfuscated call may have been."""
        return self._frames.retrace(class_name, method, line, context)

    def retrace_crash(self, crash: Crash) -> Crash:
        """The crash with original names. See `crash.retrace_crash`."""
        return retrace_crash(self._frames, crash)

    def retrace_lines(
        self, lines: Iterable[str], *, verbose: bool = False
    ) -> Iterator[RetracedLine]:
        """Each line of a stack trace, in order."""
        return retrace_lines(self._frames, lines, verbose=verbose)

    def retrace_text(self, text: str, *, verbose: bool = False) -> str:
        """A stack trace as R8's `retrace` prints it: every line ends with a line break."""
        retraced = self.retrace_lines(split_lines(text), verbose=verbose)
        return "".join(f"{line}\n" for item in retraced for line in item.retraced)
