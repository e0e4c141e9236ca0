"""Values that are made for each request: Envoy's command operators in header mutations. Pure.

    "from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%, at %REQ(X-STAGE?X-ENV):8%, 100%% sure"

``%NAME%`` or ``%NAME(ARGUMENT)%``, with ``:N`` at most N characters of it; ``%%`` is a percent sign.
Source: Envoy's "Access log command operators" and "Custom request/response headers".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WITH_ARGUMENT = frozenset(("REQ", "RESP"))
PLAIN = frozenset(
    (
        "BYTES_RECEIVED", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_DIRECT_REMOTE_PORT", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_LOCAL_PORT", "DOWNSTREAM_LOCAL_URI_SAN", "DOWNSTREAM_PEER_URI_SAN",
        "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_REMOTE_PORT",
        "DOWNSTREAM_TLS_VERSION", "HOSTNAME", "PROTOCOL", "REQUESTED_SERVER_NAME", "RESPONSE_CODE",
        "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS", "ROUTE_NAME", "START_TIME", "UPSTREAM_CLUSTER",
        "UPSTREAM_CLUSTER_RAW", "UPSTREAM_HOST", "UPSTREAM_REMOTE_ADDRESS",
    )
)  # fmt: skip
_COMMAND = re.compile(r"%(?:%|([A-Z_]+)(?:\(([^)%]*)\))?(?::([1-9][0-9]{0,5}))?%)")


@dataclass(frozen=True, slots=True)
class Command:
    """``argument`` of REQ and RESP: a header's name, or two (the second where the first is not there)."""

    name: str
    argument: tuple[str, ...] = ()  # in lower case
    max_length: int | None = None


Part = str | Command


def parse(value: str) -> tuple[Part, ...]:
    """The value's parts in order. Raises ValueError naming what is wrong."""
    parts: list[Part] = []
    place = 0
    for found in _COMMAND.finditer(value):
        parts.append(_literal(value, place, found.start()))
        parts.append("%" if found[1] is None else _command(found))
        place = found.end()
    parts.append(_literal(value, place, len(value)))
    return _joined(parts)


def _literal(value: str, begin: int, end: int) -> str:
    text = value[begin:end]
    if "%" in text:
        raise ValueError(f'expected a command such as %REQ(X-A)%, or "%%" for a percent sign, got "{value}"')
    return text


def _command(found: re.Match[str]) -> Command:
    name, argument, length = found.groups()
    names = tuple(one.strip().lower() for one in (argument or "").split("?"))
    if name in WITH_ARGUMENT:
        if not all(names) or len(names) > 2:
            raise ValueError(f'expected %{name}(NAME)% or %{name}(NAME?OTHER)%, got "{found[0]}"')
    elif name not in PLAIN:
        raise ValueError(f'the command "{found[0]}" is not supported')
    elif argument:
        raise ValueError(f'expected %{name}% without an argument, got "{found[0]}"')
    else:
        names = ()
    return Command(name, names, int(length) if length else None)


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring texts as one, empty ones left out."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part:
            joined.append(part)
    return tuple(joined)
