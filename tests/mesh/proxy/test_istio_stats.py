from __future__ import annotations

from dataclasses import replace

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.peer import Peer
from mesh.model.request_report import MAX_KNOWN, split
from mesh.model.standard_metrics import BUCKETS, HTTP_LABELS, http_labels, message_labels, tcp_labels
from mesh.proxy.istio_stats import IstioStats, Series


def only(stats: IstioStats) -> Series:
    (series,) = stats.series.values()
    return series


def test_each_request_is_counted_once_in_all_four_metrics(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    for _ in range(3):
        stats.record(split(entry))
    series = only(stats)
    assert series.labels == http_labels(entry, node)
    assert series.requests == sum(series.request) == sum(series.response) == 3
    assert series.request_sum == 3 * 200
    assert series.response_sum == 3 * 400
    assert abs(series.duration_sum - 3 * 4.3) < 1e-9


def test_a_bucket_holds_what_is_at_most_its_bound(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    for milliseconds in (0.5, 0.6, 1e9):
        stats.record(split(replace(entry, duration_s=milliseconds / 1000)))
    counts = only(stats).duration
    assert len(counts) == len(BUCKETS) + 1
    assert (counts[0], counts[1], counts[-1]) == (1, 1, 1)


def test_what_differs_in_a_label_is_another_series(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    for changed in (
        entry,
        replace(entry, response_code=503),
        replace(entry, response_flags="UH"),
        replace(entry, destination=Peer("reviews-v2")),
        replace(entry, destination_principal=""),
        replace(entry, reporter="destination", tls_version="TLSv1.3"),
        replace(entry, reporter="destination"),
        replace(entry, upstream_cluster="PassthroughCluster"),
    ):
        stats.record(split(changed))
    assert [series.requests for series in stats.series.values()] == [1] * 8


def test_equal_peers_are_one_series_though_they_are_two_objects(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    stats.record(split(entry))
    stats.record(split(replace(entry, destination=replace(entry.destination))))
    assert only(stats).requests == 2


def test_a_peer_that_is_gone_is_never_taken_for_another(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    for number in range(2000):  # each peer's memory would be free for the next one's
        stats.record(split(replace(entry, destination=Peer(f"workload-{number % 1000}"))))
    assert len(stats.series) == 1000
    assert {series.requests for series in stats.series.values()} == {2}


def test_too_many_label_sets_are_counted_together_and_known_ones_go_on(
    node: Node, entry: AccessLogEntry
) -> None:
    stats = IstioStats(node, max_series=2)
    codes = (200, 404, 500, 500, 200)
    for code in codes:
        stats.record(split(replace(entry, response_code=code)))
    workload, code_label = (HTTP_LABELS.index(label) for label in ("source_workload", "response_code"))
    counted = {(one.labels[workload], one.labels[code_label]): one.requests for one in stats.series.values()}
    assert counted == {("productpage-v1", "200"): 2, ("productpage-v1", "404"): 1, ("overflow", "500"): 2}
    assert stats.overflowed == 2


def test_what_is_remembered_for_speed_is_bounded(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    for number in range(MAX_KNOWN + 10):
        stats.record(split(replace(entry, authority=f"host-{number}")))
    assert len(stats._known) <= MAX_KNOWN
    assert only(stats).requests == MAX_KNOWN + 10


def test_reset_keeps_the_series_and_zeroes_them(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    stats.record(split(entry))
    stats.reset()
    assert only(stats).requests == 0
    stats.record(split(entry))
    assert only(stats).requests == 1


def test_messages_are_counted_by_who_speaks_with_whom(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    stats.record(split(entry))
    assert not stats.messages
    call = replace(entry, grpc_status="0", request_messages=3, response_messages=1)
    for one in (call, replace(call, grpc_status="14", response_code=503, response_flags="UH")):
        stats.record(split(one))
    (series,) = stats.messages.values()
    assert series.labels == message_labels(http_labels(call, node))
    assert (series.requests, series.responses) == (6, 2)
    stats.reset()
    assert (series.requests, series.responses) == (0, 0)


CONNECTION = AccessLogEntry(
    "destination", 1.0, 0.1, "", "", "", "", 0,
    upstream_cluster="inbound|3306||", tls_version="TLSv1.3", stream_id="a",
    source_principal="spiffe://cluster.local/ns/shop/sa/till",
    destination_principal="spiffe://cluster.local/ns/default/sa/db",
)  # fmt: skip


def test_connections_are_counted_as_they_go_on(node: Node) -> None:
    stats = IstioStats(node)
    for report in (
        replace(CONNECTION, access_log_type="TcpUpstreamConnected"),
        replace(CONNECTION, access_log_type="TcpPeriodic", bytes_received=10, bytes_sent=100),
        replace(CONNECTION, access_log_type="TcpUpstreamConnected", stream_id="b"),
        replace(CONNECTION, access_log_type="TcpConnectionEnd", bytes_received=12, bytes_sent=100),
    ):
        stats.record_connection(report)
    (series,) = stats.connections.values()
    assert series.labels == tcp_labels(CONNECTION, node)
    assert (series.opened, series.closed, series.received, series.sent) == (2, 1, 12, 100)
    assert not stats.series
    stats.reset()
    assert (series.opened, series.closed, series.received, series.sent) == (0, 0, 0, 0)


def test_too_many_label_sets_of_connections_are_counted_together(node: Node) -> None:
    stats = IstioStats(node, max_series=1)
    for number, cluster in enumerate(("inbound|1||", "PassthroughCluster", "BlackHoleCluster")):
        stats.record_connection(
            replace(
                CONNECTION,
                stream_id=str(number),
                access_log_type="TcpConnectionEnd",
                upstream_cluster=cluster,
                reporter="source",
            )
        )
    counted = [series.opened for series in stats.connections.values()]
    assert (counted, stats.overflowed) == ([1, 2], 2)


def test_health_checks_of_the_mesh_are_no_requests(node: Node, entry: AccessLogEntry) -> None:
    stats = IstioStats(node)
    check = replace(entry, reporter="destination", user_agent="Envoy/HC")
    stats.record(split(check))
    assert not stats.series
    stats.record(split(replace(check, source_principal="")))
    assert only(stats).requests == 1, "whoever shows no certificate may say what he likes"
