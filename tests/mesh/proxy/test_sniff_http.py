import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.proxy.sniff_http import NOT_HTTP, PREFACE, sniff_http


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"GET / HTTP/1.1\r\n", "http/1.1"),
        (b"GET / HTTP/1.1\n", "http/1.1"),
        (b"foo! /path?q HTTP/1.1 \r\n", "http/1.1"),
        (b"GET\t/\tHTTP/1.1\r\n", "http/1.1"),
        (b"OPTIONS * HTTP/1.1\r\n", "http/1.1"),
        (b"GET http://reviews/ HTTP/1.1\r\n", "http/1.1"),
        (b"CONNECT reviews:443 HTTP/1.1\r\n", "http/1.1"),
        (b"CONNECT [::1]:443 HTTP/1.1\r\n", "http/1.1"),
        (b"GET / HTTP/1.0\r\n", "http/1.0"),
        (b"GET / HTTP/9.9\r\n", "http/1.0"),
        (b"GET /\r\n", "http/1.0"),
        (PREFACE, "h2c"),
        (PREFACE + b"\x00\x00", "h2c"),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "http/1.0"),
    ],
)
def test_first_lines_of_http(line, found):
    assert sniff_http(line) == found


@pytest.mark.parametrize(
    "line",
    [
        b"*1\r\n$4\r\nPING\r\n",  # Redis
        b"EHLO mail.example.com\r\n",  # SMTP
        b"USER bob\n",  # FTP
        b"SELECT 1 FROM dual;\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x00\x05hello\n",  # TLS
        b"\x00\x00\x00\x55user\n",
        b"HTTP/1.1 200 OK\r\n",
        b'{"jsonrpc": "2.0"}\n',
        b" GET / HTTP/1.1\r\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"F{O / HTTP/1.1\r\n",
        b"GET / HTTX/1.1\r\n",
        b"GET / http/1.1\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET / HTTP/1.1 x\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET /\x80 HTTP/1.1\r\n",
    ],
)
def test_other_beginnings(line):
    assert sniff_http(line) == NOT_HTTP


@pytest.mark.parametrize("data", [b"\x00", b"\x16", b"F{", b"*1\r", b" ", b"PING\r", b"AUTH {", b"\x80"])
def test_what_cannot_become_http_is_known_before_the_line_ends(data):
    assert sniff_http(data) == NOT_HTTP


@pytest.mark.parametrize(
    "data", [b"G", b"GET", b"GET ", b"GET /a b", b"PING", b"P", PREFACE[:23], b"CONNECT [:"]
)
def test_what_may_become_http_is_awaited(data):
    assert sniff_http(data) is None


LINES = st.sampled_from([b"GET / HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.0\r\n", b"FOO http://x\n", PREFACE])


@given(st.one_of(LINES, st.binary(min_size=1, max_size=40)), st.binary(max_size=10), st.data())
def test_a_verdict_never_changes_with_what_follows(line, rest, data):
    whole = sniff_http(line + rest)
    part = sniff_http((line + rest)[: data.draw(st.integers(1, len(line + rest)))])
    assert part is None or part == whole
