"""What a VirtualService rule does with a request: forward by weight, redirect, or answer."""

from __future__ import annotations

import base64

from mesh.galley.api.annotations import Options
from mesh.galley.api.http_route import (
    HttpDirectResponse,
    HttpRedirect,
    HttpRewrite,
    HttpRoute,
    HttpRouteDestination,
)
from mesh.model import names
from mesh.model.route import (
    Action,
    DirectResponse,
    Forward,
    Redirect,
    RegexRewrite,
    Route,
    RouteMatch,
    WeightedCluster,
)
from mesh.pilot.translate.destination import Target, cluster_of
from mesh.pilot.translate.headers import authority_of, mutation
from mesh.pilot.translate.mirror import mirrors
from mesh.pilot.translate.retry import DEFAULT_RETRY, retry_policy
from mesh.pilot.translate.sticky import sticky
from mesh.pilot.world import World


def service_forward(target: Target, name: str) -> Route:
    """The route to a service nobody wrote rules for."""
    cluster = names.outbound_cluster(target.port, "", target.host)
    forward = Forward((WeightedCluster(cluster),), retry=DEFAULT_RETRY)
    return Route(RouteMatch(), forward, name, decorator=target.decorator)


def action(world: World, target: Target, namespace: str, rule: HttpRoute, options: Options) -> Action | None:
    """The rule's action, None when it has none.

    Its short host names are services of ``namespace``, the VirtualService's.
    """
    if rule.redirect is not None:
        return _redirect(rule.redirect)
    if rule.direct_response is not None:
        return DirectResponse(rule.direct_response.status, _body(rule.direct_response))
    if not rule.route:
        return None
    forward = Forward(
        _weighted(world, target, namespace, rule.route),
        timeout_s=rule.timeout or None,
        retry=retry_policy(rule.retries, options.retry_non_idempotent),
        host_rewrite=(rule.rewrite.authority if rule.rewrite else None) or authority_of(rule.headers),
        prefix_rewrite=(rule.rewrite.uri if rule.rewrite else None) or None,
        regex_rewrite=_regex_rewrite(rule.rewrite),
        mirrors=mirrors(world, target, namespace, rule, options.mirror_host_suffix),
    )
    return sticky(forward, options)


def _regex_rewrite(rewrite: HttpRewrite | None) -> RegexRewrite | None:
    said = rewrite.uri_regex_rewrite if rewrite is not None else None
    return None if said is None else RegexRewrite(said.match, said.rewrite)


def _weighted(
    world: World, target: Target, namespace: str, destinations: tuple[HttpRouteDestination, ...]
) -> tuple[WeightedCluster, ...]:
    """A lone destination has all the weight; of several, those without any get nothing."""
    if len(destinations) > 1:
        destinations = tuple(one for one in destinations if one.weight)
    return tuple(
        WeightedCluster(
            cluster_of(world, target, namespace, one.destination),
            one.weight or 100,
            mutation(one.headers.request if one.headers else None),
            mutation(one.headers.response if one.headers else None),
        )
        for one in destinations
    )


def _redirect(redirect: HttpRedirect) -> Redirect:
    """Without ``port`` the redirect keeps the request's, but for FROM_PROTOCOL_DEFAULT: 80 or 443."""
    port = redirect.port or None
    if redirect.derive_port == "FROM_PROTOCOL_DEFAULT":
        port = 443 if redirect.scheme == "https" else 80
    return Redirect(
        redirect.redirect_code,
        host=redirect.authority or None,
        port=port,
        scheme=redirect.scheme or None,
        path=redirect.uri or None,
        prefix_rewrite=redirect.prefix_rewrite or None,
    )


def _body(response: HttpDirectResponse) -> bytes:
    body = response.body
    if body is None:
        return b""
    return base64.b64decode(body.bytes_) if body.bytes_ is not None else (body.string or "").encode()
