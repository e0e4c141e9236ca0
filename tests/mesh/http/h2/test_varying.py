"""What is another in each request is found where it is a field, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.http.h2.hpack import Decoder, encode_field
from mesh.http.h2.varying import are_fields, look_past

START = ((b":method", b"GET"), (b":scheme", b"http"))
PATH, AUTHORITY = (b":path", b"/a"), (b":authority", b"a")
ID = (b"x-request-id", b"4f0a7a50-b0a6-4f2c-a0bd-4fbb0b3a4d4e")
TRACE = (b"traceparent", b"00-%032x-%016x-01" % (1, 2))


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(map(encode_field, fields))


def test_all_of_them_are_found_in_any_order() -> None:
    for ids in ((ID, TRACE), (TRACE, ID)):
        data = block(*START, PATH, AUTHORITY, ids[0], (b"accept", b"*/*"), ids[1])
        rest, path, fields, places = look_past(data)
        assert rest == block(*START, AUTHORITY, (b"accept", b"*/*"))
        assert (path, fields) == (block(PATH), [ID, TRACE])
        assert are_fields(data, places)


def test_without_them_a_block_is_all_rest() -> None:
    data = block(*START, AUTHORITY, (b"accept", b"*/*"))
    assert look_past(data) == (data, b"", [], [])
    assert are_fields(data, [])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x82\x86\x04",
        b"\x82\x86\x04\x05/a",  # cut off
        b"\x82\x86\x44\x02/a",  # to be indexed
        b"\x82\x86\x04\x7f\x01" + b"a" * 128,  # of a length that goes on
        b"\x82\x86\x01\x01a\x04\x02/a",  # behind a literal
    ],
)
def test_a_path_that_is_written_otherwise_is_left(data: bytes) -> None:
    assert look_past(data) == (data, b"", [], [])


@pytest.mark.parametrize("before", [b"", b"\x82", b"\x82\x86", b"\x82\x87\xbe"])
@pytest.mark.parametrize("path", [b"\x04\x02/a", b"\x04\x82\x60\xd5", b"\x04\x00"])
def test_the_path_is_found_behind_fields_of_one_byte(before: bytes, path: bytes) -> None:
    data = before + path + block(AUTHORITY)
    assert look_past(data) == (before + block(AUTHORITY), path, [], [len(before)])
    assert are_fields(data, [len(before)])


def test_what_only_looks_like_a_field_is_none() -> None:
    """An empty value's length, and the next field: together they are the bytes that an id begins with."""
    odd = b"\x00\x01e" + block(ID) + b"v" * 0x78
    _, _, fields, places = look_past(odd)
    assert fields
    assert not are_fields(odd, places)


def test_no_part_of_a_block_that_changes_the_table_is_looked_past_for_good() -> None:
    data = block(*START, PATH, AUTHORITY) + b"\x40\x03x-a\x011"
    assert not are_fields(data, look_past(data)[3])


_FIELDS = st.lists(
    st.sampled_from([ID, TRACE, (b"accept", b"*/*"), (b"x-e", b""), (b"x-l", b"v" * 200)]), unique=True
)


@given(_FIELDS)
def test_rest_and_parts_are_the_whole(fields: list[tuple[bytes, bytes]]) -> None:
    data = block(*START, PATH, AUTHORITY, *fields)
    rest, path, found, places = look_past(data)
    decoded = [(name, value) for name, value, _ in Decoder(65536).decode(rest)]
    assert path == block(PATH)
    assert sorted([*decoded, PATH, *found]) == sorted([*START, PATH, AUTHORITY, *fields])
    assert are_fields(data, places)
