"""Responses of a server over HTTP/1: what passes means the same to every client behind us."""

from __future__ import annotations

from fuzzing import strict
from fuzzing.pieces import splits
from fuzzing.target import Target, expect
from mesh.http.errors import ResponseError
from mesh.http.h2.hpack import Decoder
from mesh.http.h2.messages import read_response, response_block
from mesh.http.message import Framing, Response
from mesh.http.response_parser import ResponseParser
from mesh.http.serialize import chunk, last_chunk, response_head

# what was asked, by the input's first byte
_ASKED = ((b"GET", False), (b"HEAD", False), (b"GET", True), (b"CONNECT", True))
# what we put on the way is ours, whatever the server said: see mesh.proxy.heads.frame_response
_FRAMING = (b"content-length", b"transfer-encoding")


def check(data: bytes) -> None:
    method, for_tunnel = _ASKED[data[0] % len(_ASKED)] if data else _ASKED[0]
    data = data[1:]
    response, refusal = read(method, for_tunnel, data)
    seen = summary(response)
    for pieces in splits(data):
        other, other_refusal = read(method, for_tunnel, *pieces)
        expect(other_refusal == refusal, "a split changes the refusal", refusal, other_refusal, pieces)
        expect(summary(other) == seen, "a split changes the response", seen, summary(other), pieces)
    if response is not None and response.complete and refusal is None:
        _check_forwarded(method, response)


def read(method: bytes, for_tunnel: bool, *pieces: bytes) -> tuple[Response | None, str | None]:
    """The response, its body so far as one chunk, and why it is refused."""
    parser = ResponseParser(keeps_trailers=True)
    parser.expect(method, for_tunnel)
    refusal = None
    try:
        for piece in pieces:
            parser.receive_data(piece)
        parser.receive_eof()
    except ResponseError as refused:
        refusal = refused.detail
    response = parser.response
    if response is not None:
        response.chunks = [response.take_body()]
    return response, refusal


def summary(response: Response | None) -> tuple[object, ...] | None:
    """Without ``keep_alive``: only what has arrived by then can speak against the connection."""
    if response is None:
        return None
    fields = list(response.fields.items())
    body = b"".join(response.chunks)
    return (
        response.status,
        fields,
        response.repeats,
        response.framing,
        body,
        response.trailers if response.complete else (),
        response.complete,
    )


def _check_forwarded(method: bytes, response: Response) -> None:
    body = b"".join(response.chunks)
    if response.framing is not Framing.NONE:
        for name in _FRAMING:
            response.remove(name)
        response.fields[b"transfer-encoding"] = b"chunked"
    sent = response_head(response.status, response.fields, response.repeats)
    if response.framing is not Framing.NONE:
        sent += chunk(body) + last_chunk(response.trailers)
    if response.framing is not Framing.NONE or method == b"HEAD" or response.status in (204, 304):
        told = strict.read_response(sent, method.decode())
        expect(told.status == response.status and told.body == body, "forwarded, it differs", sent, told)
    again, refusal = read(method, False, sent)
    same = again is not None and again.complete and b"".join(again.chunks) == body
    expect(refusal is None and same, "forwarded, we read another ourselves", sent, refusal, summary(again))
    if response.status >= 600:  # passed on over HTTP/1 as it is; over HTTP/2 there is no such thing
        return
    response.remove(b"content-length")
    crossed = Decoder(1 << 20).decode(response_block(response.status, response.fields, response.repeats))
    read_response(crossed, not body, method)


_OK = b"HTTP/1.1 200 OK\r\nServer: a\r\n"

TARGET = Target(
    "http1-response",
    check,
    (
        b"\0" + _OK + b"Content-Length: 3\r\n\r\nabc",
        b"\0HTTP/1.1 100 \r\n\r\n" + _OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n",
        b"\0" + b"HTTP/1.0 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nuntil the end",
        b"\0HTTP/1.1 204 No Content\r\n\r\n",
        b"\0HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"\1" + _OK + b"Content-Length: 7\r\n\r\n",
        b"\1" + _OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"\2HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
        b"\2HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
        b"\3HTTP/1.1 200 Yes\r\n\r\nbytes",
    ),
    (
        b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"\0", b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 S\r\n", b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n", b"Content-Length: 2\r\n",
        b"\r\n chunked",
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n",
        b"HTTP/1.0",
        b"Trailer: x\r\n", b"599", b"999", b"000", b"1xx", b"204", b"304", b"ffffffffffffffff", _OK,
    ),
)  # fmt: skip
