"""Header blocks (RFC 7541). Decoding is jh2's Rust; encoding is ours, for one reason: speed.

The encoder uses the static table and literals that are not indexed, so it has no state: the bytes of a field
are always the same and are kept from one message to the next, on whatever connection. A head costs a dict
lookup for each field (a microsecond; jh2's stateful encoder takes four), for some more bytes on the wire.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from jh2._hazmat import Decoder as _RustDecoder  # type: ignore[import-untyped]
from jh2._hazmat import HPACKError, OversizedHeaderListError

from mesh.http.h2.block import BadBlock, check_block, encode_integer
from mesh.http.h2.errors import Code, ConnectionFault

Field = tuple[bytes, bytes]
Triples = list[tuple[bytes, bytes, bool]]  # name, value, whether it is never to be indexed

# RFC 7541 appendix A: names by the index of their first entry, and the whole fields a proxy sends
_NAMES = (
    b":authority :method . :path . :scheme . :status . . . . . . accept-charset accept-encoding "
    b"accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
    b"content-disposition content-encoding content-language content-length content-location content-range "
    b"content-type cookie date etag expect expires from host if-match if-modified-since if-none-match "
    b"if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate "
    b"proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security "
    b"transfer-encoding user-agent vary via www-authenticate"
).split()
_INDEX = {name: index for index, name in enumerate(_NAMES, 1) if name != b"."}
_WHOLE: dict[Field, bytes] = {
    (b":method", b"GET"): b"\x82", (b":method", b"POST"): b"\x83",
    (b":path", b"/"): b"\x84", (b":path", b"/index.html"): b"\x85",
    (b":scheme", b"http"): b"\x86", (b":scheme", b"https"): b"\x87",
    (b":status", b"200"): b"\x88", (b":status", b"204"): b"\x89", (b":status", b"206"): b"\x8a",
    (b":status", b"304"): b"\x8b", (b":status", b"400"): b"\x8c", (b":status", b"404"): b"\x8d",
    (b":status", b"500"): b"\x8e", (b"accept-encoding", b"gzip, deflate"): b"\x90",
}  # fmt: skip

_LENGTHS = [bytes((length,)) for length in range(127)]
_SECRET = frozenset((b"authorization", b"cookie", b"set-cookie", b"proxy-authorization"))
_UNIQUE = frozenset((b"x-request-id", b"traceparent", b"x-b3-spanid", b"x-b3-traceid"))  # not worth keeping
# About 1 MB at the worst. A workload's x-envoy-peer-metadata, on each request, has some 300 bytes.
MAX_KEPT_FIELDS = 2048
MAX_KEPT_BYTES = 512


class FieldBytes(dict[Field, bytes]):
    """A field's bytes, made when first asked for: nothing for the names in ``left_out``."""

    def __init__(self, left_out: frozenset[bytes] = frozenset()) -> None:
        self._left_out = left_out

    def __missing__(self, field: Field) -> bytes:
        name = field[0]
        made = b"" if name in self._left_out else _encode(*field)
        if name not in _UNIQUE and len(made) <= MAX_KEPT_BYTES:
            if len(self) >= MAX_KEPT_FIELDS:
                self.clear()
            self[field] = made
        return made


encode_field = FieldBytes().__getitem__  # (name, value) -> its representation


def _encode(name: bytes, value: bytes) -> bytes:
    value = value.strip(b" \t")
    whole = _WHOLE.get((name, value))
    if whole is not None:
        return whole
    return _name_bytes(name) + _string(value)


@lru_cache(maxsize=1024)
def _name_bytes(name: bytes) -> bytes:
    # section 6.2.3: what is secret is never to be indexed by anybody on the way
    pattern = 0x10 if name in _SECRET else 0x00
    index = _INDEX.get(name)
    return encode_integer(index, 15, pattern) if index is not None else bytes((pattern,)) + _string(name)


def _string(text: bytes) -> bytes:
    length = len(text)
    return (_LENGTHS[length] if length < 127 else encode_integer(length, 127, 0)) + text


class Decoder:
    """One for each connection. ``max_bytes`` bounds the names and values of a decoded list; it has no more
    fields than its block has bytes."""

    __slots__ = ("_decode",)

    def __init__(self, max_bytes: int) -> None:
        self._decode = _RustDecoder(max_bytes).decode

    def decode(self, block: bytes) -> Triples:
        """Raises ConnectionFault: after a bad block the table is not to be trusted."""
        try:
            check_block(block)
            return cast("Triples", self._decode(block, True))
        except OversizedHeaderListError:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "http2.header_list_size") from None
        except (BadBlock, HPACKError):
            raise ConnectionFault(Code.COMPRESSION_ERROR, "http2.header_compression") from None
        except BaseException as panic:
            # no block is known to do this to jh2's Rust; a panic is not an Exception, and would end the loop
            if type(panic).__name__ != "PanicException":
                raise
            raise ConnectionFault(Code.COMPRESSION_ERROR, "http2.header_compression") from None
