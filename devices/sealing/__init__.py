"""What devices sent is unreadable where it lies: for whoever has the disk, and after an erasure.

    spool   what the door writes and only a worker opens: sealed to a public key (X25519)
    keys    one random key per device, wrapped by a master key; without it nothing of the device opens
    values  small values in rows, sealed with the key of their device
    streams files, sealed with it in chunks: whole ones, and those that arrive in pieces

All of it is AES-256-GCM as `cryptography` has it. What a box is about (its row, its file) is part of
what is authenticated, so boxes cannot change places. See docs/adr/0008.
"""


class BrokenSeal(Exception):
    """These are not the bytes that were sealed, or not all of them, or not for this place."""


class InvalidSealingKeys(Exception):
    """The configured keys cannot be used; the message says what to set."""
