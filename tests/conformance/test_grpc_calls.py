"""Real gRPC, grpcio's on both ends, through a pair of sidecars with mTLS between them: of ours, and of Envoy.

The calls are those of gRPC's interoperability tests ("interop-test-descriptions"), by their names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from differ.case import Case
from differ.engine import Engine
from differ.origin import HOST
from differ.pair import NODE, Pair
from differ.resources import Area, Ports, any_host, cluster, logs_as, to
from differ.workload import secrets

from labs.harness.free_port import free_port
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.cluster import Cluster
from mesh.model.http_filter import Alpn, GrpcStats, Router
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.names import INBOUND_HTTP_ALPN, UPSTREAM_ALPN_H2
from mesh.model.route import Route, RouteConfiguration, RouteMatch
from mesh.model.tls import DownstreamTls, UpstreamTls

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

SERVER_PORT = free_port()
FAR = "outbound|9080||echo.default.svc.cluster.local"
INBOUND = "inbound|9080||"
LIMIT_S = 20.0
CASES: tuple[Case, ...] = ()
SIZES, ANSWERS = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)  # gRPC's own


def clusters(ports: Ports) -> tuple[Cluster, ...]:
    tls = UpstreamTls(
        "outbound_.9080_._.echo.default.svc.cluster.local", UPSTREAM_ALPN_H2, (str(NODE.spiffe_id),)
    )
    return cluster(FAR, ports.more[0], http2=True, tls=tls), cluster(INBOUND, SERVER_PORT, http2=True)


def listeners(ports: Ports) -> tuple[Listener, ...]:
    manager = HttpConnectionManager(
        "inbound",
        (GrpcStats(), Router()),
        route_config=RouteConfiguration(INBOUND, any_host(Route(RouteMatch(), to(INBOUND)))),
        access_logs=(logs_as("destination"),),
        forward_client_cert="APPEND_FORWARD",
        server_name="istio-envoy",
    )
    chain = FilterChain(
        "tls", manager, FilterChainMatch(transport_protocol="tls"), DownstreamTls(INBOUND_HTTP_ALPN)
    )
    return (Listener("inbound", HOST, ports.more[0], (chain,), direction="INBOUND", inspect_tls=True),)


AREA = Area(
    "grpc calls",
    any_host(Route(RouteMatch(), to(FAR))),
    clusters=clusters,
    listeners=listeners,
    ports=1,
    secrets=secrets,
    filters=(Alpn(), GrpcStats()),
)


class Service:
    """A request is the size of the answer, in digits, and padding."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    async def unary(self, request: bytes, context: Any) -> bytes:
        asked = dict(context.invocation_metadata())
        if "x-status" in asked:
            await context.abort(_CODES[int(asked["x-status"])], asked["x-message-bin"].decode())
        if "x-echo" in asked:
            await context.send_initial_metadata((("x-echo", asked["x-echo"]),))
            context.set_trailing_metadata((("x-echo-bin", asked["x-echo-bin"]),))
        return bytes(_size(request))

    async def server_stream(self, request: bytes, _context: Any) -> AsyncIterator[bytes]:
        for size in request.split(b","):
            yield bytes(int(size))

    async def client_stream(self, requests: AsyncIterator[bytes], _context: Any) -> bytes:
        return b"%d" % sum([len(request) async for request in requests])

    async def both(self, requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield bytes(_size(request))

    async def hang(self, request: bytes, _context: Any) -> AsyncIterator[bytes]:
        try:
            if request:
                yield request
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def handlers(self) -> Any:
        made = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "ServerStream": grpc.unary_stream_rpc_method_handler(self.server_stream),
            "ClientStream": grpc.stream_unary_rpc_method_handler(self.client_stream),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Hang": grpc.unary_stream_rpc_method_handler(self.hang),
        }
        return grpc.method_handlers_generic_handler("echo.Echo", made)


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _size(request: bytes) -> int:
    return int(request.partition(b" ")[0] or 0)


def padded(answer: int, size: int) -> bytes:
    return (b"%d " % answer).ljust(size)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[Service]:
    made = Service()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((made.handlers(),))
    server.add_insecure_port(f"{HOST}:{SERVER_PORT}")
    await server.start()
    yield made
    await server.stop(0)


class Caller:
    """A channel to one of the two pairs; ``entry`` is what its sidecars logged of a call."""

    def __init__(self, engine: Engine) -> None:
        self._entries = engine.entries
        self._begun = len(engine.entries)
        self.channel = grpc.aio.insecure_channel(f"{HOST}:{engine.port}")

    def method(self, name: str) -> Any:
        kinds = {
            "ServerStream": self.channel.unary_stream,
            "Hang": self.channel.unary_stream,
            "ClientStream": self.channel.stream_unary,
            "Both": self.channel.stream_stream,
        }
        return kinds.get(name, self.channel.unary_unary)(f"/echo.Echo/{name}")

    async def logged(self) -> list[AccessLogEntry]:
        """The call's two entries: the client's side, the server's side."""
        async with asyncio.timeout(LIMIT_S):
            await self._entries.until_any(lambda: len(self._entries) >= self._begun + 2)
        found = self._entries[self._begun :]
        self._begun = len(self._entries)
        return sorted(found, key=lambda entry: entry.reporter, reverse=True)

    async def check(self, status: int, sent: int, received: int) -> None:
        """Both sides say the same of the call, and who called whom."""
        for entry in await self.logged():
            assert entry.grpc_status == str(status)
            assert (entry.request_messages, entry.response_messages) == (sent, received)
            assert entry.source_principal == entry.destination_principal == str(NODE.spiffe_id)


