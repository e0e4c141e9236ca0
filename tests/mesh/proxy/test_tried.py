"""What a further attempt avoids."""

from __future__ import annotations

from types import SimpleNamespace

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.route import RetryPolicy
from mesh.proxy.tried import Tried

NEAR, FAR = SimpleNamespace(priority=0), SimpleNamespace(priority=1)
EVERY_SECOND = RetryPolicy(5, ("5xx",), previous_priorities=2)


def test_endpoints_are_avoided_if_the_policy_says_so():
    for avoids in (True, False):
        tried = Tried(RetryPolicy(1, (), avoid_previous_hosts=avoids))
        tried.add(NEAR)
        assert tried.hosts == ([NEAR] if avoids else [])
        assert tried.levels() is None


def test_levels_are_avoided_after_every_so_many_attempts():
    tried = Tried(EVERY_SECOND)
    avoided = []
    for host in (NEAR, NEAR, FAR, NEAR):
        tried.add(host)
        avoided.append(tried.levels())
    assert avoided == [None, {0}, {0}, {0, 1}]
    tried.forget_levels()
    assert tried.levels() is None
    tried.add(FAR)
    assert tried.levels() is None
    tried.add(FAR)
    assert tried.levels() == {1}


async def test_retries_go_to_remote_localities(proxy, serve, make):
    near, far = await proxy.origin(), await proxy.origin()
    near.response = b"HTTP/1.1 503 Oops\r\ncontent-length: 0\r\n\r\n"
    groups = [
        LocalityEndpoints((Endpoint("127.0.0.1", origin.port),), priority=priority)
        for priority, origin in enumerate((near, far))
    ]
    cluster = Cluster("c", "STATIC", load_assignment=ClusterLoadAssignment("c", tuple(groups)))
    quick = {"base_interval_s": 0.001, "max_interval_s": 0.002}
    staying = RetryPolicy(2, ("5xx",), **quick)
    client = await serve(make.forward("c", retry=staying), cluster)
    assert (await client.get())[0] == 503
    assert (len(near.requests), len(far.requests)) == (3, 0)
    leaving = RetryPolicy(2, ("5xx",), previous_priorities=2, **quick)
    client = await serve(make.forward("c", retry=leaving), cluster)
    assert (await client.get())[0] == 200
    assert (len(near.requests), len(far.requests)) == (5, 1)


async def test_when_no_other_level_is_healthy_retries_stay(proxy, serve, make):
    near = await proxy.origin()
    near.response = b"HTTP/1.1 503 Oops\r\ncontent-length: 0\r\n\r\n"
    policy = RetryPolicy(3, ("5xx",), previous_priorities=1, base_interval_s=0.001)
    client = await serve(make.forward("c", retry=policy), make.cluster("c", near.port))
    assert (await client.get())[0] == 503
    assert len(near.requests) == 4
