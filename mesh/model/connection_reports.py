"""From reports of connections to counters: what each report adds, and to which series.

A connection's reports carry totals, counters want what is new. All of a connection counts in the series of
its first report, so that those opened there and not closed are those that are open (as in Istio, which finds
a connection's labels once). The same for the sidecar, the agent beside an Envoy, and mixer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from mesh.model.access_log_entry import AccessLogEntry

S = TypeVar("S")

# Connections remembered; beyond that the oldest is forgotten, and counted anew if it is heard of again.
MAX_OPEN = 100_000


class Growth(NamedTuple, Generic[S]):
    """What a report adds to the counters of ``series``."""

    series: S
    opened: int
    closed: int
    received: int
    sent: int


@dataclass(slots=True)
class _Open(Generic[S]):
    series: S
    received: int = 0
    sent: int = 0


class ConnectionReports(Generic[S]):
    def __init__(self, max_open: int = MAX_OPEN) -> None:
        self._max_open = max_open
        self._open: dict[str, _Open[S]] = {}

    def take(self, entry: AccessLogEntry, find: Callable[[], S]) -> Growth[S]:
        """``find`` says which series a connection that is heard of for the first time belongs to."""
        known = self._open.get(entry.stream_id)
        before = known or _Open(find())
        growth = Growth(
            before.series,
            known is None,
            entry.access_log_type == "TcpConnectionEnd",
            max(0, entry.bytes_received - before.received),
            max(0, entry.bytes_sent - before.sent),
        )
        if growth.closed:
            self._open.pop(entry.stream_id, None)
        else:
            before.received, before.sent = entry.bytes_received, entry.bytes_sent
            if known is None:
                self._remember(entry.stream_id, before)
        return growth

    def _remember(self, stream_id: str, connection: _Open[S]) -> None:
        if len(self._open) >= self._max_open:
            del self._open[next(iter(self._open))]
        self._open[stream_id] = connection
