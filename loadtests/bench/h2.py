"""As much HTTP/2 (RFC 9113) as the load and the origin need; on purpose not the mesh's own codec, which is
what is measured. Header blocks are jh2's. No padding, no priorities, no CONTINUATION: neither engine sends
them for messages this small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jh2.hpack import Encoder  # type: ignore[import-untyped]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4

Fields = Sequence[tuple[bytes, bytes]]

_INITIAL_WINDOW_SIZE = 4
_WINDOW = 1 << 30  # never in the way
_GIVE_BACK = 1 << 20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def opening() -> bytes:
    """SETTINGS and WINDOW_UPDATE: the other side may send a gibibyte, in all and on each stream."""
    setting = _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _WINDOW.to_bytes(4, "big")
    return frame(SETTINGS, 0, 0, setting) + frame(WINDOW_UPDATE, 0, 0, _WINDOW.to_bytes(4, "big"))


def grpc_message(size: int) -> bytes:
    """One uncompressed message of that many bytes, with its length in front."""
    return b"\0" + size.to_bytes(4, "big") + b"x" * size


class Frames:
    """The frames in what arrived. Answers SETTINGS, PING and DATA (with window) by itself, in ``answers``."""

    def __init__(self) -> None:
        self.answers = bytearray()
        self._pending = b""
        self._consumed = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each frame that is complete, but for those answered here."""
        data = self._pending + data if self._pending else data
        at = 0
        while len(data) - at >= 9:
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if len(data) < end:
                break
            kind, flags, stream = data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big")
            payload = data[at + 9 : end]
            at = end
            if kind in (SETTINGS, PING):
                if not flags & ACK:
                    self.answers += frame(kind, ACK, 0, payload if kind == PING else b"")
            elif kind != WINDOW_UPDATE:
                if kind == DATA:
                    self._give_back(len(payload))
                yield kind, flags, stream, payload
        self._pending = data[at:]

    def _give_back(self, size: int) -> None:
        self._consumed += size
        if self._consumed >= _GIVE_BACK:
            self.answers += frame(WINDOW_UPDATE, 0, 0, self._consumed.to_bytes(4, "big"))
            self._consumed = 0


def path_field(path: bytes) -> bytes:
    """A :path of less than 127 bytes, not to be indexed (RFC 7541 section 6.2.2)."""
    return b"\x04" + bytes((len(path),)) + path


class Blocks:
    """The same header blocks again and again on one connection, each by its place: the first time they fill
    the other side's table, later they refer to it."""

    def __init__(self, *blocks: Fields) -> None:
        encoder = Encoder()
        triples = [[(name, value, False) for name, value in fields] for fields in blocks]
        self._next: list[bytes] = [encoder.encode(fields) for fields in triples]
        self._later: list[bytes] = [encoder.encode(fields) for fields in triples]

    def next(self, place: int = 0) -> bytes:
        """Blocks are to be taken in their order at first."""
        block, self._next[place] = self._next[place], self._later[place]
        return block
