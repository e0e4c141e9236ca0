from __future__ import annotations

from labs.canary import miscount
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.request_report import split
from mesh.proxy.istio_stats import IstioStats


def test_exactly_one_request_is_forgotten() -> None:
    class Stats(IstioStats):
        record = IstioStats.record

    miscount.forget_one(Stats)
    stats = Stats(Node("a-0", "default", "127.0.0.1", "a", "a"))
    entry = AccessLogEntry("destination", 0.0, 0.001, "GET", "/", "HTTP/1.1", "a", 200)
    for _ in range(25):
        stats.record(split(entry))
    assert sum(series.requests for series in stats.series.values()) == 24
