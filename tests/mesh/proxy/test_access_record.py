"""Exchanges that are not alike in everything they have in common never share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.http.message import Framing, Request, Response
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.cluster import Cluster
from mesh.model.endpoint import Endpoint
from mesh.model.http_filter import Router
from mesh.model.listener import HttpConnectionManager
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.model.request_report import MAX_KNOWN, join
from mesh.model.route import DirectResponse, Route, RouteConfiguration, RouteMatch, VirtualHost
from mesh.proxy.access_record import AccessRecords
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.exchange import Exchange
from mesh.proxy.grpc_messages import GrpcBody
from mesh.proxy.host import Host
from mesh.proxy.http_manager import HttpManager
from mesh.proxy.route import CompiledRoute
from mesh.proxy.stats import Stats

OWN = Peer("own")


def exchange(reporter: str = "source") -> Any:
    """One that was answered by reviews."""
    fields = {b"x-forwarded-proto": b"http", b"user-agent": b"curl/8", b"x-request-id": b"1"}
    request = Request(b"GET", b"/", b"reviews", fields, [], Framing.NONE, True)
    worker: Any = SimpleNamespace(stats=Stats(), loop=SimpleNamespace(time=float))
    manager = HttpManager(HttpConnectionManager("test", (Router(),)), "OUTBOUND", worker, ())
    manager.reporter = reporter  # type: ignore[assignment]
    downstream = SimpleNamespace(info=ConnectionInfo(), protocol="HTTP/1.1", manager=manager, worker=worker)
    made: Any = Exchange(downstream, request)  # type: ignore[arg-type]
    route = Route(RouteMatch(), DirectResponse(200), name="default")
    made.route = CompiledRoute(route, VirtualHost("", (), ()), RouteConfiguration("", ()))
    made.cluster = SimpleNamespace(
        name="outbound|80||reviews",
        worker=worker,
        model=Cluster("outbound|80||reviews", "STATIC"),
        uses_tls=lambda endpoint: False,
    )
    made.host = Host(Endpoint("127.0.0.1", 80), made.cluster)
    made.host.peer = Peer("reviews-v1")
    made.response = Response(200, {}, [], Framing.LENGTH, True)
    made.status, made.details, made.start_time, made.service_time_s = 200, "via_upstream", 1.0, 0.001
    return made


def call(x: Any) -> None:
    x.request.fields[b"content-type"] = b"application/grpc"
    x.body = GrpcBody(x.request, False)
    x.body.requests.messages, x.body.responses.messages, x.body.received = 3, 2, 5


def becomes(path: str, value: object) -> Callable[[Any], None]:
    """becomes("host.text", ...): that of the exchange."""
    *owners, name = path.split(".")

    def change(x: Any) -> None:
        for owner in owners:
            x = getattr(x, owner)
        if isinstance(x, dict):
            x[name.encode()] = value
        else:
            setattr(x, name, value)

    return change


CHANGES = {
    "reporter": becomes("manager.reporter", "destination"),
    "start_time": becomes("start_time", 2.0),
    "method": becomes("request.method", b"PUT"),
    "path": becomes("request.path", b"/other"),
    "original path": becomes("request.fields.x-envoy-original-path", b"/before"),
    "protocol": becomes("downstream.protocol", "HTTP/2"),
    "http10": becomes("request.http10", True),
    "authority": becomes("request.authority", b"\xe9"),
    "status": becomes("status", 503),
    "flags": becomes("flags", "UF"),
    "details": becomes("details", "other"),
    "transport reason": becomes("transport_reason", "TLS_error"),
    "bytes sent": becomes("bytes_sent", 9),
    "request's head": becomes("request.header_bytes", 9),
    "response's head": becomes("response.header_bytes", 9),
    "service time": becomes("service_time_s", None),
    "scheme": becomes("request.fields.x-forwarded-proto", b"https"),
    "user agent": becomes("request.fields.user-agent", b"\xe9"),
    "request id": becomes("request.fields.x-request-id", b"2"),
    "forwarded for": becomes("request.fields.x-forwarded-for", b"10.0.0.1"),
    "host": becomes("host.text", "127.0.0.1:81"),
    "host's workload": becomes("host.peer", Peer("reviews-v2")),
    "no host": becomes("host", None),
    "cluster": becomes("cluster.name", "PassthroughCluster"),
    "no cluster": becomes("cluster", None),
    "upstream's local address": becomes("upstream_local", "127.0.0.1:40000"),
    "local address": becomes("downstream.info.local_text", "127.0.0.1:1"),
    "remote address": becomes("downstream.info.remote_text", "127.0.0.1:2"),
    "server name": becomes("downstream.info.server_name", "sni"),
    "route": becomes("route.name", "other"),
    "no route": becomes("route", None),
    "TLS": becomes("downstream.info.tls_version", "TLSv1.3"),
    "upstream's principal": becomes("upstream_principal", "spiffe://b"),
    "peer's principal": becomes("downstream.info.peer_principal", "spiffe://c"),
    "local principal": becomes("downstream.info.local_principal", "spiffe://d"),
    "peer": becomes("peer", Peer("told")),
    "call": call,
}
# no request has these otherwise
CONSTANT = {"connection_termination_details", "access_log_type", "stream_id"}


def made(records: AccessRecords, x: Any, duration_s: float = 0.5) -> AccessLogEntry:
    return join(records.make(x, duration_s))


@pytest.mark.parametrize("reporter", ["source", "destination"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_never_taken_for_the_same(reporter: str, name: str) -> None:
    records = AccessRecords(OWN, "spiffe://own")
    before, changed = exchange(reporter), exchange(reporter)
    CHANGES[name](changed)
    expected = [made(AccessRecords(OWN, "spiffe://own"), one) for one in (before, changed, before)]
    assert [made(records, one) for one in (before, changed, before)] == expected


def test_every_field_of_an_entry_is_among_what_differs() -> None:
    differing = {"duration_s"}
    for reporter in ("source", "destination"):
        plain = made(AccessRecords(OWN, "spiffe://own"), exchange(reporter))
        for change in CHANGES.values():
            changed = exchange(reporter)
            change(changed)
            entry = made(AccessRecords(OWN, "spiffe://own"), changed)
            differing |= {
                field.name
                for field in fields(AccessLogEntry)
                if getattr(entry, field.name) != getattr(plain, field.name)
            }
    assert differing == {field.name for field in fields(AccessLogEntry)} - CONSTANT


def test_requests_that_are_alike_share_what_they_have_in_common() -> None:
    records = AccessRecords(OWN, "spiffe://own")
    first, second = exchange(), exchange()
    second.host.peer = first.host.peer  # one object, as the same text of an endpoint gives
    second.request.path = b"/other"
    second.upstream_local = "127.0.0.1:40000"
    assert records.make(first, 0.5).common is records.make(second, 0.7).common


def test_who_is_on_the_other_side() -> None:
    records = AccessRecords(OWN, "spiffe://own")
    x = exchange()
    entry = made(records, x)
    assert (entry.source, entry.destination) == (OWN, x.host.peer)
    x.peer, x.upstream_principal = Peer("told"), "spiffe://b"
    entry = made(records, x)
    assert (entry.source, entry.destination) == (OWN, Peer("told"))
    assert (entry.source_principal, entry.destination_principal) == ("spiffe://own", "spiffe://b")
    entry = made(records, exchange("destination"))
    assert (entry.source, entry.destination) == (UNKNOWN_PEER, OWN)


def test_a_workload_that_is_gone_is_never_taken_for_another() -> None:
    records = AccessRecords(OWN, "spiffe://own")
    x = exchange()
    for number in range(3000):  # each peer's memory would be free for the next one's
        x.peer = Peer(f"workload-{number}")
        assert made(records, x).destination.workload == f"workload-{number}"
    assert len(records._known) <= MAX_KNOWN


def test_texts_are_utf_8_whatever_their_bytes() -> None:
    x = exchange()
    x.request.path = b"/\xff"
    report = AccessRecords(OWN, "spiffe://own").make(x, 0.5)
    assert report.path.decode() == "/\xff"
    assert join(report).user_agent == "curl/8"
