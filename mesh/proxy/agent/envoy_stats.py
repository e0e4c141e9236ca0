"""What Envoy's admin interface says, read: is it ready, and is anybody still connected. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# the filters (regular expressions) that /stats is asked with
READINESS_FILTER = (
    r"^(server\.state|listener_manager\.workers_started"
    r"|cluster_manager\.cds\.update_success|listener_manager\.lds\.update_success)$"
)
ACTIVE_FILTER = r"^listener\..*\.downstream_cx_active$"

LIVE = 0  # server.state: 0 live, 1 draining, 2 pre initializing, 3 initializing


def read_stats(text: str) -> dict[str, int]:
    """``name: value`` lines; other kinds of stats than whole numbers are left out."""
    pairs = (line.rpartition(": ") for line in text.splitlines())
    return {name: int(value) for name, _, value in pairs if value.isdigit()}


def why_not_ready(stats: Mapping[str, int]) -> str:
    """The reason, or "" when Envoy serves what the control plane said (Istio's readiness probe)."""
    for name, what in (
        ("cluster_manager.cds.update_success", "clusters"),
        ("listener_manager.lds.update_success", "listeners"),
    ):
        if not stats.get(name):
            return f"no {what} from the control plane yet"
    if stats.get("server.state") != LIVE:
        return f"envoy is not live: server.state {stats.get('server.state', 'unknown')}"
    if not stats.get("listener_manager.workers_started"):
        return "envoy's workers have not started"
    return ""


def active_connections(stats: Mapping[str, int], own_ports: Iterable[int]) -> int:
    """Connections that carry an application's traffic; those to the sidecar's own ports do not count.

    A listener's stats are named after its address: ``listener.127.0.0.1_9080.downstream_cx_active``.
    """
    own = tuple(f"_{port}" for port in own_ports)
    total = 0
    for name, value in stats.items():
        listener = name.removeprefix("listener.").removesuffix(".downstream_cx_active")
        if ".worker_" in listener or listener.startswith("admin") or listener.endswith(own):
            continue  # a worker's share is in its listener's sum
        total += value
    return total
