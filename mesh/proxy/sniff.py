"""What a connection begins with: is it TLS, and for whom (Envoy's tls_inspector). Pure.

Reads the server_name and ALPN extensions of a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3,
RFC 7301 section 3.1), which may come in any number of pieces and records, and sees whether it offers a
session of before (pre_shared_key, RFC 8446 section 4.2.11).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HANDSHAKE_RECORD = 0x16
CLIENT_HELLO = 1
MAX_HELLO_BYTES = 64 * 1024  # Envoy's tls_inspector limit
_SERVER_NAME, _ALPN, _PRE_SHARED_KEY = 0, 16, 41
_RANDOM_END = 4 + 2 + 32  # of the message: behind its type and length, legacy_version and random
_length = struct.Struct("!H").unpack_from
_extension = struct.Struct("!HH").unpack_from  # its kind, its length


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
    try:
        return _read_extensions(message, 4 + length)
    except (IndexError, struct.error):
        raise ValueError("a ClientHello that ends early") from None


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


def _read_extensions(message: bytes, end: int) -> ClientHello:
    """Of the message's first ``end`` bytes. Raises IndexError, struct.error and ValueError when one of its
    lengths says more than there is.
    """
    message = message[:end]
    place = _RANDOM_END
    place += 1 + message[place]  # legacy_session_id
    place += 2 + _length(message, place)[0]  # cipher_suites
    place += 1 + message[place]  # legacy_compression_methods
    server_name = ""
    protocols: tuple[str, ...] = ()
    offers_session = False
    if place != end:
        end = _end(place + 2 + _length(message, place)[0], end)
        place += 2
    while place < end:
        kind, length = _extension(message, place)
        content, place = place + 4, _end(place + 4 + length, end)
        if kind == _SERVER_NAME and length:
            server_name = _read_server_name(message, content, place)
        elif kind == _ALPN:
            protocols = _read_protocols(message, content, place)
        elif kind == _PRE_SHARED_KEY:
            offers_session = True
    return ClientHello(server_name, protocols, offers_session)


def _end(place: int, limit: int) -> int:
    """The place behind a piece, which lies in another that ends at the limit."""
    if place > limit:
        raise ValueError("a ClientHello that ends early")
    return place


def _read_server_name(message: bytes, place: int, limit: int) -> str:
    end = _end(place + 2 + _length(message, place)[0], limit)
    place += 2
    while place < end:
        kind, name = message[place], place + 3
        place = _end(name + _length(message, place + 1)[0], end)
        if kind == 0:
            return message[name:place].decode("ascii", "replace").lower()
    return ""


def _read_protocols(message: bytes, place: int, limit: int) -> tuple[str, ...]:
    end = _end(place + 2 + _length(message, place)[0], limit)
    place += 2
    found = []
    while place < end:
        name = place + 1
        place = _end(name + message[place], end)
        found.append(message[name:place].decode("ascii", "replace"))
    return tuple(found)
