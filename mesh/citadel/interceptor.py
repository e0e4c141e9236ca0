"""Who is calling: every gRPC call must carry a valid token, whichever service it is for.

Handlers ask ``authenticated()``; nothing they could forget lets an unknown caller in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc

from mesh.citadel.metrics import CitadelMetrics
from mesh.citadel.tokens import InvalidToken, Tokens
from mesh.model.identity import SpiffeId

HEADER = "authorization"
SCHEME = "Bearer "

_caller: ContextVar[SpiffeId] = ContextVar("caller")


def authenticated() -> SpiffeId:
    """The identity behind the call being served. Raises LookupError outside of an authenticated call."""
    return _caller.get()


class AuthInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Puts the caller's identity in place, or ends the call with UNAUTHENTICATED and the reason."""

    def __init__(self, tokens: Tokens, metrics: CitadelMetrics) -> None:
        self._tokens = tokens
        self._metrics = metrics

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        handler = await continuation(details)
        if handler is None:
            return None  # no such method: gRPC answers UNIMPLEMENTED
        try:
            # the handler runs in this task, hence in this context
            _caller.set(self._tokens.verify(_bearer_token(details.invocation_metadata)))
        except InvalidToken as invalid:
            self._metrics.authentication_failures += 1
            return _refusal(handler, str(invalid))
        return handler


def _bearer_token(metadata: Any) -> str:
    for key, value in metadata or ():
        if key == HEADER:
            if isinstance(value, str) and value.startswith(SCHEME):
                return value.removeprefix(SCHEME)
            raise InvalidToken("expected the metadata 'authorization: Bearer <token>'")
    raise InvalidToken("the call carries no token (metadata 'authorization: Bearer <token>')")


def _refusal(handler: Any, reason: str) -> Any:
    """A handler of the same shape which only says no."""

    async def refuse(_request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)

    async def refuse_stream(_request: Any, context: Any) -> AsyncIterator[Any]:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)
        yield  # never reached: makes this the generator that gRPC expects

    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse_stream)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(refuse)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(refuse_stream)
    return grpc.unary_unary_rpc_method_handler(refuse)
