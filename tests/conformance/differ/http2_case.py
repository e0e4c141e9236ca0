"""The words that cases of HTTP/2 are written in: requests of a client, answers of an origin."""

from __future__ import annotations

from differ import http2_wire as wire
from differ.case import HELLO, Case, Reply, Step, reply
from differ.case import get as get_http1
from differ.http2_wire import Frame

Field = tuple[str, str]
HTTP1, HTTP2 = "origin", "origin.http2"  # authorities: what their origin is spoken to in


def ask(name: str, section: str, *client: Step, **options: object) -> Case:
    """``section`` is RFC 9113's, if it is no other document's."""
    about = f"RFC 9113 {section}" if section[0].isdigit() else section
    return Case(name, about, (*HELLO, *client), http2=True, **options)  # type: ignore[arg-type]


def head(
    path: str = "/", *more: Field, method: str = "GET", authority: str = HTTP1, scheme: str = "http"
) -> bytes:
    """The header block of a well-formed request."""
    pseudo = (":method", method), (":scheme", scheme), (":path", path), (":authority", authority)
    return wire.block(*pseudo, *more)


def get(
    *more: Field,
    path: str = "/",
    stream: int = 1,
    method: str = "GET",
    authority: str = HTTP1,
    scheme: str = "http",
    end: bool = True,
) -> Frame:
    block = head(path, *more, method=method, authority=authority, scheme=scheme)
    return wire.headers(stream, block, end=end)


def post(*more: Field, path: str = "/", stream: int = 1, authority: str = HTTP1) -> Frame:
    """A request whose body follows."""
    return get(*more, path=path, stream=stream, method="POST", authority=authority, end=False)


def bare(*fields: Field, stream: int = 1, end: bool = True) -> Frame:
    """A head of just these fields."""
    return wire.headers(stream, wire.block(*fields), end=end)


def trailers(*fields: Field, stream: int | None = 1) -> Frame:
    return wire.headers(stream, wire.block(*fields))


def answer(status: str, *fields: Field, end: bool = False) -> Frame:
    """The head of an origin's answer."""
    return wire.headers(None, wire.block((":status", status), *fields), end=end)


def body(payload: bytes, *, end: bool = True) -> Frame:
    return wire.data(None, payload, end=end)


def replies(*steps: Step, early: bool = False) -> tuple[Reply, ...]:
    """One script for all requests."""
    return (reply(*steps, early=early),)


def from_http1(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The same for a client of HTTP/1.1, of those that only ask and take what comes."""
    return tuple(
        Case(
            f"{case.name}, from HTTP/1",
            case.about,
            (get_http1(host=HTTP2, method="HEAD" if case.name.startswith("HEAD") else "GET"),),
            case.replies,
            greeting=case.greeting,
        )
        for case in cases
        if len(case.client) == len(HELLO) + 1
    )
