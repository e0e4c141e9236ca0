"""Adding workers up: however the same events are spread over them, the sum is the same."""

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.request_report import split
from mesh.proxy.admin_view import ClusterView, EndpointView
from mesh.proxy.crew.tally import Tally, counters_only, total
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.stats import Stats


def tally(counters=(), gauges=(), clusters=(), node=None):
    stats = Stats()
    for name, value in counters:
        stats.counter(name).value += value
    for name, value in gauges:
        stats.gauge(name).value = value
    return Tally(stats, IstioStats(node), clusters)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 3))))
def test_counters_are_the_same_however_they_are_spread(events):
    spread = [tally([(name, by) for name, by, where in events if where == worker]) for worker in range(4)]
    one = tally([(name, by) for name, by, _ in events])
    found = {name: counter.value for name, counter in total(spread).stats.counters.items()}
    assert found == {name: counter.value for name, counter in one.stats.counters.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cluster.a.upstream_cx_active", 5),
        ("cluster.a.upstream_rq_active", 5),
        ("cluster.a.upstream_rq_pending_active", 5),
        ("http.inbound.downstream_cx_active", 5),
        ("cluster.a.membership_healthy", 3),
        ("cluster.a.circuit_breakers.default.cx_open", 3),
        ("cluster.a.outlier_detection.ejections_active", 3),
    ],
)
def test_what_is_in_hand_is_added_and_what_is_so_is_not(name, expected):
    both = total([tally(gauges=[(name, 2)]), tally(gauges=[(name, 3)])])
    assert both.stats.gauges[name].value == expected


def test_istios_series_are_added_by_their_labels(node, entry):
    first, second = tally(node=node), tally(node=node)
    for _ in range(2):
        first.istio_stats.record(split(entry))
    second.istio_stats.record(split(entry))
    second.istio_stats.record(split(replace(entry, response_code=503)))
    found = total([first, second]).istio_stats
    assert sorted(series.requests for series in found.series.values()) == [1, 3]
    assert sum(series.duration_sum for series in found.series.values()) == pytest.approx(
        4 * entry.duration_s * 1000
    )
    assert [series.requests for series in first.istio_stats.series.values()] == [2]  # and stay as they were


def test_so_are_connections_and_the_messages_of_calls(node, entry):
    first, second = IstioStats(node), IstioStats(node)
    for stats in (first, second, second):
        stats.record(split(replace(entry, grpc_status="0", request_messages=2, response_messages=1)))
        stats.record_connection(replace(entry, access_log_type="TcpConnectionEnd", bytes_sent=5))
    added = total([Tally(Stats(), stats, ()) for stats in (first, second)]).istio_stats
    (messages,), (connections,) = added.messages.values(), added.connections.values()
    assert (messages.requests, messages.responses) == (6, 3)
    assert (connections.opened, connections.closed, connections.sent) == (3, 3, 15)


def test_endpoints_are_added_by_their_address():
    def seen(port, **numbers):
        return EndpointView("127.0.0.1", port, **numbers)

    one = [ClusterView("a", [seen(1, rq_total=2, weight=3), seen(2, rq_total=1)])]
    other = [ClusterView("a", [seen(2, rq_total=5, is_ejected=True), seen(9, rq_total=5)]), ClusterView("b")]
    (found,) = total([tally(clusters=one), tally(clusters=other)]).clusters
    assert [(one.port, one.rq_total, one.weight, one.is_ejected) for one in found.endpoints] == [
        (1, 2, 3, False),
        (2, 6, 1, True),
    ]


def test_who_is_gone_has_nothing_in_hand():
    left = counters_only(tally([("c", 4)], [("cluster.a.upstream_cx_active", 2)], [ClusterView("a")]))
    assert (left.stats.counters["c"].value, left.stats.gauges, left.clusters) == (4, {}, ())


def test_a_snapshot_can_be_sent_and_does_not_go_on(node, entry):
    living = tally([("c", 1)], [("g_rq_active", 1)], [ClusterView("a", [EndpointView("h", 1)])], node)
    living.istio_stats.record(split(entry))
    sent = pickle.loads(pickle.dumps(living.snapshot()))
    living.stats.counter("c").value += 1
    living.istio_stats.record(split(entry))
    assert sent.stats.counters["c"].value == 1
    assert [series.requests for series in sent.istio_stats.series.values()] == [1]
    assert sent.clusters == living.clusters
