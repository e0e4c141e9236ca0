"""Fault scripts: each step in the sidecar whose side it names."""

from __future__ import annotations

from typing import Any

from mesh.model.listener import HttpConnectionManager
from mesh.model.route import ScriptedFault
from mesh.pilot.translate.assemble import assemble

SCRIPT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  annotations: {mesh-labs.io/fault-script: "client every=3 abort=500; server first=2 abort=503"}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}}]}]
"""
NAME = "virtual-service/default/reviews"


def inbound_scripts(resources: Any) -> set[Any]:
    managers = [
        chain.network_filter
        for listener in resources.listeners
        for chain in listener.filter_chains
        if isinstance(chain.network_filter, HttpConnectionManager)
    ]
    configs = [manager.route_config for manager in managers if manager.route_config is not None]
    return {r.script for config in configs for host in config.virtual_hosts for r in host.routes}


def test_callers_get_the_clients_steps_and_callees_the_servers(world: Any, node: Any) -> None:
    made = world(text=SCRIPT)
    caller = assemble(made, node("productpage-v1", 1))
    scripts = {r.script for config in caller.routes for host in config.virtual_hosts for r in host.routes}
    assert scripts == {(), (ScriptedFault(f"{NAME}#0", "every", 3, 500),)}
    assert inbound_scripts(caller) == {()}
    callee = assemble(made, node("reviews-v1", 3))
    assert inbound_scripts(callee) == {(ScriptedFault(f"{NAME}#1", "first", 2, 503),)}
