"""What is another in each request's head, found in a header block that is not decoded yet, and looked past.

    block = method scheme :path authority ... x-request-id ... traceparent ...
    rest  = method scheme       authority ...              ...                    the same for like requests

The path is found behind pseudo-fields of one byte when it is not indexed: so our encoder writes it, and
nghttp2 (curl, Node). The ids are found as our encoder writes them, without Huffman code. What looks like one
may be part of another field: ``are_fields`` tells, once for each ``rest`` and the places it was found with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mesh.http.h2.block import field_places
from mesh.http.h2.hpack import Field, encode_field

# RFC 7541 sections 6.1: whole fields of the tables, in a byte; 6.2.2: the name at place 4, a short length
_BEFORE_PATH = re.compile(rb"[\x81-\xfe]{0,3}\x04(?=[^\x7f\xff])", re.DOTALL)
_NAMES = ((b"x-request-id", 36), (b"traceparent", 55))  # with the lengths of their values
_MARKS = tuple((name, encode_field((name, bytes(size)))[:-size], size) for name, size in _NAMES)

# What is left of a block; the representation of the path, b"" where it was not found; the other fields; and
# where each part was when those before it were gone.
Parts = tuple[bytes, bytes, list[Field], list[int]]


def look_past(block: bytes) -> Parts:
    path = b""
    fields: list[Field] = []
    places: list[int] = []
    before = _BEFORE_PATH.match(block)
    if before is not None:
        place = before.end() - 1
        end = place + 2 + (block[place + 1] & 0x7F)
        if len(block) >= end:
            path = block[place:end]
            places.append(place)
            block = block[:place] + block[end:]
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
