"""What costs a peer nothing and us something may be done only so often (RFC 9113 section 10.5).

Each kind is a bucket that refills with time, so a connection may live for months; who empties one is told
ENHANCE_YOUR_CALM and is gone. Sizes are far above what clients do: pings, a gRPC client's cancels.

resets    streams opened and reset at once (CVE-2023-44487), by the peer or by making us do it (CVE-2025-8671)
control   frames we must answer or account for: PING, SETTINGS, PRIORITY, WINDOW_UPDATE that opens nothing
empty     DATA, HEADERS and CONTINUATION without content (CVE-2019-9518)
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.http.h2.errors import Code, ConnectionFault

Clock = Callable[[], float]


class Bucket:
    """``size`` at once, ``rate`` a second in the long run."""

    __slots__ = ("_clock", "_detail", "_last", "_left", "_rate", "_size")

    def __init__(self, detail: str, size: int, rate: float, clock: Clock) -> None:
        self._detail = detail
        self._size = float(size)
        self._rate = rate
        self._clock = clock
        self._left = self._size
        self._last = clock()

    def take(self) -> None:
        """Raises ConnectionFault when there was too much of it."""
        if self._left < 1.0:
            now = self._clock()
            self._left = min(self._size, self._left + (now - self._last) * self._rate)
            self._last = now
            if self._left < 1.0:
                raise ConnectionFault(Code.ENHANCE_YOUR_CALM, self._detail)
        self._left -= 1.0


class Flood:
    __slots__ = ("control", "empty", "resets", "windows")

    def __init__(self, clock: Clock) -> None:
        self.resets = Bucket("http2.rapid_reset", 500, 100, clock)
        self.control = Bucket("http2.control_flood", 1000, 100, clock)
        self.empty = Bucket("http2.empty_frames_flood", 100, 10, clock)
        # every frame of ours may be acknowledged twice: by the stream and by the connection
        self.windows = Bucket("http2.window_update_flood", 20_000, 200_000, clock)
