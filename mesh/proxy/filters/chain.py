"""The configured filters, turned into the steps an exchange runs.

request steps    before routing decides where to go; True means: answered, or will go on by itself
upstream steps   when the cluster is known, before the request is sent
response steps   on the response's head, in the opposite order
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mesh.http.message import Fields, Message
from mesh.model.http_filter import (
    Alpn,
    CorsFilter,
    FaultFilter,
    GrpcStats,
    HttpFilter,
    IstioStats,
    LocalRateLimitFilter,
    PeerMetadata,
    Router,
)
from mesh.proxy.filters import cors, fault, local_rate_limit, peer_metadata
from mesh.xds.errors import Rejected

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

RequestStep = Callable[["Exchange"], bool]
UpstreamStep = Callable[["Exchange"], None]
ResponseStep = Callable[["Exchange", Fields, Message], None]


class Steps(NamedTuple):
    request: tuple[RequestStep, ...] = ()
    upstream: tuple[UpstreamStep, ...] = ()
    response: tuple[ResponseStep, ...] = ()


# No step: IstioStats gets the report at the end, with the access logs; Alpn is the pools' business,
# GrpcStats the bodies'
_STEPS: dict[HttpFilter, Steps] = {
    PeerMetadata("downstream"): Steps(
        request=(peer_metadata.learn_caller,), response=(peer_metadata.tell_caller,)
    ),
    PeerMetadata("upstream"): Steps(
        upstream=(peer_metadata.tell_callee,), response=(peer_metadata.learn_callee,)
    ),
    LocalRateLimitFilter(): Steps(request=(local_rate_limit.limit,)),
    FaultFilter(): Steps(request=(fault.inject,)),
    CorsFilter(): Steps(request=(cors.check,), response=(cors.answer,)),
    Alpn(): Steps(),
    GrpcStats(): Steps(),
    IstioStats("source"): Steps(),
    IstioStats("destination"): Steps(),
    Router(): Steps(),
}


def compile_filters(filters: Sequence[HttpFilter]) -> Steps:
    """Raises Rejected for a filter this proxy has not, or when the router is not the last."""
    if not filters or not isinstance(filters[-1], Router):
        raise Rejected("http_filters: expected the router as the last filter")
    for entry in filters:
        if entry not in _STEPS:
            raise Rejected(f"http_filters: {type(entry).__name__} is not supported by this proxy")
    steps = [_STEPS[entry] for entry in filters]
    return Steps(
        tuple(step for entry in steps for step in entry.request),
        tuple(step for entry in steps for step in entry.upstream),
        tuple(step for entry in reversed(steps) for step in entry.response),
    )
