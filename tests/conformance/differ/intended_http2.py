"""The differences that are meant in HTTP/2: see ``intended``."""

from __future__ import annotations

from differ.differs import Differs, Table, answers, cases, facts

_STRICT = "malformed by RFC 9113: refused, whatever the server behind us would have made of it"
_ANSWERED = "RFC 9113 8.1.1: a server may answer what is malformed; Envoy resets the stream"
_NO_STATUS = "RFC 9110 15: there is no such status"
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
        answers((400,), (), _ANSWERED),
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

_FRAMES = "http2 frames"
_NOT_YET = ("log", "flags", "details", "labels")
_SILENT = facts("both close; Envoy does not always say why", "goaways")
_UNBORN = facts("a request is one for us when its head is whole; Envoy logs what has begun", *_NOT_YET)
_STREAM = "RFC 9113 5.4.2: an error of the stream costs the stream; Envoy closes the connection"
_CONNECTION = "an error of the connection by RFC 9113; Envoy takes no notice"
_OF_FRAMES: Table = {
    **cases(
        _FRAMES,
        _SILENT,
        *("settings on a stream", "half a preface", "idle: RST_STREAM", "idle: WINDOW_UPDATE"),
        *("a stream with an even number", "stream 0", "HEADERS that depend on themselves"),
        *("RST_STREAM on stream 0", "a push", "a push on a stream", "PING on a stream", "GOAWAY on a stream"),
        *("on a stream", "pushes are welcome twice", "frames of 16383", "frames of 2^24"),
        *("CONNECT is extended to 2", "no old priorities to 2", "a window of 2^31"),
    ),
    **cases(
        _FRAMES,
        _UNBORN,
        *("a block that is none", "PRIORITY in a block", "another stream's HEADERS in a block"),
        *("DATA in a block", "an unknown type in a block", "PING in a block", "the end in a block"),
    ),
    (_FRAMES, "half closed: DATA"): facts(_STREAM, "connection", "resets", "goaways"),
    (_FRAMES, "half closed: HEADERS"): facts(_STREAM, "connection", "resets"),
    **cases(
        _FRAMES,
        facts(_CONNECTION, "connection", "goaways"),
        *("closed: DATA", "closed: HEADERS", "given up: DATA", "given up: HEADERS"),
        *("a stream with a lower number", "PRIORITY on stream 0"),
    ),
    **cases(
        _FRAMES,
        facts("RFC 9113 6.8: who says it may still ask; Envoy does not answer any more", "connection"),
        "GOAWAY in a request",
    ),
    (_FRAMES, "an acknowledgement of nothing"): facts("it does no harm; Envoy closes", "connection"),
    (_FRAMES, "CONNECT is extended no more"): answers(
        (), (200,), "RFC 8441 3: never taken back; Envoy does not look at a client's"
    ),
}

