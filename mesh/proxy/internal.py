"""Who is inside: only the x-envoy- fields of internal requests are heeded, all others lose them. Pure.

A sidecar adds nothing to x-forwarded-for, so that field alone tells: one address in it, of an internal
network. Without the field nobody vouches for the request, and it is external.
Source: Envoy's "HTTP header sanitizing" and ``conn_manager_utility.cc`` (mutateRequestHeaders, with
use_remote_address off).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from mesh.http.message import Request
from mesh.proxy.wishes import WISHES

Networks = tuple[IPv4Network | IPv6Network, ...]

FORWARDED_FOR = b"x-forwarded-for"
_INTERNAL = b"x-envoy-internal"
# said to the proxy alone, by whoever it is
_NEVER_PASSED_ON = (
    _INTERNAL,
    b"x-envoy-upstream-alt-stat-name",
    b"x-envoy-upstream-rq-timeout-alt-response",
    b"x-envoy-upstream-stream-duration-ms",
)
# what is only for those inside to say, beside their wishes
_OF_INSIDERS = (
    b"x-envoy-expected-rq-timeout-ms",
    b"x-envoy-force-trace",
    b"x-envoy-ip-tags",
    b"x-envoy-original-url",
)
NOTABLE = WISHES.union(_NEVER_PASSED_ON, _OF_INSIDERS, (FORWARDED_FOR,))


def networks(texts: Iterable[str]) -> Networks:
    """Raises ValueError for a text that is no CIDR."""
    return tuple(ip_network(text) for text in texts)


def sanitize(request: Request, inside: Networks) -> bool:
    """Take off what is not for this caller to say; answers whether there are wishes to be heeded."""
    if NOTABLE.isdisjoint(request.fields):
        return False
    return sanitize_as(request, internal=is_internal(request, inside))


def sanitize_as(request: Request, *, internal: bool) -> bool:
    for name in _NEVER_PASSED_ON:
        request.remove(name)
    if internal:
        request.fields[_INTERNAL] = b"true"
        return not WISHES.isdisjoint(request.fields)
    for name in (*WISHES, *_OF_INSIDERS):
        request.remove(name)
    return False


def is_internal(request: Request, inside: Networks) -> bool:
    forwarded_for = request.get(FORWARDED_FOR)
    return forwarded_for is not None and is_inside(forwarded_for, inside)


@lru_cache(maxsize=1024)
def is_inside(text: bytes, inside: Networks) -> bool:
    """Whether it is one address, and of these networks."""
    try:
        address = ip_address(text.decode("ascii", "replace"))
    except ValueError:
        return False  # several addresses, or none
    return any(address in network for network in inside)
