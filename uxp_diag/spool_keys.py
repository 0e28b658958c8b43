"""The key pair of the spool: everybody may know the public half, only workers read the private one.

Production is given both. The embedded platform makes a pair at its first start: `spool_key` (mode
0600) and `spool_key.pub` beside it, so that its web server never opens the first.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.core.exceptions import ImproperlyConfigured

from uxp_diag.env import env_str, write_once

PRIVATE, PUBLIC = "UXP_SPOOL_KEYS", "UXP_SPOOL_PUBLIC_KEY"
HIDDEN = (PRIVATE, f"{PRIVATE}_FILE")
"""What the web server's environment may not hold."""

_ADVICE = "`make env` makes the pair: `id:64 hexadecimal digits` each."


def spool_public_key(*, kept_in: Path | None) -> str:
    """What the door seals to, as `id:digits`. `kept_in` is where an embedded platform has its own.

    A process that is given private keys alone seals to the newest of them.
    """
    if given := env_str(PUBLIC):
        return given
    if private := _given_private():
        return _public_half(private)
    if kept_in is None:
        raise ImproperlyConfigured(
            f"{PUBLIC} is not set. Set it to the public half of the newest key of {PRIVATE}, which "
            f"only workers get. {_ADVICE}"
        )
    _make_pair(kept_in)
    return _public_path(kept_in).read_text().strip()


def spool_private_keys(*, kept_in: Path | None) -> Callable[[], str]:
    """What a worker calls for its keys, as `id:digits,…`. Nothing is read before it does."""
    for name in HIDDEN:
        env_str(name)

    def read() -> str:
        if given := _given_private():
            return given
        if kept_in is None:
            raise ImproperlyConfigured(
                f"{PRIVATE} is not set, so this worker cannot open the spool. Set it, or "
                f"{PRIVATE}_FILE to a file with it, for workers only. {_ADVICE}"
            )
        _make_pair(kept_in)
        return kept_in.read_text().strip()

    return read


def _given_private() -> str:
    if given := env_str(PRIVATE):
        return given
    file_name = env_str(f"{PRIVATE}_FILE")
    return Path(file_name).read_text().strip() if file_name else ""


def _make_pair(path: Path) -> None:
    """Both files, each whole as soon as it can be seen; processes may start at once."""
    if not path.exists():
        write_once(path, f"1:{secrets.token_hex(32)}")
    public = _public_path(path)
    if not public.exists():
        write_once(public, _public_half(path.read_text().strip()))


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _public_half(private: str) -> str:
    """The public half of the newest of some keys."""
    try:
        pairs = [item.partition(":") for item in private.split(",") if item.strip()]
        key_id, digits = max((int(key_id), digits.strip()) for key_id, _, digits in pairs)
        key = X25519PrivateKey.from_private_bytes(bytes.fromhex(digits))
    except ValueError:
        raise ImproperlyConfigured(f"{PRIVATE} cannot be read. {_ADVICE}") from None
    return f"{key_id}:{key.public_key().public_bytes_raw().hex()}"


def without_private_keys(public_key: str) -> dict[str, str]:
    """What to put into the environment of a web server, so that it holds the public key alone."""
    return {PUBLIC: public_key, **dict.fromkeys(HIDDEN, "")}