_FLOW = "http2 flow"
_OPENS_NOTHING = "RFC 9113 8.5: CONNECT has no content, so it has no length of any"
_DRIVEN_OUT = answers((), (), "both close; each has its own word for it, and its own time")
_OF_FLOW: Table = {
    **cases(
        _FLOW,
        facts(
            "an answer that is all handed to the connection is over for us; Envoy waits until it is sent",
            *("flags", "details", "labels", "bytes"),
        ),
        *("given up while it waits", "left while it waits"),
    ),
    **cases(_FLOW, _SILENT, "an update of 0", "more than 2^31 - 1", "more than 2^31 - 1, in two"),
    **cases(
        _FLOW,
        facts(_STREAM, "connection", "resets"),
        *("an update of 0 of a stream", "more than 2^31 - 1 of a stream"),
    ),
    (_FLOW, "settings that make it so"): facts(
        "RFC 9113 6.9.2: an error of the connection; Envoy resets the stream",
        *("connection", "resets", "goaways", "flags", "labels"),
    ),
    **cases(
        _FLOW,
        _UNBORN,
        *("index 0", "an index that is none", "an index far out", "a name's index that is none"),
        *("an integer without end", "an integer cut off", "a string cut off", "a value that is missing"),
        *("a name that is missing", "Huffman with a byte of padding", "Huffman with an end"),
        *("Huffman with padding of zeros", "an update of the table at the end"),
        *("an update of the table between fields", "an update of the table above its limit"),
        *("of another stream", "on stream 0"),
    ),
    **cases(
        _FLOW,
        answers((200,), (), "RFC 7541 5.2 forbids it; our decoder takes it, and means the same"),
        "Huffman with padding of a zero and ones",
    ),
    (_FLOW, "CONNECT to an empty name"): answers((400,), (), _ANSWERED),
    (_FLOW, "an empty protocol"): answers((403,), (), _ANSWERED),
    (_FLOW, "CONNECT with a length"): answers((), (200,), _OPENS_NOTHING),
    (_FLOW, "a protocol nobody speaks"): facts(
        "both refuse it alike; we do so before it is a request: logged as DPE, with the reason phrase",
        *("goaways", "flags", "labels", "log", "response bodies", "response headers"),
    ),
    **cases(
        _FLOW,
        facts("Upgrade has no case in Connection", "origin headers"),
        *("to HTTP/1", "to HTTP/1, in capitals", "to HTTP/1, refused", "given up"),
    ),
    (_FLOW, "to HTTP/1, no notice taken"): facts(
        "RFC 9110 7.8: a server may ignore an Upgrade, its answer is the client's; Envoy takes its body away",
        *("response headers", "response bodies", "origin headers", "details", "bytes"),
    ),
    (_FLOW, "to HTTP/2 that does not speak so"): answers(
        (502,), (200,), "RFC 8441 3: not to be asked of a server that has not said that it takes it"
    ),
    **cases(
        _FLOW,
        _DRIVEN_OUT,
        *("rapid reset", "pings", "settings", "empty DATA", "empty CONTINUATION", "CONTINUATION"),
        *("priorities", "streams that are malformed", "window updates of nothing"),
    ),
}


def _all(area: str, differs: Differs, *names: str) -> Table:
    """Whatever the client speaks."""
    return cases(area, differs, *names, *(f"{name}, from HTTP/1" for name in names))


_RESPONSES = "http2 responses"
_OF_RESPONSES: Table = {
    **_all(_RESPONSES, answers((502,), (600,), _NO_STATUS), "600"),
    **_all(_RESPONSES, answers((502,), (999,), _NO_STATUS), "999"),
    (_RESPONSES, "099"): answers((502,), (99,), _NO_STATUS),
    (_RESPONSES, "099, from HTTP/1"): answers((502,), (), _NO_STATUS),
    **_all(
        _RESPONSES,
        answers((502,), (503,), "both refuse so many; for Envoy the server has reset the stream"),
        "120 fields",
    ),
    **_all(
        "http2 endings",
        facts("RFC 9113 5.4.2: the stream is reset; Envoy closes the connection", "origin resets"),
        *("an update of 0 of the stream", "too much of it"),
    ),
    ("http2 endings", "more streams than are allowed"): answers(
        (200,) * 1024, (200,) * 1024, "both serve 1024; of so many at once Envoy's log service drops entries"
    ),
    (_RESPONSES, "HEAD without a length, from HTTP/1"): facts(
        "no length is known, and there is no body: nothing is said; Envoy says chunked", "response headers"
    ),
}

_OF_GRPC: Table = {
    **cases(
        "grpc",
        facts("a call is one by the type of its request; Envoy counts what looks like an answer", "messages"),
        *("no end of the stream of its own", "GET", "type application/grpc;charset=utf-8"),
        *("type application/grpc-web", "type application/grpcx", "type Application/gRPC", "type text/plain"),
    ),
    ("grpc", "without te"): facts("servers of gRPC insist on te: trailers", "origin headers"),
    ("grpc", "two statuses"): facts(
        "passed on as they came; Envoy joins them", "response trailers", "labels"
    ),
    ("grpc", "type application/grpc "): facts(_STRIPPED.reason, "origin headers", "messages", "labels"),
    ("grpc", "own: empty"): facts("we name the cluster that has nobody", "log", "labels"),
    ("grpc", "retries: 5xx, HTTP 503"): answers(
        (503,), (200,), "never twice what is not idempotent, unless it surely did not happen"
    ),
}

INTENDED_HTTP2: Table = _OF_REQUESTS | _OF_FRAMES | _OF_FLOW | _OF_RESPONSES | _OF_GRPC
