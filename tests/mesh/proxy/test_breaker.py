"""The breaker's gauges: worked out when looked at, and of the cluster that is in force; its retry budget."""

import pytest

from mesh.model.cluster import CircuitBreaker, RetryBudget
from mesh.proxy.breaker import Breaker, divided
from mesh.proxy.stats import Gauge, Stats


def values(stats: Stats) -> dict[str, int]:
    return {name.rpartition(".")[2]: gauge.value for name, gauge in stats.gauges.items()}


def test_a_gauge_opens_at_its_limit():
    stats, requests = Stats(), Gauge()
    breaker = Breaker(CircuitBreaker(1, 2, 3, 1), requests)
    breaker.show_in(stats, "c")
    assert values(stats) == {
        "cx_open": 0,
        "rq_pending_open": 0,
        "rq_open": 0,
        "rq_retry_open": 0,
        "upstream_rq_pending_active": 0,
    }
    breaker.connections, breaker.pending, requests.value, breaker.retries = 1, 1, 3, 1
    assert values(stats) == {
        "cx_open": 1,
        "rq_pending_open": 0,
        "rq_open": 1,
        "rq_retry_open": 1,
        "upstream_rq_pending_active": 1,
    }


def test_the_gauges_are_of_the_cluster_in_force():
    stats = Stats()
    Breaker(CircuitBreaker(max_connections=0), Gauge()).show_in(stats, "c")
    Breaker(CircuitBreaker(), Gauge()).show_in(stats, "c")
    assert values(stats)["cx_open"] == 0


def test_workers_divide_each_number():
    limits = CircuitBreaker(100, 2, 30, 0, RetryBudget(20.0, 3))
    parts = divided(limits, lambda limit: limit // 2)
    assert parts == CircuitBreaker(50, 1, 15, 0, RetryBudget(20.0, 1))


@pytest.mark.parametrize(("requests", "allowed"), [(0, 3), (15, 3), (20, 4), (100, 20)])
def test_a_budget_is_a_share_of_the_requests_in_hand_and_at_least_so_many(requests, allowed):
    gauge = Gauge()
    gauge.value = requests
    breaker = Breaker(CircuitBreaker(max_retries=0, retry_budget=RetryBudget(20.0, 3)), gauge)
    while breaker.can_retry():
        breaker.retries += 1
    assert breaker.retries == allowed
