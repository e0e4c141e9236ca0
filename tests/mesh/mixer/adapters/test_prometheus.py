from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mesh.mixer.adapters.prometheus import Prometheus
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.peer import Peer
from mesh.model.request_report import split
from mesh.model.standard_metrics import HTTP_LABELS, http_labels
from mesh.proxy import istio_exposition
from mesh.proxy.istio_stats import IstioStats


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Istio's samples; a bound is a number, not a spelling."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.startswith(("istio_re", "istio_tcp")) or sample.name.endswith("_created"):
                continue
            labels = {**sample.labels}
            if "le" in labels:
                labels["le"] = str(float(labels["le"]))
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def test_it_counts_exactly_what_the_sidecar_counts(node: Node, entry: AccessLogEntry) -> None:
    registry, sidecar = CollectorRegistry(), IstioStats(node)
    adapter = Prometheus(registry)
    entries = [
        entry,
        replace(entry, duration_s=3.0),
        replace(entry, response_code=503, response_flags="UH", upstream_host=""),
        replace(entry, reporter="destination", tls_version="TLSv1.3"),
        replace(entry, grpc_status="0", request_messages=2, response_messages=5),
        replace(entry, grpc_status="14", request_messages=1),
        replace(entry, reporter="destination", user_agent="Envoy/HC"),  # a health check: counted by neither
    ]
    adapter.handle(node, entries)
    for one in entries:
        sidecar.record(split(one))
    assert samples(generate_latest(registry).decode()) == samples(istio_exposition.prometheus(sidecar, "x"))


def test_it_counts_connections_exactly_as_the_sidecar_does(node: Node, entry: AccessLogEntry) -> None:
    registry, sidecar = CollectorRegistry(), IstioStats(node)
    adapter = Prometheus(registry)
    reports = [
        replace(entry, access_log_type="TcpUpstreamConnected", stream_id="a"),
        replace(entry, access_log_type="TcpPeriodic", stream_id="a", bytes_sent=10),
        replace(entry, access_log_type="TcpConnectionEnd", stream_id="b", response_flags="UF,URX"),
        replace(entry, access_log_type="TcpConnectionEnd", stream_id="a", bytes_sent=15, bytes_received=2),
    ]
    adapter.handle(node, reports)
    for one in reports:
        sidecar.record_connection(one)
    assert samples(generate_latest(registry).decode()) == samples(istio_exposition.prometheus(sidecar, "x"))


def test_the_node_is_the_near_side(node: Node, entry: AccessLogEntry) -> None:
    registry = CollectorRegistry()
    adapter = Prometheus(registry)
    adapter.handle(replace(node, workload="other"), [entry])
    labels = dict(zip(HTTP_LABELS, http_labels(entry, node), strict=True))
    assert registry.get_sample_value("istio_requests_total", labels) is None
    assert registry.get_sample_value("istio_requests_total", labels | {"source_workload": "other"}) == 1


def test_label_sets_are_bounded(node: Node, entry: AccessLogEntry) -> None:
    registry = CollectorRegistry()
    adapter = Prometheus(registry, max_series=3)
    adapter.handle(node, [replace(entry, destination=Peer(f"w{number}")) for number in range(10)])
    counted = {
        sample.labels["destination_workload"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "istio_requests_total"
    }
    assert counted == {"w0": 1, "w1": 1, "w2": 1, "overflow": 7}
