"""Header blocks: decoded within the bound or refused; what we encode, anybody decodes to the same."""

from __future__ import annotations

from fuzzing.target import Target, expect
from mesh.http.h2.errors import ConnectionFault
from mesh.http.h2.hpack import Decoder, encode_field

_MAX_BYTES = 8192


def check(data: bytes) -> None:
    decoder = Decoder(_MAX_BYTES)
    first, cut = (data[0], data[1:]) if data else (0, data)
    for block in (cut[:first], cut[first:]):  # two blocks of one connection: the table is theirs together
        try:
            triples = decoder.decode(block)
        except ConnectionFault:
            return
        size = sum(len(name) + len(value) for name, value, _ in triples)
        expect(size <= _MAX_BYTES and len(triples) <= len(block), "a list beyond the bound", size, block)
        again = Decoder(1 << 20).decode(b"".join(encode_field((name, value)) for name, value, _ in triples))
        wanted = [(name, value.strip(b" \t")) for name, value, _ in triples]
        expect([field[:2] for field in again] == wanted, "encoded and decoded, it differs", wanted, again)


TARGET = Target(
    "hpack",
    check,
    (
        bytes.fromhex("14828684410f7777772e6578616d706c652e636f6d828684be58086e6f2d6361636865"),
        bytes.fromhex("11828684418cf1e3c2e5f23a6ba0ab90f4ff828684be5886a8eb10649cbf"),
        b"\x20\x40\x0acustom-key\x0dcustom-header\x10\x08password\x06secret\x3f\xe1\x1f",
        b"\x05" + b"\x88\x61\x03abc\x0f\x0d\x021\x32",
    ),
    (
        b"\x20",
        b"\x3f\xe1\x1f",
        b"\xff\xff\xff\xff\x0f",
        b"\x7f\x80",
        b"\x40",
        b"\x10",
        b"\xbe",
        b"\xbf",
        b"\x80",
        b"\0",
    ),
    max_bytes=1024,
)
