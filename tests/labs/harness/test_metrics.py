from __future__ import annotations

from collections import Counter

from labs.harness import metrics
from labs.harness.history import Logged
from labs.harness.metrics import Key, Row

SCRAPE = """\
# HELP istio_requests_total requests
# TYPE istio_requests_total counter
istio_requests_total{reporter="source",destination_workload="reviews-v1",response_code="200",note="a b"} 7
istio_requests_total{reporter="source",destination_workload="reviews-v1",response_code="503"} 1
istio_requests_total{reporter="destination",destination_workload="reviews-v1",response_code="200"} 8
# TYPE istio_request_bytes histogram
istio_request_bytes_bucket{reporter="source",le="1"} 99
process_cpu_seconds_total 3.2
"""


def agreeing(workload: str, count: int) -> Row:
    return Row(workload, {"application": count, "metric source": count, "log source": count})


def test_a_scrape_is_summed_over_all_other_labels() -> None:
    assert metrics.requests_total(SCRAPE) == {
        Key("source", "reviews-v1"): 8,
        Key("destination", "reviews-v1"): 8,
    }


def test_a_scrape_without_requests_counts_none() -> None:
    assert metrics.requests_total("up 1\n") == Counter()


def test_access_logs_are_counted_by_reporter_and_destination() -> None:
    entry = Logged("source", 0.0, 200, "", "/", "", "productpage-v1", "reviews-v2")
    assert metrics.logged_requests([entry, entry]) == {Key("source", "reviews-v2"): 2}


def test_a_counter_that_shrank_is_seen() -> None:
    key = Key("source", "a")
    assert metrics.difference(Counter({key: 1}), Counter({key: 3}))[key] == -2


def test_all_observers_agreeing_passes() -> None:
    verdict = metrics.agreement("c", [agreeing("reviews-v1", 10), agreeing("reviews-v3", 0)])
    assert verdict.outcome == "pass"
    assert verdict.numbers["reviews-v1 application"] == 10


def test_one_request_missed_by_one_observer_fails_and_is_named() -> None:
    off = Row("reviews-v2", {"application": 5, "metric source": 5, "metric destination": 4})
    verdict = metrics.agreement("c", [agreeing("reviews-v1", 10), off])
    assert verdict.outcome == "fail"
    assert "reviews-v2: application 5, metric source 5, metric destination 4" in verdict.reason
    assert "reviews-v1" not in verdict.reason


def test_nothing_counted_proves_nothing() -> None:
    assert metrics.agreement("c", [agreeing("reviews-v1", 0)]).outcome == "inconclusive"


def test_a_row_holds_every_observer() -> None:
    counts = Counter({Key("source", "a"): 1, Key("destination", "a"): 2})
    row = metrics.row("a", {"application": 3}, counts, Counter())
    assert row.seen == {
        "application": 3,
        "metric source": 1,
        "metric destination": 2,
        "log source": 0,
        "log destination": 0,
    }
