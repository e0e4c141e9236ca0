"""Leaving HTTP on a connection: Upgrade (RFC 9110 section 7.8) and CONNECT (section 9.3.6). Pure.

Either asks for a tunnel: the request has ``Framing.TUNNEL``, and so has the answer that agrees (101 to an
Upgrade, 2xx to CONNECT). What the client says before that must not go on: a server that declines would read
it as its next request. HTTP/2 has only CONNECT, which may name a protocol (RFC 8441): inside, that looks as
in HTTP/1.1, with the protocol in ``upgrade``.
"""

from __future__ import annotations

from mesh.http.message import Framing, Message, Request, Response

CONNECT = b"CONNECT"


def asked_upgrade(message: Message) -> bytes:
    """The protocol a head asks to go on in, in lower case; b"": none, or Connection does not say so, too."""
    protocol, connection = message.get(b"upgrade"), message.get(b"connection")
    if not protocol or connection is None:
        return b""
    tokens = (token.strip() for token in connection.lower().split(b","))
    return protocol.lower() if b"upgrade" in tokens else b""


def from_extended_connect(request: Request, protocol: bytes) -> None:
    """Make of HTTP/2's CONNECT with ``:protocol`` what a client of HTTP/1.1 would have sent."""
    request.method = b"GET"
    request.framing = Framing.TUNNEL
    request.fields[b"connection"] = b"Upgrade"
    request.fields[b"upgrade"] = protocol


def agree(response: Response, request: Request) -> None:
    """Make of HTTP/2's 2xx to a CONNECT what a server of HTTP/1.1 would have said."""
    protocol = request.fields.get(b"upgrade")
    if protocol is not None:
        response.status = 101
        response.fields[b"connection"] = b"Upgrade"
        response.fields[b"upgrade"] = protocol
