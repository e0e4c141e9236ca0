"""Settings (RFC 9113 section 6.5): what a side says of itself, and the checks of what a peer says."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from mesh.http.h2.errors import Code, ConnectionFault
from mesh.http.h2.frames import MAX_WINDOW, SETTINGS, frame

ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME, MAX_HEADER_LIST = range(2, 7)
ENABLE_CONNECT_PROTOCOL = 8  # RFC 8441 section 3
NO_RFC7540_PRIORITIES = 9  # RFC 9218 section 2.1
DEFAULT_WINDOW = 65535  # section 6.9.2
_ENTRY = Struct(">HL")


@dataclass(frozen=True, slots=True)
class Limits:
    """What we take from a peer; sizes are bytes. A stalled stream holds up to ``stream_window`` of its body,
    all streams of a connection up to ``connection_window``: that bounds the memory of a connection.
    ``protocols``, in lower case, are those a client may go on in by CONNECT; only a server's.
    """

    max_streams: int = 1024  # Envoy's default; only a server's
    stream_window: int = 256 * 1024
    connection_window: int = 4 * 1024 * 1024
    max_header_bytes: int = 60 * 1024
    protocols: frozenset[bytes] = frozenset()


class PeerSettings:
    """What the peer said last; the defaults of section 6.5.2 before it did."""

    __slots__ = ("connects_protocols", "initial_window", "max_frame_size", "max_streams")

    def __init__(self) -> None:
        self.connects_protocols = False
        self.initial_window = DEFAULT_WINDOW
        self.max_frame_size = 16384
        self.max_streams = MAX_WINDOW

    def take(self, payload: bytes) -> int:
        """Obey a SETTINGS payload; returns how much the initial window grew. Raises ConnectionFault."""
        if len(payload) % 6:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.settings_size")
        before = self.initial_window
        for identifier, value in _ENTRY.iter_unpack(payload):
            if identifier == INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "http2.initial_window_size")
                self.initial_window = value
            elif identifier == MAX_FRAME:
                if not 16384 <= value <= 16777215:
                    raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.max_frame_size")
                self.max_frame_size = value
            elif identifier == MAX_CONCURRENT_STREAMS:
                self.max_streams = value
            elif identifier == ENABLE_PUSH and value > 1:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.enable_push")
            elif identifier == NO_RFC7540_PRIORITIES and value > 1:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.no_rfc7540_priorities")
            elif identifier == ENABLE_CONNECT_PROTOCOL:
                self._take_connect_protocol(value)
        return self.initial_window - before

    def _take_connect_protocol(self, value: int) -> None:
        """RFC 8441 section 3: 0 or 1, and never taken back."""
        if value > 1 or (self.connects_protocols and not value):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.enable_connect_protocol")
        self.connects_protocols = bool(value)


def settings_frame(limits: Limits, *, is_client: bool) -> bytes:
    """Ours. We never push and never take a push."""
    values = {INITIAL_WINDOW_SIZE: limits.stream_window, MAX_HEADER_LIST: limits.max_header_bytes}
    if is_client:
        values[ENABLE_PUSH] = 0
    else:
        values[MAX_CONCURRENT_STREAMS] = limits.max_streams
        if limits.protocols:
            values[ENABLE_CONNECT_PROTOCOL] = 1
    return frame(SETTINGS, 0, 0, b"".join(_ENTRY.pack(*entry) for entry in values.items()))
