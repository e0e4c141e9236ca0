"""One entry of a VirtualService rule's ``match``: what can be decided now, and what the proxy must match.

Keys inside an entry are AND, entries are OR (so each becomes a route of its own). ``port``, ``gateways``,
``sourceLabels`` and ``sourceNamespace`` are about the caller, whose proxy this is for: decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh.galley.api.http_route import HttpMatch
from mesh.galley.api.request_match import RequestMatch
from mesh.galley.api.string_match import PresenceMatch
from mesh.galley.api.string_match import StringMatch as ApiStringMatch
from mesh.galley.api.virtual_service import MESH_GATEWAY, L4Match, gateway_name
from mesh.model.node import Node
from mesh.model.route import HeaderMatch, QueryMatch, RouteMatch, StringMatch


def holds_for(
    entry: HttpMatch | L4Match, node: Node, port: int, gateway: str = MESH_GATEWAY, home: str = ""
) -> bool:
    """Whether calls of this workload to this port of the service can match at all; for a router: calls that
    come by this ``gateway``. ``home`` is the VirtualService's namespace."""
    return (
        (not entry.gateways or gateway in [gateway_name(name, home) for name in entry.gateways])
        and (entry.port is None or entry.port == port)
        and (not entry.source_namespace or entry.source_namespace == node.namespace)
        and all(node.labels.get(key) == value for key, value in entry.source_labels.items())
    )


def route_match(entry: RequestMatch) -> RouteMatch:
    """What is left to the proxy."""
    headers = [
        *_pseudo_headers(entry),
        *_headers(entry.headers, invert=False),
        *_headers(entry.without_headers, invert=True),
    ]
    query = (QueryMatch(name, presence_match(match)) for name, match in sorted(entry.query_params.items()))
    return RouteMatch(_path(entry), tuple(headers), tuple(query))


def string_match(match: ApiStringMatch | PresenceMatch) -> StringMatch:
    return StringMatch(match.kind, match.value)


def presence_match(match: PresenceMatch) -> StringMatch | None:
    """None asks for presence only: an empty match, and Istio's regex "*"."""
    return None if match.is_presence else string_match(match)


def _path(entry: RequestMatch) -> StringMatch:
    if entry.uri is None:
        return StringMatch("prefix", "/")
    return StringMatch(entry.uri.kind, entry.uri.value, entry.ignore_uri_case and entry.uri.kind != "regex")


def _pseudo_headers(entry: RequestMatch) -> Iterable[HeaderMatch]:
    for name, match in (
        (":authority", entry.authority),
        (":method", entry.method),
        (":scheme", entry.scheme),
    ):
        if match is not None:
            yield HeaderMatch(name, string_match(match))


def _headers(matches: Mapping[str, PresenceMatch], invert: bool) -> Iterable[HeaderMatch]:
    for name, match in sorted(matches.items()):
        yield HeaderMatch(name.lower(), presence_match(match), invert)
