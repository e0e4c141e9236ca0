"""What a peer did wrong, and to what: one stream, or the whole connection (RFC 9113 section 5.4)."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """RFC 9113 section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Fault(Exception):
    """``detail`` goes to the access log, never to the peer; the peer gets ``code``."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail


class ConnectionFault(Fault):
    """Nothing that follows can be trusted: GOAWAY, and the connection is closed."""


class StreamFault(Fault):
    """One stream is reset; the others go on."""
