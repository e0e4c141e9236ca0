"""Length-prefixed messages (gRPC's "PROTOCOL-HTTP2"): flag 8 | length 32 | message.

They lie on DATA frames as they please: many in one, one over many. We announce no compression, so nobody may
compress. There is no limit to a message's length: a whole configuration travels in one, and a stream's
window bounds what can be on its way.
"""

from __future__ import annotations

from struct import Struct

from mesh.grpc.status import INTERNAL, RpcError

_PREFIX = Struct(">BL")


def prefixed(message: bytes) -> bytes:
    return _PREFIX.pack(0, len(message)) + message


class MessageReader:
    """``receive`` bytes in any pieces, get the messages that are complete."""

    __slots__ = ("_pieces", "_size", "_wanted")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = _PREFIX.size  # bytes without which there is nothing more to read

    @property
    def is_inside(self) -> bool:
        """A message has begun and not ended."""
        return self._size > 0

    def receive(self, data: bytes) -> list[bytes]:
        """Raises RpcError for a message that is compressed."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return []
        buffer, place, messages = b"".join(self._pieces), 0, []
        while True:
            begin = place + _PREFIX.size
            self._wanted = _PREFIX.size
            if begin > self._size:
                break
            is_compressed, length = _PREFIX.unpack_from(buffer, place)
            if is_compressed:
                raise RpcError(INTERNAL, "a compressed message, though we take none")
            self._wanted += length
            if begin + length > self._size:
                break
            messages.append(buffer[begin : begin + length])
            place = begin + length
        rest = buffer[place:]
        self._pieces, self._size = ([rest] if rest else []), len(rest)
        return messages
