"""Compiled header mutations: what a route adds to, sets on and removes from a head. Pure.

Order within one: remove, then set, then add, so that a removed name can be given anew. Envoy's ``%COMMAND%``
substitutions are not supported; ``%%`` is a percent sign.
"""

from __future__ import annotations

from mesh.http.message import Message, Request
from mesh.model.route import NO_MUTATION, HeaderMutation
from mesh.proxy.rewrite import set_authority
from mesh.xds.errors import Rejected

# framing and connection belong to the proxy; a mutation of them would make the message ambiguous
_UNTOUCHABLE = frozenset(("content-length", "transfer-encoding", "connection", "upgrade"))

Pairs = tuple[tuple[bytes, bytes], ...]


class Mutation:
    """``host`` is a value set for Host (or :authority), which is the request's authority too."""

    __slots__ = ("add", "host", "remove", "set")

    def __init__(self, mutation: HeaderMutation) -> None:
        self.set: Pairs = _pairs(mutation.set, skip=("host", ":authority"))
        self.add: Pairs = _pairs(mutation.add, skip=())
        self.remove = tuple(_name(name) for name in mutation.remove)
        hosts = [value for name, value in mutation.set if name in ("host", ":authority")]
        self.host = _value("host", hosts[-1]) if hosts else None

    def apply_to_request(self, request: Request) -> None:
        self.apply(request)
        if self.host is not None:
            set_authority(request, self.host)

    def apply(self, message: Message) -> None:
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


def compile_mutations(*mutations: HeaderMutation) -> tuple[Mutation, ...]:
    """Most specific first, as Envoy applies them; empty ones are left out. Raises Rejected."""
    return tuple(Mutation(mutation) for mutation in mutations if mutation != NO_MUTATION)


def _pairs(pairs: tuple[tuple[str, str], ...], skip: tuple[str, ...]) -> Pairs:
    return tuple((_name(name), _value(name, value)) for name, value in pairs if name not in skip)


def _name(name: str) -> bytes:
    if name in _UNTOUCHABLE or name.startswith(":") or name == "host":
        raise Rejected(f"header mutation: {name} cannot be changed")
    return name.lower().encode()


def _value(name: str, value: str) -> bytes:
    plain = value.replace("%%", "")
    if "%" in plain:
        raise Rejected(f"header mutation: {name}: substitutions are not supported, got {value!r}")
    if any(ord(char) < 32 and char != "\t" for char in value):
        raise Rejected(f"header mutation: {name}: control characters in {value!r}")
    return value.replace("%%", "%").encode()
