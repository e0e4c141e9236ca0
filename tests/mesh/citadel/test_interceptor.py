from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.interceptor import AuthInterceptor, authenticated
from mesh.citadel.metrics import CitadelMetrics
from mesh.citadel.tokens import Tokens

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(b"k" * 32)


@pytest.fixture
async def channel(tokens: Tokens, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    """A server with one method of each shape; all of them answer who called."""

    async def unary(_request: Any, _context: Any) -> bytes:
        return str(authenticated()).encode()

    async def stream(_request: Any, _context: Any) -> AsyncIterator[bytes]:
        yield str(authenticated()).encode()

    metrics = CitadelMetrics(CertificateAuthority.open(tmp_path))
    server = grpc.aio.server(interceptors=[AuthInterceptor(tokens, metrics)])
    handlers = {
        "unary_unary": grpc.unary_unary_rpc_method_handler(unary),
        "unary_stream": grpc.unary_stream_rpc_method_handler(stream),
        "stream_unary": grpc.stream_unary_rpc_method_handler(unary),
        "stream_stream": grpc.stream_stream_rpc_method_handler(stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("who", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(None)


async def call(channel: grpc.aio.Channel, shape: str, metadata: Metadata) -> str:
    request = iter([b""]) if shape.startswith("stream") else b""
    answer = getattr(channel, shape)(f"/who/{shape}")(request, metadata=metadata, timeout=5)
    if shape.endswith("unary"):
        return (await answer).decode()
    return "".join([part.decode() async for part in answer])


SHAPES = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_handler_knows_its_caller(channel: grpc.aio.Channel, tokens: Tokens, shape: str) -> None:
    metadata = (("authorization", f"Bearer {tokens.issue('default', 'reviews')}"),)
    assert await call(channel, shape, metadata) == "spiffe://cluster.local/ns/default/sa/reviews"


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_call_without_a_token_ends_unauthenticated(channel: grpc.aio.Channel, shape: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, shape, ())
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert "carries no token" in refused.value.details()


async def test_the_reason_is_said(channel: grpc.aio.Channel, tokens: Tokens) -> None:
    expired = tokens.issue("default", "reviews", timedelta(seconds=-1))
    for value, reason in ((f"Bearer {expired}", "has expired"), ("Basic eDp5", "expected the metadata")):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, "unary_unary", (("authorization", value),))
        assert reason in refused.value.details()


async def test_identities_of_concurrent_calls_do_not_mix(channel: grpc.aio.Channel, tokens: Tokens) -> None:
    async def first_part(account: str) -> Any:
        metadata = (("authorization", f"Bearer {tokens.issue('default', account)}"),)
        return await channel.unary_stream("/who/unary_stream")(b"", metadata=metadata).read()

    calls = {account: first_part(account) for account in ("a", "b", "c")}
    for account, answer in calls.items():
        assert (await answer).decode().endswith(f"/sa/{account}")


async def test_an_unknown_method_stays_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await channel.unary_unary("/who/nobody")(b"", timeout=5)
    assert unknown.value.code() == grpc.StatusCode.UNIMPLEMENTED
