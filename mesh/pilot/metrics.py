"""Pilot's own metrics, with Istio's names, so that its control plane dashboard shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mesh.pilot.world import World
from mesh.xds.source import TYPES, Connection

# seconds; Istio's buckets of pilot_proxy_convergence_time, with finer ones below its first (0.1)
_CONVERGENCE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30)
_PUSH_BUCKETS = (0.001, 0.01, 0.1, 1, 3, 5, 10, 20, 30)


class Tally(Collector):
    """A counter under exactly the name it is given: prometheus_client's own would append ``_total``, which
    Istio's counters have not. Hence it is exposed untyped.
    """

    def __init__(self, name: str, help_text: str, registry: CollectorRegistry, label: str = "") -> None:
        self._name = name
        self._help = help_text
        self._label = label
        self._counts: dict[str, int] = {} if label else {"": 0}
        registry.register(self)

    def add(self, label_value: str = "") -> None:
        self._counts[label_value] = self._counts.get(label_value, 0) + 1

    def collect(self) -> Iterator[Metric]:
        metric = Metric(self._name, self._help, "unknown")
        for value, count in self._counts.items():
            metric.add_sample(self._name, {self._label: value} if self._label else {}, count)
        yield metric


class PilotMetrics:
    """One set, registered where it is to be scraped."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        self.proxies = Gauge("pilot_xds", "Proxies connected.", ["version"], registry=registry)
        self.pushes = Tally("pilot_xds_pushes", "Pushes that proxies took.", registry, "type")
        self.push_time = Histogram(
            "pilot_xds_push_time", "Seconds to make and hand over a push.", ["type"],
            buckets=_PUSH_BUCKETS, registry=registry,
        )  # fmt: skip
        self.convergence = Histogram(
            "pilot_proxy_convergence_time", "Seconds from a change to a proxy serving it.",
            buckets=_CONVERGENCE_BUCKETS, registry=registry,
        )  # fmt: skip
        self.triggers = Tally("pilot_push_triggers", "Changes by kind.", registry, "type")
        self.rejects = Tally("pilot_total_xds_rejects", "NACKs of proxies.", registry)
        self.internal_errors = Tally(
            "pilot_total_xds_internal_errors", "Proxies left without a push by a fault here.", registry
        )
        self.rejecting = {
            name: Gauge(f"pilot_xds_{name.lower()}_reject", f"Proxies refusing {name}.", registry=registry)
            for name in TYPES
        }
        self.services = Gauge("pilot_services", "Services known.", registry=registry)
        self.virtual_services = Gauge("pilot_virt_services", "VirtualServices known.", registry=registry)
        self.subsets = Gauge("pilot_destrule_subsets", "Subsets of DestinationRules.", registry=registry)
        self.no_instances = Gauge("pilot_eds_no_instances", "Services without workloads.", registry=registry)
        self.info = Gauge("pilot_info", "Always 1.", ["version"], registry=registry)
        self.info.labels(version).set(1)
        self._version = version

    def observe(self, world: World, connections: Collection[Connection]) -> None:
        """Bring the gauges up to date, before a scrape."""
        self.proxies.labels(self._version).set(len(connections))
        statuses = [connection.status() for connection in connections]
        for name, gauge in self.rejecting.items():
            gauge.set(sum(status[name].status == "ERROR" for status in statuses if name in status))
        self.services.set(len(world.services))
        self.virtual_services.set(len(world.config.virtual_services))
        self.subsets.set(sum(len(rule.spec.subsets) for rule in world.config.destination_rules))
        self.no_instances.set(sum(not service.instances for service in world.services))
