"""GET /config_dump in Envoy's JSON (envoy.admin.v3.ConfigDump), so that one reader serves both engines.

Each resource is encoded as it would travel over xDS and written as protobuf JSON with the proto's field
names, as Envoy does. Private keys never appear. Pure: a view in, JSON values out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict

from mesh.model.listener import HttpConnectionManager, Listener
from mesh.model.names import ROOT_SECRET, WORKLOAD_SECRET
from mesh.model.node import Node
from mesh.model.route import RouteConfiguration
from mesh.model.tls import Secret, Secrets, TlsCertificate
from mesh.proxy.admin_view import AdminView, ConfigView, ResourceType
from mesh.xds.codec.codec import Resource, encode

Json = dict[str, Any]

_ADMIN = "type.googleapis.com/envoy.admin.v3."
_SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
REDACTED = base64.b64encode(b"[redacted]").decode()


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with milliseconds, as Envoy writes last_updated."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(resource: Resource) -> Json:
    """A resource with its ``@type``, its fields named as in the proto files."""
    return dict(MessageToDict(encode(resource), preserving_proto_field_name=True))


def node_json(node: Node) -> Json:
    return {"id": node.id, "cluster": node.workload, "metadata": node.to_metadata()}


def config_dump(view: AdminView, *, include_eds: bool = False) -> Json:
    """The whole dump, its parts in Envoy's order; endpoints only when they are asked for."""
    config = view.config()
    parts = [
        bootstrap_dump(view),
        clusters_dump(config),
        listeners_dump(config),
        routes_dump(config),
        secrets_dump(view.secrets(), config.resources.secrets),
    ]
    if include_eds:
        parts.insert(2, endpoints_dump(config))
    return {"configs": parts}


def dump_of(view: AdminView, resource: str) -> Json | None:
    """``?resource=dynamic_active_clusters``: that list alone; None for a list there is none of."""
    for part in config_dump(view, include_eds=True)["configs"]:
        if isinstance(part.get(resource), list):
            return {"configs": part[resource]}
    return None


def bootstrap_dump(view: AdminView) -> Json:
    return {
        "@type": _ADMIN + "BootstrapConfigDump",
        "bootstrap": {"node": node_json(view.node)},
        "last_updated": timestamp(view.started_at),
    }


def clusters_dump(config: ConfigView) -> Json:
    return _present(
        {
            "@type": _ADMIN + "ClustersConfigDump",
            "version_info": config.versions.get("CDS"),
            "dynamic_active_clusters": _entries(config, "CDS", "cluster", config.resources.clusters),
        }
    )


def endpoints_dump(config: ConfigView) -> Json:
    """Envoy lists a STATIC cluster's endpoints apart: they come with the cluster, not over EDS."""
    inline = [cluster.load_assignment for cluster in config.resources.clusters if cluster.load_assignment]
    return {
        "@type": _ADMIN + "EndpointsConfigDump",
        "static_endpoint_configs": [{"endpoint_config": as_json(given)} for given in inline],
        "dynamic_endpoint_configs": _entries(config, "EDS", "endpoint_config", config.resources.endpoints),
    }


def listeners_dump(config: ConfigView) -> Json:
    states = _entries(config, "LDS", "listener", config.resources.listeners)
    return _present(
        {
            "@type": _ADMIN + "ListenersConfigDump",
            "version_info": config.versions.get("LDS"),
            "dynamic_listeners": [
                {"name": listener.name, "active_state": state}
                for listener, state in zip(config.resources.listeners, states, strict=True)
            ],
        }
    )


def routes_dump(config: ConfigView) -> Json:
    """Routes that stand in a listener are "static" to Envoy: they do not come over RDS."""
    inline = [{"route_config": as_json(route)} for route in _inline_routes(config.resources.listeners)]
    return _present(
        {
            "@type": _ADMIN + "RoutesConfigDump",
            "static_route_configs": inline or None,
            "dynamic_route_configs": _entries(config, "RDS", "route_config", config.resources.routes),
        }
    )


def secrets_dump(secrets: Secrets | None, named: Iterable[Secret] = ()) -> Json:
    """What SDS gave this workload, then what the control plane did: chains and roots, the keys redacted."""
    dump: Json = {"@type": _ADMIN + "SecretsConfigDump"}
    held = list(named)
    if secrets is not None:
        own = (Secret(WORKLOAD_SECRET, secrets.certificate), Secret(ROOT_SECRET, secrets.roots_pem))
        held[:0] = own
    if held:
        dump["dynamic_active_secrets"] = [
            {"name": secret.name, "secret": {"@type": _SECRET, "name": secret.name} | _redacted(secret)}
            for secret in held
        ]
    return dump


def _redacted(secret: Secret) -> Json:
    content = secret.content
    if not isinstance(content, TlsCertificate):
        return {"validation_context": {"trusted_ca": {"inline_bytes": _base64(content)}}}
    return {
        "tls_certificate": {
            "certificate_chain": {"inline_bytes": _base64(content.chain_pem)},
            "private_key": {"inline_bytes": REDACTED},
        }
    }


def _inline_routes(listeners: Iterable[Listener]) -> Iterable[RouteConfiguration]:
    for listener in listeners:
        chains = listener.filter_chains + tuple(filter(None, [listener.default_filter_chain]))
        for chain in chains:
            manager = chain.network_filter
            if isinstance(manager, HttpConnectionManager) and manager.route_config is not None:
                yield manager.route_config


def _entries(config: ConfigView, kind: ResourceType, inner: str, resources: Iterable[Resource]) -> list[Json]:
    common = _present(
        {
            "version_info": config.versions.get(kind),
            "last_updated": timestamp(config.updated_at[kind]) if kind in config.updated_at else None,
        }
    )
    return [{**common, inner: as_json(resource)} for resource in resources]


def _present(fields: Mapping[str, Any]) -> Json:
    """Protobuf JSON leaves out what is not set."""
    return {key: value for key, value in fields.items() if value is not None}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
