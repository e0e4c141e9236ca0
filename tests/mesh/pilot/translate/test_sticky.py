"""Sticky canaries: by a hash, over a line that keeps its length; judged by the proxy's own choice."""

from __future__ import annotations

from random import Random

from mesh.galley.api.annotations import Options
from mesh.http.message import Framing, Request
from mesh.model.route import (
    Forward,
    HashPolicy,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.pilot.translate.sticky import TOTAL, sticky
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.hash_policy import pick_by_key
from mesh.proxy.route import CompiledHost

BY_HEADER = Options(sticky=("header", "X-User"))
USERS = 5000


def split(first: int, second: int, options: Options = BY_HEADER) -> Forward:
    return sticky(Forward((WeightedCluster("v1", first), WeightedCluster("v2", second))), options)


def users_of_v2(forward: Forward, rng: Random) -> set[int]:
    host = VirtualHost("any", ("*",), (Route(RouteMatch(), forward),))
    (route,) = CompiledHost(host, RouteConfiguration("r", ())).routes
    info = ConnectionInfo.__new__(ConnectionInfo)  # no part of it is looked at
    found = set()
    for user in range(USERS):
        fields = {b"host": b"a", b"x-user": b"user-%d" % user}
        request = Request(b"GET", b"/", b"a", fields, [], Framing.NONE, True)
        if pick_by_key(route, request, info, rng).cluster == "v2":
            found.add(user)
    return found


def test_weights_are_brought_to_one_sum() -> None:
    for first, second in ((95, 5), (19, 1), (1, 2), (100, 0)):
        forward = split(first, second)
        assert sum(one.weight for one in forward.clusters) == TOTAL
        assert forward.sticky
    assert split(19, 1) == split(95, 5)
    assert split(1, 1).hash_policies == (HashPolicy("header", "x-user"),)


def test_without_the_annotation_or_a_choice_nothing_changes() -> None:
    assert not split(1, 1, Options()).sticky
    lone = Forward((WeightedCluster("v1"),))
    assert sticky(lone, BY_HEADER) == lone


def test_nobody_loses_the_new_version_while_its_share_grows() -> None:
    """Shares hit their mark: 5000 users at 5, 25 and 50 %, each within 5.3 deviations (chance below 1e-6)."""
    before: set[int] = set()
    for percent in (5, 25, 50, 100):
        now = users_of_v2(split(100 - percent, percent), Random(1))
        assert before <= now
        assert now == users_of_v2(split(100 - percent, percent), Random(2))
        share = percent / 100
        assert abs(len(now) - USERS * share) <= 5.3 * (USERS * share * (1 - share)) ** 0.5
        before = now
