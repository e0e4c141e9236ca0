"""What a case of bytes is: what the client and the server do with their ends of a connection. All data."""

from __future__ import annotations

from dataclasses import dataclass

from differ.case import Do, Pause


@dataclass(frozen=True, slots=True)
class Got:
    """Wait until so many bytes have come since the beginning, or until these are among them."""

    what: int | bytes


Act = bytes | Do | Pause | Got  # Do.WAIT: until the other side sends no more


@dataclass(frozen=True, slots=True)
class StreamCase:
    """``to`` is one of the area's listeners; ``name`` is unique. What the server does it does on each
    connection it gets. ``ends`` is how many ends the proxy logs: two where it plays both sidecars.
    """

    name: str
    to: str
    client: tuple[Act, ...]
    server: tuple[Act, ...] = (Do.WAIT, Do.CLOSE)
    ends: int = 1


def stream(name: str, to: str, *client: Act, **options: object) -> StreamCase:
    return StreamCase(name, to, client, **options)  # type: ignore[arg-type]
