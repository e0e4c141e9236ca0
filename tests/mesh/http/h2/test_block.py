"""What is wrong with a header block is found before the decoder meets it (RFC 7541)."""

from __future__ import annotations

import random

import pytest
from hpack import Encoder
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import assume, given
from hypothesis import strategies as st

from mesh.http.h2.block import BadBlock, check_block, encode_integer, field_places
from mesh.http.h2.errors import Code, ConnectionFault
from mesh.http.h2.hpack import Decoder

HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
FIELDS = [
    (b":method", b"GET"),
    (b":path", b"/reviews/0?x=12"),
    (b"user-agent", b"a client/1.60.0"),
    (b"x-request-id", b"4f0a7a50-b0a6-4f2c-a0bd-4fbb0b3a4d4e"),
    (b"x-long", b"abc" * 60),
    (b"x-empty", b""),
]
NAME = b"\x00\x03x-a"


def coded(text: bytes) -> bytes:
    return HUFFMAN.encode(text)


def string(code: bytes) -> bytes:
    return encode_integer(len(code), 0x7F, 0x80) + code


def blocks() -> list[bytes]:
    """Good ones, of one connection: plain and in Huffman code, the first with new names, the next with the
    table's."""
    found = []
    for huffman in (False, True):
        encoder = Encoder()
        found += [encoder.encode(FIELDS, huffman=huffman) for _ in range(2)]
    many = Encoder()
    found += [many.encode([(b"x-%d" % number, b"1") for number in range(90)]) for _ in range(2)]
    return found


GOOD = {
    "nothing": b"",
    "indexed fields": b"\x82\x86\xbe",
    "an index that goes on": b"\xff\x00",
    "an index that goes on for long": b"\xff\x80\x80\x01",
    "a literal": NAME + b"\x01b",
    "a literal of a name in the table": b"\x41\x01b",
    "a literal of a name far out in the table": b"\x7f\x01\x01b",
    "updates of the table": b"\x20\x3f\xe1\x1f\x82",
    "an update and no field": b"\x20",
    "an empty string": NAME + b"\x00",
    "an empty string in Huffman code": NAME + b"\x80",
    "a string of 127": NAME + b"\x7f\x00" + b"b" * 127,
    "a string of 300": NAME + encode_integer(300, 0x7F, 0) + b"b" * 300,
    "Huffman code of 300": NAME + string(coded(b"0" * 480)),
    "Huffman code without padding, a zero at its end": NAME + string(b"\xf8"),
    "Huffman code without padding, a zero at its end, of five bytes": NAME + string(coded(b"0" * 8)),
}
BAD = {
    "an index that goes on, and does not": b"\x82\xff",
    "an index cut off": b"\xff\x80",
    "a name that is missing": b"\x82\x40",
    "a name cut off": b"\x00\x05x-a",
    "a value that is missing": NAME,
    "a value cut off": NAME + b"\x02b",
    "a length cut off": NAME + b"\x7f\x80",
    "Huffman code cut off": NAME + b"\x83\x1f",
    "an update cut off": b"\x3f\xe1",
    "a name's index cut off": b"\x7f",
    "an integer beyond all limits": b"\xff" + b"\x80" * 6 + b"\x01",
    "a length beyond all limits": NAME + b"\x7f" + b"\x80" * 60_000 + b"\x01",
    "an update behind a field": b"\x82\x20",
    "an update between fields": b"\x82\x20" + NAME + b"\x01b",
    "a long update behind a literal": NAME + b"\x01b\x3f\xe1\x1f",
    "Huffman code padded with zeros": NAME + b"\x81\x10",
    "a name in Huffman code padded with zeros": b"\x00\x81\x10\x01b",
    "what is no Huffman code": NAME + string(b"\xff\xff\xff\xfe"),
    "Huffman code of 300 padded with zeros": NAME + string(coded(b"0" * 479 + b"1a")[:-1] + b"\x08"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_block_is_taken(name: str) -> None:
    check_block(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_block_is_refused(name: str) -> None:
    with pytest.raises(BadBlock):
        check_block(BAD[name])
    with pytest.raises(ConnectionFault) as refused:
        Decoder(65536).decode(BAD[name])
    assert refused.value.code == Code.COMPRESSION_ERROR


@given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=200)), max_size=8), st.booleans())
def test_what_another_encodes_is_taken(fields: list[tuple[bytes, bytes]], huffman: bool) -> None:
    encoder, decoder = Encoder(), Decoder(1 << 20)
    for _ in range(2):
        found = decoder.decode(encoder.encode(fields, huffman=huffman))
        assert [field[:2] for field in found] == fields


@given(st.binary(max_size=60), st.integers(1, 4))
def test_zeros_are_no_padding(text: bytes, zeros: int) -> None:
    bits = "".join(f"{REQUEST_CODES[byte]:0{REQUEST_CODES_LENGTH[byte]}b}" for byte in text)
    padding = -len(bits) % 8
    assume(padding < 5)  # else there may be one character more in it
    zeros = min(zeros, padding)
    padded = bits + "1" * (padding - zeros) + "0" * zeros
    block = NAME + string(bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8)))
    if padding:
        with pytest.raises(BadBlock):
            check_block(block)
    else:
        check_block(block)


def test_nothing_makes_the_decoder_panic(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is cut off, and wherever a byte is another: Rust would say so on the standard error."""
    rng = random.Random(7)
    for block in blocks():
        cut = [block[:length] for length in range(len(block))]
        changed = [
            bytes((*block[:at], rng.choice((0x00, 0x10, 0x1F, 0x3F, 0x7F, 0xFF)), *block[at + 1 :]))
            for at in range(len(block))
        ]
        for each in cut + changed:
            decoder = Decoder(65536)
            try:
                decoder.decode(each)
                decoder.decode(each)
            except ConnectionFault:
                pass
    assert capfd.readouterr().err == ""


def test_a_panic_costs_the_connection_and_no_more() -> None:
    class PanicException(BaseException):
        """As pyo3 names it."""

    def panic(_block: bytes, _raw: bool) -> None:
        raise PanicException

    decoder = Decoder(65536)
    decoder._decode = panic
    with pytest.raises(ConnectionFault) as refused:
        decoder.decode(b"\x82")
    assert refused.value.code == Code.COMPRESSION_ERROR


# where fields begin

UNINDEXED = [
    b"\x82",  # whole, in a byte
    b"\xff\x00",  # whole, with an index that goes on
    NAME + b"\x011",
    b"\x10\x03x-a\x00",  # never to be indexed
    b"\x04\x01/",  # the name is in the table
    b"\x0f\x12\x01a",
    NAME + encode_integer(300, 0x7F, 0) + b"v" * 300,
    NAME + string(coded(b"some text")),
]


@given(st.lists(st.sampled_from(UNINDEXED)))
def test_the_places_of_fields(fields):
    expected, at = [], 0
    for field in fields:
        expected.append(at)
        at += len(field)
    assert field_places(b"".join(fields)) == tuple(expected)


@pytest.mark.parametrize(
    "change", [b"\x40\x03x-a\x011", b"\x44\x01/", b"\x7f\x00\x011", b"\x20", b"\x3f\xe1\x1f"]
)
def test_a_block_that_changes_the_table_has_none(change):
    assert field_places(b"\x82" + change) is None
