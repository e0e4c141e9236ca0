"""Prometheus' own parser reads what we write."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.request_report import split
from mesh.model.standard_metrics import (
    HTTP_LABELS,
    MESSAGE_LABELS,
    TCP_LABELS,
    http_labels,
    message_labels,
    tcp_labels,
)
from mesh.proxy import istio_exposition
from mesh.proxy.istio_stats import IstioStats


def samples(stats: IstioStats) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(istio_exposition.prometheus(stats, "1.2.3")):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def test_the_four_metrics_have_the_counted_numbers(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    stats.record(split(entry))
    stats.record(split(replace(entry, duration_s=2.0)))
    found = samples(stats)
    labels = dict(zip(HTTP_LABELS, http_labels(entry, node), strict=True))
    assert found["istio_requests_total"] == [(labels, 2.0)]
    assert found["istio_request_duration_milliseconds_count"] == [(labels, 2.0)]
    assert found["istio_request_bytes_sum"] == [(labels, 400.0)]
    assert found["istio_response_bytes_sum"] == [(labels, 800.0)]
    assert found["istio_build"] == [({"component": "proxy", "tag": "1.2.3"}, 1.0)]


def test_buckets_cumulate_and_have_envoys_bounds(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    stats.record(split(entry))
    stats.record(split(replace(entry, duration_s=2.0)))
    buckets = {
        labels["le"]: value for labels, value in samples(stats)["istio_request_duration_milliseconds_bucket"]
    }
    assert (buckets["1"], buckets["5"], buckets["2500"], buckets["3600000"], buckets["+Inf"]) == (
        0,
        1,
        2,
        2,
        2,
    )
    assert len(buckets) == 20


def test_a_label_cannot_forge_a_sample(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    evil = 'x"} 1\nistio_requests_total{a="\\'
    stats.record(split(replace(entry, upstream_cluster="", authority=evil)))
    ((labels, value),) = samples(stats)["istio_requests_total"]
    assert (labels["destination_service"], value) == (evil, 1.0)


def test_nothing_counted_yet_is_still_valid(node: Node) -> None:
    assert "istio_build" in samples(IstioStats(node))


def test_connections_have_their_four_metrics(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    report = replace(entry, bytes_received=10, bytes_sent=100, stream_id="a")
    stats.record_connection(replace(report, access_log_type="TcpUpstreamConnected"))
    stats.record_connection(replace(report, access_log_type="TcpUpstreamConnected", stream_id="b"))
    stats.record_connection(replace(report, access_log_type="TcpConnectionEnd"))
    found = samples(stats)
    labels = dict(zip(TCP_LABELS, tcp_labels(report, node), strict=True))
    assert len(labels) == 23
    assert labels["request_protocol"] == "tcp"
    assert found["istio_tcp_connections_opened_total"] == [(labels, 2.0)]
    assert found["istio_tcp_connections_closed_total"] == [(labels, 1.0)]
    assert found["istio_tcp_received_bytes_total"] == [(labels, 20.0)]
    assert found["istio_tcp_sent_bytes_total"] == [(labels, 200.0)]


def test_calls_have_their_messages(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    call = replace(entry, grpc_status="0", request_messages=3, response_messages=1)
    stats.record(split(call))
    stats.record(split(replace(call, response_flags="UH")))
    labels = dict(zip(MESSAGE_LABELS, message_labels(http_labels(call, node)), strict=True))
    assert len(labels) == 20
    found = samples(stats)
    assert found["istio_request_messages_total"] == [(labels, 6.0)]
    assert found["istio_response_messages_total"] == [(labels, 2.0)]
