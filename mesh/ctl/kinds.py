"""Kinds as people type them: ``vs``, ``virtualservices``, ``VirtualService`` are one."""

from __future__ import annotations

from difflib import get_close_matches

from mesh.ctl.errors import CommandError
from mesh.model.names import plural

# kind -> the short names kubectl has for it
SHORT_NAMES = {
    "VirtualService": ("vs",),
    "DestinationRule": ("dr",),
    "PeerAuthentication": ("pa",),
    "Service": ("svc",),
    "Secret": (),
    "Gateway": ("gw",),
    "ServiceEntry": ("se",),
    "HealthCheck": ("hc",),
    "LocalRateLimit": ("lrl",),
}


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for kind, shorts in SHORT_NAMES.items():
        table |= dict.fromkeys((kind.lower(), plural(kind), *shorts), kind)
    return table


BY_WORD = _table()


def kind_of(word: str) -> str:
    """The kind a word means. Raises CommandError (status 2) with a suggestion."""
    kind = BY_WORD.get(word.lower())
    if kind is None:
        close = get_close_matches(word.lower(), BY_WORD, 1)
        hint = f'; did you mean "{close[0]}"?' if close else f"; there are {', '.join(SHORT_NAMES)}"
        raise CommandError(f'unknown kind "{word}"{hint}', 2)
    return kind


def shown(kind: str, name: str) -> str:
    """``virtualservice/reviews``, as kubectl names an object in its messages."""
    return f"{kind.lower()}/{name}"
