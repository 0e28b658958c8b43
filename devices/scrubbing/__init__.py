"""What identifies a person is taken out of everything that phones send, before it is kept.

A report is written by programs that print what they have at hand: the IMEI in a log line, the name of
a Wi-Fi in an exception, a street corner in an address. Engineers need the rest of such a line, so a
find is replaced by a word that tells its kind, and nothing else is touched:

    wlan0: Trying to associate with 9c:3d:cf:12:34:56 (SSID='Virtanen Home' freq=5180 MHz)
    wlan0: Trying to associate with <mac> (SSID='<ssid>' freq=5180 MHz)

A token is no hash: a hash of an IMEI is undone in seconds. The second MAC of a text is `<mac#2>`, so
two peers can be told apart within a report and never across reports. In binary files a find is
overwritten at equal length, so that offsets stay true.

    scrub_text      bytes of text             tokens
    scrub_binary    bytes of anything else    equal length; UTF-16 and packed digits too
    scrub_str       one string
    scrub_values    JSON values, with the key as context
    scrub_struct    the same for msgspec's structs

How it works: every rule (`numbers`, `networks`, `names`, `places`, `secrets`) is an expression of RE2,
which runs in linear time whatever it is fed, and a few lines of Python that look at each candidate:
check digits, what stands before and behind, the word that announces a value. `encodings` finds text
inside text. `engine` settles overlaps. Numbers without check digit need a word; numbers with one
must not look like a time, a size or an address. `tests/unit/scrubbing` holds what must be found
and what must be left; docs/privacy.md says why.

To add a rule: a `Rule` in one of the modules, cases for both sides into the corpus, and
`SCRUBBER_VERSION` one higher, so that `manage.py rescrub` goes over what is stored.
"""

from devices.scrubbing.engine import Scrubbed, scrub_binary, scrub_str, scrub_text
from devices.scrubbing.kinds import Kind
from devices.scrubbing.values import scrub_struct, scrub_value, scrub_values
from devices.scrubbing.version import SCRUBBER_VERSION

__all__ = [
    "SCRUBBER_VERSION",
    "Kind",
    "Scrubbed",
    "scrub_binary",
    "scrub_str",
    "scrub_struct",
    "scrub_text",
    "scrub_value",
    "scrub_values",
]
