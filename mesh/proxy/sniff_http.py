"""Whether a connection begins with HTTP, and with which version (Envoy's http_inspector). Pure.

By the first line (RFC 9112 section 3), or HTTP/2's preface (RFC 9113 section 3.4). What is taken for a first
line is what Envoy takes: any method, a target in one of its four forms, a version or none (HTTP/0.9).
"""

from __future__ import annotations

import re

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_LINE_BYTES = 64 * 1024  # Envoy's MAX_INSPECT_SIZE
NOT_HTTP = ""

_METHOD = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PATH = rb"[/*][^ \t\r\x80-\xff]*"
_ABSOLUTE = rb"[A-Za-z]+://[^ \t\r\x80-\xff]+"
_AUTHORITY = rb"[A-Za-z0-9\-.\[\]:]+"
_FIRST_LINE = re.compile(
    rb"(?:CONNECT[ \t]+%b|%b[ \t]+(?:%b|%b))(?:[ \t]+(HTTP/[0-9]\.[0-9]))?[ \t\r]*"
    % (_AUTHORITY, _METHOD, _PATH, _ABSOLUTE)
)
# what such a line may begin with, as far as one can tell: a method, a space, the target's first character
_BEGINNING = re.compile(rb"%b(?:[ \t]+(?:[/*A-Za-z0-9\[\].:\-].*)?)?" % _METHOD, re.DOTALL)


def sniff_http(data: bytes) -> str | None:
    """The name Envoy gives to what it found (``http/1.0``, ``http/1.1``, ``h2c``), ``NOT_HTTP`` for anything
    else, None while it may become either."""
    if data[: len(PREFACE)] == PREFACE[: len(data)]:
        return "h2c" if len(data) >= len(PREFACE) else None
    line, ended, _ = data.partition(b"\n")
    if not ended:
        return None if _BEGINNING.fullmatch(line) else NOT_HTTP
    found = _FIRST_LINE.fullmatch(line)
    if found is None:
        return NOT_HTTP
    return "http/1.1" if found[1] == b"HTTP/1.1" else "http/1.0"
