"""What a header block must be before it is decoded (RFC 7541), so that the decoder meets no surprise.

    block = size updates, then representations of fields      (sections 4.2, 6)
            representation = integer [string] [string]        integer: section 5.1, string: section 5.2

The decoder (jh2's Rust) panics on a block that is cut off, and takes two things that sections 4.2 and 5.2
forbid: an update of the table's size behind a field, and Huffman code that is padded with zeros. A walk over
the block finds them without decoding it. Every head is walked over, so no more than a byte or two of each
representation is looked at. Padding that ends in a one is not verified to be all ones: that takes decoding.
"""

from __future__ import annotations

from jh2._hazmat import Decoder, HPACKError  # type: ignore[import-untyped]

_INDEXED = bytes(range(0x81, 0xFF))  # whole fields of the tables, in one byte (section 6.1)
_NEW_NAMES = (0x00, 0x10, 0x40)  # literals with a name of their own (section 6.2)
_LONG_NAMES = (0x0F, 0x1F, 0x7F)  # literals whose name's index goes on in the next byte
_MAX_MORE = 5  # bytes of an integer behind its first: 35 bits (section 5.1 wants a limit)
_AMPERSAND = b"\xf8"  # of the codes that are a byte long; no other code ends in all of it (appendix B)
_decode = Decoder(1 << 24).decode  # never told to index anything


class BadBlock(Exception):
    """Not a header block; the text says why."""


def check_block(block: bytes) -> None:
    """Raises BadBlock for a block that is cut off, or that has what sections 4.2 and 5.2 forbid."""
    rest = block.lstrip(_INDEXED)
    if not rest:
        return
    try:
        at = _behind_updates(rest) if 0x20 <= rest[0] < 0x40 and len(rest) == len(block) else 0
        size = len(rest)
        while at < size:  # from one representation to the next
            first = rest[at]
            if first >= 0x80:
                at = at + 1 if first != 0xFF else _end_of_integer(rest, at)
                continue
            if first in _NEW_NAMES:
                length = rest[at + 1]
                at = at + 2 + length if length < 0x7F else _end_of_string(rest, at + 1)
            elif first in _LONG_NAMES:
                at = _end_of_integer(rest, at)
            elif 0x20 <= first < 0x40:
                raise BadBlock("an update of the table behind a field")
            else:
                at += 1
            length = rest[at]
            at = at + 1 + length if length < 0x7F else _end_of_string(rest, at)
    except IndexError:
        raise BadBlock("cut off") from None
    if at > size:
        raise BadBlock("cut off")


def field_places(block: bytes) -> tuple[int, ...] | None:
    """Where the fields of a sound block begin; None: decoding it changes the table (section 2.3.2)."""
    at, places = 0, []
    while at < len(block):
        places.append(at)
        first = block[at]
        if first >= 0x80:
            at = at + 1 if first != 0xFF else _end_of_integer(block, at)
        elif first >= 0x20:  # to be put into the table, or a new size of it
            return None
        elif first in _NEW_NAMES:
            at = _end_of_string(block, _end_of_string(block, at + 1))
        else:
            at = _end_of_string(block, at + 1 if first not in _LONG_NAMES else _end_of_integer(block, at))
    return tuple(places)


def encode_integer(value: int, mask: int, pattern: int) -> bytes:
    """Section 5.1, with a prefix of the bits in ``mask`` and what stands beside them."""
    if value < mask:
        return bytes((pattern | value,))
    out = bytearray((pattern | mask,))
    value -= mask
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _behind_updates(block: bytes) -> int:
    at = 0
    while at < len(block) and 0x20 <= block[at] < 0x40:
        at = at + 1 if block[at] != 0x3F else _end_of_integer(block, at)
    return at


def _end_of_integer(block: bytes, at: int) -> int:
    """Of one that fills the bits of its first byte."""
    start, at = at, at + 1
    while block[at] >= 0x80:
        at += 1
    if at - start > _MAX_MORE:
        raise BadBlock("an integer beyond all limits")
    return at + 1


def _end_of_string(block: bytes, at: int) -> int:
    """Of one that is long, or in Huffman code."""
    head, at = block[at], at + 1
    length = head & 0x7F
    if length == 0x7F:
        end = _end_of_integer(block, at - 1)
        for place, byte in enumerate(block[at:end]):
            length += (byte & 0x7F) << 7 * place
        at = end
    end = at + length
    if head >= 0x80 and length and not block[end - 1] & 1 and not _ends_with_a_code(block[at:end]):
        raise BadBlock("Huffman code that is padded with zeros")
    return end


def _ends_with_a_code(huffman: bytes) -> bool:
    """Whether the last code ends where the string does: then an ampersand behind it is still one."""
    longer = huffman + _AMPERSAND
    try:
        ((_, value, _),) = _decode(b"\x00\x01n" + encode_integer(len(longer), 0x7F, 0x80) + longer, True)
    except HPACKError:
        return False
    return bool(value.endswith(b"&"))
