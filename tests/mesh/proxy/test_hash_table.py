"""Where keys belong: as Envoy has it, evenly, and without moving more of them than must."""

from collections import Counter
from dataclasses import dataclass

import pytest

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.route import HashPolicy, Route, RouteMatch
from mesh.proxy.hash_table import maglev, ring

KEYS = range(0, 2**64, 2**64 // 5000)


@dataclass(frozen=True)
class Host:
    text: str
    weight: int = 1


HOSTS = [Host(f"10.0.0.{number}:80") for number in range(1, 6)]


@pytest.mark.parametrize("make", [ring, maglev])
def test_every_endpoint_gets_its_share_and_weights_count(make):
    hosts = [Host("10.0.0.1:80"), Host("10.0.0.2:80", 3)]
    table = make(hosts)
    counts = Counter(table(key, 0).text for key in KEYS)
    assert counts["10.0.0.2:80"] / len(KEYS) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("make", [ring, maglev])
def test_few_keys_of_those_that_stay_move(make):
    before, after = make(HOSTS), make(HOSTS[:-1])
    moved = sum(before(key, 0) != after(key, 0) for key in KEYS if before(key, 0) is not HOSTS[-1])
    # a ring of fewer endpoints has more places of each, and these take keys over
    assert moved < len(KEYS) * (0.25 if make is ring else 0.05)


@pytest.mark.parametrize("make", [ring, maglev])
def test_a_further_attempt_may_go_elsewhere(make):
    table = make(HOSTS)
    assert len({table(KEYS[7], attempt) for attempt in range(6)}) > 1


def test_the_order_of_the_endpoints_means_nothing_to_maglev():
    one, other = maglev(HOSTS, 211), maglev(HOSTS[::-1], 211)
    assert all(one(key, 0) is other(key, 0) for key in KEYS)


def test_a_key_after_the_last_place_belongs_to_the_first():
    table = ring(HOSTS)
    assert table(2**64 - 1, 0) is table(0, 0)


@pytest.mark.envoy
@pytest.mark.parametrize(
    "options",
    [
        {"lb_policy": "RING_HASH"},
        {"lb_policy": "RING_HASH", "hash_table_size": 7},
        {"lb_policy": "MAGLEV"},
        {"lb_policy": "MAGLEV", "hash_table_size": 211},
    ],
    ids=str,
)
async def test_the_real_envoy_sends_each_key_to_the_same_endpoint(proxy, serve, envoy, make, options):
    origins = [await proxy.origin() for _ in range(4)]
    for origin in origins:
        origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n%05d" % origin.port
    weights = (1, 1, 2, 5)
    endpoints = [
        Endpoint("127.0.0.1", origin.port, weight=weight)
        for origin, weight in zip(origins, weights, strict=True)
    ]
    found = ClusterLoadAssignment("c", (LocalityEndpoints(tuple(endpoints)),))
    cluster = Cluster("c", "STATIC", load_assignment=found, **options)
    policies = (HashPolicy("header", "x-user"), HashPolicy("query", "q"), HashPolicy("cookie", "sid"))
    forward = make.forward("c", hash_policies=policies)
    ours = await serve(forward, cluster)
    theirs = await envoy(make.routes(Route(RouteMatch(), forward)), cluster)
    requests = (
        [(f"/?q={number}", ()) for number in range(20)]
        + [("/", (f"x-user: user-{number}",)) for number in range(60)]
        + [(f"/?q={number}&q=1", (f"x-user: {number}", "x-user: b")) for number in range(10)]
        + [("/", (f'cookie: a=b; sid="{number}"',)) for number in range(10)]
        + [("/", ("x-user: a", f"cookie: sid={number}; sid=1")) for number in range(10)]
    )
    picks = []
    for path, lines in requests:
        (_, _, mine), (_, _, envoys) = await ours.get(path, "a", *lines), await theirs.get(path, "a", *lines)
        picks.append((path, lines, mine, envoys))
    assert [pick for pick in picks if pick[2] != pick[3]] == []
    assert len({pick[2] for pick in picks}) >= 3