@pytest_asyncio.fixture(loop_scope="module", params=["ours", "envoy"])
async def caller(request: pytest.FixtureRequest, service: Service, pair: Pair) -> AsyncIterator[Caller]:
    made = Caller(getattr(pair, request.param))
    yield made
    await made.channel.close()


async def test_empty_unary(caller: Caller) -> None:
    assert await caller.method("Unary")(b"", timeout=LIMIT_S) == b""
    await caller.check(0, 1, 1)


async def test_large_unary(caller: Caller) -> None:
    assert len(await caller.method("Unary")(padded(314_159, 271_828), timeout=LIMIT_S)) == 314_159
    await caller.check(0, 1, 1)


async def test_client_compressed_unary(caller: Caller) -> None:
    call = caller.method("Unary")(padded(10, 100_000), timeout=LIMIT_S, compression=grpc.Compression.Gzip)
    assert len(await call) == 10
    await caller.check(0, 1, 1)


async def test_client_streaming(caller: Caller) -> None:
    call = caller.method("ClientStream")((padded(0, size) for size in SIZES), timeout=LIMIT_S)
    assert await call == b"%d" % sum(SIZES)
    await caller.check(0, len(SIZES), 1)


async def test_server_streaming(caller: Caller) -> None:
    request = ",".join(map(str, ANSWERS)).encode()
    call = caller.method("ServerStream")(request, timeout=LIMIT_S)
    assert tuple([len(answer) async for answer in call]) == ANSWERS
    await caller.check(0, 1, len(ANSWERS))


async def test_ping_pong(caller: Caller) -> None:
    call = caller.method("Both")(timeout=LIMIT_S)
    for asked, answered in zip(SIZES, ANSWERS, strict=True):
        await call.write(padded(answered, asked))
        assert len(await call.read()) == answered
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    await caller.check(0, len(SIZES), len(ANSWERS))


async def test_empty_stream(caller: Caller) -> None:
    call = caller.method("Both")(timeout=LIMIT_S)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    await caller.check(0, 0, 0)


async def test_many_large_calls_at_once(caller: Caller) -> None:
    unary = caller.method("Unary")
    answers = await asyncio.gather(*(unary(padded(50_000 + at, 50_000), timeout=LIMIT_S) for at in range(20)))
    assert [len(answer) for answer in answers] == [50_000 + at for at in range(20)]


async def test_custom_metadata(caller: Caller) -> None:
    said = ("x-echo", "initial value"), ("x-echo-bin", b"\xab\xab\xab\x00")
    call = caller.method("Unary")(b"1", timeout=LIMIT_S, metadata=said)
    assert await call == b"\0"
    assert ("x-echo", "initial value") in tuple(await call.initial_metadata())
    assert ("x-echo-bin", b"\xab\xab\xab\x00") in tuple(await call.trailing_metadata())


@pytest.mark.parametrize(
    "message", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"]
)
@pytest.mark.parametrize("code", [1, 2, 5, 13, 14, 16])
async def test_status_code_and_message(caller: Caller, code: int, message: str) -> None:
    said = ("x-status", str(code)), ("x-message-bin", message.encode())
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.method("Unary")(b"", timeout=LIMIT_S, metadata=said)
    assert (failed.value.code(), failed.value.details()) == (_CODES[code], message)
    await caller.check(code, 1, 0)


@pytest.mark.parametrize("path", ["/echo.Echo/Nothing", "/no.Service/Nothing"])
async def test_unimplemented(caller: Caller, path: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.channel.unary_unary(path)(b"", timeout=LIMIT_S)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert [entry.grpc_status for entry in await caller.logged()] == ["12", "12"]


async def test_cancel_after_first_response(caller: Caller, service: Service) -> None:
    service.cancelled.clear()
    call = caller.method("Hang")(b"begin", timeout=LIMIT_S)
    assert await call.read() == b"begin"
    call.cancel()
    async with asyncio.timeout(LIMIT_S):
        await service.cancelled.wait()
    assert [entry.response_flags for entry in await caller.logged()] == ["DR", "DR"]


async def test_timeout_on_sleeping_server(caller: Caller, service: Service) -> None:
    service.cancelled.clear()
    call = caller.method("Hang")(b"", timeout=1.0)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call.read()
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(LIMIT_S):
        await service.cancelled.wait()
