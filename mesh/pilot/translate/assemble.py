"""Translation: one proxy's whole configuration."""

from __future__ import annotations

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.pilot.translate.clusters import clusters
from mesh.pilot.translate.endpoints import endpoints
from mesh.pilot.translate.gateway_routes import gateway_routes
from mesh.pilot.translate.listeners import listeners
from mesh.pilot.translate.routes import routes
from mesh.pilot.translate.secrets import secrets
from mesh.pilot.world import World


def assemble(world: World, node: Node) -> Resources:
    """What this proxy must be sent, each kind sorted by name."""
    seen = world.seen_by(node.namespace)
    found, listening = clusters(seen, node), listeners(seen, node)
    return Resources(
        found,
        endpoints(seen, node, found),
        listening,
        gateway_routes(seen, node, listening) if node.type == "router" else routes(seen, node),
        secrets(seen, node, found, listening),
    )
