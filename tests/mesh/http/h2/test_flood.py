"""RFC 9113 section 10.5: too much of what costs a peer nothing ends in ENHANCE_YOUR_CALM."""

import pytest

from mesh.http.h2 import frames
from mesh.http.h2.errors import Code
from mesh.http.h2.frames import frame, rst_stream, window_update
from mesh.http.h2.settings import Limits

CALM = Code.ENHANCE_YOUR_CALM


def test_rapid_reset(peer, wire):
    for number in range(1, 1100, 2):
        peer.send(wire.headers(number, wire.POST, end=False), rst_stream(number, 8))
    assert peer.goaway is CALM


def test_resets_that_we_are_made_to_send(peer, wire):
    for number in range(1, 1100, 2):
        peer.send(wire.headers(number, wire.POST, end=False), window_update(number, 0))
    assert peer.goaway is CALM


@pytest.mark.parametrize(
    "one",
    [
        frame(frames.PING, 0, 0, b"12345678"),
        frame(frames.SETTINGS, 0, 0, b""),
        frame(frames.PRIORITY, 0, 1, b"\0\0\0\5\0"),
        frame(0xEE, 0, 0, b""),
    ],
    ids=["ping", "settings", "priority", "unknown"],
)
def test_control_frames(peer, one):
    peer.send(one * 1100)
    assert peer.goaway is CALM


def test_empty_data(peer, wire):
    peer.send(wire.headers(1, wire.POST, end=False), wire.data(1) * 200)
    assert peer.goaway is CALM


def test_window_updates_by_one(peer):
    peer.send(window_update(0, 1) * 21_000)
    assert peer.goaway is CALM


def test_what_clients_do_over_time_is_no_flood(peer, wire):
    for second in range(60):
        peer.now = float(second)
        peer.send(frame(frames.PING, 0, 0, b"12345678") * 50)
        for number in range(50):
            stream = 1 + 2 * (second * 50 + number)
            peer.send(wire.headers(stream, wire.POST, end=False), rst_stream(stream, 8))
    assert peer.goaway is None


def test_a_header_list_that_unfolds_beyond_measure(peer, wire):
    big = b"\x40\x01x\x7f" + b"\x81\x1e" + b"v" * 4000  # one field of 4000 bytes, indexed
    again = b"\xbe" * 12000  # ... and asked for 12000 times
    peer.send(frame(frames.HEADERS, 5, 1, wire.raw(*wire.HEAD) + big + again[:11000]))
    assert peer.goaway is CALM


def test_headers_above_the_limit_are_431_and_the_connection_lives(peer, wire):
    fields = (*wire.HEAD, *((b"x%d" % n, b"v" * 120) for n in range(90)))
    peer = type(peer)(Limits(max_header_bytes=8000))
    peer.send(wire.headers(1, fields))
    assert peer.events == [(1, "refused", 431, "request_headers_too_large")]
    peer.send(wire.headers(3))
    assert peer.events[-1][:2] == (3, "head")
