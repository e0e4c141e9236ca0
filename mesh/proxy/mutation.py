"""Compiled header mutations: what a route adds to, sets on and removes from a head. Pure.

Order within one: remove, then set, then add, so that a removed name can be given anew. Values that hold
commands are made for each message: only mutations that have some pay for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mesh.http.message import Message, Request
from mesh.model.route import NO_MUTATION, HeaderMutation
from mesh.proxy.rewrite import set_authority
from mesh.proxy.substitution import Template, compile_value
from mesh.xds.errors import Rejected

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

# framing and connection belong to the proxy; a mutation of them would make the message ambiguous
_UNTOUCHABLE = frozenset(("content-length", "transfer-encoding", "connection", "upgrade"))

_HOST = ("host", ":authority")

Pairs = tuple[tuple[bytes, bytes], ...]
Values = tuple[tuple[bytes, bytes | Template], ...]


class Mutation:
    """``host`` is a value set for Host (or :authority), which is the request's authority too."""

    __slots__ = ("add", "host", "remove", "set")

    def __init__(self, remove: tuple[bytes, ...], set: Pairs, add: Pairs, host: bytes | None = None) -> None:
        self.remove = remove
        self.set = set
        self.add = add
        self.host = host

    def apply_to_request(self, request: Request, exchange: Exchange) -> None:
        self.apply(request, exchange)
        if self.host is not None:
            set_authority(request, self.host)

    def apply(self, message: Message, exchange: Exchange) -> None:
        for name in self.remove:
            message.remove(name)
        fields = message.fields
        for name, value in self.set:
            message.remove(name)
            fields[name] = value
        for name, value in self.add:
            if name in fields:
                message.repeats = [*message.repeats, (name, value)]
            else:
                fields[name] = value


class LiveMutation(Mutation):
    """One with values that are made for each message."""

    __slots__ = ("_add", "_set")

    def __init__(self, remove: tuple[bytes, ...], set: Values, add: Values, host: bytes | None) -> None:
        super().__init__(remove, (), (), host)
        self._set = set
        self._add = add

    def apply(self, message: Message, exchange: Exchange) -> None:
        Mutation(self.remove, _rendered(self._set, exchange), _rendered(self._add, exchange)).apply(
            message, exchange
        )


def _rendered(values: Values, exchange: Exchange) -> Pairs:
    """What comes out empty changes nothing."""
    pairs: list[tuple[bytes, bytes]] = []
    for name, value in values:
        if not isinstance(value, Template):
            pairs.append((name, value))
        elif made := value.render(exchange):
            pairs.append((name, made))
    return tuple(pairs)


def compile_mutation(mutation: HeaderMutation) -> Mutation:
    """Raises Rejected."""
    remove = tuple(_name(name) for name in mutation.remove)
    set_, add = _values(mutation.set, skip=_HOST), _values(mutation.add)
    hosts = [_value("host", value) for name, value in mutation.set if name in _HOST]
    host = hosts[-1] if hosts else None
    if isinstance(host, Template):
        raise Rejected("header mutation: host: commands are not supported")
    if any(isinstance(value, Template) for _, value in (*set_, *add)):
        return LiveMutation(remove, set_, add, host)
    return Mutation(remove, cast("Pairs", set_), cast("Pairs", add), host)


def compile_mutations(*mutations: HeaderMutation) -> tuple[Mutation, ...]:
    """Most specific first, as Envoy applies them; empty ones are left out. Raises Rejected."""
    return tuple(compile_mutation(mutation) for mutation in mutations if mutation != NO_MUTATION)


def _values(pairs: tuple[tuple[str, str], ...], skip: tuple[str, ...] = ()) -> Values:
    return tuple((_name(name), _value(name, value)) for name, value in pairs if name not in skip)


def _name(name: str) -> bytes:
    if name in _UNTOUCHABLE or name.startswith(":") or name == "host":
        raise Rejected(f"header mutation: {name} cannot be changed")
    return name.lower().encode()


def _value(name: str, value: str) -> bytes | Template:
    if any(ord(char) < 32 and char != "\t" for char in value):
        raise Rejected(f"header mutation: {name}: control characters in {value!r}")
    try:
        return compile_value(value)
    except Rejected as rejected:
        raise Rejected(f"header mutation: {name}: {rejected}") from None
