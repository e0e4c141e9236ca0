"""What pilot knows and would do: Istio's /debug pages, as far as this mesh has them."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from mesh.control_plane.replies import BadRequest, error, reply
from mesh.model.names import ADMIN_PORT
from mesh.model.version import VERSION
from mesh.pilot.discovery import Pilot
from mesh.pilot.registry import proxy_name
from mesh.pilot.services import Service
from mesh.xds.source import Connection


class DebugApi:
    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/debug/syncz", self._syncz),
            web.get("/debug/config_dump", self._config_dump),
            web.get("/debug/registryz", self._registryz),
        ]

    async def _syncz(self, _: web.Request) -> web.Response:
        proxies = [_proxy(name, connection) for name, connection in self._pilot.connections.items()]
        return reply({"generation": self._pilot.generation, "proxies": proxies})

    async def _config_dump(self, request: web.Request) -> web.Response:
        """Mesh's own model, not Envoy's: what the proxy really has is on its admin port. Of secrets only
        the names are told."""
        name = request.query.get("proxyID")
        if name is None:
            raise BadRequest("proxyID: expected <name>.<namespace>, got none")
        resources = self._pilot.resources_of(name)
        if resources is None:
            return error(404, f"proxy {name}: not connected")
        told = _plain(asdict(replace(resources, secrets=())))
        told["secrets"] = [secret.name for secret in resources.secrets]
        return reply({"proxy": name, "generation": self._pilot.generation, **told})

    async def _registryz(self, _: web.Request) -> web.Response:
        return reply([_service(service) for service in self._pilot.world.services])


def _proxy(name: str, connection: Connection) -> dict[str, Any]:
    node = connection.node
    return {
        "proxy": name,
        "id": node.id,
        "cluster": node.cluster,
        "engine": node.engine,
        "version": VERSION,
        "admin": f"{node.admin_address}:{ADMIN_PORT}",
        "generation": connection.acked_generation,
        "types": {type_name: asdict(status) for type_name, status in connection.status().items()},
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "host": service.host,
        "name": service.name,
        "namespace": service.namespace,
        "ports": [port.to_metadata() for port in service.ports],
        "addresses": service.addresses,
        "accounts": service.accounts,
        "workloads": [
            {
                "proxy": proxy_name(instance.node),
                "address": instance.node.address,
                "workload": instance.node.workload,
                "labels": dict(instance.node.labels),
                "targets": {str(number): target for number, target in instance.targets},
            }
            for instance in service.instances
        ],
    }


def _plain(value: Any) -> Any:
    """Bytes (bodies of direct responses) as text, everything else as it is."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value
