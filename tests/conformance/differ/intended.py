"""The differences that are meant, and those that are not but are still there: by area and case, and why.

A case that is listed here and does not differ in just this way fails as well, so the tables stay true.
"""

from __future__ import annotations

from differ.differs import Table, answers, cases, facts
from differ.intended_http2 import INTENDED_HTTP2

_CODING = answers(
    (400,), (501,), "both refuse; our parser takes it for malformed, Envoy's for not implemented"
)
_STRICT = answers(
    (400,), (200, 200), "RFC 9112 forbids it and a server behind us may read it otherwise: refused"
)
_VERSION = answers(
    (400,), (200,), "RFC 9112 2.3: not a version of HTTP/1 that anybody speaks; Envoy takes any digit"
)
_STRICT_ANSWER = answers(
    (502,), (200,), "RFC 9112 forbids it and the client may read it otherwise: not passed on"
)
_DETAILS = facts("both refuse it alike; the access log has each one's own word for it", "details")
_NO_REQUEST = ("flags", "labels", "log", "response bodies", "response headers")
_EARLY = facts(
    "both refuse it alike; we do so before it is a request: logged as DPE, answered with the reason phrase",
    *_NO_REQUEST,
)
_EARLY_DETAILS = facts(_EARLY.reason, "details", *_NO_REQUEST)
_HEAD = facts("the length of a reply without body: we tell it, Envoy writes chunked", "response headers")
_CONTINUE = facts("RFC 9110 10.1.1: no 100 when there is no body", "interim")
_COMPLETE = facts(
    "the body has arrived with the head: we keep the connection, Envoy answers before it looks at the body",
    *("connection", "response headers"),
)
_CLUSTER = facts(
    "our log and Istio's metrics name the service that could not serve; Envoy logs no cluster",
    "log",
    "labels",
)
_HELD = facts("what a client says before its tunnel is agreed to is held, and not counted", "bytes")
_NO_TUNNEL_WITH_BODY = "RFC 9110 9.3.6: a tunnel has no body; who sends one may mean another request: refused"
_STRICT_TRAILERS = answers((400,), (200,), _STRICT.reason)
_TOO_LARGE = answers((431,), (431,), "both refuse it; we have sent the head on by then", may_forward=True)
_NOT_TWICE = "never twice what is not idempotent, unless it surely did not happen"

