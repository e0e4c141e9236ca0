"""Header blocks -> messages, with a memory: what came before need not be decoded, sorted and checked again.

A block means the same again for as long as the sender's dynamic table is the same (RFC 7541 section 2.2), so
what a connection remembers holds until a block comes that changes the table. Clients that index, and our own
encoder, which never does, send the same bytes for the same head. What is another each time (the path, a
request id) is looked past: see ``varying``. A known head costs a lookup and a copy, a fifth of a new one.

Every block has to go through here, wanted or not (RFC 9113 section 4.3): ``skip`` is for the unwanted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mesh.http.h2.block import field_places
from mesh.http.h2.hpack import Decoder, Field, Triples
from mesh.http.h2.messages import read_request, read_response, read_trailers
from mesh.http.h2.settings import Limits
from mesh.http.h2.varying import are_fields, look_past
from mesh.http.message import Framing, Message, Request, Response, Trailers
from mesh.http.upgrade import CONNECT

# At the worst a connection remembers 16 kB of blocks, and about three times that of what they mean.
MAX_KNOWN = 16
MAX_KNOWN_BYTES = 1024
# A head that is new costs half of what a known one saves: who sends new ones only is soon given up.
PATIENCE = 64
GAIN = 4

_UNUSUAL = (b"HEAD", CONNECT)  # what answers them is read in other ways
_PLAIN_PATH = re.compile(rb"/[!\"$-~]*")
_PLAIN_IDS = re.compile(rb"[0-9a-f-]+")


class _Known:
    """What a block was read as; ``places`` are those of what was looked past (see ``varying``)."""

    __slots__ = ("message", "places")

    def __init__(self, message: Message | Trailers, places: Sequence[int]) -> None:
        self.message = message
        self.places = places


class HeadReader:
    """One for each connection. All that reads raises ConnectionFault for what cannot be decoded."""

    __slots__ = ("_decode", "_known", "_limits", "_patience")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._decode = Decoder(2 * limits.max_header_bytes).decode
        self._known: dict[bytes, _Known] = {}
        self._patience = PATIENCE

    def request(self, block: bytes, end: bool) -> Request:
        """Raises StreamFault and RequestError."""
        if not self._patience:
            return read_request(self._decode(block), end, self._limits)
        rest, path_field, ids, places = look_past(block)
        known = self._known.get(rest)
        if known is not None and known.places == places:
            like = known.message
            if isinstance(like, Request) and like.complete is end:
                path = self._path(path_field) if path_field else like.path
                size = like.header_bytes + len(path) - len(like.path)
                if (
                    self._is_plain(path, ids)
                    and size + 32 * len(like.fields) <= self._limits.max_header_bytes
                ):
                    self._was_known()
                    request = _copy_request(like)
                    request.path, request.header_bytes = path, size
                    request.fields.update(ids)
                    return request
        request = read_request(self._decode_new(block), end, self._limits)
        if request.framing is not Framing.TUNNEL and not (ids and request.repeats):
            self._remember(block, rest, _copy_request(request), places)
        return request

    def _path(self, field: bytes) -> bytes:
        """What it says, when it may be in Huffman code; it leaves the table alone."""
        return field[2:] if field[1] < 0x80 else self._decode(field)[0][1]

    def _is_plain(self, path: bytes, ids: list[Field]) -> bool:
        """Whether what was looked past needs no closer look."""
        if _PLAIN_PATH.fullmatch(path) is None:
            return False
        return not ids or _PLAIN_IDS.fullmatch(b"".join([value for _, value in ids])) is not None

    def response(self, block: bytes, end: bool, method: bytes) -> Response | None:
        """To a request of that method; None: an interim one. Raises StreamFault."""
        is_usual = method not in _UNUSUAL
        known = self._known.get(block)
        if known is not None and is_usual:
            response = known.message
            if isinstance(response, Response) and response.complete is end:
                self._was_known()
                return _copy_response(response)
        read = read_response(self._decode_new(block), end, method)
        if is_usual and read is not None:
            self._remember(block, block, _copy_response(read))
        return read

    def trailers(self, block: bytes) -> Trailers:
        """Raises StreamFault."""
        known = self._known.get(block)
        if known is not None and not isinstance(known.message, Message):
            self._was_known()
            return known.message
        trailers = read_trailers(self._decode_new(block))
        self._remember(block, block, trailers)
        return trailers

    def skip(self, block: bytes) -> None:
        """Nobody wants it."""
        self._decode_new(block)

    def _was_known(self) -> None:
        self._patience = min(self._patience + GAIN, PATIENCE)

    def _decode_new(self, block: bytes) -> Triples:
        """See whether what is remembered still holds."""
        triples = self._decode(block)
        if self._patience:
            self._patience -= 1
            if not self._patience or field_places(block) is None:
                self._known.clear()
        return triples

    def _remember(
        self, block: bytes, rest: bytes, message: Message | Trailers, places: Sequence[int] = ()
    ) -> None:
        if not self._patience or len(rest) > MAX_KNOWN_BYTES or not are_fields(block, places):
            return
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[rest] = _Known(message, places)


def _copy_request(request: Request) -> Request:
    copy = Request(
        request.method,
        request.path,
        request.authority,
        request.fields.copy(),
        request.repeats.copy(),
        request.framing,
        True,
    )
    copy.scheme = request.scheme
    copy.header_bytes = request.header_bytes
    copy.complete = request.complete
    return copy


def _copy_response(response: Response) -> Response:
    copy = Response(response.status, response.fields.copy(), response.repeats.copy(), response.framing, True)
    copy.header_bytes = response.header_bytes
    copy.complete = response.complete
    return copy
