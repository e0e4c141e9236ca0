"""What a connection begins with: is it TLS, and for whom (Envoy's tls_inspector). Pure.

Reads the server_name and ALPN extensions of a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3,
RFC 7301 section 3.1), which may come in any number of pieces and records, and sees whether it offers a
session of before (pre_shared_key, RFC 8446 section 4.2.11).
"""

from __future__ import annotations

from dataclasses import dataclass

HANDSHAKE_RECORD = 0x16
CLIENT_HELLO = 1
MAX_HELLO_BYTES = 64 * 1024  # Envoy's tls_inspector limit
_SERVER_NAME, _ALPN, _PRE_SHARED_KEY = 0, 16, 41


@dataclass(frozen=True, slots=True)
class ClientHello:
    server_name: str = ""
    application_protocols: tuple[str, ...] = ()
    offers_session: bool = False


def looks_like_tls(data: bytes) -> bool:
    """By the first bytes: a handshake record of TLS 1.x. No HTTP request begins like that."""
    return data[0] == HANDSHAKE_RECORD and (len(data) < 2 or data[1] == 3)


def read_client_hello(data: bytes) -> ClientHello | None:
    """The hello at the start of ``data``; None while it is incomplete. Raises ValueError when it is none."""
    message = _join_records(data)
    if len(message) < 4:
        return None
    if message[0] != CLIENT_HELLO:
        raise ValueError("the first handshake message is no ClientHello")
    length = int.from_bytes(message[1:4])
    if length > MAX_HELLO_BYTES:
        raise ValueError(f"a ClientHello of {length} bytes")
    if len(message) < 4 + length:
        return None
    return _read_extensions(_Reader(message[4 : 4 + length]))


def _join_records(data: bytes) -> bytes:
    """The handshake bytes of the complete and the begun records, as far as the hello goes: what comes behind
    it (RFC 8446 section 4.2.10: early data) is another's to read."""
    message, place = b"", 0
    while len(data) - place >= 5 and not _is_whole(message):
        if data[place] != HANDSHAKE_RECORD:
            raise ValueError("another record before the ClientHello was complete")
        length = int.from_bytes(data[place + 3 : place + 5])
        message += data[place + 5 : place + 5 + length]
        place += 5 + length
    return message


def _is_whole(message: bytes) -> bool:
    return len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4])


class _Reader:
    """Takes pieces off the front. Raises ValueError when there is less than was promised."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise ValueError("a ClientHello that ends early")
        piece, self.data = self.data[:count], self.data[count:]
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Reader:
        """A piece that says its own length in ``size`` bytes."""
        return _Reader(self.take(self.number(size)))


def _read_extensions(hello: _Reader) -> ClientHello:
    hello.take(2 + 32)  # legacy_version, random
    hello.vector(1)  # legacy_session_id
    hello.vector(2)  # cipher_suites
    hello.vector(1)  # legacy_compression_methods
    server_name = ""
    protocols: tuple[str, ...] = ()
    offers_session = False
    extensions = hello.vector(2) if hello.data else _Reader(b"")
    while extensions.data:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME and content.data:
            server_name = _read_server_name(content.vector(2))
        elif kind == _ALPN:
            protocols = _read_protocols(content.vector(2))
        elif kind == _PRE_SHARED_KEY:
            offers_session = True
    return ClientHello(server_name, protocols, offers_session)


def _read_server_name(names: _Reader) -> str:
    while names.data:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name.data.decode("ascii", "replace").lower()
    return ""


def _read_protocols(names: _Reader) -> tuple[str, ...]:
    found = []
    while names.data:
        found.append(names.vector(1).data.decode("ascii", "replace"))
    return tuple(found)
