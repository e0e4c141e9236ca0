"""Translation: one proxy's whole configuration."""

from __future__ import annotations

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.pilot.translate.clusters import clusters
from mesh.pilot.translate.endpoints import endpoints
from mesh.pilot.translate.listeners import listeners
from mesh.pilot.translate.routes import routes
from mesh.pilot.world import World


def assemble(world: World, node: Node) -> Resources:
    """What this proxy must be sent, each kind sorted by name."""
    seen = world.seen_by(node.namespace)
    return Resources(clusters(seen, node), endpoints(seen, node), listeners(seen, node), routes(seen, node))
