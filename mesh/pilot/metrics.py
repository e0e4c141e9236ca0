"""Pilot's own metrics, with Istio's names, so that its control plane dashboard shows them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mesh.xds.source import TYPES

# seconds; Istio's buckets of pilot_proxy_convergence_time, with finer ones below its first (0.1)
_CONVERGENCE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30)
_PUSH_BUCKETS = (0.001, 0.01, 0.1, 1, 3, 5, 10, 20, 30)


class PilotMetrics:
    """One set, registered where it is to be scraped."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        self.proxies = Gauge("pilot_xds", "Proxies connected.", ["version"], registry=registry)
        self.pushes = Counter("pilot_xds_pushes", "Pushes that proxies took.", ["type"], registry=registry)
        self.push_time = Histogram(
            "pilot_xds_push_time", "Seconds to make and hand over a push.", ["type"],
            buckets=_PUSH_BUCKETS, registry=registry,
        )  # fmt: skip
        self.convergence = Histogram(
            "pilot_proxy_convergence_time", "Seconds from a change to a proxy serving it.",
            buckets=_CONVERGENCE_BUCKETS, registry=registry,
        )  # fmt: skip
        self.triggers = Counter("pilot_push_triggers", "Changes by kind.", ["type"], registry=registry)
        self.rejects = Counter("pilot_total_xds_rejects", "NACKs of proxies.", registry=registry)
        self.internal_errors = Counter(
            "pilot_total_xds_internal_errors",
            "Proxies left without a push by a fault here.",
            registry=registry,
        )
        self.rejecting = {
            name: Gauge(f"pilot_xds_{name.lower()}_reject", f"Proxies refusing {name}.", registry=registry)
            for name in TYPES
        }
        self.services = Gauge("pilot_services", "Services known.", registry=registry)
        self.virtual_services = Gauge("pilot_virt_services", "VirtualServices known.", registry=registry)
        self.subsets = Gauge("pilot_destrule_subsets", "Subsets of DestinationRules.", registry=registry)
        self.no_instances = Gauge("pilot_eds_no_instances", "Clusters without endpoints.", registry=registry)
        self.info = Gauge("pilot_info", "Always 1.", ["version"], registry=registry)
        self.info.labels(version).set(1)
