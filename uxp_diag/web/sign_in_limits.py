"""How often one may fail to sign in: per network, and per name that is tried.

Only failures count: a try takes from both buckets before the password is looked at, so that many at
once do not slip through, and success puts it back. A name has its bucket whether or not an account
has that name, so being turned away tells nothing.

Somebody who fails on purpose could keep the owner of an account out. So a browser in which an account
has signed in before gets a cookie, and has a bucket of its own for that account.
"""

import secrets
from dataclasses import dataclass
from hashlib import blake2b

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from uxp_diag.limits import Rate, client_address, limiter, network_key

PER_NETWORK = Rate(per_second=1 / 6, burst=50)
PER_NAME = Rate(per_second=1 / 60, burst=10)
_COOKIE = "uxp_known"
_YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to sign in. `wait_seconds` is 0.0 when it may be made."""

    wait_seconds: float
    name_key: str
    taken: tuple[tuple[str, Rate], ...]

    def succeeded(self, response: HttpResponse) -> None:
        """Put back what the try took, and know this browser the next time."""
        for key, rate in self.taken:
            limiter().give_back(key, rate)
        response.set_signed_cookie(
            _COOKIE,
            f"{self.name_key}.{secrets.token_hex(8)}",
            max_age=_YEAR_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def begin_attempt(request: HttpRequest, name: str) -> Attempt:
    """Take one try from the buckets of a network and of a name."""
    name_key = _key_of(name)
    network = f"sign-in/network/{network_key(client_address(request))}"
    known = request.get_signed_cookie(_COOKIE, default="", max_age=_YEAR_SECONDS) or ""
    is_known = known.partition(".")[0] == name_key
    account = f"sign-in/browser/{known}" if is_known else f"sign-in/name/{name_key}"
    taken: list[tuple[str, Rate]] = []
    for key, rate in ((network, PER_NETWORK), (account, PER_NAME)):
        wait = limiter().take(key, rate)
        if wait > 0:
            return Attempt(wait, name_key, tuple(taken))
        taken.append((key, rate))
    return Attempt(0.0, name_key, tuple(taken))


def _key_of(name: str) -> str:
    """What a name is known by here: nobody reads it out of a cookie or out of Redis."""
    key = settings.SECRET_KEY.encode()[:64]
    folded = name.strip().casefold().encode("utf-8", "replace")
    return blake2b(folded, digest_size=12, key=key, person=b"sign-in").hexdigest()
