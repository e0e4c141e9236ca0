"""The check before a push: every name a resource waits for is sent along with it.

A listener whose routes never come, or a cluster whose endpoints never come, would warm for ever and hold
back the change (xDS, "resource warming"). A route may name a cluster that does not exist: that is a 503 NC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mesh.model.resources import Resources
from mesh.xds.references import assignment_names, route_names
from mesh.xds.secrets import secret_names


def inconsistencies(resources: Resources) -> tuple[str, ...]:
    """What is waited for and missing, or there for nobody, or there twice; nothing in a good snapshot."""
    routes = [one.name for one in resources.routes]
    assignments = [one.cluster_name for one in resources.endpoints]
    secrets = [one.name for one in resources.secrets]
    named = secret_names(resources.clusters, resources.listeners)
    return (
        *_differences("secret", named, secrets),
        *_differences("route configuration", route_names(resources.listeners), routes),
        *_differences("load assignment", assignment_names(resources.clusters), assignments),
        *_twice("cluster", [one.name for one in resources.clusters]),
        *_twice("listener", [one.name for one in resources.listeners]),
    )


def _differences(what: str, waited: frozenset[str], sent: list[str]) -> Iterable[str]:
    yield from (f"{what} {name}: not sent" for name in sorted(waited.difference(sent)))
    yield from (f"{what} {name}: nobody asks for it" for name in sorted(set(sent) - waited))
    yield from _twice(what, sent)


def _twice(what: str, sent: list[str]) -> Iterable[str]:
    return (f"{what} {name}: sent twice" for name, times in sorted(Counter(sent).items()) if times > 1)
