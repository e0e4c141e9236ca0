"""gRPC's messages on a stream: read by the sidecar's own client, counted by its data plane."""

from __future__ import annotations

from fuzzing.pieces import splits
from fuzzing.target import Target, expect
from mesh.grpc.message import MessageReader, prefixed
from mesh.grpc.status import RpcError
from mesh.proxy.grpc_messages import MessageCount


def check(data: bytes) -> None:
    messages, counted, refused = _read([data])
    for pieces in splits(data):
        other = _read(pieces)
        expect(other[1:] == (counted, refused), "a split changes the count", counted, refused, other, pieces)
        same = other[0][: len(messages)] == messages if refused else other[0] == messages
        expect(same, "a split changes the messages", messages, other, pieces)
    if not refused:
        begun = b"".join(map(prefixed, messages))
        expect(data.startswith(begun), "the messages are not what came", data, messages)
        rest = data[len(begun) :]
        expect(counted == len(messages) + bool(rest), "the two disagree on their number", counted, messages)


def _read(pieces: list[bytes]) -> tuple[list[bytes], int, bool]:
    """(messages, how many began, whether there was one that is not taken)."""
    reader, count = MessageReader(), MessageCount()
    messages: list[bytes] = []
    refused = False
    for piece in pieces:
        count.receive(piece)
        if not refused:
            try:
                messages += reader.receive(piece)
            except RpcError:
                refused = True
    return messages, count.messages, refused


TARGET = Target(
    "grpc-messages",
    check,
    (prefixed(b"one") + prefixed(b"") + prefixed(b"three" * 20), prefixed(b"x" * 300), b"\1\0\0\0\1x"),
    (b"\0\0\0\0\0", b"\0\0\0\0\1", b"\0\xff\xff\xff\xff", b"\1"),
    max_bytes=1024,
)
