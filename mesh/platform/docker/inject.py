"""Sidecars for a compose file: compose document in, compose document out. Pure.

A service ``reviews-v1`` becomes three: ``reviews-v1-pod`` (pause container; takes over networks, ports,
hostname and names), ``reviews-v1-sidecar``, and ``reviews-v1`` itself, moved into the pod's network namespace
and held until its sidecar is ready. A gateway (``mesh.type: router``) has no third. A control plane and the
one-shot that hands out tokens are added.
Everything else stays as it was. Understood by docker-compose 1.29 and by compose v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mesh.model.names import CONTROL_PLANE_HTTP_PORT
from mesh.platform.docker import pod
from mesh.platform.docker.interception import PROXY_UID, from_annotations
from mesh.platform.topology import TYPE_LABEL, TopologyError, Workload, interpolate, workload_from_labels

INJECT_LABEL = "sidecar.istio.io/inject"  # "false" leaves a service alone, as in Istio
IDENTITIES = "mesh-identities"
DATA_VOLUME = "mesh-control-plane"
CONFIG_DIR = "/etc/mesh"
# what belongs to a network namespace goes to its owner
NETWORK_KEYS = (
    "networks", "ports", "expose", "hostname", "domainname", "dns", "dns_search", "dns_opt", "extra_hosts",
    "links", "external_links", "mac_address",
)  # fmt: skip
SHARED_KEYS = ("restart", "profiles", "logging")  # said of the application, true of the whole pod

Document = dict[str, Any]


class InjectError(ValueError):
    """A compose file that cannot be given sidecars; the text names service and key."""


@dataclass(frozen=True, slots=True)
class Options:
    image: str
    dataplane: str = "python"
    concurrency: int = 1  # workers of each sidecar
    config_dir: str = ""  # of the host: Istio YAML the control plane watches


@dataclass(frozen=True, slots=True)
class Injected:
    """``left_alone``: service -> why it got no sidecar. ``clients``: those that name no port to serve."""

    document: Document
    left_alone: Mapping[str, str]
    clients: tuple[str, ...]


def inject(document: Mapping[str, Any], options: Options) -> Injected:
    """Raises InjectError."""
    services = document.get("services")
    if not isinstance(services, Mapping) or not services:
        raise InjectError("expected a compose file with a mapping `services`")
    left_alone = {name: why for name, raw in services.items() if (why := _reason_against(name, raw))}
    names = [name for name in services if name not in left_alone]
    if not names:
        raise InjectError(
            "no service to inject: " + "; ".join(f"{name}: {why}" for name, why in left_alone.items())
        )
    _refuse_taken(services, names)
    workloads = {name: _workload(name, services[name]) for name in names}
    made: Document = {}
    for name, raw in services.items():
        if name in workloads:
            made |= _pod(workloads[name], deepcopy(dict(raw)), names, options)
        else:
            made[name] = _redirected(deepcopy(dict(raw or {})), names)
    made |= _mesh_services(workloads.values(), [made[f"{name}-pod"] for name in names], options)
    volumes = {**(document.get("volumes") or {}), DATA_VOLUME: None}
    volumes |= {_volume(account): None for account in _accounts(workloads.values())}
    clients = tuple(name for name in names if not workloads[name].service)
    return Injected({**document, "services": made, "volumes": volumes}, left_alone, clients)


# -- which services ---------------------------------------------------------------------------------------


def _reason_against(name: str, raw: Any) -> str:
    """Why a service gets no sidecar; "" when it does. Raises InjectError for what nobody can decide."""
    raw = raw or {}
    labels = _labels(name, raw)
    if pod.PART_LABEL in labels:
        raise InjectError(f"services.{name}: this file has its sidecars already")
    if labels.get(INJECT_LABEL) == "false":
        return f"label {INJECT_LABEL}"
    if labels.get(TYPE_LABEL) == "outside":
        return f"label {TYPE_LABEL}: outside"
    if "network_mode" in raw:
        return f"network_mode: {raw['network_mode']}"
    if "extends" in raw:
        raise InjectError(
            f"services.{name}.extends: resolve it first: docker-compose -f FILE config | meshctl inject -f -"
        )
    if int(raw.get("scale", 1)) > 1 or int((raw.get("deploy") or {}).get("replicas", 1)) > 1:
        raise InjectError(f"services.{name}: a pod cannot be scaled; write one service for each instance")
    if str(raw.get("user", "")).partition(":")[0] == str(PROXY_UID):
        raise InjectError(
            f"services.{name}.user: {PROXY_UID} is the sidecar's: its traffic bypasses the mesh"
        )
    return ""


def _workload(name: str, raw: Mapping[str, Any]) -> Workload:
    labels = {key: interpolate(value) for key, value in _labels(name, raw).items()}
    workload_labels = {key: value for key, value in labels.items() if "sidecar.istio.io/" not in key}
    try:
        return workload_from_labels(name, workload_labels, command=())
    except TopologyError as error:
        raise InjectError(str(error)) from error


def _labels(name: str, raw: Mapping[str, Any]) -> dict[str, str]:
    labels = raw.get("labels") or {}
    if isinstance(labels, list):
        labels = dict(str(item).partition("=")[::2] for item in labels)
    if not isinstance(labels, Mapping):
        raise InjectError(f"services.{name}.labels: expected a mapping or a list, got {labels!r}")
    return {str(key): "" if value is None else str(value) for key, value in labels.items()}


def _refuse_taken(services: Mapping[str, Any], injected: Iterable[str]) -> None:
    """Names of the mesh's own containers must be free."""
    needed = {pod.CONTROL_PLANE, IDENTITIES}
    for name in injected:
        needed |= {f"{name}-pod", f"{name}-sidecar"}
    if taken := sorted(needed & set(services)):
        raise InjectError(f"services.{taken[0]}: the name is needed for a container of the mesh")


