"""How much one sender may send: token buckets, exact under parallel calls.

A bucket is kept as one number, the time at which it will be full again (the generic cell rate
algorithm, ITU-T I.371). Taking from it is one step: a Lua script in Redis, or a lock in this
process when there is no Redis. While Redis is away the process decides alone, so a limit may then
be exceeded by as many times as there are processes, and nobody is turned away for our trouble.
"""

import contextlib
import ipaddress
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Protocol, TypeAlias

import redis
from django.conf import settings
from django.http import HttpRequest

_AWAY_SECONDS = 5.0
_MOST_LOCAL = 100_000
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_second` on average."""

    per_second: float
    burst: int


Bucket: TypeAlias = tuple[str, Rate]
"""A bucket by its key, and how it fills."""


class Limiter(Protocol):
    """Something that hands out what a bucket holds."""

    def take(self, key: str, rate: Rate, *, cost: int = 1) -> float:
        """0.0 when the bucket had enough, else the seconds until it will have; nothing is taken.

        A cost above the burst counts as the burst: it waits for a full bucket, not for ever.
        """

    def take_all(self, buckets: "Sequence[Bucket]", *, cost: int = 1) -> list[float]:
        """Take from several buckets in one step, or from none: what `take` says of each."""

    def give_back(self, key: str, rate: Rate, *, cost: int = 1) -> None:
        """Put back what was taken and turned out not to count."""


class LocalLimiter:
    """Buckets of this process. The least recently used are forgotten beyond 100,000."""

    def __init__(self, *, most: int = _MOST_LOCAL) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, rate: Rate, *, cost: int = 1) -> float:
        """See `Limiter`."""
        return self.take_all([(key, rate)], cost=cost)[0]

    def take_all(self, buckets: Sequence[Bucket], *, cost: int = 1) -> list[float]:
        """See `Limiter`."""
        with self._lock:
            now = time.monotonic()
            full_at = {key: max(self._full_at.pop(key, now), now) for key, _ in buckets}
            seconds = {key: min(cost, rate.burst) / rate.per_second for key, rate in buckets}
            waits = [
                full_at[key] + seconds[key] - now - rate.burst / rate.per_second
                for key, rate in buckets
            ]
            has_enough = max(waits) <= _ROUNDING
            for key, was in full_at.items():
                self._full_at[key] = was + seconds[key] if has_enough else was
            while len(self._full_at) > self._most:
                self._full_at.popitem(last=False)
        return [wait if wait > _ROUNDING else 0.0 for wait in waits]

    def give_back(self, key: str, rate: Rate, *, cost: int = 1) -> None:
        """See `Limiter`."""
        with self._lock:
            if key in self._full_at:
                self._full_at[key] -= min(cost, rate.burst) / rate.per_second


_ROUNDING = 1e-6

_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local full_at, waits, has_enough = {}, {}, true
for i, key in ipairs(KEYS) do
  full_at[i] = math.max(tonumber(redis.call('GET', key) or now), now) + tonumber(ARGV[2 * i - 1])
  local wait = full_at[i] - now - tonumber(ARGV[2 * i])
  if wait > 1e-6 then has_enough = false else wait = 0 end
  waits[i] = tostring(wait)
end
if has_enough then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.6f', full_at[i]), 'PX', math.ceil((full_at[i] - now) * 1000) + 1)
  end
end
return waits
"""

_GIVE_BACK = """
local full_at = redis.call('GET', KEYS[1])
if full_at then redis.call('SET', KEYS[1], string.format('%.6f', full_at - ARGV[1]), 'KEEPTTL') end
"""


class RedisLimiter:
    """Buckets that all processes share."""

    def __init__(self, client: "redis.Redis", *, fallback: Limiter) -> None:
        self._client = client
        self._script = client.register_script(_SCRIPT)
        self._give_back = client.register_script(_GIVE_BACK)
        self._fallback = fallback
        self._away_until = 0.0

    def take(self, key: str, rate: Rate, *, cost: int = 1) -> float:
        """See `Limiter`."""
        return self.take_all([(key, rate)], cost=cost)[0]

    def take_all(self, buckets: Sequence[Bucket], *, cost: int = 1) -> list[float]:
        """See `Limiter`."""
        if time.monotonic() >= self._away_until:
            with contextlib.suppress(redis.RedisError, OSError):
                keys = [f"limit:{key}" for key, _ in buckets]
                times = [
                    part / rate.per_second
                    for _, rate in buckets
                    for part in (min(cost, rate.burst), rate.burst)
                ]
                return [float(wait) for wait in self._script(keys=keys, args=times)]
            self._away_until = time.monotonic() + _AWAY_SECONDS
        return self._fallback.take_all(buckets, cost=cost)

    def give_back(self, key: str, rate: Rate, *, cost: int = 1) -> None:
        """See `Limiter`."""
        if time.monotonic() >= self._away_until:
            with contextlib.suppress(redis.RedisError, OSError):
                self._give_back(
                    keys=[f"limit:{key}"], args=[min(cost, rate.burst) / rate.per_second]
                )
                return
        self._fallback.give_back(key, rate, cost=cost)


@cache
def limiter() -> Limiter:
    """The limiter of this installation."""
    local = LocalLimiter()
    if not settings.REDIS_URL:
        return local
    return RedisLimiter(connect(settings.REDIS_URL), fallback=local)


def connect(url: str) -> "redis.Redis":
    """A client whose callers wait for one of 32 connections, and for no answer longer than 0.5 s."""
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=32, timeout=2, socket_timeout=0.5, socket_connect_timeout=0.5
    )
    return redis.Redis(connection_pool=pool)


def retry_after(seconds: float) -> str:
    """Whole seconds for `Retry-After`, spread so that those turned away do not return as one."""
    spread = random.uniform(1.0, 1.0 + 2 * _JITTER)  # noqa: S311  no secret
    return str(max(1, round(seconds * spread)))


def client_address(request: HttpRequest) -> str:
    """Who sends: the peer, or behind a proxy whom it speaks for. Never stored."""
    told = request.headers.get(settings.CLIENT_ADDRESS_HEADER or "-", "")
    return told.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")


def network_key(address: str) -> str:
    """A name for the network an address is in (/24, /48 in IPv6) that does not tell the address.

    Keyed with a secret of this installation and never written down.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    prefix = 24 if parsed.version == 4 else 48  # noqa: PLR2004  IPv4
    network = int(parsed) >> (parsed.max_prefixlen - prefix)
    key = settings.SECRET_KEY.encode()[:64]
    return blake2b(f"{parsed.version}/{network}".encode(), digest_size=12, key=key).hexdigest()
