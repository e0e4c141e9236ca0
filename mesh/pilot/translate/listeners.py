"""Every listener of one proxy."""

from __future__ import annotations

from mesh.model.listener import Listener
from mesh.model.node import Node
from mesh.pilot.translate.gateway_listeners import gateway_listeners
from mesh.pilot.translate.inbound import inbound_listeners
from mesh.pilot.translate.outbound import outbound_listeners
from mesh.pilot.world import World


def listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """Inbound and outbound, or a router's; sorted by name."""
    if node.type == "router":
        return tuple(sorted(gateway_listeners(world, node), key=lambda listener: listener.name))
    found = (*inbound_listeners(world, node), *outbound_listeners(world, node))
    return tuple(sorted(found, key=lambda listener: listener.name))
