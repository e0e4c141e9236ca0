"""How a new endpoint's weight grows, and that it really gets fewer requests while it does."""

import pytest

from mesh.model.cluster import Cluster, SlowStart
from mesh.model.resources import Resources
from mesh.proxy.slow_start import scaled_weight, share


@pytest.mark.parametrize(
    ("age_s", "expected"), [(0, 0.1), (5, 0.1), (25, 0.25), (50, 0.5), (100, 1.0), (1000, 1.0)]
)
def test_it_grows_with_time_from_the_minimum(age_s, expected):
    assert share(SlowStart(100.0), age_s) == pytest.approx(expected)


def test_aggression_makes_it_grow_sooner():
    assert share(SlowStart(100.0, 10.0, 2.0), 25) == pytest.approx(0.5)


def test_a_weight_is_never_nothing():
    assert scaled_weight(SlowStart(100.0, 0.0), 1, 0) == 1
    assert scaled_weight(SlowStart(100.0), 2, 100) == 2000


async def test_a_new_endpoint_gets_less_at_first_and_its_share_in_the_end(proxy, serve, make):
    old, new = await proxy.origin(), await proxy.origin()
    model = Cluster("c", "EDS", lb_policy="ROUND_ROBIN", slow_start=SlowStart(100.0))
    client = await serve(make.forward("c"), model)
    listeners = proxy.config.resources.listeners

    def know(*ports: int) -> None:
        assignment = make.endpoints("c", *ports)
        proxy.config.apply(Resources(clusters=(model,), listeners=listeners, endpoints=(assignment,)))

    know(old.port)
    cluster = proxy.worker.clusters["c"]
    for host in cluster.hosts.values():
        host.warms_since -= 100  # it has been there for long
    know(old.port, new.port)
    for _ in range(110):
        assert (await client.get())[0] == 200
    assert 8 <= len(new.requests) <= 12, "a tenth of the other's"
    for host in cluster.hosts.values():
        host.warms_since -= 100
    cluster._balance()
    assert cluster._warming is None
    before = len(new.requests)
    for _ in range(20):
        await client.get()
    assert len(new.requests) == before + 10
