"""What gRPC says in HTTP/2's fields, and what the proxy says to gRPC clients. Pure.

Sources: gRPC's "PROTOCOL-HTTP2" and "http-grpc-status-mapping" pages; Envoy's ``grpc/common.cc`` and
``http/utility.cc`` (sendLocalReply): a reply of the proxy itself is a head that says the status, no trailers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import ceil

from mesh.http.message import Request, Response
from mesh.model.grpc_status import STATUS_OF_HTTP, UNKNOWN, status_of_call
from mesh.proxy.reply import Reply

GRPC = b"application/grpc"
# what a gRPC status amounts to in HTTP (Envoy's Grpc::Utility::grpcToHttpStatus), by number
_IN_HTTP = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
_UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_MOST = 99_999_999  # eight digits
_UNSAFE = re.compile(rb"[^ -$&-~]")


def is_grpc(content_type: bytes | None) -> bool:
    return content_type is not None and (
        content_type == GRPC or content_type.startswith(b"application/grpc+")
    )


def grpc_reply(reply: Reply, request: Request) -> Reply:
    """The reply as this request's client understands it: a gRPC client reads no HTTP status."""
    if b"grpc-status" in dict(reply.fields) or not is_grpc(request.get(b"content-type")):
        return reply
    code = reply.grpc_status if reply.grpc_status is not None else STATUS_OF_HTTP.get(reply.status, UNKNOWN)
    fields = [field for field in reply.fields if field[0] != b"content-type"]
    fields += [(b"content-type", GRPC), (b"grpc-status", b"%d" % code)]
    if reply.body:
        fields.append((b"grpc-message", _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], reply.body)))
    return replace(reply, status=200, body=b"", fields=tuple(fields))


def grpc_status(request: Request, response: Response | None, http_status: int) -> str:
    """The status of a call for logs and metrics: said in trailers or head, else as HTTP's means; "": none."""
    if not is_grpc(request.get(b"content-type")):
        return ""
    said = b""
    if response is not None:
        said = dict(response.trailers).get(b"grpc-status") or response.fields.get(b"grpc-status", b"")
    return status_of_call(said.decode("latin-1"), http_status)


def http_status_of(request: Request, response: Response) -> int:
    """What an answer amounts to in HTTP: a gRPC status in its head (there is no answer then) goes before."""
    said = response.fields.get(b"grpc-status")
    if said is None or not is_grpc(request.get(b"content-type")):
        return response.status
    number = int(said) if said.isdigit() and len(said) < 4 else UNKNOWN
    return _IN_HTTP[number] if number < len(_IN_HTTP) else 500


def grpc_timeout(seconds: float) -> bytes:
    """0.1 -> ``100m``, as Envoy writes it: in the smallest unit from milliseconds on that has room for it."""
    amount = ceil(round(seconds * 1000, 6))
    for unit, size in ((b"m", 1000), (b"S", 60), (b"M", 60)):
        if amount <= _MOST:
            return b"%d%b" % (amount, unit)
        amount //= size
    return b"%dH" % min(amount, _MOST)


def grpc_timeout_s(value: bytes) -> float | None:
    """``100m`` -> 0.1; None for what is no timeout."""
    found = _TIMEOUT.fullmatch(value.strip())
    return int(found[1]) * _UNITS_S[found[2]] if found is not None else None
