"""Reason phrases, and the status lines of responses ready to be sent.

A proxy answers with the standard phrase, as Envoy does, whatever phrase the upstream chose: it has no
meaning (RFC 9112 section 4), and it is one place less for bytes that nobody checked.
"""

from __future__ import annotations

from http import HTTPStatus

NO_BODY = frozenset((204, 304))  # with every 1xx: RFC 9112 section 6.3, rule 1


def reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {reason(status)}\r\n".encode()


STATUS_LINES = {status: _status_line(status) for status in range(100, 1000)}
