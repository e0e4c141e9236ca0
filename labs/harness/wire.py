"""What bytes on the wire are: TLS records or HTTP in the clear. Pure.

A tap (``tap.py``) stands between two sidecars and hands over what it relayed; this file judges it.
Formats: RFC 8446 section 5.1 (records), 4.1.2 (ClientHello), RFC 6066 section 3 (SNI), RFC 7301 (ALPN).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labs.harness.verdict import Verdict, failed, inconclusive, passed

RECORD_HEADER = 5
HANDSHAKE, APPLICATION_DATA = 22, 23
RECORD_TYPES = (20, 21, HANDSHAKE, APPLICATION_DATA)  # change_cipher_spec, alert, handshake, application_data
CLIENT_HELLO = 1
SERVER_NAME, ALPN = 0, 16  # extension types
CLEAR_TEXT = (
    b"HTTP/1.1",
    b"x-request-id",
)  # in every HTTP/1.1 request; too long to appear in ciphertext by chance


@dataclass(frozen=True, slots=True)
class Flow:
    """One connection a tap relayed: to which pod, from whom, and the first bytes of each direction."""

    pod: str
    peer: str
    sent: bytes  # by the client
    answered: bytes  # by the server
    total: int  # bytes relayed, both ways


@dataclass(frozen=True, slots=True)
class ClientHello:
    server_name: str
    alpn: tuple[str, ...]


def is_tls(data: bytes) -> bool:
    """Whether the bytes are TLS records from the first to the last; the last one may be cut."""
    at = 0
    while at + RECORD_HEADER <= len(data):
        if data[at] not in RECORD_TYPES or data[at + 1] != 3:
            return False
        at += RECORD_HEADER + int.from_bytes(data[at + 3 : at + RECORD_HEADER], "big")
    return len(data) > RECORD_HEADER


def clear_text(data: bytes) -> bytes | None:
    """A word of HTTP found in the bytes, or None."""
    return next((word for word in CLEAR_TEXT if word in data), None)


def record_types(data: bytes) -> Iterator[int]:
    at = 0
    while at + RECORD_HEADER <= len(data):
        yield data[at]
        at += RECORD_HEADER + int.from_bytes(data[at + 3 : at + RECORD_HEADER], "big")


def client_hello(data: bytes) -> ClientHello | None:
    """SNI and ALPN of the ClientHello the bytes begin with; None when they begin with none."""
    if len(data) < RECORD_HEADER + 4 or data[0] != HANDSHAKE or data[RECORD_HEADER] != CLIENT_HELLO:
        return None
    try:
        extensions = dict(_extensions(data[RECORD_HEADER + 4 :]))
    except IndexError:
        return None
    name = extensions.get(SERVER_NAME, b"")[5:].decode("ascii", "replace")
    return ClientHello(name, tuple(_alpn(extensions.get(ALPN, b""))))


def _extensions(hello: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk version, random, session id, cipher suites, compression; then type and body of each extension."""
    at = 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    end = min(len(hello), at + 2 + int.from_bytes(hello[at : at + 2], "big"))
    at += 2
    while at + 4 <= end:
        kind = int.from_bytes(hello[at : at + 2], "big")
        length = int.from_bytes(hello[at + 2 : at + 4], "big")
        yield kind, hello[at + 4 : at + 4 + length]
        at += 4 + length


def _alpn(body: bytes) -> Iterator[str]:
    at = 2
    while at < len(body):
        length = body[at]
        yield body[at + 1 : at + 1 + length].decode("ascii", "replace")
        at += 1 + length


def wire_is_tls(check: str, flows: Sequence[Flow], pods: Sequence[str]) -> Verdict:
    """Every relayed connection, to each of the pods, was TLS and carried application data in it."""
    carrying = [flow for flow in flows if flow.sent]
    for flow in carrying:
        found = clear_text(flow.sent) or clear_text(flow.answered)
        if found or not is_tls(flow.sent):
            shown = bytes(flow.sent[:24])
            return failed(check, f"{flow.pod}: bytes in the clear: {shown!r}", connections=len(carrying))
    unseen = sorted(
        set(pods) - {flow.pod for flow in carrying if APPLICATION_DATA in record_types(flow.answered)}
    )
    if unseen:
        return inconclusive(check, f"no traffic was seen on the wire to {', '.join(unseen)}")
    total = sum(flow.total for flow in carrying)
    names = {hello.server_name for flow in carrying if (hello := client_hello(flow.sent))}
    text = f"{len(carrying)} connections, {total} bytes, only TLS records; SNI {', '.join(sorted(names))}"
    return passed(check, text, connections=len(carrying), bytes=total)
