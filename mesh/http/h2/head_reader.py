"""Header blocks -> messages, with a memory: what came before need not be decoded, sorted and checked again.

A block means the same again for as long as the sender's dynamic table is the same (RFC 7541 section 2.2), so
what a connection remembers holds until a block comes that changes the table. Clients that index, and our own
encoder, which never does, send the same bytes for the same head. Only x-request-id is another each time; as
our encoder writes it, it is found in the block and looked past. A known head costs a copy: about a fifth.

Every block has to go through here, wanted or not (RFC 9113 section 4.3): ``skip`` is for the unwanted.
"""

from __future__ import annotations

import re

from mesh.http.h2.block import field_places
from mesh.http.h2.hpack import Decoder, Triples, encode_field
from mesh.http.h2.messages import read_request, read_response, read_trailers
from mesh.http.h2.settings import Limits
from mesh.http.message import Framing, Message, Request, Response, Trailers
from mesh.http.upgrade import CONNECT

# At the worst a connection remembers 16 kB of blocks, and about three times that of what they mean.
MAX_KNOWN = 16
MAX_KNOWN_BYTES = 1024
# A head that is new costs half of what a known one saves: who sends new ones only is soon given up.
PATIENCE = 64
GAIN = 4

_UNUSUAL = (b"HEAD", CONNECT)  # what answers them is read in other ways
_ID = b"x-request-id"
_UUID = re.compile(rb"[0-9a-f-]{36}")
_ID_START = encode_field((_ID, bytes(36)))[:-36]
_ID_BYTES = len(_ID_START) + 36


class _Known:
    """What a block was read as; ``id_place`` is where the request id was in it, -1 without one."""

    __slots__ = ("id_place", "message")

    def __init__(self, message: Message | Trailers, id_place: int) -> None:
        self.message = message
        self.id_place = id_place


class HeadReader:
    """One for each connection. All that reads raises ConnectionFault for what cannot be decoded."""

    __slots__ = ("_decode", "_known", "_limits", "_patience", "_places")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._decode = Decoder(2 * limits.max_header_bytes).decode
        self._known: dict[bytes, _Known] = {}
        self._patience = PATIENCE
        self._places: tuple[int, ...] = ()  # of the fields in the last new block, if it can be remembered

    def request(self, block: bytes, end: bool) -> Request:
        """Raises StreamFault and RequestError."""
        place = block.find(_ID_START)
        key = block if place < 0 else block[:place] + block[place + _ID_BYTES :]
        known = self._known.get(key)
        if known is not None and known.id_place == place:
            request = known.message
            if isinstance(request, Request) and request.complete is end:
                if place < 0:
                    return self._again(request)
                request_id = block[place + len(_ID_START) : place + _ID_BYTES]
                if _UUID.fullmatch(request_id):
                    request = self._again(request)
                    request.fields[_ID] = request_id
                    return request
        request = read_request(self._decode_new(block), end, self._limits)
        has_one_id = place < 0 or not request.repeats
        if self._places and has_one_id and request.framing is not Framing.TUNNEL:
            self._remember(key, _copy_request(request), place)
        return request

    def _again(self, request: Request) -> Request:
        self._patience = min(self._patience + GAIN, PATIENCE)
        return _copy_request(request)

    def response(self, block: bytes, end: bool, method: bytes) -> Response | None:
        """To a request of that method; None: an interim one. Raises StreamFault."""
        is_usual = method not in _UNUSUAL
        known = self._known.get(block)
        if known is not None and is_usual:
            response = known.message
            if isinstance(response, Response) and response.complete is end:
                self._patience = min(self._patience + GAIN, PATIENCE)
                return _copy_response(response)
        read = read_response(self._decode_new(block), end, method)
        if self._places and is_usual and read is not None:
            self._remember(block, _copy_response(read))
        return read

    def trailers(self, block: bytes) -> Trailers:
        """Raises StreamFault."""
        known = self._known.get(block)
        if known is not None and not isinstance(known.message, Message):
            self._patience = min(self._patience + GAIN, PATIENCE)
            return known.message
        trailers = read_trailers(self._decode_new(block))
        if self._places:
            self._remember(block, trailers)
        return trailers

    def skip(self, block: bytes) -> None:
        """Nobody wants it."""
        self._decode_new(block)

    def _decode_new(self, block: bytes) -> Triples:
        """See first whether what is remembered still holds, and whether this block can be."""
        triples = self._decode(block)
        if self._patience:
            self._patience -= 1
            places = field_places(block) if self._patience else None
            if places is None:
                self._known.clear()
            self._places = places or ()
        return triples

    def _remember(self, key: bytes, message: Message | Trailers, id_place: int = -1) -> None:
        if len(key) > MAX_KNOWN_BYTES or (id_place >= 0 and id_place not in self._places):
            return
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = _Known(message, id_place)


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
