"""The stream against a server made of our own codec: bytes there and back, no socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.grpc.message import prefixed
from mesh.grpc.status import RpcError
from mesh.grpc.stream import MAX_WAITING, CallStream
from mesh.http.h2.client import Client
from mesh.http.h2.errors import Code
from mesh.http.h2.hpack import encode_field
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream
from mesh.http.message import Message

HEAD = ((b":status", b"200"), (b"content-type", b"application/grpc"))
Fields = tuple[tuple[bytes, bytes], ...]


class Answering(Stream):
    """The server's end: what came, and why it ended."""

    def __init__(self, connection: Server, stream_id: int) -> None:
        super().__init__(connection, stream_id)
        self.body = b""
        self.has_ended = False
        self.reset: int | None = None

    def head_received(self, message: Message) -> None:
        pass

    def data_received(self, data: bytes, end: bool) -> None:
        self.body += data
        self.has_ended |= end

    def reset_received(self, code: int) -> None:
        self.reset = code


class Dialogue:
    def __init__(self, limits: Limits | None = None) -> None:
        self.changes = 0
        self.answering: list[Answering] = []
        self.client = Client(lambda: None, Limits(), lambda: None, lambda: 0.0)
        self.server = Server(self._make, limits or Limits(), lambda: None, lambda: 0.0)
        self.stream = CallStream(self.client, self._count)
        self.pump()
        self.client.open(self.stream)
        fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/s/m"), (b":authority", b"a"))
        self.client.send_head(self.stream, b"".join(map(encode_field, fields)), False)
        self.pump()

    def _count(self) -> None:
        self.changes += 1

    def _make(self, connection: object, stream_id: int) -> Answering:
        self.answering.append(Answering(self.server, stream_id))
        return self.answering[-1]

    @property
    def peer(self) -> Answering:
        return self.answering[0]

    def pump(self) -> None:
        while self.client.out or self.server.out:
            self.server.receive_data(self.client.take_output())
            self.client.receive_data(self.server.take_output())
        assert self.client.fault is None
        assert self.server.fault is None

    def head(self, fields: Fields = HEAD, *, end: bool = False) -> None:
        self.server.send_head(self.peer, b"".join(map(encode_field, fields)), end)
        self.pump()

    def data(self, data: bytes, *, end: bool = False) -> None:
        self.server.send_data(self.peer, data, end)
        self.pump()

    def trailers(self, *fields: tuple[bytes, bytes]) -> None:
        self.server.send_trailers(self.peer, b"".join(map(encode_field, fields)))
        self.pump()


def test_messages_come_in_their_order_and_then_the_end() -> None:
    talk = Dialogue()
    talk.head()
    talk.data(prefixed(b"one") + prefixed(b"two")[:4])
    talk.data(prefixed(b"two")[4:])
    assert [talk.stream.take(), talk.stream.take()] == [b"one", b"two"]
    assert not talk.stream.ended
    talk.trailers((b"grpc-status", b"0"))
    assert (talk.stream.ended, talk.stream.error) == (True, None)


def test_what_we_send_has_its_length_before_it_and_an_end() -> None:
    talk = Dialogue()
    talk.stream.send(b"hello")
    talk.pump()
    assert (talk.peer.body, talk.peer.has_ended) == (prefixed(b"hello"), False)
    talk.stream.send_end()
    talk.stream.send_end()
    talk.pump()
    assert talk.peer.has_ended


def end_by_head(talk: Dialogue) -> None:
    talk.head((*HEAD, (b"grpc-status", b"12"), (b"grpc-message", b"no such method")), end=True)


def end_by_trailers(talk: Dialogue) -> None:
    talk.head()
    talk.trailers((b"grpc-status", b"5"), (b"grpc-message", b"gone"))


def end_without_status(talk: Dialogue) -> None:
    talk.head()
    talk.data(b"", end=True)


def end_inside_a_message(talk: Dialogue) -> None:
    talk.head()
    talk.data(prefixed(b"half of it")[:7])
    talk.trailers((b"grpc-status", b"0"))


def end_by_reset(talk: Dialogue) -> None:
    talk.head()
    talk.server.reset(talk.peer, Code.REFUSED_STREAM)
    talk.pump()


def answer_of_a_web_server(talk: Dialogue) -> None:
    talk.head(((b":status", b"503"), (b"content-type", b"text/plain")))
    talk.data(b"upstream connect error", end=True)


def answer_of_another_kind(talk: Dialogue) -> None:
    talk.head(((b":status", b"200"), (b"content-type", b"text/html")))


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (end_by_head, "UNIMPLEMENTED: no such method"),
        (end_by_trailers, "NOT_FOUND: gone"),
        (end_without_status, "UNKNOWN: the server ended the call without a status"),
        (end_inside_a_message, "INTERNAL: the server ended the call within a message"),
        (end_by_reset, "UNAVAILABLE: the server reset the call (HTTP/2 code 7)"),
        (answer_of_a_web_server, "UNAVAILABLE: HTTP status 503"),
        (answer_of_another_kind, "UNKNOWN: the server does not speak gRPC: its content-type is another"),
    ],
)
def test_every_end_has_its_status(end: Callable[[Dialogue], None], error: str) -> None:
    talk = Dialogue()
    end(talk)
    assert talk.stream.ended
    assert str(talk.stream.error) == error
    assert not talk.client.streams, "the stream is closed on both sides"
    assert talk.changes


def test_a_cancel_reaches_the_server_and_keeps_what_came() -> None:
    talk = Dialogue()
    talk.head()
    talk.data(prefixed(b"kept"))
    talk.stream.cancel()
    talk.pump()
    assert talk.peer.reset == Code.CANCEL
    assert talk.stream.take() == b"kept"
    assert str(talk.stream.error) == "CANCELLED: cancelled here"
    talk.stream.fail(RpcError(14, "too late"))
    assert str(talk.stream.error) == "CANCELLED: cancelled here"


def test_what_the_windows_do_not_take_blocks_until_they_do() -> None:
    talk = Dialogue(Limits(stream_window=1000))
    peer = talk.peer
    peer.pause_reading()
    talk.stream.send(bytes(1500))
    talk.pump()
    assert talk.stream.is_blocked
    before = talk.changes
    peer.resume_reading()
    talk.pump()
    assert not talk.stream.is_blocked
    assert talk.changes > before
    assert len(peer.body) == 1505


def test_a_reader_that_is_slow_holds_the_server_up() -> None:
    talk = Dialogue()
    talk.head()
    for _ in range(MAX_WAITING):
        talk.data(prefixed(b"x"))
    assert talk.stream.is_paused
    talk.stream.take()
    assert not talk.stream.is_paused
