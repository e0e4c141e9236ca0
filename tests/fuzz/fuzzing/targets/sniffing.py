"""What a connection begins with: an answer, once given, is the answer, however much more comes."""

from __future__ import annotations

from collections.abc import Callable

from fuzzing.target import Target, expect
from mesh.proxy.sniff import ClientHello, looks_like_tls, read_client_hello
from mesh.proxy.sniff_http import PREFACE, sniff_http

_REFUSED = "refused"


def check_tls(data: bytes) -> None:
    if data:
        looks_like_tls(data)
    _check_prefixes(data, _hello)


def _hello(data: bytes) -> ClientHello | str | None:
    try:
        return read_client_hello(data)
    except ValueError:
        return _REFUSED


def check_http(data: bytes) -> None:
    _check_prefixes(data, sniff_http)


def _check_prefixes(data: bytes, read: Callable[[bytes], object]) -> None:
    answer: object = None
    for size in range(len(data) + 1):
        told = read(data[:size])
        expect(answer is None or told == answer, "more bytes change the answer", data[:size], answer, told)
        answer = told


def _vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size) + content


def client_hello(name: bytes, *protocols: bytes, records: int = 1) -> bytes:
    """As a client says it, in so many records."""
    server = _vector(2, _vector(2, b"\0" + _vector(2, name)))
    alpn = _vector(2, _vector(2, b"".join(_vector(1, protocol) for protocol in protocols)))
    extensions = _vector(2, b"\0\0" + server + b"\0\x10" + alpn)
    body = b"\3\3" + bytes(32) + _vector(1, b"") + _vector(2, b"\x13\1") + _vector(1, b"\0") + extensions
    message = b"\1" + _vector(3, body)
    size = -(-len(message) // records)
    parts = [message[place : place + size] for place in range(0, len(message), size)]
    return b"".join(b"\x16\3\1" + _vector(2, part) for part in parts)


TLS = Target(
    "client-hello",
    check_tls,
    (
        client_hello(b"reviews.default.svc.cluster.local", b"istio-peer-exchange", b"istio"),
        client_hello(b"a", b"h2", records=3),
        b"GET / HTTP/1.1\r\n",
    ),
    (b"\x16\3\1", b"\x16\3\3\0\0", b"\x17", b"\0\0", b"\xff\xff", b"\0\x10", b"\0\0\0\0"),
    max_bytes=512,
)
HTTP = Target(
    "http-inspector",
    check_http,
    (
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.0\n",
        b"GET http://a/ HTTP/1.1\r\n",
        PREFACE + b"\0\0\0\4\0\0\0\0\0",
        b"*3\r\n$3\r\nSET\r\n",
    ),
    (PREFACE, PREFACE[:12], b"\r\n", b"\n", b" ", b"\t", b"http://", b"HTTP/1.1", b"HTTP/1", b"*", b"\x80"),
    max_bytes=256,
)
