"""Why an upstream did not answer: the one taxonomy the proxy's errors are made from.

A failure says how far the request got (``stage``) and whether it surely did not happen (``definite``), so
that ``should_retry`` can be a pure function and nothing is ever done twice by accident. When in doubt, it is
not definite. ``reply.py`` turns failures into responses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """How far the request got."""

    ROUTE = "route"  # nobody to send it to
    CONNECT = "connect"  # no connection to send it on
    SEND = "send"  # bytes were, or may have been, sent; no response yet
    RESPONSE = "response"  # the response had begun


class Kind(Enum):
    """What happened; the values are Envoy's reset reasons where it has one."""

    NO_ROUTE = "route_not_found"
    NO_CLUSTER = "cluster_not_found"
    NO_HEALTHY_UPSTREAM = "no_healthy_upstream"
    CONNECTION_FAILURE = "remote connection failure"
    CONNECTION_TIMEOUT = "connection timeout"
    OVERFLOW = "overflow"
    REMOTE_RESET = "remote reset"
    REFUSED_STREAM = "remote refused stream reset"
    CONNECT_ERROR = "remote error with CONNECT request"
    CONNECTION_TERMINATION = "connection termination"
    PROTOCOL_ERROR = "protocol error"
    TIMEOUT = "response_timeout"
    MAX_DURATION = "max_duration_timeout"
    PER_TRY_TIMEOUT = "upstream_per_try_timeout"


@dataclass(frozen=True, slots=True)
class Failure:
    """``transport_reason``: the socket's or TLS's words; ``reused``: the connection had served before."""

    kind: Kind
    stage: Stage
    definite: bool
    transport_reason: str = ""
    reused: bool = False


NO_ROUTE = Failure(Kind.NO_ROUTE, Stage.ROUTE, True)
NO_CLUSTER = Failure(Kind.NO_CLUSTER, Stage.ROUTE, True)
NO_HEALTHY_UPSTREAM = Failure(Kind.NO_HEALTHY_UPSTREAM, Stage.ROUTE, True)
OVERFLOW = Failure(Kind.OVERFLOW, Stage.CONNECT, True)
CONNECTION_TIMEOUT = Failure(Kind.CONNECTION_TIMEOUT, Stage.CONNECT, True)
TIMEOUT = Failure(Kind.TIMEOUT, Stage.SEND, False)
MAX_DURATION = Failure(Kind.MAX_DURATION, Stage.SEND, False)
PER_TRY_TIMEOUT = Failure(Kind.PER_TRY_TIMEOUT, Stage.SEND, False)


def connection_failure(transport_reason: str) -> Failure:
    """A connection that could not be made, refused or failed in its handshake."""
    return Failure(Kind.CONNECTION_FAILURE, Stage.CONNECT, True, transport_reason)
