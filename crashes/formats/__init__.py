"""Parsers: the bytes of one payload in, one `Crash` out."""
