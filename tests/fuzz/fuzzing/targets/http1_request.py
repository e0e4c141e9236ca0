"""Requests of a client over HTTP/1: what passes means the same to every reader behind us."""

from __future__ import annotations

from fuzzing import strict
from fuzzing.pieces import splits
from fuzzing.target import Target, expect
from mesh.http.errors import RequestError
from mesh.http.fields import remove_hop_by_hop
from mesh.http.h2.hpack import Decoder
from mesh.http.h2.messages import read_request, request_block
from mesh.http.h2.settings import Limits
from mesh.http.message import Framing, Request
from mesh.http.request_parser import RequestParser
from mesh.http.serialize import chunk, last_chunk, request_head

PROTOCOLS = frozenset((b"websocket",))
_SMALL_LIMIT = 512  # bytes of a head, for the property about memory
_PIECE = 64


def check(data: bytes) -> None:
    requests, refusal = read(data)
    seen = [summary(request) for request in requests]
    for pieces in splits(data):
        others, other_refusal = read(*pieces)
        expect(other_refusal == refusal, "a split changes the refusal", refusal, other_refusal, pieces)
        expect([summary(r) for r in others] == seen, "a split changes the requests", seen, pieces)
    _check_nobody_reads_others(data, requests)
    for request in requests:
        if request.complete:
            check_forwarded(request)
    _check_memory(data)


def read(*pieces: bytes) -> tuple[list[Request], tuple[int, str] | None]:
    """The requests, each with its body so far as one chunk, and why there are no more."""
    parser = RequestParser(protocols=PROTOCOLS, keeps_trailers=True)
    refusal = None
    try:
        for piece in pieces:
            parser.receive_data(piece)
    except RequestError as refused:
        # how much of HTTP/2's preface has come is in llhttp's words, and is for the caller to tell
        refusal = refused.status, refused.detail if b"PRI " not in b"".join(pieces) else ""
    for request in parser.requests:
        request.chunks = [request.take_body()]
    return list(parser.requests), refusal


def summary(request: Request) -> tuple[object, ...]:
    return (
        request.method,
        request.path,
        request.authority,
        request.scheme,
        list(request.fields.items()),
        request.repeats,
        request.framing,
        b"".join(request.chunks),
        request.trailers if request.complete else (),
        (request.complete, request.keep_alive, request.http10),
    )


def _check_nobody_reads_others(data: bytes, requests: list[Request]) -> None:
    """Where the strict reader gets that far, it sees the same requests with the same bodies."""
    for ours, theirs in zip(requests, strict.read_requests(data)[0], strict=False):
        if ours.framing is Framing.TUNNEL or not ours.complete:
            break
        same = ours.method == theirs.start.split(" ")[0].encode() and b"".join(ours.chunks) == theirs.body
        expect(same, "two readers, two requests", summary(ours), theirs)


def check_forwarded(request: Request) -> None:
    """What an upstream gets is one request, to the strict reader, to ourselves, and over HTTP/2."""
    remove_hop_by_hop(request)
    body = b"".join(request.chunks)
    sent = request_head(request.method, request.path, request.fields, request.repeats)
    if request.framing is Framing.CHUNKED:
        sent += chunk(body) + last_chunk(request.trailers)
    else:
        sent += body
    strictly, why = strict.read_requests(sent * 2)
    expect(len(strictly) == 2 and not why, "forwarded, it is not one request", sent, why)
    expect(all(message.body == body for message in strictly), "forwarded, the body differs", sent, strictly)
    if max(request.path, default=0) >= 0x80:  # HTTP/2's readers take it, as nghttp2 does; HTTP/1's do not
        return
    (again,), refusal = _read_one(sent)
    remove_hop_by_hop(again)
    expect(refusal is None and again.complete, "forwarded, we refuse it ourselves", sent, refusal)
    expect(_forwarded(again) == _forwarded(request), "forwarded, it differs", _forwarded(request), sent)
    triples = Decoder(1 << 20).decode(request_block(request))
    crossed = read_request(triples, request.framing is Framing.NONE, Limits(max_header_bytes=1 << 20))
    expect(
        (crossed.method, crossed.path, crossed.authority)
        == (request.method, request.path, request.authority),
        "over HTTP/2 it differs",
        summary(request),
        triples,
    )


def _read_one(sent: bytes) -> tuple[list[Request], tuple[int, str] | None]:
    requests, refusal = read(sent)
    expect(len(requests) == 1, "forwarded, it is not one request to us", sent, refusal)
    return requests, refusal


def _forwarded(request: Request) -> tuple[object, ...]:
    fields = [(name, value.strip()) for name, value in request.fields.items()]
    repeats = [(name, value.strip()) for name, value in request.repeats]
    trailers = [(name, value.strip()) for name, value in request.trailers]
    body = b"".join(request.chunks)
    return request.method, request.path, request.authority, fields, repeats, trailers, body


def _check_memory(data: bytes) -> None:
    """No more than a head's limit goes in without a request, or a part of a body, coming out."""
    parser = RequestParser(_SMALL_LIMIT)
    silent = 0
    endless = data[-_PIECE:] * (4 * _SMALL_LIMIT // max(1, len(data[-_PIECE:])))
    try:
        for place in range(0, len(data) + len(endless), _PIECE):
            piece = (data + endless)[place : place + _PIECE]
            parser.receive_data(piece)
            silent += len(piece)
            while parser.requests:
                first = parser.requests[0]
                if first.take_body() or first.complete:
                    silent = 0
                if not first.complete:
                    break
                parser.requests.popleft()
            expect(silent <= 2 * _SMALL_LIMIT + 2 * _PIECE, "bytes go in, and nothing comes of it", silent)
    except RequestError:
        pass


_GET = b"GET /a?b=c HTTP/1.1\r\nHost: reviews:9080\r\nUser-Agent: x\r\n\r\n"
_POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"

TARGET = Target(
    "http1-request",
    check,
    (
        _GET + _GET,
        _POST + b"Content-Length: 4\r\n\r\nabcd" + _GET,
        _POST + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 1\r\n\r\n" + _GET,
        b"GET http://ratings:9080/r?x HTTP/1.1\r\nHost: other\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nCookie: a=b\r\ncookie: c=d\r\n\r\n" + _GET,
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n" + _GET,
        b"CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\nbytes" + _GET,
        b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00" + _GET,
        _POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc" + _GET,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    (
        b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"\0", b"\x0b", b"\xa0",
        b"0\r\n\r\n",
        b"Content-Length: ", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding : chunked\r\n", b"\r\n chunked", b"chunked, ",
        b"Host: b\r\n", b"Connection: close\r\n", b"Connection: Transfer-Encoding\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n", b"TE: trailers\r\n", b"HEAD", b"CONNECT", b"OPTIONS *", b"HTTP/1.0",
        b"HTTP/2.0",
        b"http://", b"//", b"#", b"@", b"0x10", b"+1", b"1_0", b"ffffffffffffffff",
        b"18446744073709551616", _GET,
    ),
)  # fmt: skip
