from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.grpc.message import MessageReader, prefixed
from mesh.grpc.status import RpcError


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 100), max_size=12))
def test_messages_come_out_as_they_went_in_however_the_bytes_are_cut(
    messages: list[bytes], cuts: list[int]
) -> None:
    wire = b"".join(map(prefixed, messages))
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    reader = MessageReader()
    pieces = [wire[begin:end] for begin, end in pairwise(edges)]
    assert [message for piece in pieces for message in reader.receive(piece)] == messages
    assert not reader.is_inside


def test_it_knows_that_a_message_is_not_complete() -> None:
    reader = MessageReader()
    assert reader.receive(prefixed(b"whole") + b"\0") == [b"whole"]
    assert reader.is_inside
    assert reader.receive(b"\0\0\0\3ab") == []
    assert reader.is_inside
    assert reader.receive(b"c") == [b"abc"]
    assert not reader.is_inside


def test_an_empty_message_is_one() -> None:
    assert MessageReader().receive(prefixed(b"")) == [b""]


def test_a_compressed_message_is_refused() -> None:
    with pytest.raises(RpcError, match="INTERNAL: a compressed message"):
        MessageReader().receive(b"\1\0\0\0\0")


def test_a_large_message_in_many_pieces_is_joined_once() -> None:
    """Joined at each piece it would take minutes."""
    reader, message = MessageReader(), bytes(64 * 2**20)
    wire = prefixed(message)
    found = [
        each for start in range(0, len(wire), 4096) for each in reader.receive(wire[start : start + 4096])
    ]
    assert found == [message]
