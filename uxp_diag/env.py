"""Typed readers of environment variables.

Every knob of `settings.py` is read here. A value that cannot be read stops the start with a
sentence that names the variable; a secret may come from a file (`NAME_FILE`). What was read is
remembered in `KNOWN`, so that the README's table can be checked against it.
"""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KNOWN: set[str] = set()

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def env_str(name: str, default: str = "") -> str:
    """The variable's text, or the default when it is unset or empty."""
    KNOWN.add(name)
    return os.environ.get(name, "") or default


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    """The variable as a whole number of at least `minimum`."""
    text = env_str(name, str(default))
    try:
        value = int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.") from None
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {value}.")
    return value


def env_bool(name: str, *, default: bool) -> bool:
    """The variable as yes or no."""
    text = env_str(name, "yes" if default else "no").lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no, not {text!r}.")


def env_list(name: str, default: str = "") -> list[str]:
    """The variable split at commas, blanks trimmed, empty items dropped."""
    return [item.strip() for item in env_str(name, default).split(",") if item.strip()]


def env_path(name: str, default: Path) -> Path:
    """The variable as an absolute path."""
    return Path(env_str(name, str(default))).expanduser().absolute()


def env_text_or_file(name: str) -> str:
    """The variable's text, or that of the file in `NAME_FILE`; empty without either."""
    given, file_name = env_str(name), env_str(f"{name}_FILE")
    return given or (Path(file_name).read_text().strip() if file_name else "")


def env_secret(name: str, *, generated_in: Path | None, advice: str) -> str:
    """A secret from `NAME`, from the file in `NAME_FILE`, or made once and kept.

    The embedded platform makes its own and keeps it in `generated_in` (mode 0600). Production
    passes None there and is refused without a value; `advice` says what to set.
    """
    if given := env_text_or_file(name):
        return given
    if generated_in is None:
        raise ImproperlyConfigured(f"{name} is not set. {advice}")
    return _kept_secret(generated_in)


def _kept_secret(path: Path) -> str:
    """The secret kept in a file, made on first use. Safe when several processes start at once."""
    if not path.exists():
        write_once(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


def write_once(path: Path, text: str) -> None:
    """A file for this user alone (mode 0600), whole when it can be seen; who comes second writes none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
