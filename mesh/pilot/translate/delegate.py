"""Delegation: a VirtualService's rule may leave its routes to another VirtualService, one without hosts.

Each rule of the delegate becomes a rule of the root where their matches agree, and is dropped where none of
them does. What the delegate's rule does not say itself, it has from the root's. Its short host names are
services of its own namespace. Delegates do not delegate further.
Source: Istio's ``pilot/pkg/model/virtualservice.go`` (mergeVirtualServicesIfNeeded, mergeHTTPMatchRequest).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mesh.galley.api.http_route import HttpMatch, HttpRoute
from mesh.galley.api.string_match import TextMatch
from mesh.galley.api.virtual_service import VirtualService
from mesh.pilot.visibility import is_exported
from mesh.pilot.world import World

_INHERITED = (
    "rewrite", "timeout", "retries", "fault", "mirror", "mirrors", "mirror_percent", "mirror_percentage",
    "cors_policy", "headers",
)  # fmt: skip
_MATCHES = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "query_params", "without_headers")


def expand(world: World, root: VirtualService) -> Iterator[tuple[HttpRoute, VirtualService]]:
    """The rules in force, each with the VirtualService it was written in."""
    for rule in root.spec.http:
        if rule.delegate is None:
            yield rule, root
            continue
        delegate = _find(world, root, rule.delegate.name, rule.delegate.namespace)
        for each in delegate.spec.http if delegate is not None else ():
            merged = _merge_rule(rule, each)
            if delegate is not None and each.delegate is None and merged is not None:
                yield merged, delegate


def _find(world: World, root: VirtualService, name: str, namespace: str) -> VirtualService | None:
    home = root.metadata.namespace
    wanted = namespace or home, name
    for one in world.config.virtual_services:
        if (one.metadata.namespace, one.metadata.name) == wanted and not one.spec.hosts:
            return one if is_exported(one.spec.export_to, wanted[0], home) else None
    return None


def _merge_rule(root: HttpRoute, delegate: HttpRoute) -> HttpRoute | None:
    """None: no entry of the delegate's match fits in with any of the root's."""
    match = _merge_matches(root.match, delegate.match)
    if match is None:
        return None
    inherited = {name: getattr(root, name) for name in _INHERITED if not getattr(delegate, name)}
    name = "-".join(filter(None, (root.name, delegate.name)))
    return delegate.model_copy(update={**inherited, "match": match, "name": name})


def _merge_matches(
    root: tuple[HttpMatch, ...], delegate: tuple[HttpMatch, ...]
) -> tuple[HttpMatch, ...] | None:
    """Every entry of the delegate has to be narrower than at least one of the root's."""
    if not root or not delegate:
        return root or delegate
    merged: list[HttpMatch] = []
    for narrow in delegate:
        found = [_merge_match(wide, narrow) for wide in root if not _conflict(wide, narrow)]
        if not found:
            return None
        merged += found
    return tuple(merged)


def _merge_match(root: HttpMatch, delegate: HttpMatch) -> HttpMatch:
    update: dict[str, Any] = {
        name: getattr(delegate, name) or getattr(root, name)
        for name in (*_MATCHES, "port", "source_namespace", "gateways", "stat_prefix")
    }
    for name in (*_MAPS, "source_labels"):
        update[name] = {**getattr(root, name), **getattr(delegate, name)}
    update["name"] = "-".join(filter(None, (root.name, delegate.name)))
    update["ignore_uri_case"] = root.ignore_uri_case or delegate.ignore_uri_case
    return delegate.model_copy(update=update)


def _conflict(root: HttpMatch, delegate: HttpMatch) -> bool:
    return (
        any(_is_wider(getattr(root, name), getattr(delegate, name)) for name in _MATCHES)
        or any(_maps_conflict(getattr(root, name), getattr(delegate, name)) for name in _MAPS)
        or any(root.source_labels.get(key, value) != value for key, value in delegate.source_labels.items())
        or (
            root.uri is not None
            and delegate.uri is not None
            and root.ignore_uri_case != delegate.ignore_uri_case
        )
        or (root.port is not None and delegate.port is not None and root.port != delegate.port)
        or bool(root.gateways and set(delegate.gateways) - set(root.gateways))
        or bool(
            root.source_namespace
            and delegate.source_namespace
            and root.source_namespace != delegate.source_namespace
        )
    )


def _maps_conflict(root: Mapping[str, TextMatch], delegate: Mapping[str, TextMatch]) -> bool:
    return any(_is_wider(root.get(key), match) for key, match in delegate.items())


def _is_wider(root: TextMatch | None, delegate: TextMatch | None) -> bool:
    """Whether the delegate's match could let pass what the root's does not (regexes are not compared)."""
    if root is None or delegate is None:
        return False
    if "regex" in (root.kind, delegate.kind):
        return True
    if root.kind == "exact":
        return delegate.kind != "exact" or delegate.value != root.value
    return not delegate.value.startswith(root.value)
