"""What is another in each request's head, found in a header block that is not decoded yet, and looked past.

    block = method scheme :path ... x-request-id ... traceparent ...
    rest  = method scheme       ...              ...                    the same for like requests

Only fields as our own encoder writes them are found: never indexed, no Huffman code. What looks like one may
be part of another field: ``are_fields`` tells, once for each ``rest`` and the places that it was found with.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.http.h2.block import field_places
from mesh.http.h2.hpack import Field, encode_field

_METHODS, _SCHEMES = (0x82, 0x83), (0x86, 0x87)  # GET and POST, http and https (RFC 7541 appendix A)
_PATH = 0x04  # a literal that is not indexed, with the name of the table's place 4
_NAMES = ((b"x-request-id", 36), (b"traceparent", 55))  # with the lengths of their values
_MARKS = tuple((name, encode_field((name, bytes(size)))[:-size], size) for name, size in _NAMES)


# What is left of a block; the path, b"" where it was not found; the other fields; and where each part was
# when those before it were gone.
Parts = tuple[bytes, bytes, list[Field], list[int]]


def look_past(block: bytes) -> Parts:
    path = b""
    fields: list[Field] = []
    places: list[int] = []
    if len(block) > 4 and block[2] == _PATH and block[0] in _METHODS and block[1] in _SCHEMES:
        end = 4 + block[3]
        if block[3] < 0x7F and len(block) >= end:
            path = block[4:end]
            places.append(2)
            block = block[:2] + block[end:]
    for name, start, size in _MARKS:
        place = block.find(start)
        if place >= 0:
            begin = place + len(start)
            fields.append((name, block[begin : begin + size]))
            places.append(place)
            block = block[:place] + block[begin + size :]
    return block, path, fields, places


def are_fields(block: bytes, places: Sequence[int]) -> bool:
    """Whether they are; False as well for a block that changes the table."""
    found = field_places(block)
    for place in places:
        if found is None or place not in found:
            return False
        ends = (*found[1:], len(block))
        block = block[:place] + block[ends[found.index(place)] :]
        found = field_places(block)
    return found is not None
