"""Dialogues with the request parser, and the rule that no split of the bytes changes the outcome."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.http.errors import RequestError
from mesh.http.message import Framing
from mesh.http.request_parser import RequestParser

GET = b"GET /a?b=c HTTP/1.1\r\nHost: reviews:9080\r\nUser-Agent: x\r\n\r\n"


def parse(data: bytes, sizes: list[int] | None = None) -> RequestParser:
    parser = RequestParser()
    for size in sizes or []:
        parser.receive_data(data[:size])
        data = data[size:]
    parser.receive_data(data)
    return parser


def refusal(data: bytes) -> tuple[int, str]:
    with pytest.raises(RequestError) as refused:
        parse(data)
    return refused.value.status, refused.value.detail


def head(*lines: bytes) -> bytes:
    return b"\r\n".join((b"POST /x HTTP/1.1", b"Host: a", *lines, b"", b""))


def test_reads_a_request_without_a_body():
    (request,) = parse(GET).requests
    assert (request.method, request.path, request.authority) == (b"GET", b"/a?b=c", b"reviews:9080")
    assert request.fields == {b"host": b"reviews:9080", b"user-agent": b"x"}
    assert request.complete
    assert request.keep_alive
    assert request.header_bytes == len(GET)


def test_reads_a_body_of_known_length_as_it_comes():
    parser = RequestParser()
    parser.receive_data(head(b"Content-Length: 4") + b"ab")
    request = parser.requests[0]
    assert (request.framing, request.take_body(), request.complete) == (Framing.LENGTH, b"ab", False)
    parser.receive_data(b"cd")
    assert (request.take_body(), request.complete) == (b"cd", True)


def test_reads_chunks_and_drops_extensions_and_trailers():
    body = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nHost: evil\r\n\r\n"
    (request,) = parse(head(b"Transfer-Encoding: Chunked") + body).requests
    assert request.take_body() == b"abcde"
    assert request.fields[b"host"] == b"a"
    assert request.complete


def test_a_trailer_never_reaches_the_next_request():
    data = head(b"Transfer-Encoding: chunked") + b"0\r\nX-Evil: 1\r\n\r\n" + GET
    first, second = parse(data).requests
    assert b"x-evil" not in first.fields
    assert b"x-evil" not in second.fields


def trailing(*trailers: bytes, max_header_bytes: int = 1000) -> RequestParser:
    parser = RequestParser(max_header_bytes, keeps_trailers=True)
    parser.receive_data(head(b"Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n")
    for trailer in trailers:
        parser.receive_data(trailer)
    return parser


def test_keeps_trailers_where_it_is_told_to():
    (request,) = trailing(b"X-Sum: 1\r\nHost: evil\r\nx-", b"sum: 2\r\n", b"\r\n").requests
    assert request.complete
    assert request.trailers == ((b"x-sum", b"1"), (b"x-sum", b"2"))
    assert request.fields[b"host"] == b"a"


@pytest.mark.parametrize(
    "trailers",
    [[b"a: " + b"x" * 600] * 2, [b"a: 1\r\n" * 101 + b"\r\n"], [b"a: x\r\n", b"b: " + b"y" * 1200]],
)
def test_trailers_without_end_are_refused(trailers):
    with pytest.raises(RequestError) as refused:
        trailing(*trailers)
    assert refused.value.status == 431


def test_a_chunk_extension_without_end_is_refused():
    parser = RequestParser(1000)
    parser.receive_data(head(b"Transfer-Encoding: chunked") + b"1;x=")
    for _ in range(9):
        parser.receive_data(b"y" * 100)
    with pytest.raises(RequestError) as refused:
        parser.receive_data(b"y" * 100)
    assert refused.value.status == 431


UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


@given(st.lists(st.integers(1, 40), max_size=10))
@settings(max_examples=100, deadline=None)
def test_after_an_upgrade_every_byte_is_the_tunnels(sizes):
    parser = RequestParser(protocols=frozenset((b"websocket",)))
    rest = GET + UPGRADE + b"\x00\x01" + GET
    for size in sizes:
        parser.receive_data(rest[:size])
        rest = rest[size:]
    parser.receive_data(rest)
    first, tunnel = parser.requests
    assert (first.complete, first.framing) == (True, Framing.NONE)
    assert (tunnel.complete, tunnel.framing, tunnel.take_body()) == (False, Framing.TUNNEL, b"\x00\x01" + GET)


def test_connect_asks_for_a_tunnel_to_its_target():
    (request,) = parse(b"CONNECT db:5432 HTTP/1.1\r\nHost: other\r\n\r\nhello").requests
    assert (request.method, request.path, request.authority) == (b"CONNECT", b"", b"db:5432")
    assert (request.framing, request.take_body()) == (Framing.TUNNEL, b"hello")


def test_http10_can_be_told_to_upgrade():
    parser = RequestParser(takes_http10=False)
    with pytest.raises(RequestError) as refused:
        parser.receive_data(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert refused.value.status == 426
    parser = RequestParser(takes_http10=False)
    parser.receive_data(GET)
    assert parser.requests


def test_keeps_pipelined_requests_apart():
    requests = parse(GET + head(b"Content-Length: 2") + b"hi" + GET).requests
    assert [request.path for request in requests] == [b"/a?b=c", b"/x", b"/a?b=c"]
    assert [request.take_body() for request in requests] == [b"", b"hi", b""]


def test_keeps_repeated_fields():
    (request,) = parse(head(b"A: 1", b"a: 2 \t")).requests
    assert request.get(b"a") == b"1, 2"
    request.remove(b"a")
    assert request.get(b"a") is None


def test_absolute_form_decides_the_authority():
    data = b"GET http://ratings:9080/r?x HTTP/1.1\r\nHost: other\r\n\r\n"
    (request,) = parse(data).requests
    assert (request.authority, request.path, request.scheme) == (b"ratings:9080", b"/r?x", b"http")
    assert request.fields[b"host"] == b"ratings:9080"


def test_an_upgrade_that_is_not_taken_keeps_its_body():
    data = head(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 3") + b"abc" + GET
    first, second = parse(data).requests
    assert (first.take_body(), first.complete) == (b"abc", True)
    assert second.path == b"/a?b=c"


def test_an_upgrade_with_chunks_split_in_its_head_keeps_its_body():
    data = (
        head(b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked")
        + b"3\r\nabc\r\n0\r\n\r\n"
    )
    for size in range(1, len(data)):
        (request,) = parse(data, [size]).requests
        assert (request.take_body(), request.complete) == (b"abc", True)


def test_http_1_0_closes_unless_it_asks_not_to():
    (request,) = parse(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").requests
    assert (request.http10, request.keep_alive) == (True, False)
    (request,) = parse(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").requests
    assert (request.http10, request.keep_alive) == (True, True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
        (head(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
        (head(b"Content-Length: 1", b"Content-Length: 1"), 400),
        (head(b"Content-Length: 1", b"content-length: 2"), 400),
        (head(b"Content-Length: +1"), 400),
        (head(b"Content-Length: 1, 1"), 400),
        (head(b"Content-Length: 99999999999999999999"), 400),
        (head(b"Transfer-Encoding: gzip, chunked"), 501),
        (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
        (head(b"Transfer-Encoding: \x0bchunked"), 400),
        (head(b"Host: b"), 400),
        (head(b"A : b"), 400),
        (head(b"A: b", b" folded"), 400),
        (head(b"A(: b"), 400),
        (head(b"A: b\x00"), 400),
        (head(b"A: b\rC: d"), 400),
        (head(b"A: b\nC: d"), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET http://u@h/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ftp://h/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT /a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x05hello", 400),
        (head(b"A: " + b"x" * 70000), 431),
        (head(*(b"A%d: x" % n for n in range(101))), 431),
        (b"GET /" + b"x" * 70000, 431),
    ],
)
def test_refuses_what_could_be_read_in_two_ways(data, status):
    assert refusal(data)[0] == status


@pytest.mark.parametrize(
    "body",
    [
        b"1\na\n0\n\n",
        b"1 \r\na\r\n0\r\n\r\n",
        b"0x1\r\na\r\n",
        b"1\r\nab\r\n",
        b"-1\r\n",
        b"F" * 17 + b"\r\n",
    ],
)
def test_refuses_bad_chunks(body):
    assert refusal(head(b"Transfer-Encoding: chunked") + body)[0] == 400


STREAM = (
    GET
    + head(b"Transfer-Encoding: chunked", b"A: 1", b"A: 2")
    + b"3\r\nabc\r\n10;e=1\r\n0123456789abcdef\r\n0\r\nT: 1\r\n\r\n"
    + head(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 3")
    + b"xyz"
    + b"GET http://h/p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
)


def outcome(parser: RequestParser) -> list[object]:
    return [
        (
            r.method,
            r.path,
            r.authority,
            r.fields,
            r.repeats,
            r.framing,
            r.keep_alive,
            r.complete,
            r.take_body(),
        )
        for r in parser.requests
    ]


@given(st.lists(st.integers(1, 60), max_size=20))
@settings(max_examples=150, deadline=None)
def test_any_split_of_the_bytes_gives_the_same_requests(sizes):
    assert outcome(parse(STREAM, sizes)) == outcome(parse(STREAM))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_garbage_is_refused_or_awaited_never_a_crash(data):
    parser = RequestParser()
    status = 400
    try:
        parser.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n" + data)
    except RequestError as refused:
        status = refused.status
    assert status in (400, 431, 501, 505)
