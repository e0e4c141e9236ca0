"""Dialogues with the response parser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.http.errors import ResponseError
from mesh.http.message import Framing
from mesh.http.response_parser import ResponseParser


def parse(*pieces: bytes, method: bytes = b"GET") -> ResponseParser:
    parser = ResponseParser()
    parser.expect(method)
    for piece in pieces:
        parser.receive_data(piece)
    return parser


def response(*pieces: bytes, method: bytes = b"GET"):
    found = parse(*pieces, method=method).response
    assert found is not None
    return found


def test_reads_a_response_of_known_length():
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nhi"
    found = response(data)
    assert (found.status, found.take_body(), found.complete, found.keep_alive) == (200, b"hi", True, True)
    assert found.repeats == [(b"set-cookie", b"b")]


def test_reads_chunks():
    found = response(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nhi\r\n", b"0\r\nX: y\r\n\r\n"
    )
    assert (found.framing, found.take_body(), found.complete) == (Framing.CHUNKED, b"hi", True)
    assert b"x" not in found.fields


def test_without_framing_the_end_of_the_connection_ends_the_body():
    parser = parse(b"HTTP/1.1 200 OK\r\n\r\nab", b"cd")
    found = parser.response
    assert found is not None
    assert (found.framing, found.complete, found.keep_alive) == (Framing.EOF, False, False)
    assert parser.receive_eof()
    assert (found.take_body(), found.complete) == (b"abcd", True)


def test_a_short_body_is_not_complete_at_the_end():
    parser = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    assert not parser.receive_eof()


def test_the_answer_to_head_has_no_body_and_the_next_answer_follows():
    parser = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", method=b"HEAD")
    assert parser.response is not None
    assert parser.response.complete
    assert parser.response.keep_alive
    parser.expect(b"GET")
    parser.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    assert parser.response.take_body() == b"x"


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_some_statuses_have_no_body(status):
    found = response(b"HTTP/1.1 " + status + b" X\r\nContent-Length: 3\r\n\r\n")
    assert (found.framing, found.complete) == (Framing.NONE, True)


def test_interim_responses_are_swallowed():
    found = response(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: y\r\n\r\n"
        b"HTTP/1.1 201 C\r\ncontent-length: 0\r\n\r\n"
    )
    assert (found.status, found.fields) == (201, {b"content-length": b"0"})


def test_bytes_after_the_end_cost_the_connection_not_the_response():
    for extra in (b"junk", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"):
        found = response(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" + extra)
        assert found.complete
        assert not found.keep_alive


def test_an_answer_nobody_asked_for_is_no_part_of_the_one_before():
    surplus = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
    found = response(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + surplus)
    assert (found.take_body(), found.keep_alive) == (b"ok", False)


@pytest.mark.parametrize(
    ("data", "in_head"),
    [(b"", False), (b"HTTP/1.1 20", True), (b"HTTP/1.1 103 Early\r\n\r\n", False)],
)
def test_knows_whether_a_head_was_broken_off(data, in_head):
    assert parse(*[data] if data else []).in_head is in_head


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nc: d\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 101 X\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\na: " + b"x" * 70000 + b"\r\n\r\n",
    ],
)
def test_refuses_what_it_cannot_trust(data):
    with pytest.raises(ResponseError):
        parse(data)


@given(st.lists(st.integers(1, 40), max_size=10))
@settings(max_examples=100, deadline=None)
def test_any_split_of_the_bytes_gives_the_same_response(sizes):
    head = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"
    data = head + b"3\r\nabc\r\n0\r\nT: x\r\n\r\n"
    pieces = []
    rest = data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    found = response(*pieces, rest)
    assert (found.status, found.fields) == (200, {b"transfer-encoding": b"chunked", b"a": b"b"})
    assert (found.take_body(), found.complete) == (b"abc", True)


def for_tunnel(method: bytes, *pieces: bytes) -> ResponseParser:
    parser = ResponseParser()
    parser.expect(method, for_tunnel=True)
    for piece in pieces:
        parser.receive_data(piece)
    return parser


SWITCHING = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@given(st.lists(st.integers(1, 30), max_size=10))
@settings(max_examples=100, deadline=None)
def test_after_101_every_byte_is_the_tunnels(sizes):
    data = SWITCHING + b"HTTP/1.1 200 OK\r\n\r\n\x00"
    pieces, rest = [], data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    found = for_tunnel(b"GET", *[piece for piece in (*pieces, rest) if piece]).response
    assert found is not None
    assert (found.status, found.framing, found.complete) == (101, Framing.TUNNEL, False)
    assert found.take_body() == data[len(SWITCHING) :]


def test_a_server_may_decline_a_tunnel():
    found = for_tunnel(b"GET", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").response
    assert found is not None
    assert (found.framing, found.complete, found.take_body()) == (Framing.LENGTH, True, b"ok")


def test_2xx_to_connect_opens_a_tunnel_that_is_not_framed():
    found = for_tunnel(b"CONNECT", b"HTTP/1.1 200 OK\r\n\r\nabc").response
    assert found is not None
    assert (found.framing, found.complete, found.take_body()) == (Framing.TUNNEL, False, b"abc")
    with pytest.raises(ResponseError):
        for_tunnel(b"CONNECT", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")


def test_keeps_trailers_where_it_is_told_to():
    parser = ResponseParser(keeps_trailers=True)
    parser.expect(b"GET")
    parser.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert parser.response is not None
    assert (parser.response.complete, parser.response.trailers) == (True, ((b"x-sum", b"1"),))


def test_trailers_without_end_are_refused():
    parser = ResponseParser()
    parser.expect(b"GET")
    parser.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nX: ")
    for _ in range(6):
        parser.receive_data(b"y" * 10_000)
    with pytest.raises(ResponseError):
        parser.receive_data(b"y" * 10_000)


@pytest.mark.parametrize("body", [b"no chunk", b"3\r\nabc\r\n0\r\n\r\n", b""])
def test_the_answer_to_head_ends_with_its_head_whatever_follows(body):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = response(head + body, method=b"HEAD")
    assert (found.complete, found.take_body()) == (True, b"")
    assert found.keep_alive is not bool(body)
