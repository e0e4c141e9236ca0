"""A mesh's workloads, read from a plain compose file: the single source of topology.

The mesh facts stand in labels (``compose/bookinfo.yaml`` explains each): ``mesh.service``,
``mesh.service-account``, ``mesh.port``, ``mesh.namespace``, ``mesh.type``; every other label is a workload
label. Pure: text in, frozen dataclasses out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import yaml

from mesh.model.names import fqdn
from mesh.model.node import ServicePort
from mesh.model.protocol import HTTP, protocol_of

SERVICE_LABEL = "mesh.service"
ACCOUNT_LABEL = "mesh.service-account"
PORT_LABEL = "mesh.port"
NAMESPACE_LABEL = "mesh.namespace"
TYPE_LABEL = "mesh.type"
MESH_LABELS = "mesh."
FOREIGN_LABELS = ("com.docker.",)  # what engines and compose add to a running container's labels

# with a sidecar; a gateway alone; an application with no part in the mesh
WorkloadType = Literal["sidecar", "router", "outside"]

_DEFAULTED = re.compile(r"\$\{[A-Za-z_]\w*:?-([^}]*)\}")


class TopologyError(ValueError):
    """A compose file that cannot be used; the text names the service and the key."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One compose service: a deployment of one instance, in Kubernetes' words."""

    name: str  # "reviews-v1"
    command: tuple[str, ...]
    service: str = ""  # "" = a client only
    service_account: str = "default"
    namespace: str = "default"
    ports: tuple[ServicePort, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    type: WorkloadType = "sidecar"

    @property
    def pod(self) -> str:
        """The name of its one instance, as the sidecar registers it."""
        return f"{self.name}-0"

    @property
    def version(self) -> str:
        return self.labels.get("version", "")

    @property
    def host(self) -> str:
        """Its service's full name."""
        return fqdn(self.service, self.namespace)


@dataclass(frozen=True, slots=True)
class Topology:
    workloads: tuple[Workload, ...]

    def workload(self, name: str) -> Workload:
        """The workload of that name, or the one whose pod has it. Raises KeyError."""
        for workload in self.workloads:
            if name in (workload.name, workload.pod):
                return workload
        raise KeyError(name)

    def servers(self) -> tuple[Workload, ...]:
        return tuple(workload for workload in self.workloads if workload.service)

    def byte_services(self) -> dict[str, tuple[ServicePort, ...]]:
        """The ports that are not HTTP for certain, by the full host of their service."""
        found: dict[str, dict[int, ServicePort]] = {}
        for workload in self.servers():
            for port in workload.ports:
                if port.protocol not in HTTP:
                    found.setdefault(workload.host, {}).setdefault(port.number, port)
        return {host: tuple(ports.values()) for host, ports in sorted(found.items())}


def read_topology(text: str) -> Topology:
    """Read a compose file's text. Raises TopologyError naming the service and what is wrong with it."""
    document = yaml.safe_load(text)
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
        raise TopologyError("expected a compose file with a mapping `services`")
    return Topology(tuple(_workload(name, raw or {}) for name, raw in document["services"].items()))


def workload_from_labels(name: str, labels: Mapping[str, str], **facts: Any) -> Workload:
    """The mesh facts in a container's labels. Raises TopologyError."""
    return Workload(
        name=name,
        service=labels.get(SERVICE_LABEL, ""),
        service_account=labels.get(ACCOUNT_LABEL, "default"),
        namespace=labels.get(NAMESPACE_LABEL, "default"),
        ports=parse_ports(name, labels.get(PORT_LABEL, "")),
        type=_type(name, labels.get(TYPE_LABEL, "sidecar")),
        labels={
            key: value for key, value in labels.items() if not key.startswith((MESH_LABELS, *FOREIGN_LABELS))
        },
        **facts,
    )


def _type(name: str, word: str) -> WorkloadType:
    for known in get_args(WorkloadType):
        if word == known:
            return known  # type: ignore[no-any-return]
    expected = ", ".join(get_args(WorkloadType))
    raise TopologyError(f"services.{name}.labels.{TYPE_LABEL}: expected one of {expected}, got {word!r}")


def parse_ports(name: str, text: str) -> tuple[ServicePort, ...]:
    """Read ``http:9080:8080,grpc:7070``; the protocol is told by the port's name, as Istio has it."""
    return tuple(_port(name, part.strip()) for part in text.split(",") if part.strip())


def service_environment(host: str, ports: Iterable[ServicePort], address: str) -> dict[str, str]:
    """How an application finds a service, in Kubernetes' words: DB_SERVICE_HOST, DB_SERVICE_PORT (the first
    port) and, by name, DB_SERVICE_PORT_TCP."""
    prefix = _variable(host.partition(".")[0]) + "_SERVICE"
    found = {f"{prefix}_HOST": address}
    for port in ports:
        found.setdefault(f"{prefix}_PORT", str(port.number))
        found[f"{prefix}_PORT_{_variable(port.name)}"] = str(port.number)
    return found


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def port_argument(port: ServicePort) -> str:
    """The form `meshctl proxy --port` takes."""
    return f"{port.name}:{port.number}:{port.target_port}"


def _port(name: str, text: str) -> ServicePort:
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts[1:]):
        raise TopologyError(
            f"services.{name}.labels.{PORT_LABEL}: expected name:number[:target], got {text!r}"
        )
    number = int(parts[1])
    return ServicePort(parts[0], number, int(parts[-1]), protocol_of(parts[0], number))


def _workload(name: str, raw: Mapping[str, Any]) -> Workload:
    command = raw.get("command")
    labels = _mapping(name, "labels", raw.get("labels"))
    if command is None and labels.get(TYPE_LABEL) == "router":
        command = []  # the proxy is all there is
    if not isinstance(command, list):
        raise TopologyError(f"services.{name}.command: expected a list of words, got {command!r}")
    return workload_from_labels(
        name,
        labels,
        command=tuple(str(word) for word in command),
        environment=_mapping(name, "environment", raw.get("environment")),
        image=interpolate(str(raw.get("image", ""))),
    )


def _mapping(name: str, key: str, raw: Any) -> dict[str, str]:
    """Compose writes maps as mappings or as lists of ``key=value``."""
    if isinstance(raw, list):
        raw = dict(str(item).partition("=")[::2] for item in raw)
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise TopologyError(f"services.{name}.{key}: expected a mapping, got {raw!r}")
    return {str(label): interpolate(str(value)) for label, value in raw.items()}


def interpolate(text: str) -> str:
    """Compose's ``${NAME:-default}``, with no environment: always the default."""
    return _DEFAULTED.sub(r"\1", text)
