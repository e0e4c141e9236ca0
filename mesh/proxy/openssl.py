"""What OpenSSL can do and the ssl module does not offer: connections that share a session, and the order of
TLS 1.3's cipher suites.

The ssl module copies a session for each connection that is to resume it, by way of its ASN.1. OpenSSL 3.0
reads the server's certificate and its key anew then, which takes as long as all the rest of the client's
handshake. Here they share one, as OpenSSL means it (SSL_set_session(3)).

Only documented functions are called, of the very library that the ssl module is linked with. Which connection
of OpenSSL's is behind an ``SSLObject`` OpenSSL says itself: when it makes one, it tells whoever keeps data of
their own with each (CRYPTO_get_ex_new_index(3)). Where the ssl module is a part of the interpreter there is
no such library to call: sessions are copied then, and the suites stay in OpenSSL's order.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import threading
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_long, c_void_p
from typing import Any, Protocol

# BoringSSL's order, and so Envoy's, on processors that know AES. OpenSSL begins with the second; with its
# SHA-384 a handshake costs a tenth more.
_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_CLASS_SSL = 0  # openssl/crypto.h: CRYPTO_EX_INDEX_SSL
# the connection, the data, all its data, their index, and two arguments of whoever asked to be told
_OnMade = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p, c_int, c_long, c_void_p)


class Session(Protocol):
    """Of a client, to be resumed."""

    def offer(self, connection: ssl.SSLObject) -> None:
        """By the connection that this thread made last, before its handshake."""


class _CopiedSession:
    """CPython never gives back the 6 kB that ``SSLObject.session`` copies: not for each connection."""

    __slots__ = ("_session",)

    def __init__(self, session: ssl.SSLSession) -> None:
        self._session = session

    def offer(self, connection: ssl.SSLObject) -> None:
        connection.session = self._session


class _SharedSession:
    """Has a reference to OpenSSL's."""

    __slots__ = ("_library", "_session")

    def __init__(self, library: _Library, session: int) -> None:
        self._library = library
        self._session = session

    def offer(self, connection: ssl.SSLObject) -> None:
        self._library.set_session(self._library.made.last, self._session)

    def __del__(self) -> None:
        self._library.free_session(self._session)


class _Library:
    """libssl's functions. Raises AttributeError, OSError where they cannot be called."""

    def __init__(self) -> None:
        self._loaded = ctypes.CDLL(_ssl.__file__)
        self.set_session = self._function("SSL_set_session", c_int, c_void_p, c_void_p)
        self.get1_session = self._function("SSL_get1_session", c_void_p, c_void_p)
        self.has_ticket = self._function("SSL_SESSION_has_ticket", c_int, c_void_p)
        self.free_session = self._function("SSL_SESSION_free", None, c_void_p)
        self.context_of = self._function("SSL_get_SSL_CTX", c_void_p, c_void_p)
        self.set_suites = self._function("SSL_CTX_set_ciphersuites", c_int, c_void_p, c_char_p)
        self.made = threading.local()  # ``last``: the connection that a thread made last
        self._on_made = _OnMade(self._remember)  # kept, for OpenSSL calls it from now on
        tell = self._function(
            "CRYPTO_get_ex_new_index", c_int, c_int, c_long, c_void_p, _OnMade, c_void_p, c_void_p
        )
        tell(_CLASS_SSL, 0, None, self._on_made, None, None)

    def _function(self, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._loaded, name)
        found.restype, found.argtypes = result, arguments  # type: ignore[attr-defined]
        return found

    def _remember(self, connection: int, *_: object) -> None:
        self.made.last = connection


def _load() -> _Library | None:
    try:
        return _Library()
    except (AttributeError, OSError):
        return None


_LIBRARY = _load()  # once in a process: OpenSSL never stops telling


def made_last() -> int:
    """OpenSSL's name for the connection that this thread made last, as long as its ``SSLObject`` is there."""
    return _LIBRARY.made.last if _LIBRARY is not None else 0


def session_of(connection: ssl.SSLObject, made: int) -> Session | None:
    """What can be resumed of a connection, if anything; ``made`` is OpenSSL's name for it."""
    if _LIBRARY is None:
        copied = connection.session
        return _CopiedSession(copied) if copied is not None and copied.has_ticket else None
    found = _LIBRARY.get1_session(made)
    if not found:
        return None
    session = _SharedSession(_LIBRARY, found)
    return session if _LIBRARY.has_ticket(found) else None


def order_suites(context: ssl.SSLContext) -> None:
    """For the connections that are made in it from now on."""
    if _LIBRARY is not None:
        server_side = context.protocol == ssl.PROTOCOL_TLS_SERVER
        connection = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side)
        _LIBRARY.set_suites(_LIBRARY.context_of(made_last()), _SUITES)
        del connection
