"""Hop-by-hop fields: they belong to one connection and are never passed on (RFC 9110 section 7.6.1)."""

from __future__ import annotations

from mesh.http.errors import RequestError
from mesh.http.message import MAX_FIELDS, Framing, Message, Trailers
from mesh.http.upgrade import asked_upgrade

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings")
)

# what frames, routes or concerns one connection comes too late in a trailer (RFC 9110 section 6.5.1)
_NEVER_LAST = HOP_BY_HOP | {b"content-length", b"transfer-encoding", b"host", b"trailer"}

# what a client may not have removed by naming it in Connection
_END_TO_END = frozenset(
    (
        b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie",
        b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-client-cert", b"x-request-id",
        b"x-envoy-peer-metadata", b"x-envoy-peer-metadata-id",
    )
)  # fmt: skip


_BUT_TE = HOP_BY_HOP - {b"te"}
_PLAIN = frozenset((b"keep-alive", b"Keep-Alive", b"close"))
# what nobody names in Connection but to have it removed on the way
_NEVER_NAMED = (b"host", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")


def is_trailer(name: bytes) -> bool:
    """Whether a trailer of this (lower-case) name is passed on."""
    return name not in _NEVER_LAST


def are_too_many(trailers: Trailers, max_bytes: int) -> bool:
    """Whether they break the limits of a head."""
    return len(trailers) > MAX_FIELDS or sum(len(name) + len(value) for name, value in trailers) > max_bytes


def check_connection(message: Message) -> None:
    """Raises RequestError for a Connection field that names what the next hop decides by."""
    named = message.get(b"connection")
    if named is not None and named not in _PLAIN:
        for token in named.lower().split(b","):
            if token.strip() in _NEVER_NAMED:
                raise RequestError("http1.connection_header_rejected")


def remove_hop_by_hop(message: Message) -> None:
    """Take them out, with those the Connection field names; an Upgrade that is taken stays."""
    fields = message.fields
    if not message.repeats and fields.get(b"connection") in _PLAIN:
        del fields[b"connection"]  # by far the most common case
        if HOP_BY_HOP.isdisjoint(fields):
            return
    if not message.repeats and fields.get(b"te") == b"trailers" and _BUT_TE.isdisjoint(fields):
        return  # a gRPC call's: it stays
    upgrade = (
        message.get(b"upgrade") if message.framing is Framing.TUNNEL and asked_upgrade(message) else None
    )
    connection, te = message.get(b"connection"), message.get(b"te")
    if connection is not None:
        for token in connection.lower().split(b","):
            name = token.strip()
            if name not in _END_TO_END:
                message.remove(name)
    for name in HOP_BY_HOP:
        message.remove(name)
    if te is not None and te.lower() == b"trailers":
        message.fields[b"te"] = b"trailers"  # gRPC servers insist on it, and Envoy keeps it
    if upgrade is not None:
        message.fields[b"connection"] = b"Upgrade"
        message.fields[b"upgrade"] = upgrade
