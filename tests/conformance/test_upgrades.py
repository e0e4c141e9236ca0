"""Tunnels: Upgrade (RFC 9110 section 7.8), CONNECT (section 9.3.6), and what follows when nobody agrees."""

from __future__ import annotations

import pytest
from differ.case import Case, Do, Hear, Pause, Reply, Step, case, get, reply
from differ.pair import Pair
from differ.resources import FRESH, ORIGIN, REFUSED, Area, prefix, to

from mesh.model.route import DirectResponse, Route, RouteMatch, VirtualHost

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

WEBSOCKET = (
    "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
)  # fmt: skip
H2C = "connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"sec-websocket-extensions: permessage-deflate\r\n\r\n"
)
ECHO = reply(SWITCH, Do.ECHO)
SPEAKS_FIRST = reply(SWITCH + b"abc", Do.ECHO)
OTHER = reply(SWITCH.replace(b"websocket", b"other"), Do.ECHO)
IGNORE = reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
REFUSE = reply(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
REFUSE_IN_CHUNKS = reply(b"HTTP/1.1 400 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
CONNECTED = reply(b"HTTP/1.1 200 OK\r\n\r\n", Do.ECHO)
TALK: tuple[Step, ...] = (Do.WAIT, b"x", Hear(1), Do.CLOSE)

AREA = Area(
    "upgrades",
    (
        VirtualHost(
            "ends", ("ends.test:443",), (Route(RouteMatch(connect=True), to(terminate_connect=True)),)
        ),
        VirtualHost(
            "refused",
            ("refused.test:443",),
            (Route(RouteMatch(connect=True), to(REFUSED, terminate_connect=True)),),
        ),
        VirtualHost("goes-on", ("goes-on.test:443",), (Route(RouteMatch(connect=True), to(FRESH)),)),
        VirtualHost("no-connect", ("no-connect.test:443",), (Route(RouteMatch(), to()),)),
        VirtualHost(
            "any",
            ("*",),
            (
                Route(prefix("/direct"), DirectResponse(200, b"direct")),
                Route(prefix("/refused"), to(REFUSED)),
                Route(prefix("/limit"), to(timeout_s=0.4)),
                Route(prefix("/rewrite"), to(prefix_rewrite="/new")),
                Route(RouteMatch(), to(ORIGIN)),
            ),
        ),
    ),
    manager={"upgrades": ("websocket", "CONNECT")},
)


def upgrade(path: str = "/", *lines: str) -> bytes:
    return get(path, *WEBSOCKET, *lines)


def connect(target: str, *lines: str) -> bytes:
    return "\r\n".join((f"CONNECT {target} HTTP/1.1", f"host: {target}", *lines, "", "")).encode()


def ws(name: str, *client: object, replies: tuple[Reply, ...] = (ECHO,), **options: object) -> Case:
    return case(name, "RFC 9110 7.8, RFC 6455", *client, replies=replies, **options)  # type: ignore[arg-type]


def tunnel(name: str, *client: object, replies: tuple[Reply, ...] = (CONNECTED,), **options: object) -> Case:
    return case(name, "RFC 9110 9.3.6", *client, replies=replies, methods=("CONNECT",), **options)  # type: ignore[arg-type]


CASES = (
    ws("bytes both ways", upgrade(), Do.WAIT, b"ping", Hear(4), b"\x00" * 5000, Hear(5004), Do.CLOSE),
    ws("a megabyte", upgrade(), Do.WAIT, b"x" * 1_000_000, Hear(1_000_000), Do.CLOSE),
    ws("the client speaks with its head", upgrade() + b"early", Do.WAIT, Hear(5), Do.CLOSE),
    ws("the server speaks with its head", upgrade(), Do.WAIT, Hear(3), Do.CLOSE, replies=(SPEAKS_FIRST,)),
    ws("the server leaves", upgrade(), Do.WAIT, replies=(reply(SWITCH + b"bye", Do.CLOSE),)),
    ws("the server leaves at once", upgrade(), Do.WAIT, replies=(reply(SWITCH, Do.CLOSE),)),
    ws("the server resets", upgrade(), Do.WAIT, replies=(reply(SWITCH, Pause(0.1), Do.RESET),)),
    ws("the client resets", upgrade(), Do.WAIT, b"x", Hear(1), Do.RESET),
    ws("the client says no more", upgrade(), Do.WAIT, b"x", Hear(1), Do.HALF_CLOSE),
    ws("refused by the server", upgrade(), replies=(REFUSE,)),
    ws("refused, and the client has spoken", upgrade() + get("/smuggled"), replies=(REFUSE, REFUSE)),
    ws("the server takes no notice", upgrade(), replies=(IGNORE,)),
    ws("refused with chunks", upgrade(), replies=(REFUSE_IN_CHUNKS,)),
    ws("another protocol than asked for", upgrade(), Do.WAIT, Do.CLOSE, replies=(OTHER,)),
    ws("nobody there", upgrade("/refused")),
    ws("a direct answer", upgrade("/direct")),
    ws("rewritten", upgrade("/rewrite/x"), *TALK),
    ws("under a time limit", upgrade("/limit"), Do.WAIT, Pause(0.6), b"x", Hear(1), Do.CLOSE),
    ws("the server is silent", upgrade("/limit"), Pause(0.6), Do.CLOSE, replies=(reply(Do.HANG),)),
    ws("spelled otherwise", get("/", "Connection: keep-alive, upgrade", "Upgrade: WebSocket"), *TALK),
    ws("POST", get("/", *WEBSOCKET, method="POST"), *TALK),
    ws("without Connection", get("/", "upgrade: websocket"), replies=(REFUSE,)),
    ws("h2c is ignored", get("/", *H2C), replies=(REFUSE,)),
    ws("after another", get("/first") + upgrade(), Do.WAIT, *TALK, replies=(REFUSE, ECHO), responses=2),
    ws("with a length of 0", get("/", *WEBSOCKET, "content-length: 0"), *TALK),
    ws("with a body", get("/", *WEBSOCKET, "content-length: 5") + b"hello", replies=(REFUSE,)),
    ws("with chunks", get("/", *WEBSOCKET, "transfer-encoding: chunked") + b"0\r\n\r\n", replies=(REFUSE,)),
    ws("HTTP/1.0", upgrade().replace(b"HTTP/1.1", b"HTTP/1.0", 1), replies=(REFUSE,)),
    tunnel("it ends here", connect("ends.test:443"), Do.WAIT, get(), Hear(10), Do.CLOSE, replies=(REFUSE,)),
    tunnel("nobody at its end", connect("refused.test:443")),
    tunnel("it goes on", connect("goes-on.test:443"), Do.WAIT, b"ping", Hear(4), Do.CLOSE),
    tunnel("it goes on, and is refused", connect("goes-on.test:443"), replies=(REFUSE,)),
    tunnel("the client has spoken", connect("goes-on.test:443") + b"early", Do.WAIT, Hear(5), Do.CLOSE),
    tunnel("no route for CONNECT", connect("no-connect.test:443")),
    tunnel("no such host", connect("unknown.test:443")),
    tunnel("no port", connect("ends.test")),
    tunnel("a path", connect("/x")),
    tunnel("another Host", connect("goes-on.test:443").replace(b"host: goes-on", b"host: ends"), *TALK),
    tunnel("CONNECT with a body", connect("ends.test:443", "content-length: 3") + b"abc"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_upgrades(case: Case, pair: Pair) -> None:
    await pair.check(case)
