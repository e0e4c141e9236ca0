from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from envoy.service.accesslog.v3 import als_pb2

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.peer import Peer
from mesh.model.request_report import RequestReport, join
from mesh.proxy import istio_exposition
from mesh.proxy.agent.als import AccessLogServicer
from mesh.proxy.istio_stats import IstioStats
from mesh.xds.codec.access_log import encode_entry
from mesh.xds.codec.connection_log import encode_connection

PRODUCTPAGE = Peer("productpage-v1", "default", "productpage", "v1", "productpage", "v1", "Kubernetes")
ENTRY = AccessLogEntry(
    reporter="destination",
    start_time=1.0,
    duration_s=0.012,
    method="GET",
    path="/reviews/0",
    protocol="HTTP/1.1",
    authority="reviews:9080",
    response_code=200,
    upstream_cluster="inbound|9080||",
    source_principal="spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
    tls_version="TLSv1.3",
    source=PRODUCTPAGE,
)


def ignore(_: object) -> None:
    pass


async def stream(*entries: AccessLogEntry) -> AsyncIterator[Any]:
    message = als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.extend(encode_entry(entry) for entry in entries)
    yield message


async def test_every_entry_is_counted_with_both_workloads(node: Node) -> None:
    stats = IstioStats(node)
    await AccessLogServicer(stats, ignore, ignore).StreamAccessLogs(
        stream(ENTRY, ENTRY, replace(ENTRY, response_code=503)), None
    )
    lines = [
        line
        for line in istio_exposition.prometheus(stats, "t").splitlines()
        if "istio_requests_total{" in line
    ]
    assert sorted(line.rpartition(" ")[2] for line in lines) == ["1", "2"]
    assert all('reporter="destination"' in line for line in lines)
    assert all('source_workload="productpage-v1"' in line for line in lines)
    assert all('destination_workload="reviews-v1"' in line for line in lines)


async def test_entries_that_say_the_same_of_all_but_themselves_share_it(node: Node) -> None:
    passed: list[RequestReport] = []
    outbound = replace(ENTRY, reporter="source", destination=PRODUCTPAGE)
    same = replace(outbound, start_time=2.0, path="/reviews/1")
    servicer = AccessLogServicer(IstioStats(node), passed.append, ignore)
    await servicer.StreamAccessLogs(
        stream(outbound, same, replace(outbound, destination=Peer("other"))), None
    )
    first, second, other = (report.common for report in passed)
    assert first is second
    assert first is not other


async def test_every_entry_is_passed_on_once(node: Node) -> None:
    passed: list[RequestReport] = []
    servicer = AccessLogServicer(IstioStats(node), passed.append, ignore)
    await servicer.StreamAccessLogs(stream(ENTRY, replace(ENTRY, response_code=503)), None)
    assert [join(report).response_code for report in passed] == [200, 503]


async def test_connections_are_counted_and_passed_on_by_themselves(node: Node) -> None:
    requests: list[RequestReport] = []
    connections: list[AccessLogEntry] = []
    stats = IstioStats(node)
    report = replace(ENTRY, method="", path="", protocol="", authority="", response_code=0, stream_id="a")
    message = als_pb2.StreamAccessLogsMessage()
    for moment, sent in (("TcpUpstreamConnected", 0), ("TcpPeriodic", 7), ("TcpConnectionEnd", 9)):
        one = replace(report, access_log_type=moment, bytes_sent=sent)  # type: ignore[arg-type]
        message.tcp_logs.log_entry.append(encode_connection(one))

    async def messages() -> AsyncIterator[Any]:
        yield message

    servicer = AccessLogServicer(stats, requests.append, connections.append)
    await servicer.StreamAccessLogs(messages(), None)
    assert not requests
    assert [one.bytes_sent for one in connections] == [0, 7, 9]
    (series,) = stats.connections.values()
    assert (series.opened, series.closed, series.sent) == (1, 1, 9)
