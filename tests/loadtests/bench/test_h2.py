from __future__ import annotations

from jh2.hpack import Decoder  # type: ignore[import-untyped]

from loadtests.bench.h2 import (
    ACK,
    DATA,
    END_STREAM,
    HEADERS,
    PING,
    SETTINGS,
    WINDOW_UPDATE,
    Blocks,
    Frames,
    frame,
    grpc_message,
    path_field,
)


def test_frames_come_whole_however_the_bytes_arrive() -> None:
    wire = frame(HEADERS, 0, 1, b"block") + frame(DATA, END_STREAM, 1, b"x" * 300)
    for size in (1, 7, 9, len(wire)):
        frames = Frames()
        found = [each for at in range(0, len(wire), size) for each in frames.feed(wire[at : at + size])]
        assert found == [(HEADERS, 0, 1, b"block"), (DATA, END_STREAM, 1, b"x" * 300)]


def test_settings_and_pings_are_answered_once() -> None:
    frames = Frames()
    wire = frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0) + frame(PING, 0, 0, b"12345678")
    assert list(frames.feed(wire)) == []
    assert frames.answers == frame(SETTINGS, ACK, 0) + frame(PING, ACK, 0, b"12345678")


def test_window_is_given_back_by_the_mebibyte() -> None:
    frames = Frames()
    for _ in range(64):
        assert not frames.answers
        list(frames.feed(frame(DATA, 0, 1, b"x" * (1 << 14))))
    assert frames.answers == frame(WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4, "big"))


def test_later_blocks_refer_to_the_first() -> None:
    head, trailers = [(b":status", b"200"), (b"content-type", b"application/grpc")], [(b"grpc-status", b"0")]
    blocks = Blocks(head, trailers)
    decoder = Decoder()
    sizes = []
    for _ in range(3):
        for place, fields in enumerate((head, trailers)):
            block = blocks.next(place)
            sizes.append(len(block))
            assert [tuple(field) for field in decoder.decode(block, raw=True)] == fields
    assert sizes[2] < sizes[0]
    assert sizes[3] < sizes[1]


def test_a_path_in_front_of_a_block_is_not_indexed() -> None:
    blocks, decoder = Blocks([(b":method", b"GET"), (b"x-a", b"1")]), Decoder()
    for path in (b"/1", b"/22", b"/1"):
        found = dict(decoder.decode(path_field(path) + blocks.next(), raw=True))
        assert found == {b":path": path, b":method": b"GET", b"x-a": b"1"}


def test_a_grpc_message_says_its_length() -> None:
    assert grpc_message(3) == b"\0\0\0\0\3xxx"
