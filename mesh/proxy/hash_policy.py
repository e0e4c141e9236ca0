"""The key by which a request finds its endpoint again: a header, a cookie, a parameter, the client. Pure.

The hashes are Envoy's (xxHash64, rotated and combined), so that both engines send a key to one endpoint.
Source: Envoy's ``source/common/http/hash_policy.cc``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from xxhash import xxh64_intdigest

from mesh.http.message import Request
from mesh.model.route import HashPolicy
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.mutation import Mutation
from mesh.proxy.route import CompiledRoute, Destination, pick_destination

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

_64_BITS = 2**64 - 1
NewCookie = tuple[HashPolicy, bytes]


def find_key(exchange: Exchange, destination: Destination, policies: tuple[HashPolicy, ...]) -> None:
    """Give the exchange its key; a client that lacks the cookie for it gets one with the response."""
    exchange.hash_key, given = request_key(policies, exchange.request, exchange.downstream.info)
    if given:
        cookies = _Give([set_cookie(policy, value) for policy, value in given])
        mutations = (*destination.response_mutations, cookies)
        exchange.destination = Destination(destination.cluster, destination.request_mutations, mutations)


def pick_by_key(route: CompiledRoute, request: Request, info: ConnectionInfo, rng: Random) -> Destination:
    """The weighted cluster where the request's key falls; a request without a key is drawn by chance."""
    key, _ = request_key(route.hash_policies, request, info)
    if key is None:
        return pick_destination(route, rng)
    return route.destinations[bisect_right(route.shares, key % route.total)]


class _Give(Mutation):
    """Adds cookies to one response; their texts are ours and need no checks."""

    def __init__(self, cookies: list[bytes]) -> None:
        super().__init__((), (), tuple((b"set-cookie", cookie) for cookie in cookies))


def request_key(
    policies: tuple[HashPolicy, ...], request: Request, info: ConnectionInfo
) -> tuple[int | None, list[NewCookie]]:
    """The key, None when the request has nothing to make one from; and the cookies it gets for next time."""
    key: int | None = None
    given: list[NewCookie] = []
    for policy in policies:
        found = _hash(policy, request, info, given)
        if found is not None:
            # turned by one bit, so that two equal policies do not cancel out
            before = 0 if key is None else (key << 1 | key >> 63) & _64_BITS
            key = before ^ found
    return key, given


def _hash(policy: HashPolicy, request: Request, info: ConnectionInfo, given: list[NewCookie]) -> int | None:
    match policy.kind:
        case "header":
            return _header_hash(request, policy.name.encode())
        case "source_ip":
            return xxh64_intdigest(info.remote_text.rpartition(":")[0].encode())
        case "query":
            value = query_value(request.path, policy.name.encode())
            return xxh64_intdigest(value) if value is not None else None
    cookie = cookie_value(request, policy.name.encode())
    if not cookie and policy.ttl_s is not None:
        cookie = b"%016x" % xxh64_intdigest(f"{info.remote_text}{info.local_text}".encode())
        given.append((policy, cookie))
    return xxh64_intdigest(cookie) if cookie else None


def _header_hash(request: Request, name: bytes) -> int | None:
    """Several values count in sorted order: the order in which they were sent means nothing."""
    first = request.authority if name in (b":authority", b"host") else request.fields.get(name)
    if first is None:
        return None
    values = sorted([first.strip(), *(value.strip() for other, value in request.repeats if other == name)])
    key = 0
    for value in values:
        key = xxh64_intdigest(value, key)
    return key


def query_value(path: bytes, name: bytes) -> bytes | None:
    """The first value of a query parameter, as it was written."""
    _, _, query = path.partition(b"?")
    for pair in query.partition(b"#")[0].split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == name:
            return value
    return None


def cookie_value(request: Request, name: bytes) -> bytes:
    """A cookie's value without its quotes; b"" when there is none."""
    for key, value in _cookies(request):
        if key == name:
            return value[1:-1] if len(value) >= 2 and value[:1] == value[-1:] == b'"' else value
    return b""


def _cookies(request: Request) -> Iterator[tuple[bytes, bytes]]:
    header = request.get(b"cookie")
    if header is not None:
        for part in header.replace(b",", b";").split(b";") if request.repeats else header.split(b";"):
            key, found, value = part.strip().partition(b"=")
            if found:
                yield key, value


def set_cookie(policy: HashPolicy, value: bytes) -> bytes:
    """The Set-Cookie that gives a client its cookie; a ttl of 0 lasts as long as its session."""
    parts = [b'%b="%b"' % (policy.name.encode(), value)]
    if policy.ttl_s:
        parts.append(b"Max-Age=%d" % policy.ttl_s)
    if policy.path:
        parts.append(b"Path=%b" % policy.path.encode())
    return b"; ".join([*parts, b"HttpOnly"])
