"""What a case is: what the client sends, what the origin answers. All data; times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from differ.http2_wire import HEADERS, PREFACE, Frame, settings, window_update


class Do(Enum):
    """What a client or an origin does besides sending bytes."""

    WAIT = "wait for the next response, interim ones count"
    CLOSE = "close"
    RESET = "close with a reset"
    HALF_CLOSE = "send no more"
    HANG = "say nothing more, hold the connection"
    ECHO = "send back whatever comes, until it ends: in a tunnel"
    SYNC = "wait until the proxy has taken all that was sent: it answers a PING"


@dataclass(frozen=True, slots=True)
class Pause:
    """Time that the other side must see passing: for time limits, never for synchronisation."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait until so many bytes have come out of the tunnel that the last response opened."""

    count: int


@dataclass(frozen=True, slots=True)
class Upon:
    """Wait for a stream of HTTP/2: its head, with a ``count`` so many bytes, with ``over`` its end."""

    stream: int
    count: int = 0
    over: bool = False


Step = bytes | Frame | Do | Pause | Hear | Upon
HELLO: tuple[Step, ...] = (PREFACE, settings())
GREETING: tuple[Step, ...] = (settings((4, 1 << 20)), window_update(0, 1 << 20))  # windows for any body


@dataclass(frozen=True, slots=True)
class Reply:
    """What the origin does with one request; ``early``: as soon as its head is there."""

    steps: tuple[Step, ...]
    early: bool = False


def reply(*steps: Step, early: bool = False) -> Reply:
    return Reply(steps, early)


OK = reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@dataclass(frozen=True, slots=True)
class Case:
    """``name`` is unique in its area; ``about`` is the RFC section or the feature it stands for.

    ``replies`` go to the origin's requests in turn, the last one to all that follow. ``responses`` is how
    many the client waits for; fewer come when the proxy closes. ``retried``: one request of the client may
    be several of the origin. ``http2``: the client speaks it. ``greeting`` is how the
    origin begins where it is spoken to in HTTP/2.
    """

    name: str
    about: str
    client: tuple[Step, ...]
    replies: tuple[Reply, ...] = (OK,)
    responses: int = 1
    retried: bool = False
    methods: tuple[str, ...] = field(default=())  # of the requests, where HEAD or CONNECT stands among them
    http2: bool = False
    greeting: tuple[Step, ...] = GREETING

    @property
    def streams(self) -> int:
        """How many requests there are in the frames; of raw bytes it is not known: one."""
        return (
            len({step.stream for step in self.client if isinstance(step, Frame) and step.kind == HEADERS})
            or 1
        )

    @property
    def request_methods(self) -> tuple[str, ...]:
        """How each response's end is to be told: only HEAD and CONNECT matter."""
        if self.methods:
            return self.methods
        first = next((step for step in self.client if isinstance(step, bytes)), b"")
        return (first.partition(b" ")[0].decode("latin-1"),)


def case(name: str, about: str, *client: Step, **options: object) -> Case:
    return Case(name, about, client, **options)  # type: ignore[arg-type]


def get(path: str = "/", *lines: str, host: str = "origin", method: str = "GET", body: bytes = b"") -> bytes:
    """A well-formed request; a body brings its length along."""
    fields = [f"{method} {path} HTTP/1.1", f"host: {host}", *lines]
    if body:
        fields.append(f"content-length: {len(body)}")
    return "\r\n".join((*fields, "", "")).encode("latin-1") + body


def raw(text: str) -> bytes:
    """A request written line by line: newlines become CRLF. Anything subtler is written as bytes."""
    return text.replace("\n", "\r\n").encode("latin-1")
