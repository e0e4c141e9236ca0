from __future__ import annotations

import functools
import ssl

from hypothesis import given
from hypothesis import strategies as st

from labs.harness import wire
from labs.harness.wire import Flow

APPLICATION_RECORD = b"\x17\x03\x03\x00\x05hello"
HTTP = b"GET /reviews/0 HTTP/1.1\r\nhost: reviews\r\n\r\n"


@functools.cache
def hello(name: str = "outbound_.9080_.v1_.reviews.default.svc.cluster.local", *alpn: str) -> bytes:
    """A real ClientHello, from the standard library."""
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def flow(sent: bytes, answered: bytes = APPLICATION_RECORD, pod: str = "reviews-v1") -> Flow:
    return Flow(pod, "127.0.0.1:1", sent, answered, len(sent) + len(answered))


def test_a_client_hello_tells_its_server_name_and_alpn() -> None:
    found = wire.client_hello(hello("reviews.example", "istio", "h2"))
    assert found == wire.ClientHello("reviews.example", ("istio", "h2"))


def test_what_is_no_client_hello_has_none() -> None:
    assert wire.client_hello(HTTP) is None
    assert wire.client_hello(b"") is None


@given(st.binary(max_size=200))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    wire.is_tls(data)
    wire.client_hello(data)
    wire.client_hello(b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb" + data)


@given(st.integers(6, 400))
def test_a_cut_capture_of_tls_is_tls(length: int) -> None:
    data = hello() + APPLICATION_RECORD * 40
    assert wire.is_tls(data[:length])


def test_http_is_not_tls() -> None:
    assert not wire.is_tls(HTTP)
    assert not wire.is_tls(hello() + HTTP)
    assert not wire.is_tls(b"")


def test_only_tls_with_traffic_in_it_passes() -> None:
    tls = flow(hello() + APPLICATION_RECORD)
    verdict = wire.wire_is_tls("c", [tls], ["reviews-v1"])
    assert verdict.outcome == "pass"
    assert "outbound_.9080_.v1_.reviews" in verdict.reason


def test_one_connection_in_the_clear_fails() -> None:
    tls, clear = flow(hello() + APPLICATION_RECORD), flow(HTTP, b"HTTP/1.1 200 OK\r\n\r\n")
    verdict = wire.wire_is_tls("c", [tls, clear], ["reviews-v1"])
    assert verdict.outcome == "fail"
    assert "GET /reviews/0" in verdict.reason


def test_a_pod_without_traffic_on_the_wire_is_inconclusive() -> None:
    tls = flow(hello() + APPLICATION_RECORD)
    verdict = wire.wire_is_tls("c", [tls], ["reviews-v1", "ratings-v1"])
    assert verdict.outcome == "inconclusive"
    assert "ratings-v1" in verdict.reason
    handshake_only = flow(hello(), b"\x16\x03\x03\x00\x01x")
    assert wire.wire_is_tls("c", [handshake_only], ["reviews-v1"]).outcome == "inconclusive"
