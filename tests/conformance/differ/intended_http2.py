"""The differences that are meant in HTTP/2: see ``intended``."""

from __future__ import annotations

from differ.differs import Differs, Table, answers, cases, facts

_STRICT = "malformed by RFC 9113: refused, whatever the server behind us would have made of it"
_ENUM = facts(
    "Envoy's access log service has names for a few methods only, and none for bytes of 8 bits", "log"
)
_STRIPPED = facts("RFC 9113 8.2.1: no space around a value; Envoy passes it on", "origin headers")


def _both(area: str, differs: Differs, *names: str) -> Table:
    """Whatever the origin is spoken to in."""
    return cases(area, differs, *names, *(f"{name}, to HTTP/2" for name in names))


_REQUESTS = "http2 requests"
_OF_REQUESTS: Table = {
    **_both(
        _REQUESTS,
        answers((400,), (), "RFC 9113 8.1.1: a server may answer what is malformed; Envoy resets the stream"),
        *("no authority", "an empty authority", "an authority with a user", "an authority with a space"),
        *("an authority with a slash", "an authority of 8 bits", "GET of a star", "PRI"),
        *("a path without a slash", "a path with a space", "a path with a tab", "a path that is a URL"),
    ),
    **_both(
        _REQUESTS,
        answers((), (200,), _STRICT),
        *("authority and another host", "http2-settings", "te twice"),
    ),
    **_both(_REQUESTS, _ENUM, "a method of its own", "a method in small letters", "a method of symbols"),
    **_both(_REQUESTS, _ENUM, "a path of 8 bits"),
    **_both(
        _REQUESTS,
        answers((200,), (404,), "RFC 9110 9.3.7: it is for the server to answer", may_forward=True),
        "OPTIONS of a star",
    ),
    **_both(
        _REQUESTS,
        facts(
            "both refuse it alike; we do so before it is a request: logged as DPE, with the reason phrase",
            *("details", "flags", "labels", "log", "response bodies", "response headers"),
        ),
        "a path with a fragment",
    ),
    **_both(
        _REQUESTS,
        facts("RFC 9110 10.1.4: the names of codings have no case", "origin headers"),
        "te: Trailers",
    ),
    **_both(
        _REQUESTS,
        answers((431,), (), "RFC 6585 5: the client is told what is wrong; Envoy resets the stream"),
        "200 fields",
    ),
    (_REQUESTS, "a value of 70 kB"): facts(
        "both close, each with its own code; we do so before the block is whole: not a request yet",
        *("goaways", "log", "flags", "details", "labels"),
    ),
    **_both(
        _REQUESTS,
        answers((200,), (), "RFC 9110 6.5.1: left out of the trailers that are passed on", may_forward=True),
        "trailers that frame",
    ),
    **cases(
        _REQUESTS,
        _STRIPPED,
        *(f"{name}, to HTTP/2" for name in ("a value with a space before", "a value with a space behind")),
        *("a value with a tab behind, to HTTP/2", "an empty crumb, to HTTP/2"),
    ),
}

INTENDED_HTTP2: Table = _OF_REQUESTS
