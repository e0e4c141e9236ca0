"""The closed-loop client: a number of keep-alive connections, each sending its next request when answered.

    python -m loadtests.bench.load ADDRESS PORT AUTHORITY CONNECTIONS SECONDS [REQUESTS_PER_SECOND]

With a rate it paces itself (each connection waits for its turn), which is how latency at half load is
measured. Prints one JSON object: requests, errors, seconds, and latency percentiles in microseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies are microseconds from the request's write to the response's last byte."""

    requests: int
    errors: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def request(authority: str) -> bytes:
    """A browser-like request head, some 350 bytes: what a sidecar parses in real life."""
    return (
        "GET /api/v1/products/0/reviews HTTP/1.1\r\n"
        f"host: {authority}\r\n"
        "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0\r\n"
        "accept: application/json\r\naccept-language: en-US,en;q=0.9\r\naccept-encoding: gzip, deflate\r\n"
        "end-user: jason\r\ncookie: session=eyJ1c2VyIjoiamFzb24ifQ.ZVdQ4A.c2lnbmF0dXJl\r\n\r\n"
    ).encode()


class Client(asyncio.Protocol):
    """One connection. Counts the body by content-length; anything but 200 is an error."""

    def __init__(self, message: bytes, latencies: list[float], interval_s: float) -> None:
        self._message = message
        self._latencies = latencies
        self._interval_s = interval_s
        self._expected = 0  # bytes of the response still to come
        self._head = b""
        self.errors = 0
        self._stopped = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._due = time.perf_counter()
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        if self._expected:
            self._expected -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._expected = _content_length(self._head[:end]) - (len(self._head) - end - 4)
            if not self._head.startswith(b"HTTP/1.1 200"):
                self.errors += 1
            self._head = b""
        if self._expected <= 0:
            self._expected = 0
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        if self._stopped:
            self._transport.close()
            return
        self._due = max(self._due + self._interval_s, now - 0.05)
        if self._due > now:
            asyncio.get_running_loop().call_later(self._due - now, self._send)
        else:
            self._send()

    def stop(self) -> None:
        self._stopped = True

    def connection_lost(self, error: Exception | None) -> None:
        if not self._stopped:
            self.errors += 1
        if not self.closed.done():
            self.closed.set_result(None)


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[start:].split(b"\r\n", 1)[0])


async def run(
    address: str, port: int, authority: str, connections: int, seconds: float, rate: float
) -> LoadResult:
    """Warm up, measure for ``seconds``, stop after the requests in flight are answered."""
    latencies: list[float] = []
    interval_s = connections / rate if rate else 0.0
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: Client(request(authority), latencies, interval_s), address, port
        )
        clients.append(client)
    await asyncio.sleep(WARM_UP_S)
    latencies.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    measured, elapsed = sorted(latencies), time.perf_counter() - started
    for client in clients:
        client.stop()
    await asyncio.wait([client.closed for client in clients], timeout=2)
    return LoadResult(
        requests=len(measured),
        errors=sum(client.errors for client in clients),
        seconds=elapsed,
        p50_us=percentile(measured, 0.50),
        p99_us=percentile(measured, 0.99),
    )


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of the sorted seconds lie, in microseconds; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6 if ordered else 0.0


if __name__ == "__main__":
    where, at, host, count, duration, *pace = sys.argv[1:]
    result = uvloop.run(
        run(where, int(at), host, int(count), float(duration), float(pace[0]) if pace else 0.0)
    )
    print(json.dumps(asdict(result)))
