"""The closed-loop load: a number of connections, each sending its next request when one is answered.

    python -m loadtests.bench.load '{"address": "127.0.0.1", "port": 15001, "authority": "echo:9080", ...}'

takes the fields of ``Load``, prints those of ``LoadResult``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import uvloop

from loadtests.bench.clients import Client, Http1Client, Http2Client, http1_request, http2_fields
from loadtests.bench.h2 import grpc_message

WARM_UP_S = 0.5
GRPC_MESSAGE_BYTES = 200

Protocol = Literal["http1", "http2", "grpc"]


@dataclass(frozen=True, slots=True)
class Load:
    """``hosts`` > 1: the authority's ``{}`` runs through 0 ... hosts - 1. ``streams`` are for each connection
    and HTTP/2. ``rate``, for HTTP/1.1: requests a second of all connections, 0 = as fast as answered."""

    address: str
    port: int
    authority: str
    protocol: Protocol = "http1"
    connections: int = 32
    streams: int = 1
    hosts: int = 1
    seconds: float = 3.0
    rate: float = 0.0


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


def clients(load: Load, answered: Callable[[float], None]) -> Callable[[int], Client]:
    """What makes the connection of a number."""
    if load.protocol == "http1":
        requests = [http1_request(load.authority.format(host)) for host in range(load.hosts)]
        interval_s = load.connections / load.rate if load.rate else 0.0
        return lambda number: Http1Client(
            answered, requests, number * len(requests) // load.connections, interval_s
        )
    grpc = load.protocol == "grpc"
    fields = http2_fields(load.authority, grpc)
    body = grpc_message(GRPC_MESSAGE_BYTES) if grpc else b""
    return lambda _: Http2Client(answered, fields, body, load.streams)


async def run(load: Load) -> LoadResult:
    """Warm up, measure for ``seconds``, stop after the requests in flight are answered."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    make = clients(load, latencies.append)
    made = []
    for number in range(load.connections):
        client = make(number)
        await loop.create_connection(lambda client=client: client, load.address, load.port)  # type: ignore[misc]
        made.append(client)
    await asyncio.sleep(WARM_UP_S)
    latencies.clear()
    started = time.perf_counter()
    await asyncio.sleep(load.seconds)
    measured, elapsed = sorted(latencies), time.perf_counter() - started
    for client in made:
        client.stop()
    await asyncio.wait([client.closed for client in made], timeout=2)
    for client in made:
        client.transport.abort()  # where an answer never came
    return LoadResult(
        requests=len(measured),
        errors=sum(client.errors for client in made),
        seconds=elapsed,
        p50_us=percentile(measured, 0.50),
        p99_us=percentile(measured, 0.99),
    )


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of the sorted seconds lie, in microseconds; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6 if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Load(**json.loads(sys.argv[1])))))))