INTENDED: Table = {
    **cases(
        "framing",
        _CODING,
        "chunked, gzip",
        "chunked twice in a list",
        "chunked in two fields",
        "chunked and identity",
        "empty transfer-encoding",
    ),
    **cases(
        "framing",
        _STRICT,
        "chunked behind obs-fold",
        "size with a space after",
        "size with a tab after",
        "chunk ends with a bare LF",
        "chunk longer than its size",
        "chunk shorter than its size",
        "trailer that frames",
        "trailer with obs-fold",
    ),
    ("framing", "chunked of HTTP/1.0"): answers((400,), (200,), "RFC 9112 6.1: HTTP/1.0 has no chunks"),
    ("framing", "chunked behind a leading space"): _DETAILS,
    **cases(
        "heads",
        _STRICT,
        "tab in the request line",
        "space at the end of the request line",
        "absolute-form with user",
        "absolute-form without Host",
        "two Hosts",
        "two equal Hosts",
        "empty Host",
        "Host with a user",
        "Host with a port that is no number",
        "obs-fold",
        "obs-fold with a tab",
        "whitespace line after the request line",
        "bare LF after a field",
        "bare LF everywhere",
        "bare LF at the end of the head",
        "bare CR in a value",
        "bare CR after a field",
    ),
    **cases("heads", _VERSION, "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"),
    ("heads", "HTTP/2.0"): answers((505,), (200,), _VERSION.reason),
    **cases(
        "heads",
        _DETAILS,
        "CONNECT to a path",
        "GET *",
        "absolute-form of another scheme",
        "absolute-form with no host",
        "Host with a space",
        "Host with a slash",
        "Host with a comma",
        "Host eight-bit",
        "101 fields",
        "a value of 61 kB",
        "a target of 61 kB",
    ),
    **cases("heads", _EARLY, "no Host", "HTTP/1.0 without Host"),
    **cases("heads", _EARLY_DETAILS, "no version", "fragment", "connection names Host"),
    ("framing", "pipelined, the second is wrong"): _EARLY,
    ("heads", "PURGE"): facts("Envoy's access log service knows no method that is not in its enum", "log"),
    ("heads", "OPTIONS *"): answers((200, 200), (404, 200), "RFC 9112 3.2.4: it is for the server to answer"),
    ("heads", "absolute-form with only a query"): answers(
        (200, 200), (404, 200), "RFC 9112 3.2.1: an empty path means /"
    ),
    ("heads", "expect without a body"): _CONTINUE,
    ("heads", "upgrade that is not configured"): answers(
        (200, 200), (403,), "RFC 9110 7.8: an upgrade that is not taken is ignored", may_forward=True
    ),
    ("responses", "hop-by-hop fields"): facts("RFC 9110 7.6.1 is for responses, too", "response headers"),
    ("responses", "HEAD with neither"): _HEAD,
    **cases(
        "responses",
        answers((204,), (502,), "a 204 ends with its head; what follows is dropped with the connection"),
        "204 with a body",
        "204 with chunks",
    ),
    ("responses", "101 unasked"): answers((502,), (101,), "nobody asked to leave HTTP"),
    ("responses", "only an interim"): facts("the response has not begun: an interim one is none", "details"),
    ("responses", "status 099"): answers((503,), (), "Envoy writes a status line that is none"),
    **cases(
        "responses",
        answers((502,), (), "Envoy writes a status line that is none"),
        "status 20",
        "status 2000",
    ),
    **cases("responses", _STRICT_ANSWER, "obs-fold", "bare LF", "bare CR in a value"),
    ("responses", "a bad chunk size"): answers(
        (502,), (200,), "it arrived with the head, so the client can be told; Envoy has sent its head by then"
    ),
    ("responses", "fields of 61 kB"): answers((502,), (200,), "60 kB are the limit in both directions"),
    ("routing", "cluster without endpoints"): _CLUSTER,
    ("routing", "no route, with a body"): _COMPLETE,
    ("routing", "no route, HEAD"): _HEAD,
    ("actions", "redirect HEAD"): _HEAD,
    ("actions", "made for a direct answer"): facts(
        "a direct answer has its status; for Envoy it has none yet", "response headers"
    ),
    ("actions", "direct /304"): facts(
        "a 304 has no Location; Envoy takes it for a redirect", "response headers"
    ),
    **cases(
        "forwarding",
        facts("the same value, in two fields or in one", "origin headers"),
        "x-forwarded-for twice",
        "x-forwarded-proto twice",
    ),
    ("forwarding", "x-forwarded-proto empty"): answers(
        (200,), (404,), "an empty one is none: the proxy says what it saw", may_forward=True
    ),
    **cases("resilience", _CLUSTER, "nobody there", "nobody there, HEAD", "full", "istio: nobody there"),
    ("resilience", "istio: POST is retried on 503"): answers((503,), (200,), _NOT_TWICE),
    ("resilience", "5xx: POST"): answers((500,), (200,), _NOT_TWICE),
    ("resilience", "reset: POST closed, then 200"): answers((503,), (200,), _NOT_TWICE),
    ("resilience", "abort, with a body"): _COMPLETE,
    ("rate limit", "with a body"): _COMPLETE,
    ("resilience", "per try: until the whole limit"): facts(
        "we tell the time of an attempt, Envoy what is left of the whole when that is less", "origin headers"
    ),
    **cases(
        "mtls",
        facts("the same value, in two fields or in one", "origin headers"),
        *(f"{mode}, said twice" for mode in ("FORWARD_ONLY", "APPEND_FORWARD", "ALWAYS_FORWARD_ONLY")),
    ),
    ("upgrades", "refused, and the client has spoken"): _HELD,
    ("upgrades", "the server takes no notice"): facts(
        "RFC 9110 7.8: a server may ignore an Upgrade, its answer is the client's; Envoy takes its body away",
        *("response headers", "response bodies", "details", "bytes"),
    ),
    ("upgrades", "spelled otherwise"): facts("Connection says of ours what of it is ours", "origin headers"),
    ("upgrades", "with a body"): answers((400,), (), _NO_TUNNEL_WITH_BODY),
    ("upgrades", "with chunks"): answers((400,), (403,), _NO_TUNNEL_WITH_BODY),
    ("upgrades", "HTTP/1.0"): facts(
        "RFC 9110 7.8: of HTTP/1.0 an Upgrade is ignored", "response headers", "origin headers"
    ),
    **cases("upgrades", _DETAILS, "no port", "a path"),
    ("trailers", "to a direct answer"): _COMPLETE,
    **cases("trailers", _STRICT_TRAILERS, "that frame", "with a folded line"),
    **cases("trailers", _TOO_LARGE, "of 100 kB", "101 of them"),
    **cases(
        "streams",
        facts(_CLUSTER.reason, "upstream", "labels"),
        *(f"{to}, {what}" for to in ("empty", "full") for what in ("with bytes", "without a word")),
        *(f"TLS for {name}" for name in ("b.example", "c.example", "nobody")),
        "no TLS",
    ),
    ("mtls", "a server of another authority"): facts(
        "both refuse it alike; why is told in OpenSSL's words by us, in BoringSSL's by Envoy", "details"
    ),
    ("streams", "no TLS where TLS is asked for"): facts(
        "OpenSSL and BoringSSL: each has its own hello, and its own words", "server received", "reason"
    ),
}

OPEN: Table = {
    ("forwarding", "inside, a trace"): facts(
        "tracing is not there yet: a forced trace is told to the client", "response headers"
    ),
}

KNOWN = INTENDED | INTENDED_HTTP2 | OPEN
