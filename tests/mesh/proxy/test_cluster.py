"""Endpoints at run time: which take requests, and what takes them out and brings them back."""

from mesh.model.outlier import OutlierDetection
from mesh.proxy.admin_pages import clusters_json, clusters_text
from mesh.proxy.admin_view import ClusterView
from mesh.proxy.data_plane import endpoint_view


def failing(origin) -> None:
    origin.response = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"


async def test_an_endpoint_that_keeps_failing_is_ejected_and_comes_back(proxy, serve, make, view):
    good, bad = await proxy.origin(), await proxy.origin()
    failing(bad)
    rules = OutlierDetection(
        consecutive_5xx=3, interval_s=0.05, base_ejection_time_s=0.2, max_ejection_percent=100
    )
    cluster = make.cluster("c", good.port, bad.port, lb_policy="ROUND_ROBIN", outlier_detection=rules)
    client = await serve(make.forward("c"), cluster)
    statuses = [(await client.get())[0] for _ in range(12)]
    assert statuses.count(500) == 3
    stats = proxy.worker.stats
    assert stats.gauges["cluster.c.outlier_detection.ejections_active"].value == 1
    assert stats.gauges["cluster.c.membership_healthy"].value == 1
    hosts = proxy.worker.clusters["c"].hosts.values()
    view.cluster_views = [ClusterView("c", [endpoint_view(host) for host in hosts])]
    assert f"127.0.0.1:{bad.port}::health_flags::/failed_outlier_check" in clusters_text(view)
    statuses = clusters_json(view)["cluster_statuses"][0]["host_statuses"]
    assert [status["health_status"].get("failed_outlier_check") for status in statuses] == [None, True]
    bad.response = good.response
    await proxy.until(lambda: not stats.gauges["cluster.c.outlier_detection.ejections_active"].value)
    seen = len(bad.requests)
    assert [(await client.get())[0] for _ in range(4)] == [200] * 4
    assert len(bad.requests) == seen + 2


async def test_without_healthy_endpoints_there_is_503_uh_or_panic(proxy, serve, make):
    origin = await proxy.origin()
    failing(origin)
    rules = OutlierDetection(consecutive_5xx=1, max_ejection_percent=100)
    client = await serve(make.forward("c"), make.cluster("c", origin.port, outlier_detection=rules))
    assert [(await client.get())[0] for _ in range(2)] == [500, 503]
    assert proxy.entries[1].response_flags == "UH"
    panicking = make.cluster("c", origin.port, outlier_detection=rules, panic_threshold=1)
    client = await serve(make.forward("c"), panicking)
    assert [(await client.get())[0] for _ in range(3)] == [500] * 3
    assert proxy.worker.stats.counters["cluster.c.lb_healthy_panic"].value > 0


async def test_endpoints_nobody_listens_on_are_ejected(proxy, serve, make):
    origin = await proxy.origin()
    rules = OutlierDetection(
        split_local_origin=True, consecutive_local_origin_failure=2, max_ejection_percent=100
    )
    cluster = make.cluster(
        "c", origin.port, make.free_port(), lb_policy="ROUND_ROBIN", outlier_detection=rules
    )
    client = await serve(make.forward("c"), cluster)
    statuses = [(await client.get())[0] for _ in range(10)]
    assert statuses.count(503) == 2