# -- one pod ----------------------------------------------------------------------------------------------


def _pod(workload: Workload, raw: Document, injected: list[str], options: Options) -> Document:
    name = workload.name
    try:
        interception = from_annotations(_labels(name, raw))
    except ValueError as error:
        raise InjectError(f"services.{name}.labels: {error}") from error
    shared = {key: deepcopy(raw[key]) for key in SHARED_KEYS if key in raw}
    owner = pod.pause(options.image, workload) | shared
    owner |= {key: raw.pop(key) for key in NETWORK_KEYS if key in raw}
    owner["networks"] = _with_alias(owner.get("networks"), name)
    owner = _redirected(owner, injected)
    _move_sysctls(raw, owner)
    namespace = {"network_mode": f"service:{name}-pod"}
    is_router = workload.type == "router"
    guard = pod.proxy(
        options.image,
        workload,
        dataplane=options.dataplane,
        concurrency=options.concurrency,
        **({} if is_router else {"interception": interception}),
    )
    guard |= shared | namespace
    guard["volumes"] = [f"{_volume(_account(workload))}:{pod.IDENTITY_DIR}:ro"]
    guard["healthcheck"] = pod.sidecar_ready()
    guard["depends_on"] = {IDENTITIES: {"condition": "service_completed_successfully"}}
    if is_router:
        return {f"{name}-pod": owner, f"{name}-sidecar": guard}
    raw["depends_on"] = _dependencies(raw.get("depends_on")) | {
        f"{name}-sidecar": {"condition": "service_healthy"}
    }
    return {f"{name}-pod": owner, f"{name}-sidecar": guard, name: _redirected(raw, injected) | namespace}


def _with_alias(networks: Any, alias: str) -> Document:
    """The networks in long form; on each the pod answers to the service's own name, as the service did."""
    if not networks:
        networks = ["default"]
    if isinstance(networks, list):
        networks = {str(name): None for name in networks}
    made: Document = {}
    for name, raw in networks.items():
        settings = dict(raw or {})
        aliases = [*(settings.get("aliases") or [])]
        made[name] = settings | {"aliases": aliases if alias in aliases else [*aliases, alias]}
    return made


def _move_sysctls(raw: Document, owner: Document) -> None:
    """``net.*`` is the namespace's; the rest stays with the application."""
    sysctls = raw.pop("sysctls", None)
    if isinstance(sysctls, list):
        sysctls = dict(str(item).partition("=")[::2] for item in sysctls)
    for key, value in (sysctls or {}).items():
        target = owner if str(key).startswith("net.") else raw
        target.setdefault("sysctls", {})[key] = value


def _dependencies(raw: Any) -> Document:
    if isinstance(raw, list):
        return {str(name): {"condition": "service_started"} for name in raw}
    return dict(raw or {})


def _redirected(raw: Document, injected: list[str]) -> Document:
    """References to a service's network mean its pod's now."""
    mode = str(raw.get("network_mode", ""))
    if mode.removeprefix("service:") in injected and mode.startswith("service:"):
        raw["network_mode"] = f"{mode}-pod"
    if isinstance(raw.get("links"), list):
        raw["links"] = [_link(str(link), injected) for link in raw["links"]]
    return raw


def _link(link: str, injected: list[str]) -> str:
    target, _, alias = link.partition(":")
    return f"{target}-pod:{alias or target}" if target in injected else link


# -- the mesh ---------------------------------------------------------------------------------------------


def _mesh_services(workloads: Iterable[Workload], owners: list[Document], options: Options) -> Document:
    accounts = _accounts(workloads)
    control_plane = pod.control_plane(options.image, [CONFIG_DIR] if options.config_dir else [])
    networks = sorted({name for owner in owners for name in owner["networks"]})
    control_plane["networks"] = {name: {"aliases": list(pod.CONTROL_PLANE_ALIASES)} for name in networks}
    control_plane["ports"] = [f"127.0.0.1::{CONTROL_PLANE_HTTP_PORT}"]
    control_plane["volumes"] = [f"{DATA_VOLUME}:{pod.DATA_DIR}"]
    control_plane["environment"] = {"MESH_TOKEN_FILE": f"{pod.DATA_DIR}/admin-token"}
    if options.config_dir:
        control_plane["volumes"].append(f"{options.config_dir}:{CONFIG_DIR}:ro")
    control_plane["healthcheck"] = pod.control_plane_ready()
    control_plane["restart"] = "on-failure"
    helper = pod.identities(options.image, {account: f"/identity/{account}" for account in accounts})
    helper["volumes"] = [f"{DATA_VOLUME}:{pod.DATA_DIR}"]
    helper["volumes"] += [f"{_volume(account)}:/identity/{account}" for account in accounts]
    helper["depends_on"] = {pod.CONTROL_PLANE: {"condition": "service_healthy"}}
    return {pod.CONTROL_PLANE: control_plane, IDENTITIES: helper}


def _accounts(workloads: Iterable[Workload]) -> list[str]:
    return sorted({_account(workload) for workload in workloads})


def _account(workload: Workload) -> str:
    return f"{workload.namespace}/{workload.service_account}"


def _volume(account: str) -> str:
    return "mesh-identity-" + account.replace("/", "-")
