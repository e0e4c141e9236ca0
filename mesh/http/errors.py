"""What a peer did wrong on the wire.

ProtocolError
  RequestError    a client's: carries the status it is answered with
  ResponseError   a server's: the client is answered 502
"""

from __future__ import annotations


class ProtocolError(Exception):
    """``detail`` goes to the access log (Envoy's response code details), never to the peer."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RequestError(ProtocolError):
    """A request that must not be forwarded; its connection is closed after the answer."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class Http2Preface(RequestError):
    """It is HTTP/2: ``taken`` bytes of the preface (RFC 9113 section 3.4) came before the last ones."""

    def __init__(self, taken: int) -> None:
        super().__init__("http1.http2_preface")
        self.taken = taken


class ResponseError(ProtocolError):
    """A response that cannot be trusted; its connection is closed."""
