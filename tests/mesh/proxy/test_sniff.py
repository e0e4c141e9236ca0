import ssl
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.proxy.sniff import ClientHello, looks_like_tls, read_client_hello


def hello(name: str | None = "outbound_.9080_._.reviews", alpn: tuple[str, ...] = ("istio", "h2")) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


HELLO = hello()
FOUND = ClientHello("outbound_.9080_._.reviews", ("istio", "h2"))


def test_reads_name_and_protocols():
    assert looks_like_tls(HELLO)
    assert read_client_hello(HELLO) == FOUND
    assert read_client_hello(hello(None, ())) == ClientHello()


def with_extension(body: bytes, extension: bytes) -> bytes:
    """The first piece's ClientHello with one more at its end."""
    place = 4 + 2 + 32
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        place += size + int.from_bytes(body[place : place + size])
    extensions = body[place + 2 :] + extension
    hello = body[4:place] + len(extensions).to_bytes(2) + extensions
    return body[:1] + len(hello).to_bytes(3) + hello


def test_sees_whether_a_session_is_offered():
    message = with_extension(HELLO[5:], b"\x00\x29\x00\x02\x00\x00")
    offering = read_client_hello(b"\x16\x03\x01" + len(message).to_bytes(2) + message)
    assert offering == replace(FOUND, offers_session=True)


def test_http_does_not_look_like_tls():
    assert not looks_like_tls(b"GET / HTTP/1.1\r\n")
    assert looks_like_tls(b"\x16")
    assert not looks_like_tls(b"\x16GET")


@given(st.integers(0, len(HELLO) - 1))
@settings(deadline=None)
def test_a_part_is_awaited(size):
    assert read_client_hello(HELLO[:size]) is None


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
@settings(deadline=None)
def test_any_split_into_records_reads_the_same(sizes):
    message, records = HELLO[5:], b""
    for size in [*sizes, len(message)]:
        piece, message = message[:size], message[size:]
        if piece:
            records += b"\x16\x03\x01" + len(piece).to_bytes(2) + piece
    assert read_client_hello(records) == FOUND


@given(st.binary(max_size=300))
def test_garbage_is_an_error_or_awaited(data):
    for text in (b"\x16\x03\x01" + data, b"\x16\x03\x01\x00\xff\x01\x00\x00\x50" + data):
        try:
            found = read_client_hello(text)
        except ValueError:
            continue
        assert found is None or isinstance(found, ClientHello)


def test_an_endless_hello_is_refused():
    with pytest.raises(ValueError, match="bytes"):
        read_client_hello(b"\x16\x03\x01\x00\x08\x01\xff\xff\xff1234")


def test_what_comes_behind_the_hello_is_not_read():
    early_data = b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x00\x05abcde"
    assert read_client_hello(HELLO + early_data) == FOUND
