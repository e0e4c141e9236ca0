"""What a stream sends, as frames: a message in one go, or as far as the windows let it."""

import pytest

from mesh.http.h2 import frames
from mesh.http.h2.frames import window_update
from mesh.http.h2.hpack import encode_field

HEAD = encode_field((b":status", b"200"))
TRAILERS = encode_field((b"grpc-status", b"0"))
END = frames.END_STREAM
HEADERS, DATA = (frames.HEADERS, frames.END_HEADERS), (frames.DATA, 0)


@pytest.fixture
def stream(peer, wire):
    """One whose request is complete."""
    peer.send(wire.headers(1))
    peer.sent()
    return peer.server.streams[1]


def kinds(peer):
    return [(frame.kind, frame.flags) for frame in peer.sent()]


@pytest.mark.parametrize(
    ("data", "trailers", "expected"),
    [
        (b"", b"", [(frames.HEADERS, frames.END_HEADERS | END)]),
        (b"x", b"", [HEADERS, (frames.DATA, END)]),
        (b"x", TRAILERS, [HEADERS, DATA, (frames.HEADERS, frames.END_HEADERS | END)]),
        (b"", TRAILERS, [HEADERS, (frames.HEADERS, frames.END_HEADERS | END)]),
    ],
)
def test_a_message_that_is_all_there_is_one_frame_of_each_and_ends_the_stream(
    peer, stream, data, trailers, expected
):
    peer.server.send_message(stream, HEAD, data, trailers)
    assert kinds(peer) == expected
    assert not peer.server.streams


def test_a_message_larger_than_a_frame_is_several(peer, stream):
    peer.server.send_message(stream, HEAD, b"x" * 20000, TRAILERS)
    sent = peer.sent()
    assert [frame.kind for frame in sent] == [frames.HEADERS, frames.DATA, frames.DATA, frames.HEADERS]
    assert sum(len(frame.payload) for frame in sent if frame.kind == frames.DATA) == 20000


def test_a_head_larger_than_a_frame_goes_on_in_continuation(peer, stream):
    large = b"".join(encode_field((b"x-%d" % number, b"v" * 1000)) for number in range(20))
    peer.server.send_message(stream, HEAD + large, b"x", b"")
    assert [frame.kind for frame in peer.sent()] == [frames.HEADERS, frames.CONTINUATION, frames.DATA]


def test_what_the_window_has_no_room_for_waits_and_so_do_the_trailers(peer, stream):
    peer.server.send_message(stream, HEAD, b"x" * 65536, TRAILERS)
    assert sum(len(frame.payload) for frame in peer.sent() if frame.kind == frames.DATA) == 65535
    peer.send(window_update(0, 1), window_update(1, 1))
    assert kinds(peer) == [DATA, (frames.HEADERS, frames.END_HEADERS | END)]


def test_several_messages_share_the_connections_window(peer, wire, stream):
    peer.send(wire.headers(3))
    other = peer.server.streams[3]
    peer.sent()
    for each in (stream, other):
        peer.server.send_message(each, HEAD, b"x" * 10000, b"")
    assert not peer.server.streams
    peer.send(wire.headers(5))
    peer.sent()
    peer.server.send_data(peer.server.streams[5], b"x" * 65535, False)
    assert sum(len(frame.payload) for frame in peer.sent() if frame.kind == frames.DATA) == 45535


def test_nothing_is_sent_on_a_stream_that_is_over(peer, stream):
    peer.server.reset(stream, 8)
    peer.sent()
    peer.server.send_message(stream, HEAD, b"x", TRAILERS)
    assert not peer.sent()
