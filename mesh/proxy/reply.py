"""The one place where a failure becomes a response: status, Envoy's response flag, details and body.

Source: Envoy's ``source/common/router/router.cc`` (abortUpstream..., onUpstreamReset) and
``source/common/http/utility.cc``; wording and spelling are Envoy's, so logs and dashboards carry over.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh.http.errors import RequestError
from mesh.http.message import Fields, Framing, Response
from mesh.http.status import reason
from mesh.proxy.failure import Failure, Kind, Stage

_FLAGS = {
    Kind.NO_ROUTE: "NR",
    Kind.NO_CLUSTER: "NC",
    Kind.NO_HEALTHY_UPSTREAM: "UH",
    Kind.CONNECTION_FAILURE: "UF",
    Kind.CONNECTION_TIMEOUT: "UF",
    Kind.OVERFLOW: "UO",
    Kind.REMOTE_RESET: "UR",
    Kind.REFUSED_STREAM: "UR",
    Kind.CONNECT_ERROR: "UR",
    Kind.CONNECTION_TERMINATION: "UC",
    Kind.PROTOCOL_ERROR: "UPE",
    Kind.TIMEOUT: "UT",
    Kind.PER_TRY_TIMEOUT: "UT",
    Kind.MAX_DURATION: "-",
}
_STATUS = {
    Kind.NO_ROUTE: 404,
    Kind.PROTOCOL_ERROR: 502,
    Kind.TIMEOUT: 504,
    Kind.PER_TRY_TIMEOUT: 504,
    Kind.MAX_DURATION: 504,
}
_NAMED = {
    Kind.NO_ROUTE,
    Kind.NO_CLUSTER,
    Kind.NO_HEALTHY_UPSTREAM,
    Kind.TIMEOUT,
    Kind.PER_TRY_TIMEOUT,
    Kind.MAX_DURATION,
}
_BODIES = {
    Kind.NO_ROUTE: b"",
    Kind.NO_CLUSTER: b"",
    Kind.NO_HEALTHY_UPSTREAM: b"no healthy upstream",
    Kind.TIMEOUT: b"upstream request timeout",
    Kind.PER_TRY_TIMEOUT: b"upstream request timeout",
    Kind.MAX_DURATION: b"downstream duration timeout",
}
RETRY_LIMIT_EXCEEDED = "URX"
DEADLINE_EXCEEDED = 4  # gRPC's


@dataclass(frozen=True, slots=True)
class Reply:
    """A response made here. ``flags`` "-" and the details stand in the access log, the rest on the wire."""

    status: int
    body: bytes = b""
    flags: str = "-"
    details: str = "direct_response"
    fields: tuple[tuple[bytes, bytes], ...] = ()
    grpc_status: int | None = None  # for gRPC clients; None: what the status means to them

    def make_response(self, method: bytes) -> Response:
        """To a request of that method; a body is plain text, as all of Envoy's are."""
        fields: Fields = {}
        if self.body or self.status != 204:
            fields[b"content-length"] = b"%d" % len(self.body)
        if self.body:
            fields[b"content-type"] = b"text/plain"
        fields.update(self.fields)
        response = Response(self.status, fields, [], Framing.LENGTH, True)
        response.complete = True
        if self.body and method != b"HEAD":
            response.chunks.append(self.body)
        return response


# A head that has begun and does not end.
HEAD_TIMEOUT = Reply(408, b"request header timeout", details="request_header_timeout")
# A CONNECT that has a route, on a listener that makes no tunnels.
UPGRADE_FAILED = Reply(403, details="upgrade_failed")


def reply_for(failure: Failure, retries_exhausted: bool = False, retries: int = 0) -> Reply:
    """What the client is told when no (further) attempt is made."""
    kind = failure.kind
    flags = f"{_FLAGS[kind]},{RETRY_LIMIT_EXCEEDED}" if retries_exhausted else _FLAGS[kind]
    body = _BODIES.get(kind)
    fields = ((b"x-envoy-overloaded", b"true"),) if kind is Kind.OVERFLOW else ()
    return Reply(
        _STATUS.get(kind, 503),
        _reset_body(failure, retries) if body is None else body,
        flags,
        details_of(failure),
        fields,
        DEADLINE_EXCEEDED if kind is Kind.MAX_DURATION else None,
    )


def flag_of(failure: Failure) -> str:
    return _FLAGS[failure.kind]


def details_of(failure: Failure) -> str:
    """Envoy's response code details."""
    if failure.kind in _NAMED:
        return failure.kind.value
    when = "after" if failure.stage is Stage.RESPONSE else "before"
    text = failure.kind.value
    if failure.transport_reason and failure.kind is not Kind.PROTOCOL_ERROR:
        text += f"|{failure.transport_reason}"
    return f"upstream_reset_{when}_response_started{{{text.replace(' ', '_')}}}"


def _reset_body(failure: Failure, retries: int) -> bytes:
    """Why the transport failed is for the log, not for the client."""
    which = "retried and the latest reset reason" if retries else "reset reason"
    text = f"upstream connect error or disconnect/reset before headers. {which}: {failure.kind.value}"
    return text.encode()


def reply_to_bad_request(error: RequestError) -> Reply:
    """A request that was refused before it was one: Envoy's codec errors have the reason phrase as body."""
    return Reply(error.status, reason(error.status).encode(), "DPE", error.detail)
