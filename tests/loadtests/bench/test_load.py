"""The load against the benchmark's own origin, nothing in between; the origin against a real client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from loadtests.bench.load import Load, Protocol, percentile, run
from loadtests.bench.origin import serve

ADDRESS = "127.0.0.1"


@contextlib.asynccontextmanager
async def origin(kind: str, body_bytes: int) -> AsyncIterator[int]:
    with socket.create_server((ADDRESS, 0)) as free:
        port = free.getsockname()[1]
    serving = asyncio.create_task(serve(ADDRESS, f"{port}:{kind}:{body_bytes}"))
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(ADDRESS, port)
                    writer.close()
                    break
                await asyncio.sleep(0)
        yield port
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize(
    ("protocol", "kind", "body_bytes"),
    [
        ("http1", "http", 200),
        ("http1", "http", 300_000),
        ("http2", "http", 200),
        ("grpc", "grpc", 200),
        ("http1", "grpc", 200),
    ],
)
async def test_every_request_of_the_load_is_answered(protocol: Protocol, kind: str, body_bytes: int) -> None:
    async with origin(kind, body_bytes) as port:
        result = await run(Load(ADDRESS, port, "echo-{}:9080", protocol, 3, 2, 5, seconds=0.1))
    assert result.requests > 3
    assert result.errors == 0
    assert 0 < result.p50_us <= result.p99_us


async def test_a_call_that_is_answered_without_its_trailers_is_an_error() -> None:
    async with origin("http", 200) as port:
        result = await run(Load(ADDRESS, port, "echo", "grpc", 1, 1, seconds=0.1))
    assert result.errors > 0


async def test_a_real_grpc_client_gets_the_message() -> None:
    async with origin("grpc", 200) as port, grpc.aio.insecure_channel(f"{ADDRESS}:{port}") as channel:
        call = channel.unary_unary("/bench.Echo/Unary")
        for _ in range(3):
            assert await call(b"x" * 10, timeout=10) == b"x" * 200


def test_percentiles_are_of_the_sorted_seconds() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([n / 1e6 for n in range(100)], 0.5) == pytest.approx(50)
    assert percentile([1e-6], 0.99) == pytest.approx(1)
