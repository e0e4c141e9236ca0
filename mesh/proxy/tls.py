"""TLS on a connection: between the socket's transport and the protocol that speaks over it.

    socket  <->  transport (uvloop)  <->  TlsConnection  <->  protocol (HTTP, TCP proxy, upstream)
                       bytes of TLS records      plain bytes

To the transport it is a protocol, to the protocol a transport. The records are made in memory
(``ssl.MemoryBIO``), so bytes that were read to sniff a connection are simply fed to it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast

from mesh.proxy.handshake import HandshakeError, handshake_error

READ_SIZE = 16384  # a TLS record's largest payload
# What goes through OpenSSL at a time: its buffers grow to a third more than that, and never shrink.
MAX_PASSED = 64 * 1024


class TlsConnection(asyncio.Protocol):
    """``on_ready`` is called once after the handshake and must ``attach`` a protocol or close;
    ``on_failed`` once instead when there is no handshake: the connection is then gone.
    ``refusal`` is asked before a client's last words of the handshake are sent: why not with this peer.
    A client's ``offer`` is called first, to offer a session; what it returns is called once, when the server
    has said something.
    """

    __slots__ = (
        "_closing",
        "_ended",
        "_held",
        "_incoming",
        "_on_failed",
        "_on_ready",
        "_on_spoken",
        "_outgoing",
        "_protocol",
        "_read",
        "_refusal",
        "_write",
        "raw",
        "ssl_object",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        on_ready: Callable[[TlsConnection], None],
        on_failed: Callable[[HandshakeError], None],
        server_name: str | bytes | None = None,
        refusal: Callable[[ssl.SSLObject], str] | None = None,
        offer: Callable[[ssl.SSLObject], Callable[[ssl.SSLObject], None]] | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self._incoming, self._outgoing, server_side, server_hostname=server_name
        )
        self._on_spoken = offer(self.ssl_object) if offer is not None else None
        self._read = self.ssl_object.read if offer is None else self._first_read
        self._write = self.ssl_object.write
        self._on_ready: Callable[[TlsConnection], None] | None = on_ready
        self._on_failed: Callable[[HandshakeError], None] | None = on_failed
        self._refusal = refusal
        self._protocol: asyncio.Protocol | None = None
        self._closing = False
        self._ended = False  # the peer has said goodbye, and is still listened to
        self._held = False  # the handshake's last words are made and not sent
        self.raw: asyncio.Transport = cast("asyncio.Transport", None)

    # below: what the socket's transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.raw = cast("asyncio.Transport", transport)
        if not self.ssl_object.server_side:
            self._shake_hands()

    def data_received(self, data: bytes | memoryview) -> None:
        if len(data) > MAX_PASSED:
            for piece in pieces(data):
                self.data_received(piece)
            return
        self._incoming.write(data)
        if self._on_ready is not None:
            self._shake_hands()
        if self._protocol is not None:
            self._deliver(len(data))

    def eof_received(self) -> bool:
        """Without a close_notify before it, nothing more can be trusted to be complete."""
        if self._ended:
            return True
        if self._protocol is not None and not self._closing:
            self._protocol.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing and self._on_ready is None:
            self._end_session()  # or OpenSSL forgets it: clients that hang up do come again
        self._closing = True  # nothing can be said any more, not even goodbye
        self._held = False
        protocol, self._protocol = self._protocol, None  # no cycle: it has us
        self._read = self.ssl_object.read  # nor with ``_first_read``
        if protocol is not None:
            protocol.connection_lost(exc)
        elif self._on_ready is not None:
            reason = "connection closed during the handshake" if exc is None else str(exc)
            self._fail(HandshakeError(reason, "gone"))

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()

    def _shake_hands(self) -> None:
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except (ssl.SSLError, ValueError) as error:
            self._flush()  # the alert that says why
            self.raw.close()
            self._fail(handshake_error(error))
            return
        reason = self._refusal(self.ssl_object) if self._refusal is not None else ""
        if reason:
            self.raw.close()  # without our Finished the peer has no connection either
            self._fail(HandshakeError(reason, "san"))
            return
        ready, self._on_ready, self._on_failed = self._on_ready, None, None
        self._held = self.ssl_object.version() == "TLSv1.3" or not self.ssl_object.server_side
        if not self._held:
            self._flush()
        if ready is not None:
            ready(self)
        if self._held and not self.ssl_object.server_side:
            # by then who waited for the connection has had its turn
            asyncio.get_running_loop().call_soon(self._send_last_words)

    def _send_last_words(self) -> None:
        """Those of the handshake go along with the first that are written, in one packet: nobody waits for a
        server's tickets (TLS 1.3), and a client mostly has its request ready by the next turn of the loop.
        """
        if self._held:
            self._held = False
            self._flush()

    def _fail(self, error: HandshakeError) -> None:
        failed, self._on_ready, self._on_failed = self._on_failed, None, None
        if failed is not None:
            failed(error)

    def _first_read(self, size: int) -> bytes:
        """Stands for ``_read`` until something came."""
        plain = self.ssl_object.read(size)
        self._read = self.ssl_object.read
        if self._on_spoken is not None:
            self._on_spoken(self.ssl_object)
        return plain

    def _deliver(self, size: int) -> None:
        """Hand on all records that are complete. ``size`` is what came: no less room than one record's."""
        assert self._protocol is not None
        try:
            while not self._closing:
                plain = self._read(size if size < READ_SIZE else READ_SIZE)
                if not plain:
                    self._end_of_input()
                    break
                self._protocol.data_received(plain)
                if not self._incoming.pending and not self.ssl_object.pending():
                    break
                size = READ_SIZE
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end_of_input()
        except ssl.SSLError:
            self.abort()
            return
        if self._outgoing.pending and not self._held:
            self._flush()

    def _end_of_input(self) -> None:
        """close_notify: the peer says no more (RFC 8446 6.1), but may well listen."""
        assert self._protocol is not None
        if not self._ended:
            self._ended = True
            if not self._protocol.eof_received():
                self.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.raw.write(self._outgoing.read())

    # below: what the protocol on top calls, a transport's methods

    def attach(self, protocol: asyncio.Protocol) -> None:
        """Put a protocol on top; it gets ``connection_made`` now and then all that was received."""
        self._protocol = protocol
        protocol.connection_made(cast("asyncio.Transport", self))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    def write(self, data: bytes | memoryview) -> None:
        if not data or self._closing:
            return
        if len(data) > MAX_PASSED:
            for piece in pieces(data):
                self.write(piece)
            return
        try:
            self._write(data)
        except ssl.SSLError:
            self.abort()
            return
        self._held = False
        self.raw.write(self._outgoing.read())

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """close_notify alone, as Envoy: the stream below it ends when both sides have said it."""
        self._say_goodbye()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._say_goodbye()
            self.raw.close()

    def abort(self) -> None:
        if not self._closing and self._on_ready is None:
            self._end_session()
        self._closing = True
        self.raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self.raw.is_closing()

    def pause_reading(self) -> None:
        self.raw.pause_reading()

    def resume_reading(self) -> None:
        self.raw.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.raw.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self.raw.get_write_buffer_size()

    def _say_goodbye(self) -> None:
        self._end_session()
        self._flush()

    def _end_session(self) -> None:
        try:
            self.ssl_object.unwrap()
        except (ssl.SSLError, ValueError):
            pass  # close_notify is made all the same; the answer is not awaited


def pieces(data: bytes | memoryview) -> Iterator[memoryview]:
    """Of ``MAX_PASSED`` bytes; the last may have less."""
    view = memoryview(data)
    for start in range(0, len(data), MAX_PASSED):
        yield view[start : start + MAX_PASSED]
