"""Which filter chain of a listener takes a connection. Pure.

Envoy's order (FilterChainMatch): destination port and address, server name, transport protocol, application
protocols. At each level only the chains with the most specific value that matches stay; none that was left
comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from mesh.model.listener import FilterChain, FilterChainMatch
from mesh.proxy.connection_info import ConnectionInfo

# how well a chain fits at one level: 0 not at all, 1 it does not care, more: the more specific
Fit = Callable[[FilterChainMatch, ConnectionInfo], int]


def choose_chain(
    chains: Sequence[FilterChain], default: FilterChain | None, info: ConnectionInfo
) -> FilterChain | None:
    """None: nobody takes it, it is to be closed."""
    left = list(chains)
    for fit in (_fit_port, _fit_address, _fit_server_name, _fit_transport, _fit_application):
        fits = [fit(chain.match, info) for chain in left]
        best = max(fits, default=0)
        if best == 0:
            return default
        left = [chain for chain, value in zip(left, fits, strict=True) if value == best]
    return left[0]


def needs_tls_inspector(chains: Sequence[FilterChain]) -> bool:
    """Whether the choice is by what only a ClientHello says: Envoy then inspects, asked to or not."""
    matches = [chain.match for chain in chains]
    return any(
        match.transport_protocol == "tls"
        or (not match.transport_protocol and (match.server_names or match.application_protocols))
        for match in matches
    )


def _fit_port(match: FilterChainMatch, info: ConnectionInfo) -> int:
    if match.destination_port is None:
        return 1
    return 2 if match.destination_port == info.local[1] else 0


def _fit_address(match: FilterChainMatch, info: ConnectionInfo) -> int:
    """The longest prefix before none."""
    if not match.destination_ranges:
        return 1
    address = ip_address(info.local[0])
    ranges = map(_range, match.destination_ranges)
    return max((2 + found.prefixlen for found in ranges if address in found), default=0)


@lru_cache(maxsize=4096)
def _range(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def _fit_server_name(match: FilterChainMatch, info: ConnectionInfo) -> int:
    """Exact before the longest ``*.suffix`` before none."""
    best = 0 if match.server_names else 1
    for name in match.server_names:
        if name == info.server_name:
            return 1000
        if name.startswith("*") and info.server_name.endswith(name[1:]) and info.server_name:
            best = max(best, 1 + len(name))
    return best


def _fit_transport(match: FilterChainMatch, info: ConnectionInfo) -> int:
    if not match.transport_protocol:
        return 1
    return 2 if match.transport_protocol == info.transport_protocol else 0


def _fit_application(match: FilterChainMatch, info: ConnectionInfo) -> int:
    """The earlier a protocol stands in the client's list, the better."""
    if not match.application_protocols:
        return 1
    offered = info.application_protocols
    for place, protocol in enumerate(offered):
        if protocol in match.application_protocols:
            return 1 + len(offered) - place
    return 0
