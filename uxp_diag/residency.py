"""A cell stays in its region: it knows no other, and connects to nobody who is not on its list.

Hosts inside are allowed without a list: loopback and private addresses (RFC 1918, RFC 4193), link-local
ones, names without a dot (services of docker compose), and names that end in `.internal`, `.local` or
`.localhost`. Names are not looked up: what a name means may change after the start.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

_REGION = re.compile(r"[a-z][a-z0-9-]{0,30}")
_INNER_ENDINGS = (".internal", ".local", ".localhost")


def check_region(text: str) -> str:
    """The one region of this cell. Raises ImproperlyConfigured for several or none."""
    if not _REGION.fullmatch(text):
        raise ImproperlyConfigured(
            f"UXP_REGION must name one region, like `eu`, not {text!r}. A cell serves one region; "
            "start another one, with its own database and keys, for the next."
        )
    return text


def check_outgoing(addresses: Mapping[str, Iterable[str]], *, allowed: Collection[str]) -> None:
    """Refuse hosts that are neither inside nor allowed; `addresses` are by the setting they are from.

    An entry of `allowed` is a host, or `*.example.org` for all below. Raises ImproperlyConfigured.
    """
    for setting, values in addresses.items():
        for value in values:
            for host in hosts_of(value):
                if not is_inside(host) and not _is_allowed(host, allowed):
                    raise ImproperlyConfigured(
                        f"{setting} leads to {host}, which may be in another region. "
                        "If it is not, add it to UXP_ALLOWED_OUTGOING_HOSTS."
                    )


def hosts_of(address: str) -> list[str]:
    """The hosts that an address, or a bare host, leads to; none for files and sockets."""
    if "://" not in address:
        return [address.lower()] if address else []
    parts = urlsplit(address)
    places = parts.netloc.rpartition("@")[2].split(",")
    asked = parse_qs(parts.query)
    places += [
        it
        for name in ("host", "hostaddr")
        for value in asked.get(name, [])
        for it in value.split(",")
    ]
    return [host for place in places if (host := _without_port(place)) and not host.startswith("/")]


def _without_port(place: str) -> str:
    if place.startswith("["):
        return place[1:].partition("]")[0].lower()
    return place.lower() if place.count(":") > 1 else place.partition(":")[0].lower()


def is_inside(host: str) -> bool:
    """Whether a host is this machine or in its own network, as far as its name tells."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_name = re.search("[a-z]", host) is not None
        return is_name and ("." not in host or host.endswith(_INNER_ENDINGS))
    return address.is_loopback or address.is_private or address.is_link_local


def _is_allowed(host: str, allowed: Collection[str]) -> bool:
    return any(
        host == name or (name.startswith("*.") and host.endswith(name[1:]))
        for name in map(str.lower, allowed)
    )
