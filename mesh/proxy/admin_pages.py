"""What admin's read-only pages say, in Envoy's text and JSON. Pure: a view in, values out.

Envoy's protobuf JSON writes 64-bit numbers as text and leaves out what is zero; so do these.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesh.model.tls import Secret, Secrets, TlsCertificate
from mesh.model.version import VERSION
from mesh.proxy.admin_view import AdminView, ClusterView, EndpointView
from mesh.proxy.config_dump import node_json

if TYPE_CHECKING:
    from cryptography import x509

Json = dict[str, Any]

_COUNTED = ("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total")
_GAUGED = ("cx_active", "rq_active")
_DAY_S = 86400


def clusters_text(view: AdminView) -> str:
    """``<cluster>::<address>::<stat>::<value>`` lines."""
    lines = []
    for cluster in view.tally().clusters:
        lines.append(f"{cluster.name}::added_via_api::{str(cluster.added_via_api).lower()}")
        for endpoint in cluster.endpoints:
            start = f"{cluster.name}::{endpoint.address}:{endpoint.port}::"
            lines.extend(f"{start}{stat}::{getattr(endpoint, stat)}" for stat in sorted(_COUNTED + _GAUGED))
            lines.append(f"{start}health_flags::{_health_flags(endpoint)}")
            lines.append(f"{start}weight::{endpoint.weight}")
            lines.append(f"{start}region::{endpoint.locality.region}")
            lines.append(f"{start}zone::{endpoint.locality.zone}")
            lines.append(f"{start}sub_zone::{endpoint.locality.sub_zone}")
            lines.append(f"{start}priority::{endpoint.priority}")
    return "".join(line + "\n" for line in lines)


def clusters_json(view: AdminView) -> Json:
    """envoy.admin.v3.Clusters."""
    return {"cluster_statuses": [_cluster_status(cluster) for cluster in view.tally().clusters]}


def _cluster_status(cluster: ClusterView) -> Json:
    return {
        "name": cluster.name,
        "added_via_api": cluster.added_via_api,
        "host_statuses": [_host_status(endpoint) for endpoint in cluster.endpoints],
        "observability_name": cluster.name,
    }


def _host_status(endpoint: EndpointView) -> Json:
    counters = [_metric(endpoint, stat, {}) for stat in _COUNTED]
    gauges = [_metric(endpoint, stat, {"type": "GAUGE"}) for stat in _GAUGED]
    locality = {key: getattr(endpoint.locality, key) for key in ("region", "zone", "sub_zone")}
    status: Json = {
        "address": _socket_address(endpoint.address, endpoint.port),
        "stats": counters + gauges,
        "health_status": _health_status(endpoint),
        "weight": endpoint.weight,
        "locality": {key: value for key, value in locality.items() if value},
    }
    if endpoint.priority:
        status["priority"] = endpoint.priority
    return status


def _metric(endpoint: EndpointView, stat: str, kind: Json) -> Json:
    value = getattr(endpoint, stat)
    return {**kind, **({"value": str(value)} if value else {}), "name": stat}


def _health_flags(endpoint: EndpointView) -> str:
    """In the order of Envoy's ``HEALTH_FLAG_ENUM_VALUES``."""
    failed, removal, excluded, timed_out = _active_flags(endpoint)
    flags = {
        "/failed_active_hc": failed,
        "/failed_outlier_check": endpoint.is_ejected,
        "/failed_eds_health": endpoint.health == "UNHEALTHY",
        "/pending_dynamic_removal": removal,
        "/excluded_via_immediate_hc_fail": excluded,
        "/active_hc_timeout": timed_out,
        "/eds_status_draining": endpoint.health == "DRAINING",
    }
    return "".join(flag for flag, is_set in flags.items() if is_set) or "healthy"


def _health_status(endpoint: EndpointView) -> Json:
    failed, removal, excluded, timed_out = _active_flags(endpoint)
    flags = {
        "failed_active_health_check": failed,
        "failed_outlier_check": endpoint.is_ejected,
        "pending_dynamic_removal": removal,
        "excluded_via_immediate_hc_fail": excluded,
        "active_hc_timeout": timed_out,
    }
    set_ones: Json = {name: True for name, is_set in flags.items() if is_set}
    return {**set_ones, "eds_health_status": endpoint.health}


def _active_flags(endpoint: EndpointView) -> tuple[bool, bool, bool, bool]:
    """Failed, to be removed, excluded, timed out: as active health checks have it."""
    active = endpoint.active
    if active is None:
        return False, False, False, False
    return active.has_failed, endpoint.leaves, active.is_excluded, active.is_timed_out


def _socket_address(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def listeners_text(view: AdminView) -> str:
    return "".join(f"{bound.name}::{bound.address}:{bound.port}\n" for bound in view.listeners())


def listeners_json(view: AdminView) -> Json:
    """envoy.admin.v3.Listeners."""
    return {
        "listener_statuses": [
            {"name": bound.name, "local_address": _socket_address(bound.address, bound.port)}
            for bound in view.listeners()
        ]
    }


def certs_json(secrets: Secrets | None, named: Iterable[Secret], now: float) -> Json:
    """envoy.admin.v3.Certificates: the workload's chain and the roots it trusts; then those named by the
    control plane, one a secret."""
    pairs = [] if secrets is None else [(secrets.certificate.chain_pem, secrets.roots_pem)]
    for secret in named:
        content = secret.content
        pairs.append((content.chain_pem, b"") if isinstance(content, TlsCertificate) else (b"", content))
    if not pairs:
        return {}
    from cryptography import x509  # 9 MB that a sidecar has to pay only when somebody asks

    def told(pem: bytes) -> list[Json]:
        return [_certificate(one, now) for one in x509.load_pem_x509_certificates(pem)] if pem else []

    return {"certificates": [{"ca_cert": told(roots), "cert_chain": told(chain)} for chain, roots in pairs]}


def _certificate(certificate: x509.Certificate, now: float) -> Json:
    until = certificate.not_valid_after_utc
    left_s = max(0.0, until.timestamp() - now)
    return {
        "path": "<inline>",
        "serial_number": f"{certificate.serial_number:x}",
        "subject_alt_names": _alt_names(certificate),
        "days_until_expiration": str(int(left_s // _DAY_S)),
        "valid_from": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "expiration_time": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }


def _alt_names(certificate: x509.Certificate) -> list[Json]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return [{"uri": uri} for uri in uris] + [{"dns": dns} for dns in names.get_values_for_type(x509.DNSName)]


def server_info(view: AdminView, now: float) -> Json:
    """envoy.admin.v3.ServerInfo."""
    uptime = f"{int(now - view.started_at)}s"
    return {
        "version": f"mesh-labs/{VERSION}",
        "state": view.state,
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": {"concurrency": view.concurrency},
        "node": node_json(view.node),
    }


def memory(view: AdminView) -> Json:
    """envoy.admin.v3.Memory, as far as it has a meaning here: bytes of resident memory, now and at most.

    Of all workers' processes; what they share is counted in each.
    """
    resident, peak = (
        sum(_status_kib(pid, field) * 1024 for pid in view.pids) for field in ("VmRSS", "VmHWM")
    )
    return {"allocated": str(resident), "heap_size": str(resident), "total_physical_bytes": str(peak)}


def _status_kib(pid: int, field: str) -> int:
    """A number of /proc/<pid>/status (proc(5)); 0 when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:")), 0)
