"""What symbolication needs from the outside: where symcaches come from."""

from typing import Protocol

from crashes.symbolication.lookup import Symcache


class DebugFileFinder(Protocol):
    """Finds the symcache of a module.

    The product's one looks into the debug file store, compiles what is there but not compiled
    yet, and keeps the results open in a `SymcachePool`; tests use a dict.
    """

    def symcache_for(self, build_id: str, arch: str | None) -> Symcache | None:
        """The open symcache of a build id (lower-case hex); None when there is no debug file.

        `arch` is arm64, arm, x86_64, x86 or riscv64, or None when the report does not say. It is
        asked once per module and crash.
        """
        ...
