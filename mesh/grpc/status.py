"""How a call ended: gRPC's own status, or the one that HTTP's or HTTP/2's means. Pure.

Source: gRPC's "PROTOCOL-HTTP2" (section Responses, and the table of HTTP/2 error codes) and
"http-grpc-status-mapping".
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from mesh.http.h2.errors import Code
from mesh.http.message import Fields
from mesh.model.grpc_status import GRPC_STATUS, STATUS_OF_HTTP

NAMES = tuple(GRPC_STATUS)
OK, CANCELLED, UNKNOWN = (GRPC_STATUS[name] for name in ("OK", "CANCELLED", "UNKNOWN"))
UNAVAILABLE, INTERNAL = GRPC_STATUS["UNAVAILABLE"], GRPC_STATUS["INTERNAL"]
DEADLINE_EXCEEDED = GRPC_STATUS["DEADLINE_EXCEEDED"]
_OF_RESET: dict[int, int] = {
    Code.REFUSED_STREAM: UNAVAILABLE,
    Code.CANCEL: CANCELLED,
    Code.ENHANCE_YOUR_CALM: GRPC_STATUS["RESOURCE_EXHAUSTED"],
    Code.INADEQUATE_SECURITY: GRPC_STATUS["PERMISSION_DENIED"],
}
_NUMBER = re.compile(rb"\d{1,9}")


class RpcError(Exception):
    """A call that did not end with OK; ``code`` is gRPC's number, ``details`` the server's words or ours."""

    def __init__(self, code: int, details: str) -> None:
        self.code = code
        self.details = details
        super().__init__(f"{self.name}: {details}")

    @property
    def name(self) -> str:
        return NAMES[self.code] if self.code < len(NAMES) else str(self.code)


def error_in(fields: Fields, http_status: int = 200) -> RpcError | None:
    """What trailers, or a head that ends the call, say; None: all is well."""
    said = fields.get(b"grpc-status", b"").strip()
    if _NUMBER.fullmatch(said):
        code = int(said)
        return RpcError(code, unquote(fields.get(b"grpc-message", b"").decode("latin-1"))) if code else None
    if http_status != 200:
        return RpcError(STATUS_OF_HTTP.get(http_status, UNKNOWN), f"HTTP status {http_status}")
    return RpcError(UNKNOWN, "the server ended the call without a status")


def error_of_reset(code: int) -> RpcError:
    """The server reset the stream."""
    return RpcError(_OF_RESET.get(code, INTERNAL), f"the server reset the call (HTTP/2 code {code})")
